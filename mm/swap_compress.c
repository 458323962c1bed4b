// SPDX-License-Identifier: GPL-2.0
/*
 * Compress swapped-out folios on a workqueue instead of in kswapd: which folios are
 * handed over, and how workers finish their reclaim. How workers store them stands in
 * swap_compress_store.c.
 */

/**
 * DOC: overview
 *
 * kswapd scans and unmaps folios. Because zram and zswap are synchronous, it also
 * compresses them: one thread does all of it while other CPUs idle. With
 * swap_compress, kswapd only starts writeback of an anonymous folio and hands it
 * over. Workers of the unbound workqueue ``swap_compress`` store it in zswap or
 * write it to the swap device, end writeback, and free it. So a folio does not
 * return to the LRU, where kswapd would have to find and reclaim it again.
 *
 * A *pass* is one call of shrink_folio_list(), which reclaims a list of isolated
 * folios. This is the way of a folio:
 *
 * 1. The pass unmaps the folio and calls pageout(). swap_writeout() does what it
 *    always did, up to the point where it would look at the content. If the folio
 *    is *eligible* and there is room for it, the folio is *queued*: its writeback
 *    is started, and it is unlocked. The queue now owns the folio, including the
 *    reference and the isolation from the LRU that the caller had.
 * 2. The pass collects its queued folios on a list. At its end it calls
 *    try_to_unmap_flush(), and only then adds the list to the *plug list* of the
 *    CPU: no stale TLB entry leads to a folio on a plug list. Whoever maps a queued
 *    folio again before that flush must flush first, because another thread may
 *    still write to it through a stale TLB entry.
 * 3. A full plug list, counted in pages, becomes a *batch*: one object of a fixed
 *    pool, and one work item. A partial plug list is *pushed* before kswapd sleeps,
 *    by swapoff, by what stops the queue, by a task that waits in scq_wait(), and at
 *    the latest after a tick.
 * 4. A worker *cancels* the folios of the batch that are in use again or that have
 *    no user left. It *stores* the others in order, ends their writeback, and
 *    *finishes* their reclaim: it removes each folio that nobody has taken back
 *    from the swap cache, uncharges and frees it, and returns the others to the
 *    LRU.
 *
 * From acceptance to the end of its reclaim, a folio is *in flight*. A hard bound
 * limits the pages of a node that are in flight. kswapd counts accepted pages as
 * reclaimed, so the bound also limits its overshoot. Pages that turn out not to be
 * freeable are subtracted once per round of kswapd (a call of shrink_node()), so that
 * kswapd notices a node on which nothing can be reclaimed. If there is no room, kswapd
 * writes the folio itself, as it does without this feature. This back-pressure keeps
 * kswapd from running ahead of the workers. No task ever waits for room, and nothing is
 * allocated on the way to the store.
 *
 * If workers fall behind, a task about to reclaim directly waits for them, provided
 * another task wants its CPU. A direct reclaim that freed nothing waits before it
 * reports failure. Both wait only for pages of nodes (or of the cgroup) that they
 * can use, and for a bounded time, and call it progress only if their own allocation
 * can succeed now.
 */

#include <linux/cpumask.h>
#include <linux/gfp.h>
#include <linux/hash.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/jump_label.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/page-isolation.h>
#include <linux/pagemap.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/swap.h>
#include <linux/vmstat.h>
#include <linux/zswap.h>
#include <kunit/visibility.h>
#include "internal.h"
#include "swap.h"
#include "swap_compress_internal.h"

#include <trace/events/swap_compress.h>

/*
 * Bounds of the pages in flight on a node. Each worker needs some pages, to stay
 * busy while kswapd scans or stores, and a folio of 2 MiB must fit. The total is
 * limited too: pgdat_balanced() does not see pages in flight, so kswapd may free as
 * many in excess. For the same reason it is never more than 1/64 of a node.
 */
#define SWAP_COMPRESS_WORKER_PAGES	512UL
#define SWAP_COMPRESS_MAX_PAGES		1024UL
#define SWAP_COMPRESS_NODE_SHIFT	6

