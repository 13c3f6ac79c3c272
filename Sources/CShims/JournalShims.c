#define _GNU_SOURCE
#include "JournalShims.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static _Thread_local volatile sig_atomic_t is_reading;
static _Thread_local volatile unsigned int missing_pages;
static struct sigaction previous;
static uintptr_t page_size;

static void on_bus_error(int number, siginfo_t *info, void *context) {
  (void)context;
  if (is_reading && info->si_code == BUS_ADRERR) {
    void *page = (void *)((uintptr_t)info->si_addr & ~(page_size - 1));
    if (mmap(page, page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page) {
      missing_pages++;
      return;
    }
  }
  /* Not ours: the access happens again, and meets whoever was there before us. */
  sigaction(number, &previous, NULL);
}

static void install(void) {
  page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
  struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART};
  sigemptyset(&action.sa_mask);
  (void)sigaction(SIGBUS, &action, &previous);
}

void nodepassd_begin_mapped_reading(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  (void)pthread_once(&once, install);
  missing_pages = 0;
  is_reading = 1;
}

unsigned int nodepassd_end_mapped_reading(void) {
  is_reading = 0;
  return missing_pages;
}

void nodepassd_drop_journal_pages(void) {
  FILE *maps = fopen("/proc/self/maps", "re");
  if (!maps) return;
  char *line = NULL;
  size_t size = 0;
  while (getline(&line, &size, maps) > 0) {
    uintmax_t start, end;
    char rights[5];
    /* Shared and only read: nothing is lost with the pages. */
    if (sscanf(line, "%jx-%jx %4s", &start, &end, rights) != 3 || strcmp(rights, "r--s") != 0) continue;
    if (strstr(line, ".journal")) (void)madvise((void *)(uintptr_t)start, (size_t)(end - start), MADV_DONTNEED);
  }
  free(line);
  (void)fclose(maps);
}
