#ifndef NODEPASSD_SYSTEM_SHIMS_H
#define NODEPASSD_SYSTEM_SHIMS_H

/* GNU-only calls of the machine's own ports. */

#include <stdint.h>

/* openat(2) with O_PATH | O_NOFOLLOW | O_CLOEXEC: names a file, link or directory without opening it.
   A descriptor, or -1 with errno. */
int nodepassd_open_path(int directory, const char *name);

/* A non-blocking timerfd on CLOCK_BOOTTIME, which counts through suspend. A descriptor, or -1 with errno. */
int nodepassd_boottime_timer(void);

/* Sets such a timer to that absolute moment; 0 disarms it. What had expired before is forgotten. 0, or -1 with errno. */
int nodepassd_set_boottime_timer(int timer, int64_t nanoseconds);

/* Whether the kernel takes its clock for synchronised (adjtimex(2)): 1 or 0, or -1 with errno. */
int nodepassd_clock_is_synchronised(void);

/* Lets go of the pages of code and constants that are mapped now: they come back from the page cache when they are used
   again. What only the start needed no longer counts as this process's memory. */
void nodepassd_drop_clean_pages(void);

/* Gives what is free of every thread's memory back to the kernel (malloc_trim(3)). */
void nodepassd_trim_memory(void);

#endif