/*
 * Twice as many batches as the default bound fills on one node. If smaller batches,
 * a larger bound or more nodes use up all of them, kswapd stores folios itself.
 */
#define SWAP_COMPRESS_POOL_BATCHES	(2 * SWAP_COMPRESS_MAX_PAGES / SWAP_CLUSTER_MAX)

/*
 * One kswapd cannot feed more workers with a fast compressor. With a slow one it can
 * feed some more, but each is one more thread that wants a CPU; see "Choosing values"
 * in Documentation/admin-guide/mm/swap_compress.rst.
 */
#define SWAP_COMPRESS_MAX_WORKERS	8U

/*********************************
 * data
 **********************************/

DEFINE_STATIC_KEY_FALSE(swap_compress_enabled);

static struct scq swap_compress_queue_data;

struct scq *swap_compress_scq __ro_after_init;

bool swap_compress_shmem;
bool swap_compress_proactive;

/* Pages that were counted as reclaimed at hand-over and not freed, per node */
static atomic_long_t swap_compress_debts[MAX_NUMNODES];

/*
 * Pages in flight of each cgroup and its descendants, by a hash of its address. If
 * two cgroups share a slot, one may wait for pages of the other. The folios of a
 * removed cgroup may move to its parent. Those in flight then stay in its slot, see
 * swap_compress_reset_memcgs().
 */
#define SWAP_COMPRESS_MEMCG_BITS	8
static atomic_long_t swap_compress_memcgs[BIT(SWAP_COMPRESS_MEMCG_BITS)];

/* When compaction last found too many pages isolated on a node, in jiffies */
static unsigned long swap_compress_held[MAX_NUMNODES];
/* How long nothing is handed over then: longer than until it looks again */
#define SWAP_COMPRESS_HOLD		(HZ / 20)

/*********************************
 * eligible
 **********************************/

static bool swap_compress_is_held(int nid)
{
	const unsigned long held = READ_ONCE(swap_compress_held[nid]);

	return time_in_range(jiffies, held, held + SWAP_COMPRESS_HOLD);
}

/*
 * Does the cgroup have room in zswap? Its statistics may be two seconds old.
 * obj_cgroup_may_zswap() in zswap_store() flushes them before it decides.
 */
static bool swap_compress_may_zswap(struct mem_cgroup *memcg)
{
#if defined(CONFIG_MEMCG) && defined(CONFIG_ZSWAP)
	for (; memcg && !mem_cgroup_is_root(memcg);
	     memcg = parent_mem_cgroup(memcg)) {
		unsigned long max = READ_ONCE(memcg->zswap_max);

		if (max != PAGE_COUNTER_MAX &&
		    memcg_page_state(memcg, MEMCG_ZSWAP_B) / PAGE_SIZE >= max)
			return false;
	}
#endif
	return true;
}

/*
 * If zswap is full, the folio is written to the device, or becomes active if its memcg
 * forbids that. Reclaim knows best what to do then. zswap may still become full before
 * the store.
 */
static enum scq_stat swap_compress_eligible_zswap(struct folio *folio)
{
	/* swapon sets it once. The filesystem writes to such a swapfile. */
	if (data_race(folio_swap_flags(folio)) & SWP_FS_OPS)
		return SCQ_INLINE_DEVICE;
	/*
	 * zswap takes a large folio whole or not at all. If not, a worker could only
	 * start the write to the disk, which reclaim can do as well.
	 */
	if (folio_test_large(folio) && !swap_folio_synchronous(folio))
		return SCQ_INLINE_DEVICE;
	if (zswap_is_full())
		return SCQ_INLINE_ZSWAP;
	/*
	 * zswap may be full by the time of the store. kswapd can live with that,
	 * but shmem_writeout() must then take its folio out of the swap cache
	 * again, and memory.reclaim must fail.
	 */
	if ((!folio_test_anon(folio) || !current_is_kswapd()) &&
	    !mem_cgroup_zswap_writeback_enabled(folio_memcg(folio)))
		return SCQ_INLINE_ZSWAP;

	return swap_compress_may_zswap(folio_memcg(folio)) ? SCQ_QUEUED :
							     SCQ_INLINE_ZSWAP;
}

