/* SPDX-License-Identifier: GPL-2.0 */
/* Processes that leave no CPU idle, and have no use for memory. */
#ifndef SWAP_COMPRESS_BUSY_H
#define SWAP_COMPRESS_BUSY_H

#include <sys/types.h>

struct busy {
	unsigned int nr;
	unsigned long *rounds;	/* what each of them has done, shared with them */
	pid_t group;
};

/* One for each CPU that is online. Ends the program if that cannot be done. */
void busy_start(struct busy *busy);
/* What they have done together; 0 before they are started. */
unsigned long busy_rounds(const struct busy *busy);
void busy_stop(struct busy *busy);

#endif /* SWAP_COMPRESS_BUSY_H */
