#ifndef NODEPASSD_CSHIMS_H
#define NODEPASSD_CSHIMS_H

/* What Swift cannot call: GNU-only functions and variadic ones. */

#include <stddef.h>

#include "SystemShims.h"

/* renameat2(2) with RENAME_NOREPLACE: 0, or -1 with errno (EEXIST when the new name is taken). */
int nodepassd_rename_noreplace(int old_directory, const char *old_name, int new_directory, const char *new_name);

/* open(2) relative to a directory, with a mode: a descriptor, or -1 with errno. */
int nodepassd_openat(int directory, const char *name, int flags, unsigned int mode);

/* prctl(PR_SET_DUMPABLE, 0): no core dump may carry a password. 0, or -1 with errno. */
int nodepassd_forbid_core_dumps(void);

/* explicit_bzero(3): a wipe the optimiser keeps. */
void nodepassd_wipe(void *bytes, size_t count);

#endif