/*
 * Is the folio worth handing over? Cheap tests come first. No test looks at the
 * content: other CPUs may still write to it, because the TLB is flushed only at the
 * end of the pass.
 */
static enum scq_stat swap_compress_eligible(struct folio *folio)
{
	if (!current_is_kswapd() &&
	    !(READ_ONCE(swap_compress_proactive) && reclaim_is_proactive()))
		return SCQ_INLINE_NOT_KSWAPD;
	/* A fault on shmem waits for the end of writeback. */
	if (!folio_test_anon(folio) && !READ_ONCE(swap_compress_shmem))
		return SCQ_INLINE_SHMEM;
	if (num_online_cpus() == 1)
		return SCQ_INLINE_UNIPROCESSOR;
	/* Compaction waits: let what is in flight come back first. */
	if (swap_compress_is_held(folio_nid(folio)))
		return SCQ_INLINE_INFLIGHT;
	if (zswap_is_enabled()) {
		guard(rcu)();	/* for folio_memcg() */
		return swap_compress_eligible_zswap(folio);
	}
	return swap_folio_synchronous(folio) ? SCQ_QUEUED : SCQ_INLINE_DEVICE;
}

/*********************************
 * queue, plug, push
 **********************************/

/**
 * swap_compress_node_limit() - bound of a node's pages in flight
 * @pgdat: node
 *
 * Applies in addition to max_inflight_pages. Pages in flight count as isolated.
 * Without MGLRU, direct reclaim gives up on a node that has too many isolated
 * pages: the bound is half of what too_many_isolated() allows.
 *
 * Context: any.
 * Return: the number of pages.
 */
unsigned long swap_compress_node_limit(struct pglist_data *pgdat)
{
	unsigned long limit = pgdat->node_present_pages >> SWAP_COMPRESS_NODE_SHIFT;

	if (!lru_gen_enabled())
		limit = min(limit, node_page_state(pgdat, NR_INACTIVE_ANON) / 16);
	return limit;
}

/**
 * __swap_compress_hold() - hand nothing over for a while
 * @nid: node
 *
 * For compaction, which waits while too many pages of the node are isolated. Pages in
 * flight count as isolated. A kernel thread does not sleep in that wait.
 *
 * Context: any.
 */
void __swap_compress_hold(int nid)
{
	const unsigned long now = jiffies;

	if (READ_ONCE(swap_compress_held[nid]) != now)
		WRITE_ONCE(swap_compress_held[nid], now);
}

/* Is one of its pageblocks isolated? A pageblock may be smaller than a large folio. */
static bool swap_compress_is_isolated(struct folio *folio)
{
	long i;

	for (i = 0; i < folio_nr_pages(folio); i += pageblock_nr_pages) {
		if (is_migrate_isolate_page(folio_page(folio, i)))
			return true;
	}
	return false;
}

/**
 * __swap_compress_queue() - hand a folio over, see swap_compress_queue()
 * @folio: locked, in the swap cache, clean, unmapped; the caller has isolated
 *	it and holds that reference
 *
 * Context: may sleep; called by the function that writes a folio to swap.
 * Return: true if @folio was accepted. It is under writeback and unlocked, and
 * the caller must pass it to swap_compress_plug() after the TLB flush. False if
 * nothing was done.
 */
bool __swap_compress_queue(struct folio *folio)
{
	enum scq_stat result = swap_compress_eligible(folio);
	struct scq *scq = swap_compress_scq;

	if (result == SCQ_QUEUED)
		result = scq_reserve(scq, folio_nid(folio), folio_nr_pages(folio),
				     swap_compress_node_limit(folio_pgdat(folio)));
	/*
	 * alloc_contig_range() and memory offlining first isolate a pageblock, and
	 * then wait for its pages in flight: count the folio before looking.
	 */
	if (result == SCQ_QUEUED && swap_compress_is_isolated(folio)) {
		scq_unreserve(scq, folio_nid(folio), folio_nr_pages(folio));
		result = SCQ_INLINE_ISOLATED;
	}
	scq_count(scq, result, folio_nr_pages(folio));
	trace_swap_compress_queue(folio, scq_stat_name(result));
	if (result != SCQ_QUEUED)
		return false;

	folio_start_writeback(folio);
	folio_unlock(folio);
	return true;
}

