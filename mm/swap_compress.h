/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What swap_compress and the rest of mm use of each other; included by mm/swap.h. While
 * swap_compress is off, nearly every call from the rest of mm costs a static branch
 * only.
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
struct mem_cgroup;
struct pglist_data;
struct swap_iocb;
struct mm_struct;
struct zonelist;

/* Returned by swap_store_in_memory() */
enum swap_store {
	SWAP_STORED_ZERO,	/* in the zero map */
	SWAP_STORED_ZSWAP,
	SWAP_STORE_DEVICE,	/* not stored: write it to the device */
	SWAP_STORE_REFUSED,	/* not stored, and the memcg forbids the device */
};

/* linux/mm/page_io.c */
enum swap_store swap_store_in_memory(struct folio *folio);
bool swap_folio_synchronous(struct folio *folio);
bool swap_bio_add_write(struct bio *bio, struct folio *folio);
void swap_bio_init_write(struct bio *bio, struct bio_vec *bvecs,
			 unsigned short nr_bvecs, struct folio *folio);
void swap_submit_write(struct folio *folio);

/* linux/mm/zswap.c */
bool zswap_is_full(void);

/* linux/mm/vmscan.c */
bool reclaim_swapcache_folio(struct folio *folio);
bool reclaim_is_proactive(void);

/* swap_writeout() returns this for a queued folio; see positive_aop_returns. */
#define SWAP_WRITEOUT_QUEUED	0x80002

#ifdef CONFIG_SWAP_COMPRESS_WQ
DECLARE_STATIC_KEY_FALSE(swap_compress_enabled);

bool __swap_compress_queue(struct folio *folio);
void __swap_compress_plug(struct list_head *folios);
unsigned long __swap_compress_deduct(int nid, unsigned long nr_reclaimed);
void __swap_compress_push(void);
void __swap_compress_wait_range(unsigned long start_pfn, unsigned long end_pfn);
unsigned long __swap_compress_inflight(int nid);
void __swap_compress_hold(int nid);
int __swap_compress_move_error(struct folio *folio);
bool __swap_compress_swap_shared(swp_entry_t entry);
int __swap_compress_unshare(struct mm_struct *mm, unsigned long addr, int err);
bool __swap_compress_wait(struct zonelist *zonelist, int order, gfp_t gfp,
			  nodemask_t *nodes);
bool __swap_compress_throttle(struct zonelist *zonelist, int order, gfp_t gfp,
			      nodemask_t *nodes);
bool __swap_compress_wait_node(struct pglist_data *pgdat, int order,
			       int highest_zoneidx);

static inline bool swap_compress_on(void)
{
	return static_branch_unlikely(&swap_compress_enabled);
}
#else
static inline bool __swap_compress_queue(struct folio *folio) { return false; }
static inline void __swap_compress_plug(struct list_head *folios) {}

static inline unsigned long __swap_compress_deduct(int nid, unsigned long nr)
{
	return nr;
}

static inline void __swap_compress_push(void) {}
static inline void __swap_compress_wait_range(unsigned long start_pfn,
					      unsigned long end_pfn)
{
}

static inline unsigned long __swap_compress_inflight(int nid) { return 0; }
static inline void __swap_compress_hold(int nid) {}
static inline int __swap_compress_move_error(struct folio *folio) { return -EBUSY; }
static inline bool __swap_compress_swap_shared(swp_entry_t entry) { return true; }

static inline int __swap_compress_unshare(struct mm_struct *mm,
					  unsigned long addr, int err)
{
	return -EBUSY;
}

static inline bool __swap_compress_wait(struct zonelist *zonelist, int order,
					gfp_t gfp, nodemask_t *nodes)
{
	return false;
}

static inline bool __swap_compress_throttle(struct zonelist *zonelist, int order,
					    gfp_t gfp, nodemask_t *nodes)
{
	return false;
}

static inline bool __swap_compress_wait_node(struct pglist_data *pgdat,
					     int order, int highest_zoneidx)
{
	return false;
}

static inline bool swap_compress_on(void) { return false; }
#endif

#if defined(CONFIG_SWAP_COMPRESS_WQ) && defined(CONFIG_MEMCG)
bool __swap_compress_wait_memcg(struct mem_cgroup *memcg, gfp_t gfp);
#else
static inline bool __swap_compress_wait_memcg(struct mem_cgroup *memcg, gfp_t gfp)
{
	return false;
}
#endif

/*
 * Returns true if the folio is handed over, and unlocked. Only shrink_folio_list()
 * gives a @swap_plug and collects queued folios. Drivers' shrinkers, which also write
 * shmem to swap, give none, and would lose them.
 */
static inline bool swap_compress_queue(struct folio *folio,
				       struct swap_iocb **swap_plug)
{
	return swap_compress_on() && swap_plug && __swap_compress_queue(folio);
}

/* Pass on the folios that were handed over, after the TLB flush. */
static inline void swap_compress_plug(struct list_head *folios)
{
	/* swap_compress may have been switched off since. */
	if (!list_empty(folios))
		__swap_compress_plug(folios);
}

