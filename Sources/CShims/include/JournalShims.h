#ifndef NODEPASSD_JOURNAL_SHIMS_H
#define NODEPASSD_JOURNAL_SHIMS_H

/* libsystemd reads the journal through mappings, and a mapped page that is not there (the file was cut short, the disk
   cannot read it) is a SIGBUS: the end of whoever reads. Between these two calls, on this thread, such a page reads as
   zeros instead, which libsystemd takes for a damaged file. */

/* Begins. Calls do not nest. */
void nodepassd_begin_mapped_reading(void);

/* Ends; how many pages were not there. */
unsigned int nodepassd_end_mapped_reading(void);

/* Lets go of what was touched of the journal's mapped files: it comes back from the page cache when it is used again.
   libsystemd keeps every file mapped that it ever looked into, and a few touches of each add up. */
void nodepassd_drop_journal_pages(void);

#endif