static atomic_long_t *swap_compress_memcg_slot(const struct mem_cgroup *memcg)
{
	return &swap_compress_memcgs[hash_ptr(memcg, SWAP_COMPRESS_MEMCG_BITS)];
}

/**
 * swap_compress_memcg_inflight() - count pages of a cgroup that are in flight
 * @memcg: cgroup
 *
 * Context: any.
 * Return: pages of the cgroup and its descendants. May include those of another
 * cgroup that shares the counter.
 */
long swap_compress_memcg_inflight(const struct mem_cgroup *memcg)
{
	return atomic_long_read(swap_compress_memcg_slot(memcg));
}

static void swap_compress_mod_memcg(struct mem_cgroup *memcg, long nr_pages)
{
	for (; memcg && !mem_cgroup_is_root(memcg);
	     memcg = parent_mem_cgroup(memcg))
		atomic_long_add(nr_pages, swap_compress_memcg_slot(memcg));
}

/*
 * Nothing but @nr_pages is in flight, and the slots do not count these any more: clear
 * what removed cgroups left in their slots.
 */
static void swap_compress_reset_memcgs(long nr_pages)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(swap_compress_memcgs); i++) {
		long nr = atomic_long_read(&swap_compress_memcgs[i]);

		/*
		 * Pairs with scq_reserve(): if the slot had pages that were accepted
		 * just now, we see them in flight. If it gets them later, the
		 * exchange fails. Only if as many pages have left the slot as came,
		 * the exchange succeeds although it should not, and the slot counts
		 * too few pages until it is cleared again.
		 */
		smp_rmb();
		if (nr && scq_inflight(swap_compress_scq) == nr_pages)
			atomic_long_cmpxchg(&swap_compress_memcgs[i], nr, 0);
	}
}

static void swap_compress_add_inflight(struct pglist_data *pgdat,
				       struct mem_cgroup *memcg, long nr_pages)
{
	mod_node_page_state(pgdat, NR_ISOLATED_ANON, nr_pages);
	swap_compress_mod_memcg(memcg, nr_pages);
}

/* Consecutive folios mostly are of one node and one cgroup: one call for them. */
static void swap_compress_account(struct list_head *folios)
{
	struct pglist_data *pgdat = NULL;
	struct mem_cgroup *memcg = NULL;
	struct folio *folio;
	long nr_pages = 0;

	guard(rcu)();	/* for folio_memcg() */
	list_for_each_entry(folio, folios, lru) {
		struct mem_cgroup *owner = folio_memcg(folio);

		if (nr_pages && (folio_pgdat(folio) != pgdat || owner != memcg)) {
			swap_compress_add_inflight(pgdat, memcg, nr_pages);
			nr_pages = 0;
		}
		pgdat = folio_pgdat(folio);
		memcg = owner;
		nr_pages += folio_nr_pages(folio);
	}
	if (nr_pages)
		swap_compress_add_inflight(pgdat, memcg, nr_pages);
}

/**
 * __swap_compress_plug() - move the queued folios of a pass to a plug list
 * @folios: accepted by swap_compress_queue(), linked by folio->lru; empty on
 *	return
 *
 * They stay isolated, and are counted as isolated, until a worker has finished
 * them.
 *
 * Context: task, after try_to_unmap_flush(); does not sleep.
 */
void __swap_compress_plug(struct list_head *folios)
{
	swap_compress_account(folios);
	scq_plug(swap_compress_scq, folios);
}

/**
 * __swap_compress_push() - have workers take what the plug lists hold
 *
 * Context: any; does not wait.
 */
void __swap_compress_push(void)
{
	scq_push(swap_compress_scq);
}

