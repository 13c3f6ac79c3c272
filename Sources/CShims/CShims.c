#define _GNU_SOURCE
#include "CShims.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/xattr.h>
#include <unistd.h>

int nodepassd_rename_noreplace(int old_directory, const char *old_name, int new_directory, const char *new_name) {
  return renameat2(old_directory, old_name, new_directory, new_name, RENAME_NOREPLACE);
}

int nodepassd_rename_exchange(int old_directory, const char *old_name, int new_directory, const char *new_name) {
  return renameat2(old_directory, old_name, new_directory, new_name, RENAME_EXCHANGE);
}

int nodepassd_openat(int directory, const char *name, int flags, unsigned int mode) {
  return openat(directory, name, flags, mode);
}

int nodepassd_own(int path_descriptor, unsigned int user, unsigned int group) {
  return fchownat(path_descriptor, "", user, group, AT_EMPTY_PATH);
}

void nodepassd_copy_security_label(const char *path, int file) {
  static const char *const attribute = "security.selinux";
  char label[256];
  ssize_t size = lgetxattr(path, attribute, label, sizeof label);
  if (size > 0) (void)fsetxattr(file, attribute, label, (size_t)size, 0);
}

int nodepassd_forbid_core_dumps(void) { return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }

int nodepassd_close_from(posix_spawn_file_actions_t *actions, int first) {
  return posix_spawn_file_actions_addclosefrom_np(actions, first);
}

void nodepassd_wipe(void *bytes, size_t count) { explicit_bzero(bytes, count); }
