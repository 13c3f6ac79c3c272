#define _GNU_SOURCE
#include "SystemShims.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/timerfd.h>
#include <time.h>

int nodepassd_open_path(int directory, const char *name) {
  return openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

int nodepassd_boottime_timer(void) { return timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC); }

int nodepassd_set_boottime_timer(int timer, int64_t nanoseconds) {
  struct itimerspec when = {
      .it_value = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000},
  };
  return timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}
