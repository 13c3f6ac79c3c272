#ifndef NODEPASSD_CSHIMS_H
#define NODEPASSD_CSHIMS_H

/* What Swift cannot call: GNU-only functions and variadic ones. */

#include <spawn.h>
#include <stddef.h>

#include "JournalShims.h"
#include "SystemShims.h"

/* renameat2(2) with RENAME_NOREPLACE: 0, or -1 with errno (EEXIST when the new name is taken). */
int nodepassd_rename_noreplace(int old_directory, const char *old_name, int new_directory, const char *new_name);

/* renameat2(2) with RENAME_EXCHANGE: the two names change places at once. 0, or -1 with errno. */
int nodepassd_rename_exchange(int old_directory, const char *old_name, int new_directory, const char *new_name);

/* open(2) relative to a directory, with a mode: a descriptor, or -1 with errno. */
int nodepassd_openat(int directory, const char *name, int flags, unsigned int mode);

/* fchownat(2) of the file that an O_PATH descriptor names: 0, or -1 with errno. */
int nodepassd_own(int path_descriptor, unsigned int user, unsigned int group);

/* Copies the SELinux label of the file at path to an open file, where both have one. */
void nodepassd_copy_security_label(const char *path, int file);

/* prctl(PR_SET_DUMPABLE, 0): no core dump may carry a password. 0, or -1 with errno. */
int nodepassd_forbid_core_dumps(void);

/* A program that is to be started inherits no descriptor from this one on (closefrom(3)). 0, or an errno. */
int nodepassd_close_from(posix_spawn_file_actions_t *actions, int first);

/* explicit_bzero(3): a wipe the optimiser keeps. */
void nodepassd_wipe(void *bytes, size_t count);

#endif
