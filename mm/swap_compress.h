/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the rest of mm calls of mm/swap_compress_wq.c; included by mm/swap.h.
 *
 * Switched off, each call is a static branch.
 */
#ifndef _MM_SWAP_COMPRESS_H
#define _MM_SWAP_COMPRESS_H

#include <linux/jump_label.h>
#include <linux/list.h>
#include <linux/page-flags.h>

struct folio;
struct swap_iocb;

/* swap_writeout() of an accepted folio returns it, see positive_aop_returns. */
#define SWAP_WRITEOUT_QUEUED	0x80002

#ifdef CONFIG_SWAP_COMPRESS_WQ
DECLARE_STATIC_KEY_FALSE(swap_compress_enabled);

bool __swap_compress_queue(struct folio *folio);
void __swap_compress_plug(struct list_head *folios);
unsigned long __swap_compress_credit(int nid, unsigned long nr_pages);
void __swap_compress_push(void);
bool __swap_compress_wait(void);

static inline bool swap_compress_on(void)
{
	return static_branch_unlikely(&swap_compress_enabled);
}
#else
static inline bool __swap_compress_queue(struct folio *folio) { return false; }
static inline void __swap_compress_plug(struct list_head *folios) {}
static inline unsigned long __swap_compress_credit(int nid, unsigned long nr)
{
	return 0;
}
static inline void __swap_compress_push(void) {}
static inline bool __swap_compress_wait(void) { return false; }
static inline bool swap_compress_on(void) { return false; }
#endif

/*
 * Is the folio handed over, and unlocked? Only reclaim plugs its writes, and knows
 * what to do then: others also write shmem to swap.
 */
static inline bool swap_compress_queue(struct folio *folio,
				       struct swap_iocb **swap_plug)
{
	return swap_compress_on() && swap_plug && __swap_compress_queue(folio);
}

/* Pass on what was handed over, after the TLB flush. */
static inline void swap_compress_plug(struct list_head *folios)
{
	/* Whatever the key says by now */
	if (!list_empty(folios))
		__swap_compress_plug(folios);
}

/*
 * Pages handed over are progress, or kswapd would raise its priority and give
 * up; but they count as stolen only when a worker has freed them.
 */
static inline unsigned long swap_compress_credit(int nid,
						 unsigned long *nr_queued)
{
	unsigned long nr_pages = *nr_queued;

	*nr_queued = 0;
	return nr_pages ? __swap_compress_credit(nid, nr_pages) : 0;
}

/* Put what is plugged on its way. */
static inline void swap_compress_push(void)
{
	if (swap_compress_on())
		__swap_compress_push();
}

/* Was something freed while we waited for it? */
static inline bool swap_compress_wait(void)
{
	return swap_compress_on() && __swap_compress_wait();
}

/*
 * Must a folio under writeback not be written to by its next user? If it is queued,
 * hence off the LRU, perhaps for zswap, whatever the swap device says.
 */
static inline bool swap_compress_stable_writes(struct folio *folio)
{
	return swap_compress_on() && !folio_test_lru(folio);
}

#endif /* _MM_SWAP_COMPRESS_H */
