// SPDX-License-Identifier: GPL-2.0
/*
 * What a worker does with the folios of a batch before their writeback ends: it cancels
 * those that need no store, and stores the others in zswap or on the swap device. For
 * the rest of their way see "DOC: overview" in swap_compress.c.
 */

#define pr_fmt(fmt) "swap_compress: " fmt

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/pagemap.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/swap.h>
#include "internal.h"
#include "swap.h"
#include "swap_compress_internal.h"

/*********************************
 * cancel
 **********************************/

/**
 * swap_compress_has_slot_users() - does a page table have a swap entry of a folio?
 * @folio: in the swap cache, which pins its slots
 *
 * Context: any.
 * Return: true if one has, for any page of @folio.
 */
bool swap_compress_has_slot_users(struct folio *folio)
{
	swp_entry_t entry = folio->swap;
	long nr_pages = folio_nr_pages(folio);

	guard(rcu)();	/* __swap_count() asks for it; the swap cache pins the slots. */
	for (; nr_pages; nr_pages--, entry.val++) {
		if (__swap_count(entry))
			return true;
	}
	return false;
}

/*
 * Does the folio have no user left: it is not mapped, and no page table has its swap
 * entry? The lock excludes a fault, which exchanges the swap entry for a mapping under
 * it. A KSM folio can be mapped again without a swap entry.
 */
static bool swap_compress_unused(struct folio *folio)
{
	bool unused;

	/* Mostly it is in use: see that without the lock. */
	if (swap_compress_has_slot_users(folio) || folio_test_ksm(folio) ||
	    !folio_trylock(folio))
		return false;
	unused = !folio_mapped(folio) && !swap_compress_has_slot_users(folio);
	folio_unlock(folio);
	return unused;
}

/*
 * Is a page of the folio poisoned? memory_failure() marks a page, but not the large
 * folio that it is part of, if that is not on the LRU. With the mark reclaim sees it.
 */
static bool swap_compress_is_poisoned(struct folio *folio)
{
	long i;

	if (!IS_ENABLED(CONFIG_MEMORY_FAILURE) || !folio_test_large(folio))
		return folio_test_hwpoison(folio);
	for (i = 0; i < folio_nr_pages(folio); i++) {
		if (PageHWPoison(folio_page(folio, i)))
			folio_set_has_hwpoisoned(folio);
	}
	return folio_test_has_hwpoisoned(folio);
}

/**
 * swap_compress_cancel() - settle the folios that need no store
 * @job: batch
 *
 * A folio that is in use again becomes dirty: otherwise swap-in would read a slot that
 * was never written.
 *
 * Context: worker; does not sleep.
 */
void swap_compress_cancel(struct scq_job *job)
{
	struct folio *folio, *next;

	list_for_each_entry_safe(folio, next, &job->folios, lru) {
		if (folio_mapped(folio) || folio_test_dirty(folio))
			scq_settle(job, folio, SCQ_CANCELLED_REFAULT);
		else if (swap_compress_unused(folio))
			scq_settle(job, folio, SCQ_CANCELLED_FREED);
		else if (swap_compress_is_poisoned(folio))
			/* A fault has to find it in the swap cache. */
			scq_settle(job, folio, SCQ_FAILED);
	}
}

/*********************************
 * store
 **********************************/

/*
 * If a cgroup has reached its share of zswap, zswap_store() writes older pages of that
 * cgroup to the disk. The statistics that tell may be old: any share counts here.
 */
static bool swap_compress_may_shrink_zswap(struct folio *folio)
{
#if defined(CONFIG_MEMCG) && defined(CONFIG_ZSWAP)
	struct mem_cgroup *memcg;

	if (swap_folio_synchronous(folio))
		return false;
	guard(rcu)();	/* for folio_memcg() */
	for (memcg = folio_memcg(folio); memcg && !mem_cgroup_is_root(memcg);
	     memcg = parent_mem_cgroup(memcg)) {
		if (READ_ONCE(memcg->zswap_max) != PAGE_COUNTER_MAX)
			return true;
	}
#endif
	return false;
}

/**
 * swap_compress_store_memory() - store folios in the zero map and in zswap
 * @job: batch
 *
 * Tries both, as swap_writeout() does. zswap_store() asks for a locked folio. A folio
 * that is under writeback, isolated and in the swap cache is as safe:
 *
 * 1. A concurrent store of the same slots would have to isolate the folio, and to
 *    find it not under writeback, see shrink_folio_list().
 *
 * 2. A load, or zswap's own writeback, would have to add a new folio for the slots
 *    to the swap cache, where this one is.
 *
 * 3. An invalidation would need the slots to be free. The swap cache holds them,
 *    and folio_free_swap() releases them only after writeback.
 *
 * 4. The content is stable: no TLB has an entry any more, and whoever maps the
 *    folio while it is under writeback gets it read-only, see
 *    swap_compress_owns().
 *
 * Context: worker; may sleep.
 */