/*
 * Pages count as reclaimed as soon as they are handed over. Otherwise kswapd would scan
 * for more, and count a failure although memory is on its way. They count as stolen
 * when a worker has freed them.
 */
static inline unsigned long swap_compress_credit(unsigned long *nr_queued)
{
	unsigned long nr_pages = *nr_queued;

	*nr_queued = 0;
	return nr_pages;
}

/* Subtracts pages that could not be freed after all from @nr_reclaimed. */
static inline unsigned long swap_compress_deduct(int nid,
						 unsigned long nr_reclaimed)
{
	return swap_compress_on() ? __swap_compress_deduct(nid, nr_reclaimed) :
				    nr_reclaimed;
}

/*
 * kswapd has slept. It counts anew, and pages that were put back in the meantime have
 * nothing to do with that.
 */
static inline void swap_compress_forget_debt(int nid)
{
	swap_compress_deduct(nid, LONG_MAX);
}

/* Have workers take what the plug lists hold. */
static inline void swap_compress_push(void)
{
	if (swap_compress_on())
		__swap_compress_push();
}

/* Wait until no page of a range is in flight. Its pageblocks are isolated. */
static inline void swap_compress_wait_range(unsigned long start_pfn,
					    unsigned long end_pfn)
{
	if (swap_compress_on())
		__swap_compress_wait_range(start_pfn, end_pfn);
}

/* Compaction waits until fewer pages of a node are isolated. */
static inline void swap_compress_hold(int nid)
{
	if (swap_compress_on())
		__swap_compress_hold(nid);
}

/* Pages of a node that are on no LRU and will soon be free */
static inline unsigned long swap_compress_inflight(int nid)
{
	return swap_compress_on() ? __swap_compress_inflight(nid) : 0;
}

/* Wait for pages in flight. Returns true if the allocation can succeed now. */
static inline bool swap_compress_wait(struct zonelist *zonelist, int order,
				      gfp_t gfp, nodemask_t *nodes)
{
	return swap_compress_on() &&
	       __swap_compress_wait(zonelist, order, gfp, nodes);
}

static inline bool swap_compress_wait_memcg(struct mem_cgroup *memcg, gfp_t gfp)
{
	return swap_compress_on() && __swap_compress_wait_memcg(memcg, gfp);
}

/* Wait before kswapd has the OOM killer run. Returns true if the node is balanced. */
static inline bool swap_compress_wait_node(struct pglist_data *pgdat, int order,
					   int highest_zoneidx)
{
	return swap_compress_on() &&
	       __swap_compress_wait_node(pgdat, order, highest_zoneidx);
}

/* Like swap_compress_wait(), for a task that waits instead of reclaiming */
static inline bool swap_compress_throttle(struct zonelist *zonelist, int order,
					  gfp_t gfp, nodemask_t *nodes)
{
	return swap_compress_on() &&
	       __swap_compress_throttle(zonelist, order, gfp, nodes);
}

/*
 * May swap_compress own the folio? Then a worker may be reading it, and its next user
 * must write to a copy. This holds for zswap too, whatever the swap device says about
 * stable writes. If the folio was queued just now, another CPU may still have a
 * writable TLB entry, which must be flushed first.
 */
static inline bool swap_compress_owns(struct folio *folio)
{
	return swap_compress_on() && folio_test_writeback(folio) &&
	       !folio_test_lru(folio);
}

/*
 * UFFDIO_MOVE found a page that is not mapped as exclusive, or that was not when it
 * was swapped. Returns -EBUSY if the page is shared. Otherwise the page may have been
 * read while it was queued, and swap_compress_unshare() can make it exclusive. Then
 * returns -ENOTUNIQ or -ENOLCK.
 */
static inline int swap_compress_move_error(struct folio *folio)
{
	return swap_compress_on() && folio ? __swap_compress_move_error(folio) :
					     -EBUSY;
}

static inline int swap_compress_move_swap_error(swp_entry_t entry)
{
	return swap_compress_on() && !__swap_compress_swap_shared(entry) ?
		       -ENOTUNIQ : -EBUSY;
}

/* Does this error mean that swap_compress_unshare() can help? */
static inline bool swap_compress_may_unshare(int err)
{
	return err == -ENOTUNIQ || err == -ENOLCK;
}

/* Returns 0 to try again, or an error if the page cannot be made exclusive. */
static inline int swap_compress_unshare(struct mm_struct *mm, unsigned long addr,
					int err)
{
	return __swap_compress_unshare(mm, addr, err);
}

#ifdef CONFIG_ARM64_MTE
#include <asm/mte.h>

/* Does the folio have memory tags? They are part of its content. */
static inline bool swap_compress_has_tags(struct folio *folio)
{
	long i;

	if (!system_supports_mte())
		return false;
	for (i = 0; i < folio_nr_pages(folio); i++) {
		if (page_mte_tagged(folio_page(folio, i)))
			return true;
	}
	return false;
}
#else
static inline bool swap_compress_has_tags(struct folio *folio) { return false; }
#endif

#endif /* _MM_SWAP_COMPRESS_H */
