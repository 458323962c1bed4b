/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pages with content that can be told apart.
 *
 * Page @index of generation @gen holds one piece of the mix (real files,
 * so that the compressors work as they do in life) under an eight byte stamp.
 * Neighbours and generations take far pieces and other stamps: a page that is
 * misplaced, stale, torn or merely damaged does not compare equal. Pieces of
 * the mix that are all zero stay so, without a stamp.
 */
#ifndef SWAP_COMPRESS_MIX_H
#define SWAP_COMPRESS_MIX_H

#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#define PAGE_BYTES	((unsigned long)sysconf(_SC_PAGESIZE))
#define MAX_PAGE_BYTES	65536
#define MIB		(1024 * 1024UL)
#define PAGES_PER_MIB	(MIB / PAGE_BYTES)

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#endif

struct mix {
	const unsigned char *data;
	unsigned long pages;
	bool *zero;		/* of each page: nothing but zeroes */
	unsigned long seed;	/* of this run, in every stamp */
};

/* Maps and locks the file; ends the program when it cannot be used. */
void mix_open(struct mix *mix, const char *path);

void mix_write(const struct mix *mix, void *page, unsigned long index,
	       unsigned long gen);

/* Compares every byte; returns how many are wrong. */
unsigned int mix_check(const struct mix *mix, const void *page,
		       unsigned long index, unsigned long gen);

#endif /* SWAP_COMPRESS_MIX_H */