void swap_compress_store_memory(struct scq_job *job)
{
	struct folio *folio, *next;

	list_for_each_entry_safe(folio, next, &job->folios, lru) {
		/* A busy disk makes us wait: first free what is already stored. */
		if (swap_compress_may_shrink_zswap(folio))
			scq_finish_settled(job);
		switch (swap_store_in_memory(folio)) {
		case SWAP_STORED_ZERO:
			scq_settle(job, folio, SCQ_STORED_ZERO);
			break;
		case SWAP_STORED_ZSWAP:
			scq_settle(job, folio, SCQ_STORED_ZSWAP);
			break;
		case SWAP_STORE_REFUSED:
			scq_settle(job, folio, SCQ_FAILED);
			break;
		case SWAP_STORE_DEVICE:
			break;
		}
		cond_resched();
	}
}

/* Folios in a bio; bounded because the bio_vecs are on the stack */
#define SWAP_COMPRESS_BIO_FOLIOS	SWAP_CLUSTER_MAX

static int swap_compress_write_bio(struct bio *bio)
{
	if (scq_should_fail(SCQ_FAULT_BIO)) {
		bio_uninit(bio);	/* as bio_endio() does */
		return -EIO;
	}
	return submit_bio_wait(bio);
}

/* Write part of a large folio. @private is a bio of all of it, never submitted. */
static bool swap_compress_store_slice(void *private, unsigned int first_page,
				      unsigned int nr_pages)
{
	struct bio *whole = private;
	struct bio bio;
	int err;

	if (bio_init_clone(whole->bi_bdev, &bio, whole, GFP_NOIO))
		return false;
	bio_trim(&bio, (sector_t)first_page << PAGE_SECTORS_SHIFT,
		 (sector_t)nr_pages << PAGE_SECTORS_SHIFT);
	err = swap_compress_write_bio(&bio);
	bio_uninit(&bio);
	return !err;
}

static int swap_compress_write_large(struct scq *scq, struct folio *folio)
{
	struct bio_vec bvec;
	struct bio bio;
	bool stored;

	swap_bio_init_write(&bio, &bvec, 1, folio);
	stored = scq_store_slices(scq, folio_nr_pages(folio),
				  swap_compress_store_slice, &bio);
	bio_uninit(&bio);
	return stored ? 0 : -EIO;
}

static bool swap_compress_same_memcg(struct folio *a, struct folio *b)
{
	guard(rcu)();
	return folio_memcg(a) == folio_memcg(b);
}

/*
 * Write the first of @folios, and up to @max - 1 folios that follow it on the
 * device, with one bio. Returns the number of folios in it.
 */
static unsigned int swap_compress_write(struct list_head *folios,
					unsigned int max, int *err)
{
	struct folio *first = list_first_entry(folios, struct folio, lru);
	struct bio_vec bvecs[SWAP_COMPRESS_BIO_FOLIOS];
	struct folio *folio = first;
	unsigned int nr = 1;
	struct bio bio;

	swap_bio_init_write(&bio, bvecs, max, folio);
	list_for_each_entry_continue(folio, folios, lru) {
		if (nr == max || !swap_compress_same_memcg(first, folio) ||
		    folio_nr_pages(folio) > SCQ_SLICE_PAGES ||
		    !swap_bio_add_write(&bio, folio))
			break;
		nr++;
	}
	*err = swap_compress_write_bio(&bio);
	return nr;
}

/**
 * swap_compress_submit_async() - start writes to a disk
 * @job: batch
 *
 * zswap did not take these folios, and a disk is behind it. A worker does not wait
 * for a disk: it starts the write, and returns the folio to the LRU with PG_reclaim
 * set. When the write ends, the folio moves to where reclaim frees it next. Reclaim
 * without this feature does the same.
 *
 * Context: worker; may sleep.
 */
void swap_compress_submit_async(struct scq_job *job)
{
	bool finished = false;
	struct folio *folio, *next;
	struct blk_plug plug;

	blk_start_plug(&plug);
	list_for_each_entry_safe(folio, next, &job->folios, lru) {
		if (swap_folio_synchronous(folio))
			continue;
		/* A busy disk makes us wait: first free what is already stored. */
		if (!finished)
			scq_finish_settled(job);
		finished = true;
		swap_submit_write(folio);
		scq_settle(job, folio, SCQ_SUBMITTED);
		cond_resched();
	}
	blk_finish_plug(&plug);
}

/**
 * swap_compress_store_device() - write the folios left to a synchronous swap device
 * @job: batch
 *
 * Folios that follow each other on the device share a bio. If it fails, each of them is
 * written alone.
 *
 * Context: worker; may sleep.
 */
void swap_compress_store_device(struct scq_job *job)
{
	struct folio *folio;
	unsigned int alone = 0;

	while ((folio = list_first_entry_or_null(&job->folios, struct folio,
						 lru))) {
		unsigned int nr = 1;
		int err;

		if (folio_nr_pages(folio) > SCQ_SLICE_PAGES)
			err = swap_compress_write_large(job->scq, folio);
		else
			nr = swap_compress_write(&job->folios,
						 alone ? 1 : SWAP_COMPRESS_BIO_FOLIOS,
						 &err);
		if (err && nr > 1) {
			alone = nr;	/* to find out which of them failed */
			continue;
		}
		if (alone)
			alone--;

		while (nr--) {
			folio = list_first_entry(&job->folios, struct folio,
						 lru);
			if (err)
				pr_alert_ratelimited("Write-error %d on swap entry %lx\n",
						     err, folio->swap.val);
			scq_settle(job, folio, err ? SCQ_FAILED : SCQ_STORED);
		}
		cond_resched();
	}
}
