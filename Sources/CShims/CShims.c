#define _GNU_SOURCE
#include "CShims.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

int nodepassd_rename_noreplace(int old_directory, const char *old_name, int new_directory, const char *new_name) {
  return renameat2(old_directory, old_name, new_directory, new_name, RENAME_NOREPLACE);
}

int nodepassd_openat(int directory, const char *name, int flags, unsigned int mode) {
  return openat(directory, name, flags, mode);
}

int nodepassd_forbid_core_dumps(void) { return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }

void nodepassd_wipe(void *bytes, size_t count) { explicit_bzero(bytes, count); }