/**
 * __swap_compress_deduct() - subtract pages that were not freed after all
 * @nid: node
 * @nr_reclaimed: what kswapd has counted as reclaimed there in this round
 *
 * kswapd counts pages as reclaimed when it hands them over. Without this it would
 * never notice a node on which none of them can be freed.
 *
 * Context: any.
 * Return: @nr_reclaimed less pages of the node that were put back instead of freed.
 */
unsigned long __swap_compress_deduct(int nid, unsigned long nr_reclaimed)
{
	atomic_long_t *debt = &swap_compress_debts[nid];
	long old = atomic_long_read(debt), take;

	do {
		take = min_t(long, old, nr_reclaimed);
		if (!take)
			break;
	} while (!atomic_long_try_cmpxchg(debt, &old, old - take));
	return nr_reclaimed - take;
}

/*********************************
 * finish
 **********************************/

/*
 * End writeback of what is stored, or failed. A folio that was not stored becomes
 * dirty before its writeback ends, as in __end_swap_bio_write(). Otherwise a task that
 * waits for the end of writeback could take it for clean and free it.
 */
VISIBLE_IF_KUNIT void swap_compress_end_writeback(struct scq_job *job)
{
	struct folio *folio;

	list_for_each_entry(folio, &job->clean, lru)
		folio_end_writeback(folio);
	list_for_each_entry(folio, &job->redirty, lru) {
		folio_mark_dirty(folio);
		folio_clear_reclaim(folio);
		folio_end_writeback(folio);
	}
}

/*
 * Free a folio, as the end of shrink_folio_list() does. Only try to lock it: the
 * holder of the lock may be waiting for writeback of another folio of this batch,
 * and uses this folio anyway. A fault that found the folio in the swap cache holds
 * a reference, by which reclaim_swapcache_folio() fails.
 */
static bool swap_compress_reclaim(struct folio *folio)
{
	struct mem_cgroup *memcg;
	bool reclaimed;

	if (!folio_trylock(folio))
		return false;
	guard(rcu)();	/* for folio_memcg() */
	memcg = folio_memcg(folio);
	reclaimed = folio_test_swapcache(folio) &&
		    !folio_test_writeback(folio) &&
		    !folio_test_dirty(folio) &&
		    reclaim_swapcache_folio(folio);
	/* cgroup v1 uncharges it when it leaves the swap cache. */
	if (reclaimed && !folio_memcg(folio))
		swap_compress_mod_memcg(memcg, -folio_nr_pages(folio));
	folio_unlock(folio);
	return reclaimed;
}

/*
 * Return a folio to the LRU. Its write is under way, it is locked or referenced, it is
 * in use again, or its store failed and would fail again at once. In the last two cases
 * it becomes active, since reclaim should not look at it next; compare "rejected
 * folios" in evict_folios(), and AOP_WRITEPAGE_ACTIVATE. If kswapd handed it over, it
 * has counted it as reclaimed, see __swap_compress_deduct(); the folio does not say who
 * did.
 */
static void swap_compress_put_back(struct folio *folio)
{
	atomic_long_add(folio_nr_pages(folio),
			&swap_compress_debts[folio_nid(folio)]);
	if (folio_mapped(folio) || folio_test_dirty(folio))
		folio_set_active(folio);
	scoped_guard(rcu)	/* for folio_memcg() */
		swap_compress_mod_memcg(folio_memcg(folio),
					-folio_nr_pages(folio));
	folio_putback_lru(folio);
}

/*
 * Uncharge and free folios. Until they are uncharged they are in flight to their
 * cgroups: a task that waits for room there must not give up before.
 */
static void swap_compress_free(struct folio_batch *fbatch)
{
	struct mem_cgroup *memcgs[ARRAY_SIZE(fbatch->folios)];
	unsigned int i, nr = folio_batch_count(fbatch);
	long nr_pages = 0;

	scoped_guard(rcu) {	/* keeps the cgroups */
		for (i = 0; i < nr; i++)
			memcgs[i] = folio_memcg(fbatch->folios[i]);
		mem_cgroup_uncharge_folios(fbatch);
		for (i = 0; i < nr; i++) {
			nr_pages += folio_nr_pages(fbatch->folios[i]);
			if (i + 1 < nr && memcgs[i + 1] == memcgs[i])
				continue;
			swap_compress_mod_memcg(memcgs[i], -nr_pages);
			nr_pages = 0;
		}
	}
	free_unref_folios(fbatch);
}

