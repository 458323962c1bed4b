/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What mm/swap_compress_wq.c and the rest of mm call of each other; included by
 * mm/swap.h. Switched off, each call of the rest of mm is a static branch.
 */
#ifndef _MM_SWAP_COMPRESS_H
#define _MM_SWAP_COMPRESS_H

#include <linux/jump_label.h>
#include <linux/list.h>
#include <linux/nodemask.h>
#include <linux/page-flags.h>

struct bio;
struct bio_vec;
struct folio;
struct swap_iocb;
struct zonelist;

/* Returned by swap_store_in_memory() */
enum swap_store {
	SWAP_STORED_ZERO,	/* in the zero map */
	SWAP_STORED_ZSWAP,
	SWAP_STORE_DEVICE,	/* not stored: the device is next */
	SWAP_STORE_REFUSED,	/* not stored, and its memcg forbids the device */
};

/* linux/mm/page_io.c */
enum swap_store swap_store_in_memory(struct folio *folio);
bool swap_folio_synchronous(struct folio *folio);
bool swap_bio_add_write(struct bio *bio, struct folio *folio);
void swap_bio_init_write(struct bio *bio, struct bio_vec *bvecs,
			 unsigned short nr_bvecs, struct folio *folio);

/* linux/mm/zswap.c */
bool zswap_check_limits(void);

/* swap_writeout() of an accepted folio returns it, see positive_aop_returns. */
#define SWAP_WRITEOUT_QUEUED	0x80002

#ifdef CONFIG_SWAP_COMPRESS_WQ
DECLARE_STATIC_KEY_FALSE(swap_compress_enabled);

bool __swap_compress_queue(struct folio *folio);
void __swap_compress_plug(struct list_head *folios);
unsigned long __swap_compress_credit(int nid, unsigned long nr_pages);
void __swap_compress_push(void);
bool __swap_compress_wait(const nodemask_t *nodes);
bool __swap_compress_throttle(struct zonelist *zonelist, int order, gfp_t gfp,
			      nodemask_t *nodes);

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

static inline bool __swap_compress_wait(const nodemask_t *nodes)
{
	return false;
}

static inline bool __swap_compress_throttle(struct zonelist *zonelist, int order,
					    gfp_t gfp, nodemask_t *nodes)
{
	return false;
}

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
static inline bool swap_compress_wait(const nodemask_t *nodes)
{
	return swap_compress_on() && __swap_compress_wait(nodes);
}

/* Have workers freed enough while we waited, instead of reclaiming? */
static inline bool swap_compress_throttle(struct zonelist *zonelist, int order,
					  gfp_t gfp, nodemask_t *nodes)
{
	return swap_compress_on() &&
	       __swap_compress_throttle(zonelist, order, gfp, nodes);
}

/*
 * May the folio be queued? Then its next user must not write to it, but to a copy,
 * whatever the swap device says of stable writes: it may be for zswap. Nor must
 * anybody else who still has it in a TLB, if it was handed over just now.
 */
static inline bool swap_compress_queued(struct folio *folio)
{
	return swap_compress_on() && folio_test_writeback(folio) &&
	       !folio_test_lru(folio);
}

#endif /* _MM_SWAP_COMPRESS_H */