/*
 * What is freed first goes to a list of this CPU, where no watermark sees it. Tasks that
 * wait for memory look at watermarks.
 */
static void swap_compress_show_freed(void)
{
	migrate_disable();
	drain_local_pages(NULL);
	migrate_enable();
}

static unsigned long swap_compress_finish(int nid, struct list_head *folios)
{
	struct folio *folio, *next;
	unsigned long nr_freed = 0;
	struct folio_batch fbatch;
	bool put_back = false;
	long nr_finished = 0;

	folio_batch_init(&fbatch);
	list_for_each_entry_safe(folio, next, folios, lru) {
		long nr_pages = folio_nr_pages(folio);

		list_del(&folio->lru);
		nr_finished += nr_pages;
		if (!swap_compress_reclaim(folio)) {
			swap_compress_put_back(folio);
			put_back = true;
			continue;
		}

		nr_freed += nr_pages;
		if (!folio_batch_add(&fbatch, folio))
			swap_compress_free(&fbatch);
	}
	if (folio_batch_count(&fbatch))
		swap_compress_free(&fbatch);
	if (nr_freed && scq_is_awaited(swap_compress_scq))
		swap_compress_show_freed();
	mod_node_page_state(NODE_DATA(nid), NR_ISOLATED_ANON, -nr_finished);
	if (scq_inflight(swap_compress_scq) == nr_finished)
		swap_compress_reset_memcgs(nr_finished);
	/*
	 * This CPU's list of folios to be added to the LRU holds references. With
	 * one of them, a write fault would copy its folio instead of reusing it.
	 */
	if (put_back)
		lru_add_drain();
	return nr_freed;
}

/*********************************
 * init
 **********************************/

static const struct scq_ops swap_compress_ops = {
	.stores	= {
		swap_compress_cancel,
		swap_compress_store_memory,
		swap_compress_submit_async,
		swap_compress_store_device,
	},
	.end_writeback = swap_compress_end_writeback,
	.finish	= swap_compress_finish,
};

/*
 * There is a worker for each CPU except one, which kswapd uses, up to a maximum: with
 * one more, a worker and kswapd would share a CPU and switch contexts twice as often.
 */
unsigned int swap_compress_nr_workers(unsigned int nr_cpus)
{
	return clamp(nr_cpus - 1, 1U, SWAP_COMPRESS_MAX_WORKERS);
}

unsigned long swap_compress_nr_pages(unsigned int nr_cpus)
{
	return min(swap_compress_nr_workers(nr_cpus) * SWAP_COMPRESS_WORKER_PAGES,
		   SWAP_COMPRESS_MAX_PAGES);
}

/*
 * The workqueue is unbound because the work should run on idle CPUs. It has
 * WQ_MEM_RECLAIM because reclaim waits for it; the rescuer alone can finish every
 * batch.
 * A batch wakes at most one worker, so that light pressure keeps one busy. Only a
 * large folio wakes more, to store its slices.
 */
static int __init swap_compress_init(void)
{
	const unsigned long limit = totalram_pages() >> SWAP_COMPRESS_NODE_SHIFT;
	struct scq *scq = &swap_compress_queue_data;
	struct workqueue_struct *wq;
	int err;

	wq = alloc_workqueue("swap_compress",
			     WQ_UNBOUND | WQ_MEM_RECLAIM | WQ_SYSFS,
			     swap_compress_nr_workers(num_online_cpus()));
	if (!wq)
		return -ENOMEM;

	err = scq_init(scq, &swap_compress_ops, wq, SWAP_COMPRESS_POOL_BATCHES,
		       limit);
	if (err) {
		destroy_workqueue(wq);
		return err;
	}
	scq_set_max_inflight_pages(scq, min(swap_compress_nr_pages(num_online_cpus()),
					    limit));
	swap_compress_scq = scq;
	return 0;
}

/* Before the files that use swap_compress_scq */
device_initcall(swap_compress_init);
