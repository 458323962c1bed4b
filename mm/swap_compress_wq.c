// SPDX-License-Identifier: GPL-2.0
/*
 * Compress swapped-out folios on a workqueue instead of in kswapd.
 */

/**
 * DOC: overview
 *
 * kswapd scans, unmaps and, because zram and zswap are synchronous, also
 * compresses: one thread does both while other CPUs idle. Here it only starts
 * writeback of an anonymous folio and hands it over; workers of the unbound
 * workqueue ``swap_compress`` store it in zswap or write it to the swap device,
 * end writeback and finish reclaim, so that a folio never goes back to the LRU
 * only to be found and reclaimed a second time.
 *
 * The way of a folio:
 *
 * 1. shrink_folio_list() unmaps it and calls pageout(). swap_writeout() does
 *    what it always did up to the point where it would look at the content. If
 *    the folio is *eligible* and there is room (*queue*), writeback is started,
 *    the folio is unlocked and belongs to the queue from now on, together with
 *    the reference and the isolation from the LRU that the caller had.
 * 2. shrink_folio_list() collects such folios on a list of its own. Only after
 *    try_to_unmap_flush() that list joins the *plug* of the CPU: nothing in a
 *    plug is reachable through a stale TLB entry. Who maps the folio before
 *    that, with other threads perhaps still writing to it, flushes first.
 * 3. A full plug, counted in pages, becomes a batch: one object of a fixed pool,
 *    one work item. A plug that does not fill is *pushed* before kswapd sleeps,
 *    by swapoff, and at the latest after a tick.
 * 4. A worker *cancels* the folios of the batch that are in use again or that
 *    nobody can want any more, *stores* the others in order, ends writeback, and
 *    *finishes* reclaim: what nobody took back is removed from the swap cache,
 *    uncharged and freed; the rest goes back to the LRU.
 *
 * Room is a hard bound on the pages of a node that were accepted and are not
 * finished yet. kswapd counts accepted pages as reclaimed, so the bound also
 * limits its overshoot. Pages that turn out not to be freeable are taken off
 * once per round of kswapd, so that it notices a node where nothing can be
 * reclaimed. Without room kswapd writes the folio itself, as it does without
 * this feature: that is the back-pressure. Nobody ever waits for room, and
 * nothing is allocated on the way.
 *
 * If workers fall behind, a task about to reclaim directly waits for them,
 * provided another task wants its CPU. A direct reclaim that freed nothing waits
 * before it reports failure. Both wait only for pages of nodes (or of the cgroup)
 * that they can use, for a bounded time, and call it progress only if their own
 * allocation can succeed now.
 */

#define pr_fmt(fmt) "swap_compress: " fmt

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/cpumask.h>
#include <linux/cpuset.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/fault-inject.h>
#include <linux/gfp.h>
#include <linux/hash.h>
#include <linux/init.h>
#include <linux/jump_label.h>
#include <linux/kobject.h>
#include <linux/kstrtox.h>
#include <linux/ktime.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/notifier.h>
#include <linux/page-isolation.h>
#include <linux/page_counter.h>
#include <linux/pagemap.h>
#include <linux/pagevec.h>
#include <linux/percpu.h>
#include <linux/sched/mm.h>
#include <linux/sched/rt.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>
#include <linux/slab.h>
#include <linux/suspend.h>
#include <linux/swap.h>
#include <linux/sysfs.h>
#include <linux/vmstat.h>
#include <linux/zswap.h>
#include "internal.h"
#include "swap.h"
#include "swap_compress_wq.h"

#define CREATE_TRACE_POINTS
#include <trace/events/swap_compress.h>

/*
 * Enough work for a worker to be worth a wake-up (tens to hundreds of
 * microseconds), little enough that the first folio of a batch does not wait
 * long for its last, and that what a worker may take from the reserves before it
 * frees anything is no more than kswapd, which stores and frees in units of
 * this size, takes.
 */
#define SCQ_BATCH_PAGES		SWAP_CLUSTER_MAX

/*
 * How many pages of a node may be in flight: so many for each worker, to keep it
 * busy while kswapd scans or stores, and for a folio of 2 MiB to be accepted, but
 * no more than this in all. pgdat_balanced() does not see pages in flight, so
 * kswapd may free as many in excess: hence never more than 1/64 of a node.
 */
#define SCQ_WORKER_PAGES	512UL
#define SCQ_INFLIGHT_PAGES	1024UL
#define SCQ_INFLIGHT_SHIFT	6

/* Twice what the defaults need: room for smaller batches or a larger bound */
#define SCQ_POOL_BATCHES	(2 * SCQ_INFLIGHT_PAGES / SCQ_BATCH_PAGES)

/*
 * About five workers keep up with one kswapd with lz4, a dozen with zstd; see
 * "Choosing values" in Documentation/admin-guide/mm/swap_compress.rst.
 */
#define SCQ_MAX_WORKERS		8U

/*********************************
 * engine: data
 **********************************/

struct scq_stats {
	unsigned long nr[NR_SCQ_STATS];
};

/**
 * struct scq_node - a memory node's share of a queue
 * @inflight_pages: pages of the node that were accepted and are not finished
 * @finished_pages: pages of the node that were ever finished; wraps
 */
struct scq_node {
	atomic_long_t inflight_pages;
	atomic_long_t finished_pages;
} ____cacheline_aligned_in_smp;

/**
 * struct scq_plug - folios of one CPU that do not make a batch yet
 * @lock:	protects @folios, @nr_pages, @since; a push comes from other CPUs
 * @folios:	in the order of hand-over, linked by folio->lru
 * @nr_pages:	their size
 * @since:	when the first of them came, ktime_get_ns()
 * @work:	takes what the plug holds; runs at push or after push_delay
 * @scq:	set once
 * @cpu:	set once
 */
struct scq_plug {
	spinlock_t lock;		/* see above */
	struct list_head folios;
	unsigned int nr_pages;
	u64 since;
	struct delayed_work work;
	struct scq *scq;
	int cpu;
};

/**
 * struct scq_batch - one work item's worth of folios
 * @work:	the work item
 * @folios:	owned by whoever owns the batch: the pool (empty) or its worker
 * @nr_pages:	their size
 * @since:	when the batch was full, ktime_get_ns()
 * @slice_work:	what the object is used for instead by scq_store_large(), on
 *	behalf of another worker
 * @slices:	what that one shares with us
 * @pool:	link in scq->pool, or in a list of scq_store_large()
 * @scq:	set once
 */
struct scq_batch {
	struct work_struct work;
	struct list_head folios;
	unsigned int nr_pages;
	u64 since;
	struct work_struct slice_work;
	struct scq_slices *slices;
	struct list_head pool;
	struct scq *scq;
};

/*********************************
 * engine: counters
 **********************************/

static const char * const scq_stat_names[] = {
	[SCQ_QUEUED]		= "queued",
	[SCQ_BATCHES]		= "batches",
	[SCQ_STORED]		= "stored",
	[SCQ_STORED_ZSWAP]	= "stored_zswap",
	[SCQ_STORED_ZERO]	= "stored_zero",
	[SCQ_SUBMITTED]		= "submitted",
	[SCQ_FAILED]		= "failed",
	[SCQ_CANCELLED_REFAULT] = "cancelled_refault",
	[SCQ_CANCELLED_FREED]	= "cancelled_freed",
	[SCQ_FREED]		= "freed",
	[SCQ_PUT_BACK]		= "put_back",
	[SCQ_WAITS]		= "waits",
	[SCQ_INLINE_NOT_KSWAPD] = "inline_not_kswapd",
	[SCQ_INLINE_UNSUITED]	= "inline_unsuited",
	[SCQ_INLINE_ISOLATED]	= "inline_isolated",
	[SCQ_INLINE_DEVICE]	= "inline_device",
	[SCQ_INLINE_ZSWAP]	= "inline_zswap",
	[SCQ_INLINE_UNIPROCESSOR] = "inline_uniprocessor",
	[SCQ_INLINE_STOPPED]	= "inline_stopped",
	[SCQ_INLINE_INFLIGHT]	= "inline_inflight",
	[SCQ_INLINE_POOL]	= "inline_pool",
};

static_assert(ARRAY_SIZE(scq_stat_names) == NR_SCQ_STATS);

/**
 * scq_count() - add to a counter
 * @scq: queue
 * @item: counter
 * @nr: what to add
 *
 * Context: any.
 */
void scq_count(struct scq *scq, enum scq_stat item, unsigned long nr)
{
	this_cpu_add(scq->stats->nr[item], nr);
}

/**
 * scq_read_stat() - sum of a counter over all CPUs
 * @scq: queue
 * @item: counter
 *
 * Context: any. Not a snapshot: counters move while they are summed up.
 * Return: the sum since scq_init().
 */
unsigned long scq_read_stat(struct scq *scq, enum scq_stat item)
{
	unsigned long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(scq->stats, cpu)->nr[item]);
	return sum;
}

/*********************************
 * engine: fault injection
 **********************************/

#ifdef CONFIG_FAULT_INJECTION
DECLARE_FAULT_ATTR(scq_fault_attr);
u32 scq_fault_points = U32_MAX;
u32 scq_fault_delay_ms = 20;

/**
 * scq_should_fail() - is it time for a fault?
 * @point: what could fail
 *
 * Set up by KUnit, or through fail_swap_compress in debugfs: an attribute of its
 * own, since workers are not to be told apart by their task.
 *
 * Context: any.
 * Return: true if the caller is to fail.
 */
bool scq_should_fail(enum scq_fault point)
{
	return (READ_ONCE(scq_fault_points) & BIT(point)) &&
	       should_fail(&scq_fault_attr, 1);
}
#endif

/*********************************
 * engine: room
 **********************************/

/**
 * scq_unqueue() - give back room that scq_queue() gave
 * @scq: queue
 * @nid: node of the pages
 * @nr_pages: as many were accepted
 *
 * Context: any.
 */
void scq_unqueue(struct scq *scq, int nid, unsigned long nr_pages)
{
	bool last = !atomic_long_sub_return(nr_pages,
					    &scq->nodes[nid].inflight_pages);

	if (!wq_has_sleeper(&scq->progress))
		return;
	if (last)
		wake_up_all(&scq->progress);
	else	/* one task of scq_throttle(), and whoever else waits */
		wake_up(&scq->progress);
}

/**
 * scq_node_inflight() - count pages of a node that are in flight
 * @scq: queue
 * @nid: node
 *
 * Context: any.
 * Return: pages that were accepted and are not finished.
 */
long scq_node_inflight(struct scq *scq, int nid)
{
	return atomic_long_read(&scq->nodes[nid].inflight_pages);
}

/**
 * scq_node_finished() - count pages of a node that were finished
 * @scq: queue
 * @nid: node
 *
 * Context: any.
 * Return: pages ever finished. Wraps: only differences mean something.
 */
long scq_node_finished(struct scq *scq, int nid)
{
	return atomic_long_read(&scq->nodes[nid].finished_pages);
}

/**
 * scq_finished() - count pages of all nodes that were finished
 * @scq: queue
 *
 * Context: any.
 * Return: pages ever finished. Wraps: only differences mean something.
 */
long scq_finished(struct scq *scq)
{
	long sum = 0;
	int nid;

	for (nid = 0; nid < nr_node_ids; nid++)
		sum += scq_node_finished(scq, nid);
	return sum;
}

/**
 * scq_inflight() - count pages of all nodes that are in flight
 * @scq: queue
 *
 * Context: any.
 * Return: a sum of counters that move meanwhile; once scq_stop() has begun, zero
 * means that nothing is left.
 */
long scq_inflight(struct scq *scq)
{
	long sum = 0;
	int nid;

	for (nid = 0; nid < nr_node_ids; nid++)
		sum += scq_node_inflight(scq, nid);
	return sum;
}

/**
 * scq_queue() - ask for room for a folio
 * @scq: queue
 * @nid: node of the folio
 * @nr_pages: size of the folio
 * @limit: bound of that node, beside max_inflight_pages
 *
 * Never waits and never lets the pages accepted for a node exceed its bound. The
 * pool is only looked at: should its last batch go before the folio reaches a
 * plug, the folio stays in the plug and the plug's own work takes it.
 *
 * Context: any. After SCQ_QUEUED the caller must pass the folio to scq_plug(), or
 * call scq_unqueue().
 * Return: SCQ_QUEUED, or the reason why not. The caller counts it.
 */
enum scq_stat scq_queue(struct scq *scq, int nid, unsigned int nr_pages,
			unsigned long limit)
{
	atomic_long_t *nr_inflight = &scq->nodes[nid].inflight_pages;
	long max = min(READ_ONCE(scq->max_inflight_pages), limit);
	long old = atomic_long_read(nr_inflight);

	if (!READ_ONCE(scq->nr_pool) || scq_should_fail(SCQ_FAULT_POOL))
		return SCQ_INLINE_POOL;

	do {
		if (old + nr_pages > max)
			return SCQ_INLINE_INFLIGHT;
	} while (!atomic_long_try_cmpxchg(nr_inflight, &old, old + nr_pages));

	/*
	 * Pairs with the barrier in scq_stop(): either it sees our pages, or we
	 * see that it stopped.
	 */
	if (unlikely(atomic_read(&scq->stopped))) {
		scq_unqueue(scq, nid, nr_pages);
		return SCQ_INLINE_STOPPED;
	}
	return SCQ_QUEUED;
}

static struct scq_batch *scq_get_batch(struct scq *scq)
{
	struct scq_batch *batch;

	if (scq_should_fail(SCQ_FAULT_POOL))
		return NULL;

	spin_lock(&scq->pool_lock);
	batch = list_first_entry_or_null(&scq->pool, struct scq_batch, pool);
	if (batch) {
		list_del(&batch->pool);
		WRITE_ONCE(scq->nr_pool, scq->nr_pool - 1);
	}
	spin_unlock(&scq->pool_lock);
	return batch;
}

static void scq_put_batch(struct scq *scq, struct scq_batch *batch)
{
	spin_lock(&scq->pool_lock);
	/* LIFO: the object used last is the one in some CPU's cache */
	list_add(&batch->pool, &scq->pool);
	WRITE_ONCE(scq->nr_pool, scq->nr_pool + 1);
	spin_unlock(&scq->pool_lock);
}

/*********************************
 * engine: slices of a large folio
 **********************************/

/**
 * struct scq_slices - what several workers store at a time; on the stack of one
 * @scq:	the queue
 * @private:	of the store that asked for it
 * @nr_pages:	all of it
 * @next_page:	where the next slice begins
 * @failed:	some slice was not stored
 */
struct scq_slices {
	struct scq *scq;
	void *private;
	unsigned int nr_pages;
	atomic_t next_page;
	bool failed;
};

static void scq_store_slices(struct scq_slices *slices)
{
	unsigned int first;

	while (!READ_ONCE(slices->failed)) {
		first = atomic_fetch_add(SCQ_SLICE_PAGES, &slices->next_page);
		if (first >= slices->nr_pages)
			break;
		if (!slices->scq->ops->store_slice(slices->private, first,
						   min(SCQ_SLICE_PAGES,
						       slices->nr_pages - first)))
			WRITE_ONCE(slices->failed, true);
		cond_resched();
	}
}

static void scq_slice_work(struct work_struct *work)
{
	struct scq_batch *helper = container_of(work, struct scq_batch,
						slice_work);
	unsigned int noreclaim = memalloc_noreclaim_save();

	scq_store_slices(helper->slices);
	memalloc_noreclaim_restore(noreclaim);
}

/**
 * scq_store_large() - store a large folio with the help of other workers
 * @scq: queue
 * @nr_pages: its size
 * @private: for ops->store_slice()
 *
 * Helpers are batch objects: as many as there are free ones and CPUs for. Those
 * that have not begun when nothing is left to do are not waited for.
 *
 * Context: called by a store; sleeps.
 * Return: true if each slice was stored.
 */
bool scq_store_large(struct scq *scq, unsigned int nr_pages, void *private)
{
	struct scq_slices slices = {
		.scq	  = scq,
		.private  = private,
		.nr_pages = nr_pages,
	};
	unsigned int nr = min(DIV_ROUND_UP(nr_pages, SCQ_SLICE_PAGES),
			      num_online_cpus());
	struct scq_batch *helper, *next;
	LIST_HEAD(helpers);

	while (--nr) {
		helper = scq_get_batch(scq);
		if (!helper)
			break;
		helper->slices = &slices;
		list_add(&helper->pool, &helpers);
		queue_work(scq->wq, &helper->slice_work);
	}
	scq_store_slices(&slices);
	list_for_each_entry_safe(helper, next, &helpers, pool) {
		cancel_work_sync(&helper->slice_work);
		scq_put_batch(scq, helper);
	}
	return !slices.failed;
}

/*********************************
 * engine: workers
 **********************************/

/**
 * scq_settle() - say what became of a folio of a run, and count it
 * @run: passed to the store
 * @folio: of run->folios; moved to another list
 * @result: SCQ_STORED and the like, SCQ_CANCELLED_FREED, SCQ_SUBMITTED, or a
 *	reason why the content is not stored: SCQ_FAILED or SCQ_CANCELLED_REFAULT
 *
 * After SCQ_SUBMITTED somebody else ends writeback, at any time from then on.
 *
 * Context: called by a store.
 */
void scq_settle(struct scq_run *run, struct folio *folio, enum scq_stat result)
{
	struct list_head *settled = &run->clean;

	if (result == SCQ_FAILED || result == SCQ_CANCELLED_REFAULT)
		settled = &run->redirty;
	else if (result == SCQ_SUBMITTED)
		settled = &run->submitted;
	scq_count(run->scq, result, folio_nr_pages(folio));
	trace_swap_compress_store(folio, scq_stat_names[result]);
	list_move_tail(&folio->lru, settled);
}

static void scq_store(struct scq_run *run)
{
	struct folio *folio, *next;
	unsigned int i;

	list_for_each_entry_safe(folio, next, &run->folios, lru) {
		if (scq_should_fail(SCQ_FAULT_STORE))
			scq_settle(run, folio, SCQ_FAILED);
	}
	for (i = 0; i < SCQ_MAX_STORES && run->scq->ops->stores[i]; i++)
		run->scq->ops->stores[i](run);
	list_for_each_entry_safe(folio, next, &run->folios, lru)
		scq_settle(run, folio, SCQ_FAILED);
}

/*
 * What was not stored becomes dirty before writeback ends, as in
 * __end_swap_bio_write(): whoever waits for writeback must not mistake it for
 * clean.
 */
static void scq_end_writeback(struct scq_run *run)
{
	struct folio *folio;

	list_for_each_entry(folio, &run->clean, lru)
		folio_end_writeback(folio);
	list_for_each_entry(folio, &run->redirty, lru) {
		folio_mark_dirty(folio);
		folio_clear_reclaim(folio);
		folio_end_writeback(folio);
	}
}

/* Finish what is settled, the folios of one node at a time: mostly they all are. */
static void scq_finish(struct scq_run *run)
{
	struct scq *scq = run->scq;

	while (!list_empty(&run->clean)) {
		int nid = folio_nid(list_first_entry(&run->clean, struct folio,
						     lru));
		unsigned long nr_pages = 0, freed;
		struct folio *folio, *next;
		LIST_HEAD(folios);

		list_for_each_entry_safe(folio, next, &run->clean, lru) {
			if (folio_nid(folio) != nid)
				continue;
			nr_pages += folio_nr_pages(folio);
			list_move_tail(&folio->lru, &folios);
		}
		freed = scq->ops->finish(nid, &folios);
		scq_count(scq, SCQ_FREED, freed);
		scq_count(scq, SCQ_PUT_BACK, nr_pages - freed);
		run->nr_freed += freed;
		run->nr_finished += nr_pages;
		if (run->nr_finished == run->nr_pages) {
			trace_swap_compress_batch_end(run->nr_pages,
						      run->nr_freed);
			scq_count(scq, SCQ_BATCHES, 1);
		}
		/* Last: from here on nobody waits for us any more. */
		atomic_long_add(nr_pages, &scq->nodes[nid].finished_pages);
		scq_unqueue(scq, nid, nr_pages);
	}
}

/**
 * scq_finish_settled() - end writeback of what is settled, and finish it
 * @run: passed to the store
 *
 * Context: called by a store before it waits for something slow.
 */
void scq_finish_settled(struct scq_run *run)
{
	scq_end_writeback(run);
	list_splice_tail_init(&run->redirty, &run->clean);
	list_splice_tail_init(&run->submitted, &run->clean);
	scq_finish(run);
}

/*
 * The nice value of workers can be changed in sysfs, but not asked for there; a
 * task of higher priority does not wait for them, see scq_throttle().
 */
static void scq_note_nice(struct scq *scq)
{
	int nice = task_nice(current);

	/* The rescuer's says nothing about the others. */
	if (nice != MIN_NICE && READ_ONCE(scq->nice) != nice)
		WRITE_ONCE(scq->nice, nice);
}

/* Store and finish @folios; the list is empty on return. */
static void scq_work(struct scq *scq, struct list_head *folios,
		     unsigned int nr_pages, u64 since)
{
	struct scq_run run = {
		.scq	 = scq,
		.folios	 = LIST_HEAD_INIT(run.folios),
		.clean	 = LIST_HEAD_INIT(run.clean),
		.redirty = LIST_HEAD_INIT(run.redirty),
		.submitted = LIST_HEAD_INIT(run.submitted),
		.nr_pages = nr_pages,
	};
	unsigned int noreclaim;

	scq_note_nice(scq);
	trace_swap_compress_batch_start(nr_pages, ktime_get_ns() - since);

	/*
	 * We are reclaim: allocations on the way to a store may use the
	 * reserves, as kswapd's may, and must not reclaim in turn.
	 */
	noreclaim = memalloc_noreclaim_save();

	if (scq_should_fail(SCQ_FAULT_DELAY))
		msleep(scq_fault_delay_ms);

	list_splice_init(folios, &run.folios);
	scq_store(&run);
	scq_finish_settled(&run);

	memalloc_noreclaim_restore(noreclaim);
}

static void scq_batch_work(struct work_struct *work)
{
	struct scq_batch *batch = container_of(work, struct scq_batch, work);

	scq_work(batch->scq, &batch->folios, batch->nr_pages, batch->since);
	scq_put_batch(batch->scq, batch);
}

/*
 * Move up to @nr_pages, and at least one folio, from the head of the plug.
 * Returns the pages moved.
 */
static unsigned int scq_cut(struct scq_plug *plug, struct list_head *folios,
			    unsigned int nr_pages)
{
	struct folio *folio, *next;
	unsigned int taken = 0;

	lockdep_assert_held(&plug->lock);

	list_for_each_entry_safe(folio, next, &plug->folios, lru) {
		if (taken && taken + folio_nr_pages(folio) > nr_pages)
			break;
		taken += folio_nr_pages(folio);
		list_move_tail(&folio->lru, folios);
	}
	plug->nr_pages -= taken;
	if (!plug->nr_pages)
		cpumask_clear_cpu(plug->cpu, plug->scq->plugged);
	return taken;
}

/*
 * Takes what the plug holds, a batch at a time. This is how a partial plug gets
 * on its way, and a full one if the pool was empty: it needs no batch object,
 * so it always makes progress.
 */
static void scq_plug_work(struct work_struct *work)
{
	struct scq_plug *plug = container_of(to_delayed_work(work),
					     struct scq_plug, work);
	struct scq *scq = plug->scq;

	for (;;) {
		unsigned int nr_pages;
		LIST_HEAD(folios);
		u64 since;

		spin_lock(&plug->lock);
		since = plug->since;
		nr_pages = scq_cut(plug, &folios, READ_ONCE(scq->batch_pages));
		spin_unlock(&plug->lock);

		if (!nr_pages)
			break;
		scq_work(scq, &folios, nr_pages, since);
	}
}

/*********************************
 * engine: plug, push, flush
 **********************************/

/**
 * scq_plug() - pass folios to this CPU's plug, make batches of full plugs
 * @scq: queue
 * @folios: linked by folio->lru, each accepted by scq_queue(), under writeback
 *	and no longer in any TLB; empty on return
 *
 * Context: task; does not sleep.
 */
void scq_plug(struct scq *scq, struct list_head *folios)
{
	/* A hint: the lock, not the CPU, protects the plug. */
	struct scq_plug *plug = raw_cpu_ptr(scq->plugs);
	unsigned int batch_pages = READ_ONCE(scq->batch_pages);
	struct folio *folio, *next;
	const u64 now = ktime_get_ns();
	struct scq_batch *batch;

	spin_lock(&plug->lock);
	list_for_each_entry_safe(folio, next, folios, lru) {
		if (!plug->nr_pages) {
			cpumask_set_cpu(plug->cpu, scq->plugged);
			plug->since = now;
		}
		list_move_tail(&folio->lru, &plug->folios);
		plug->nr_pages += folio_nr_pages(folio);
		if (plug->nr_pages < batch_pages)
			continue;

		batch = scq_get_batch(scq);
		if (!batch)
			continue;
		batch->nr_pages = scq_cut(plug, &batch->folios, batch_pages);
		batch->since = now;
		queue_work(scq->wq, &batch->work);
	}
	/* The pool was empty, or a large folio came behind a partial plug. */
	if (plug->nr_pages >= batch_pages)
		mod_delayed_work(scq->wq, &plug->work, 0);
	else if (plug->nr_pages)	/* without effect if pending already */
		queue_delayed_work(scq->wq, &plug->work, scq->push_delay);
	spin_unlock(&plug->lock);
}

/**
 * scq_push() - put what the plugs hold on its way
 * @scq: queue
 *
 * Context: any; does not wait.
 */
void scq_push(struct scq *scq)
{
	int cpu;

	for_each_cpu(cpu, scq->plugged)
		mod_delayed_work(scq->wq, &per_cpu_ptr(scq->plugs, cpu)->work, 0);
}

/*********************************
 * engine: waiting
 **********************************/

/* Is there enough, or has all that could help been finished? */
static bool scq_wait_is_over(const struct scq_need *need, long goal)
{
	long finished;

	return need->enough(need) || !need->nr_inflight(need, &finished) ||
	       finished - goal >= 0;
}

/*
 * Wait until there is enough, or until as much is finished as was in flight: what
 * others hand over later is not waited for. @gave_up is where a task that gives up
 * tells others not to try before something is finished: workers may get no CPU, or
 * hang in a device.
 */
static bool scq_wait_for(struct scq *scq, const struct scq_need *need,
			 bool exclusive, long timeout, long *gave_up)
{
	long goal, left;

	scq_count(scq, SCQ_WAITS, 1);
	left = need->nr_inflight(need, &goal);
	goal += left;
	left = ___wait_event(scq->progress,
			     ___wait_cond_timeout(scq_wait_is_over(need, goal)),
			     TASK_KILLABLE, exclusive, timeout,
			     __ret = schedule_timeout(__ret));
	if (!left)
		WRITE_ONCE(*gave_up, scq_finished(scq));
	return need->enough(need);
}

/* Did a wait time out, and nothing has been finished since? */
static bool scq_is_stuck(struct scq *scq, const long *gave_up)
{
	return READ_ONCE(*gave_up) == scq_finished(scq);
}

/**
 * scq_wait() - push, and wait for what is in flight
 * @scq: queue
 * @need: what the caller waits for
 * @timeout: in jiffies; what is in flight may be with a pass that waits for us
 *
 * For a task that reclaimed nothing: memory may be on its way. One that has enough
 * to begin with gets no wait and no progress from here, or it might try for ever: it
 * lacks something else.
 *
 * Context: may sleep, killable. Locks that a store needs may be held, hence the
 * timeout.
 * Return: true if the task waited, and there is enough now. It does not wait if
 * nothing is pending, or if an earlier wait timed out and nothing has been
 * finished since.
 */
bool scq_wait(struct scq *scq, const struct scq_need *need, long timeout)
{
	long finished;

	if (!need->nr_inflight(need, &finished) || need->enough(need) ||
	    scq_is_stuck(scq, &scq->wait_gave_up))
		return false;
	scq_push(scq);
	return scq_wait_for(scq, need, false, timeout, &scq->wait_gave_up);
}

/**
 * scq_throttle() - let a task wait for workers instead of reclaiming
 * @scq: queue
 * @need: what it waits for
 * @timeout: in jiffies; workers may get no CPU
 *
 * No more tasks wait than there are batches' worth of pages in flight. A batch
 * that ends wakes one of them, and a task that leaves wakes the next one; one that
 * goes on waiting does not, so that a batch does not wake a herd. A
 * task that has enough to begin with does not wait: it needs something else. Nor
 * does one of a higher priority than workers have.
 *
 * Context: may sleep, killable. No lock is held that a store needs.
 * Return: true if the task waited, and there is enough now.
 */
bool scq_throttle(struct scq *scq, const struct scq_need *need, long timeout)
{
	long nr_batches = scq_inflight(scq) / READ_ONCE(scq->batch_pages);
	bool ret = false;

	if (need->enough(need) || scq_is_stuck(scq, &scq->throttle_gave_up) ||
	    task_nice(current) < READ_ONCE(scq->nice))
		return false;

	if (atomic_inc_return(&scq->nr_throttled) <= nr_batches) {
		count_vm_event(PGSCAN_DIRECT_THROTTLE);
		ret = scq_wait_for(scq, need, true, timeout,
				   &scq->throttle_gave_up);
		/* Whatever it leaves for: it may have been woken for that. */
		if (wq_has_sleeper(&scq->progress))
			wake_up(&scq->progress);
	}
	atomic_dec(&scq->nr_throttled);
	return ret;
}

/**
 * scq_has_waiters() - does anybody wait for what workers free?
 * @scq: queue
 *
 * Context: any.
 * Return: true if a task waits.
 */
bool scq_has_waiters(struct scq *scq)
{
	return wq_has_sleeper(&scq->progress);
}

/*********************************
 * engine: knobs, start, stop
 **********************************/

/**
 * scq_set_batch_pages() - set the size of a batch
 * @scq: queue
 * @nr_pages: 1 to SCQ_MAX_BATCH_PAGES, and not over the bound in flight
 *
 * Context: may sleep.
 * Return: 0, or -EINVAL and nothing changed.
 */
int scq_set_batch_pages(struct scq *scq, unsigned long nr_pages)
{
	guard(mutex)(&scq->knob_lock);

	if (!nr_pages || nr_pages > SCQ_MAX_BATCH_PAGES ||
	    nr_pages > scq->max_inflight_pages)
		return -EINVAL;
	WRITE_ONCE(scq->batch_pages, nr_pages);
	return 0;
}

/**
 * scq_set_max_inflight_pages() - set the bound of a node's pages in flight
 * @scq: queue
 * @nr_pages: at least a batch, at most the limit given to scq_init()
 *
 * Context: may sleep.
 * Return: 0, or -EINVAL and nothing changed.
 */
int scq_set_max_inflight_pages(struct scq *scq, unsigned long nr_pages)
{
	guard(mutex)(&scq->knob_lock);

	if (nr_pages < scq->batch_pages || nr_pages > scq->limit_pages)
		return -EINVAL;
	WRITE_ONCE(scq->max_inflight_pages, nr_pages);
	return 0;
}

/**
 * scq_start() - undo one scq_stop(), or what scq_init() left
 * @scq: queue
 *
 * Context: any.
 */
void scq_start(struct scq *scq)
{
	atomic_dec(&scq->stopped);
}

/**
 * scq_stop() - accept no more folios and wait until all are finished
 * @scq: queue
 * @timeout: in jiffies; how long nothing may be finished
 *
 * Nests: folios are accepted again after as many calls of scq_start(). Includes
 * what is on the list of somebody's pass: it reaches a plug when the pass ends,
 * and the plug's own timer pushes it then.
 *
 * Context: may sleep, killable; not from a worker of the queue, no folio lock
 * held.
 * Return: 0; or, with the stop undone, -ETIMEDOUT or -ERESTARTSYS (the task is
 * being killed).
 */
int scq_stop(struct scq *scq, long timeout)
{
	long finished, left;

	atomic_inc(&scq->stopped);
	/* Pairs with the cmpxchg in scq_queue(). */
	smp_mb__after_atomic();
	scq_push(scq);
	/* This ends: nothing is added to what is in flight. */
	do {
		finished = scq_finished(scq);
		left = wait_event_killable_timeout(scq->progress,
						   !scq_inflight(scq), timeout);
	} while (!left && scq_finished(scq) != finished);
	if (left > 0)
		return 0;
	scq_start(scq);
	return left ?: -ETIMEDOUT;
}

/**
 * scq_init() - set up a queue; scq_start() makes it accept folios
 * @scq: queue, zeroed
 * @ops: backend
 * @wq: where batches run; must outlive the queue
 * @nr_batches: size of the pool
 * @limit_pages: what max_inflight_pages may be raised to
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int scq_init(struct scq *scq, const struct scq_ops *ops,
	     struct workqueue_struct *wq, unsigned int nr_batches,
	     unsigned long limit_pages)
{
	unsigned int i;
	int cpu;

	scq->ops = ops;
	scq->wq = wq;
	scq->push_delay = 1;
	scq->limit_pages = limit_pages;
	scq->wait_gave_up = -1;
	scq->throttle_gave_up = -1;
	atomic_set(&scq->stopped, 1);
	INIT_LIST_HEAD(&scq->pool);
	spin_lock_init(&scq->pool_lock);
	mutex_init(&scq->knob_lock);
	init_waitqueue_head(&scq->progress);

	scq->plugs = alloc_percpu(struct scq_plug);
	scq->stats = alloc_percpu(struct scq_stats);
	scq->nodes = kcalloc(nr_node_ids, sizeof(*scq->nodes), GFP_KERNEL);
	scq->batches = kvcalloc(nr_batches, sizeof(*scq->batches), GFP_KERNEL);
	if (!scq->plugs || !scq->stats || !scq->nodes || !scq->batches ||
	    !zalloc_cpumask_var(&scq->plugged, GFP_KERNEL)) {
		kvfree(scq->batches);
		kfree(scq->nodes);
		free_percpu(scq->stats);
		free_percpu(scq->plugs);
		return -ENOMEM;
	}

	for_each_possible_cpu(cpu) {
		struct scq_plug *plug = per_cpu_ptr(scq->plugs, cpu);

		spin_lock_init(&plug->lock);
		INIT_LIST_HEAD(&plug->folios);
		INIT_DELAYED_WORK(&plug->work, scq_plug_work);
		plug->scq = scq;
		plug->cpu = cpu;
	}

	for (i = 0; i < nr_batches; i++) {
		struct scq_batch *batch = &scq->batches[i];

		INIT_WORK(&batch->work, scq_batch_work);
		INIT_WORK(&batch->slice_work, scq_slice_work);
		INIT_LIST_HEAD(&batch->folios);
		batch->scq = scq;
		scq_put_batch(scq, batch);
	}

	scq->batch_pages = min_t(unsigned long, SCQ_BATCH_PAGES, limit_pages);
	scq->max_inflight_pages = min(SCQ_INFLIGHT_PAGES, limit_pages);
	return 0;
}

/**
 * scq_destroy() - stop a queue and free its memory
 * @scq: queue; nobody may use it any more
 *
 * Context: may sleep.
 */
void scq_destroy(struct scq *scq)
{
	int cpu;

	/* A fatal signal of the caller is no reason to free what is in use. */
	while (scq_stop(scq, MAX_SCHEDULE_TIMEOUT))
		flush_workqueue(scq->wq);
	/* A plug's timer may be pending, a worker about to return its batch. */
	for_each_possible_cpu(cpu)
		cancel_delayed_work_sync(&per_cpu_ptr(scq->plugs, cpu)->work);
	flush_workqueue(scq->wq);

	free_cpumask_var(scq->plugged);
	kvfree(scq->batches);
	kfree(scq->nodes);
	free_percpu(scq->stats);
	free_percpu(scq->plugs);
}

/*********************************
 * glue: reclaim of swap-backed folios
 **********************************/

DEFINE_STATIC_KEY_FALSE(swap_compress_enabled);

static struct scq swap_scq;

/* Pages that were counted as reclaimed at hand-over and not freed, per node */
static atomic_long_t swap_compress_debts[MAX_NUMNODES];

/*
 * Pages in flight of each cgroup and its descendants, by a hash of its address.
 * Where two share a slot, one may wait for pages of the other.
 */
#define SWAP_COMPRESS_MEMCG_BITS	8
static atomic_long_t swap_compress_memcgs[BIT(SWAP_COMPRESS_MEMCG_BITS)];

/* Bits of the knob "sources": what else is handed over */
#define SWAP_COMPRESS_SHMEM	BIT(0)
#define SWAP_COMPRESS_PROACTIVE	BIT(1)
#define SWAP_COMPRESS_SOURCES	(SWAP_COMPRESS_SHMEM | SWAP_COMPRESS_PROACTIVE)

static unsigned int swap_compress_sources;

/*
 * Does the cgroup have room in zswap? Its statistics may be two seconds old:
 * obj_cgroup_may_zswap(), which flushes them, has the last word in zswap_store().
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
 * zswap, if the limits allow it: a worker can leave a folio to the device, but
 * not tell reclaim to activate it where the memcg forbids that.
 */
static enum scq_stat swap_compress_eligible_zswap(struct folio *folio)
{
	/* Set once, by swapon; such a swapfile is written by its filesystem. */
	if (data_race(folio_swap_flags(folio)) & SWP_FS_OPS)
		return SCQ_INLINE_DEVICE;
	/*
	 * zswap takes a large folio whole or not at all (6.12: never), and all of
	 * it would go to the disk from a worker.
	 */
	if (folio_test_large(folio) && !swap_folio_synchronous(folio))
		return SCQ_INLINE_DEVICE;
	if (zswap_is_full())
		return SCQ_INLINE_ZSWAP;
	/*
	 * Should zswap be full by then, the device forbidden: shmem_writeout()
	 * takes its folio back out of the swap cache, and memory.reclaim fails,
	 * if they are told now.
	 */
	if ((!folio_test_anon(folio) || !current_is_kswapd()) &&
	    !mem_cgroup_zswap_writeback_enabled(folio_memcg(folio)))
		return SCQ_INLINE_ZSWAP;

	return swap_compress_may_zswap(folio_memcg(folio)) ? SCQ_QUEUED :
							     SCQ_INLINE_ZSWAP;
}

/*
 * Policy: is this folio worth handing over? Cheap tests first, and none that
 * looks at the content: other CPUs may still be writing to it, since the TLB
 * flush is left to the one at the end of the pass.
 */
static enum scq_stat swap_compress_eligible(struct folio *folio)
{
	wait_queue_head_t *isolated =
		&folio_pgdat(folio)->reclaim_wait[VMSCAN_THROTTLE_ISOLATED];
	unsigned int sources = READ_ONCE(swap_compress_sources);

	if (!current_is_kswapd() &&
	    !((sources & SWAP_COMPRESS_PROACTIVE) && reclaim_is_proactive()))
		return SCQ_INLINE_NOT_KSWAPD;
	/* A fault on shmem waits for the end of writeback. */
	if (!folio_test_anon(folio) && !(sources & SWAP_COMPRESS_SHMEM))
		return SCQ_INLINE_UNSUITED;
	if (num_online_cpus() == 1)
		return SCQ_INLINE_UNIPROCESSOR;
	/*
	 * Compaction waits for fewer pages to be isolated, as those in flight are.
	 * It looks again after a 50th of a second: were it woken earlier, there would
	 * be as many again.
	 */
	if (waitqueue_active(isolated))
		return SCQ_INLINE_INFLIGHT;
	if (zswap_is_enabled())
		return swap_compress_eligible_zswap(folio);
	return swap_folio_synchronous(folio) ? SCQ_QUEUED : SCQ_INLINE_DEVICE;
}

/*
 * How many pages of a node may be in flight, beside max_inflight_pages. They count
 * as isolated, and without MGLRU direct reclaim gives up a node of which too many
 * are: stay at half of what too_many_isolated() allows.
 */
static unsigned long swap_compress_node_limit(struct pglist_data *pgdat)
{
	unsigned long limit = pgdat->node_present_pages >> SCQ_INFLIGHT_SHIFT;

	if (!lru_gen_enabled())
		limit = min(limit, node_page_state(pgdat, NR_INACTIVE_ANON) / 16);
	return limit;
}

/**
 * __swap_compress_queue() - hand a folio over, see swap_compress_queue()
 * @folio: locked, in the swap cache, clean, unmapped; the caller has isolated
 *	it and holds that reference
 *
 * Context: may sleep; called by swap_writeout() (6.12: swap_writepage()).
 * Return: true if @folio was accepted: it is under writeback and unlocked, and
 * the caller must pass it to swap_compress_plug() after the TLB flush. False if
 * nothing was done.
 */
bool __swap_compress_queue(struct folio *folio)
{
	enum scq_stat result = swap_compress_eligible(folio);

	if (result == SCQ_QUEUED)
		result = scq_queue(&swap_scq, folio_nid(folio),
				   folio_nr_pages(folio),
				   swap_compress_node_limit(folio_pgdat(folio)));
	/*
	 * alloc_contig_range() or memory offlining needs this pageblock. Looked at
	 * now, since they isolate it first and then look for pages in flight.
	 */
	if (result == SCQ_QUEUED && is_migrate_isolate_page(&folio->page)) {
		scq_unqueue(&swap_scq, folio_nid(folio), folio_nr_pages(folio));
		result = SCQ_INLINE_ISOLATED;
	}
	scq_count(&swap_scq, result, folio_nr_pages(folio));
	trace_swap_compress_queue(folio, scq_stat_names[result]);
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

static void swap_compress_mod_inflight(struct pglist_data *pgdat,
				       struct mem_cgroup *memcg, long nr_pages)
{
	mod_node_page_state(pgdat, NR_ISOLATED_ANON, nr_pages);
	for (; memcg && !mem_cgroup_is_root(memcg);
	     memcg = parent_mem_cgroup(memcg))
		atomic_long_add(nr_pages, swap_compress_memcg_slot(memcg));
}

/*
 * Folios of a list mostly come from one node and one cgroup: account them a run
 * at a time.
 */
static void swap_compress_account(struct list_head *folios, int sign)
{
	struct pglist_data *pgdat = NULL;
	struct mem_cgroup *memcg = NULL;
	struct folio *folio;
	long nr_pages = 0;

	list_for_each_entry(folio, folios, lru) {
		if (nr_pages && (folio_pgdat(folio) != pgdat ||
				 folio_memcg(folio) != memcg)) {
			swap_compress_mod_inflight(pgdat, memcg, nr_pages);
			nr_pages = 0;
		}
		pgdat = folio_pgdat(folio);
		memcg = folio_memcg(folio);
		nr_pages += sign * folio_nr_pages(folio);
	}
	if (nr_pages)
		swap_compress_mod_inflight(pgdat, memcg, nr_pages);
}

/**
 * __swap_compress_plug() - pass on the folios of a pass of shrink_folio_list()
 * @folios: accepted by swap_compress_queue(), linked by folio->lru; empty on
 *	return
 *
 * They stay isolated, and accounted so, until a worker has finished them.
 *
 * Context: task, after try_to_unmap_flush(); does not sleep.
 */
void __swap_compress_plug(struct list_head *folios)
{
	swap_compress_account(folios, 1);
	scq_plug(&swap_scq, folios);
}

/*
 * Long for all that may be in flight, short for a task that finds nothing to
 * reclaim
 */
#define SWAP_COMPRESS_WAIT	(HZ / 2)
/* For a task that needs particular pages, and can have no others */
#define SWAP_COMPRESS_RANGE_WAIT	(2 * HZ)
/* For a task that could as well reclaim for itself */
#define SWAP_COMPRESS_THROTTLE	(HZ / 50)

/**
 * __swap_compress_push() - put what is plugged on its way
 *
 * Context: any; does not wait.
 */
void __swap_compress_push(void)
{
	scq_push(&swap_scq);
}

/* Pages that somebody needs; those before @pfn are known not to be in flight */
struct swap_compress_range {
	struct scq_need need;
	int nid;
	unsigned long *pfn;
	unsigned long end_pfn;
};

/*
 * May the page be the first one of a folio in flight? Such a folio is swap-backed and
 * isolated, from before it is accepted until it is finished. It may have left the swap
 * cache by then: a fault can take it back as soon as its writeback has ended. It is
 * only looked at: with a reference to it a worker could not free it. In a block that
 * is isolated, no page becomes a tail page.
 */
static bool swap_compress_may_hold(unsigned long pfn)
{
	struct page *page = pfn_to_online_page(pfn);
	struct folio *folio;

	if (!page || PageTail(page))
		return false;
	folio = page_folio(page);
	return folio_test_swapbacked(folio) && !folio_test_lru(folio);
}

/* Is none of the pages in flight? */
static bool swap_compress_range_enough(const struct scq_need *need)
{
	const struct swap_compress_range *range =
		container_of_const(need, struct swap_compress_range, need);

	for (; *range->pfn < range->end_pfn; (*range->pfn)++) {
		if (swap_compress_may_hold(*range->pfn))
			return false;
	}
	return true;
}

static long swap_compress_range_inflight(const struct scq_need *need,
					 long *finished)
{
	const struct swap_compress_range *range =
		container_of_const(need, struct swap_compress_range, need);

	/* No goal: what is handed over later may be finished earlier. */
	*finished = 0;
	return scq_node_inflight(&swap_scq, range->nid);
}

/**
 * __swap_compress_wait_range() - wait until none of some pages is in flight
 * @start_pfn: the first page
 * @end_pfn: the page behind the last one; of the same node
 *
 * For somebody who needs just these pages, whose blocks are MIGRATE_ISOLATE by now,
 * so that none of them is handed over any more: those that are in flight can neither
 * be isolated nor migrated.
 *
 * Context: may sleep, killable; no folio lock held. Two seconds at most. After a
 * wait that timed out, the next one returns at once until something is finished.
 */
void __swap_compress_wait_range(unsigned long start_pfn, unsigned long end_pfn)
{
	/* A large folio may begin before the range, but not before its block. */
	unsigned long pfn = pageblock_start_pfn(start_pfn);
	const struct swap_compress_range range = {
		.need.enough		= swap_compress_range_enough,
		.need.nr_inflight	= swap_compress_range_inflight,
		.nid			= pfn_to_nid(start_pfn),
		.pfn			= &pfn,
		.end_pfn		= end_pfn,
	};

	/*
	 * Pairs with the cmpxchg in scq_queue(): either __swap_compress_queue() sees
	 * the block isolated, or we see the folio in flight.
	 */
	smp_mb();
	scq_wait(&swap_scq, &range.need, SWAP_COMPRESS_RANGE_WAIT);
}

/**
 * __swap_compress_inflight() - pages of a node that will soon be free
 * @nid: node
 *
 * Context: any.
 * Return: how many pages are in flight. They are on no LRU, so that nobody else
 * counts them as reclaimable.
 */
unsigned long __swap_compress_inflight(int nid)
{
	return scq_node_inflight(&swap_scq, nid);
}

/* An allocation, as direct reclaim knows it */
struct swap_compress_alloc {
	struct scq_need need;
	struct zonelist *zonelist;
	int order;
	gfp_t gfp;
	nodemask_t *nodes;
};

/* The flags of gfp_to_alloc_flags() that add to what is free */
static unsigned int swap_compress_alloc_flags(gfp_t gfp)
{
	unsigned int flags = 0;

	if (gfp & __GFP_HIGH)
		flags |= ALLOC_MIN_RESERVE;
	if (IS_ENABLED(CONFIG_CMA) && gfp_migratetype(gfp) == MIGRATE_MOVABLE)
		flags |= ALLOC_CMA;
	return flags;
}

/* Can the allocation succeed now? */
static bool swap_compress_alloc_enough(const struct scq_need *need)
{
	const struct swap_compress_alloc *alloc =
		container_of_const(need, struct swap_compress_alloc, need);
	unsigned int flags = swap_compress_alloc_flags(alloc->gfp);
	struct zoneref *z;
	struct zone *zone;

	for_each_zone_zonelist_nodemask(zone, z, alloc->zonelist,
					gfp_zone(alloc->gfp), alloc->nodes) {
		if (cpuset_zone_allowed(zone, alloc->gfp) &&
		    zone_watermark_ok(zone, alloc->order, min_wmark_pages(zone),
				      gfp_zone(alloc->gfp), flags))
			return true;
	}
	return false;
}

/* What is in flight on the nodes that the allocation may use */
static long swap_compress_alloc_inflight(const struct scq_need *need,
					 long *finished)
{
	const struct swap_compress_alloc *alloc =
		container_of_const(need, struct swap_compress_alloc, need);
	int last = NUMA_NO_NODE;
	struct zoneref *z;
	struct zone *zone;
	long nr_inflight = 0;

	*finished = 0;
	for_each_zone_zonelist_nodemask(zone, z, alloc->zonelist,
					gfp_zone(alloc->gfp), alloc->nodes) {
		int nid = zone_to_nid(zone);

		if (nid == last || !cpuset_zone_allowed(zone, alloc->gfp))
			continue;
		last = nid;
		nr_inflight += scq_node_inflight(&swap_scq, nid);
		*finished += scq_node_finished(&swap_scq, nid);
	}
	return nr_inflight;
}

/* Is a quarter of what may be in flight on these nodes? */
static bool swap_compress_is_behind(const struct swap_compress_alloc *alloc)
{
	unsigned long knob = READ_ONCE(swap_scq.max_inflight_pages);
	struct pglist_data *last = NULL;
	unsigned long bound = 0;
	long nr_inflight, finished;
	struct zoneref *z;
	struct zone *zone;

	nr_inflight = swap_compress_alloc_inflight(&alloc->need, &finished);
	if (!nr_inflight)
		return false;
	for_each_zone_zonelist_nodemask(zone, z, alloc->zonelist,
					gfp_zone(alloc->gfp), alloc->nodes) {
		struct pglist_data *pgdat = zone->zone_pgdat;

		if (pgdat == last || !cpuset_zone_allowed(zone, alloc->gfp))
			continue;
		last = pgdat;
		bound += min(knob, swap_compress_node_limit(pgdat));
	}
	return nr_inflight >= bound / 4;
}

/**
 * __swap_compress_wait() - wait for memory that is on its way
 * @zonelist: of the allocation, as the rest
 * @order: its order
 * @gfp: its flags
 * @nodes: nodes it may use, NULL: all
 *
 * Waits also where __swap_compress_throttle() would not: what comes next is
 * failure, or the OOM killer.
 *
 * Context: may sleep, killable. For direct reclaim that is about to give up.
 * Return: true if the allocation can succeed now.
 */
bool __swap_compress_wait(struct zonelist *zonelist, int order, gfp_t gfp,
			  nodemask_t *nodes)
{
	const struct swap_compress_alloc alloc = {
		.need.enough	= swap_compress_alloc_enough,
		.need.nr_inflight	= swap_compress_alloc_inflight,
		.zonelist	= zonelist,
		.order		= order,
		.gfp		= gfp,
		.nodes		= nodes,
	};

	return scq_wait(&swap_scq, &alloc.need, SWAP_COMPRESS_WAIT);
}

#ifdef CONFIG_MEMCG
struct swap_compress_charge {
	struct scq_need need;
	struct mem_cgroup *memcg;
};

/*
 * Is there room for a charge? A cgroup that has it already is reclaimed for another
 * reason, such as memory.high, which scq_wait() does not wait for.
 */
static bool swap_compress_charge_enough(const struct scq_need *need)
{
	const struct swap_compress_charge *charge =
		container_of_const(need, struct swap_compress_charge, need);
	const struct page_counter *memory = &charge->memcg->memory;

	unsigned long usage = page_counter_read((struct page_counter *)memory);

	return READ_ONCE(memory->max) >= usage + SWAP_CLUSTER_MAX;
}

/* What is in flight and charged to the cgroup or a descendant */
static long swap_compress_charge_inflight(const struct scq_need *need,
					  long *finished)
{
	const struct swap_compress_charge *charge =
		container_of_const(need, struct swap_compress_charge, need);

	*finished = scq_finished(&swap_scq);
	return atomic_long_read(swap_compress_memcg_slot(charge->memcg));
}

/**
 * __swap_compress_wait_memcg() - wait for pages of a cgroup that are on their way
 * @memcg: cgroup that is at its limit
 *
 * Context: may sleep, killable. For reclaim of a cgroup that is about to give up.
 * Return: true if something can be charged to it now.
 */
bool __swap_compress_wait_memcg(struct mem_cgroup *memcg)
{
	const struct swap_compress_charge charge = {
		.need.enough	= swap_compress_charge_enough,
		.need.nr_inflight	= swap_compress_charge_inflight,
		.memcg		= memcg,
	};

	return scq_wait(&swap_scq, &charge.need, SWAP_COMPRESS_WAIT);
}
#endif

/**
 * __swap_compress_throttle() - let workers reclaim for a task
 * @zonelist: of its allocation, as the rest
 * @order: only single pages are waited for
 * @gfp: with __GFP_FS and __GFP_IO, so that no lock is held that a store needs
 * @nodes: nodes it may use, NULL: all
 *
 * Only where another task is runnable on its CPU (or about to sleep, which the
 * scheduler does not tell), be it kswapd, a worker, or one that these keep from
 * another CPU. A task that has a CPU for itself makes better use of it.
 *
 * Not for kernel threads, which others may be waiting for, nor for tasks that
 * come before any worker. Counts the same event as throttle_direct_reclaim().
 *
 * Context: may sleep, killable. For a task that is about to reclaim directly.
 * Return: true if the allocation can succeed now.
 */
bool __swap_compress_throttle(struct zonelist *zonelist, int order, gfp_t gfp,
			      nodemask_t *nodes)
{
	const struct swap_compress_alloc alloc = {
		.need.enough	= swap_compress_alloc_enough,
		.need.nr_inflight	= swap_compress_alloc_inflight,
		.zonelist	= zonelist,
		.order		= order,
		.gfp		= gfp,
		.nodes		= nodes,
	};

	if (order || !gfp_has_io_fs(gfp) || (current->flags & PF_KTHREAD) ||
	    rt_or_dl_task(current) || fatal_signal_pending(current) ||
	    single_task_running() || !swap_compress_is_behind(&alloc))
		return false;
	return scq_throttle(&swap_scq, &alloc.need, SWAP_COMPRESS_THROTTLE);
}

/* The freezer gives up after 20 s, and only after it has frozen everybody else. */
#define SWAP_COMPRESS_PM_WAIT	(10 * HZ)

/*
 * From here on until after resume nothing is accepted, so that nothing is in
 * flight while the snapshot is taken: kswapd, which is frozen only later, writes
 * its folios itself. A store that does not end would keep kswapd from freezing.
 */
static int swap_compress_pm(struct notifier_block *nb, unsigned long event,
			    void *unused)
{
	int err;

	switch (event) {
	case PM_HIBERNATION_PREPARE:
	case PM_RESTORE_PREPARE:
	case PM_SUSPEND_PREPARE:
		err = scq_stop(&swap_scq, SWAP_COMPRESS_PM_WAIT);
		if (!err)
			break;
		if (err == -ETIMEDOUT)
			pr_warn("%ld pages are still being stored: suspend is refused. Is the swap device stuck?\n",
				scq_inflight(&swap_scq));
		return notifier_from_errno(-EBUSY);
	case PM_POST_HIBERNATION:
	case PM_POST_RESTORE:
	case PM_POST_SUSPEND:
		scq_start(&swap_scq);
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block swap_compress_pm_nb = {
	.notifier_call = swap_compress_pm,
};

/**
 * __swap_compress_settle() - take off what was reclaimed on paper only
 * @nid: node
 * @nr_reclaimed: what kswapd has counted as reclaimed there in this round
 *
 * kswapd counts pages as reclaimed when it hands them over. Without this it would
 * never notice a node where none of them can be freed.
 *
 * Context: any.
 * Return: @nr_reclaimed less pages of the node that were put back instead of freed.
 */
unsigned long __swap_compress_settle(int nid, unsigned long nr_reclaimed)
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

static bool swap_compress_has_slot_users(struct folio *folio)
{
	swp_entry_t entry = folio->swap;
	long nr_pages = folio_nr_pages(folio);

	for (; nr_pages; nr_pages--, entry.val++) {
		if (__swap_count(entry))
			return true;
	}
	return false;
}

/*
 * Is nobody left who could want the content: not mapped, and no page table has
 * its swap entry? The lock keeps out a fault, which frees the entry before it
 * maps the folio. KSM could map it again without a swap entry.
 */
static bool swap_compress_unused(struct folio *folio)
{
	bool unused;

	/* A hint at first: most have a user, and the lock is not free. */
	if (swap_compress_has_slot_users(folio) || folio_test_ksm(folio) ||
	    !folio_trylock(folio))
		return false;
	unused = !folio_mapped(folio) && !swap_compress_has_slot_users(folio);
	folio_unlock(folio);
	return unused;
}

/**
 * __swap_compress_shared() - is a folio shared that is mapped as if it were?
 * @folio: mapped; its page table is locked
 *
 * do_swap_page() maps a queued folio so, that whoever writes to it gets a copy.
 *
 * Context: any.
 * Return: true if somebody else maps it or has its swap entry, or if it is not known.
 */
bool __swap_compress_shared(struct folio *folio)
{
	bool shared;

	if (!folio_test_anon(folio) || folio_test_ksm(folio) ||
	    folio_test_large(folio) || folio_mapcount(folio) != 1)
		return true;
	/* Its holder goes on soon; meanwhile the worst is a copy of a shared page. */
	if (!folio_trylock(folio))
		return false;
	shared = folio_test_swapcache(folio) &&
		 swap_compress_has_slot_users(folio);
	folio_unlock(folio);
	return shared;
}

/**
 * __swap_compress_swap_shared() - is a swap entry shared?
 * @entry: swap entry of a page table
 *
 * Context: any.
 * Return: true if another page table has it too.
 */
bool __swap_compress_swap_shared(swp_entry_t entry)
{
	struct swap_info_struct *si = get_swap_device(entry);
	bool shared;

	if (!si)
		return true;
	shared = __swap_count(entry) != 1;
	put_swap_device(si);
	return shared;
}

/**
 * __swap_compress_unshare() - make a page exclusive that nobody shares
 * @vma: where it is mapped, or swapped; locked
 * @addr: its address
 *
 * As GUP does it: the page is copied if a worker still has it.
 *
 * Context: may sleep.
 * Return: -EAGAIN, or another error if that was not possible.
 */
int __swap_compress_unshare(struct vm_area_struct *vma, unsigned long addr)
{
	vm_fault_t fault = handle_mm_fault(vma, addr, FAULT_FLAG_UNSHARE, NULL);

	return fault & VM_FAULT_ERROR ? vm_fault_to_errno(fault, 0) : -EAGAIN;
}

/*
 * Cancel what needs no store. A folio that was taken back while it waited would be
 * compressed for nothing. It becomes dirty: otherwise swap-in would read a slot
 * that was never written.
 */
static void swap_compress_cancel(struct scq_run *run)
{
	struct folio *folio, *next;

	list_for_each_entry_safe(folio, next, &run->folios, lru) {
		if (folio_mapped(folio) || folio_test_dirty(folio))
			scq_settle(run, folio, SCQ_CANCELLED_REFAULT);
		else if (swap_compress_unused(folio))
			scq_settle(run, folio, SCQ_CANCELLED_FREED);
		else if (folio_contain_hwpoisoned_page(folio))
			/* A fault has to find it in the swap cache. */
			scq_settle(run, folio, SCQ_FAILED);
	}
}

/*
 * The zero map and zswap, as swap_writeout() uses them. zswap_store() asks for a
 * locked folio. Under writeback, isolated and in the swap cache, it is as safe:
 *
 * 1. A concurrent store of the same slots would need to isolate the folio, and to
 *    find it not under writeback, see shrink_folio_list().
 *
 * 2. A load or zswap's own writeback would need a new folio of the slots in the
 *    swap cache, where this one is.
 *
 * 3. An invalidation would need the slots to be free, which the swap cache
 *    holds; folio_free_swap() lets go only when writeback has ended.
 *
 * 4. The content is stable: no TLB has an entry any more, and whoever maps the
 *    folio while it is under writeback gets it read-only, see
 *    swap_compress_queued().
 */
static void swap_compress_store_memory(struct scq_run *run)
{
	struct folio *folio, *next;

	list_for_each_entry_safe(folio, next, &run->folios, lru) {
		switch (swap_store_in_memory(folio)) {
		case SWAP_STORED_ZERO:
			scq_settle(run, folio, SCQ_STORED_ZERO);
			break;
		case SWAP_STORED_ZSWAP:
			scq_settle(run, folio, SCQ_STORED_ZSWAP);
			break;
		case SWAP_STORE_REFUSED:
			scq_settle(run, folio, SCQ_FAILED);
			break;
		case SWAP_STORE_DEVICE:
			break;
		}
		cond_resched();
	}
}

/* What a bio is filled with at most; bounded for the stack's sake. */
#define SWAP_COMPRESS_BIO_FOLIOS	SWAP_CLUSTER_MAX

static int swap_compress_submit(struct bio *bio)
{
	if (scq_should_fail(SCQ_FAULT_BIO)) {
		bio_uninit(bio);	/* as bio_endio() does */
		return -EIO;
	}
	return submit_bio_wait(bio);
}

/* Part of the bio of a large folio, which itself is never submitted */
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
	err = swap_compress_submit(&bio);
	bio_uninit(&bio);
	return !err;
}

static int swap_compress_write_large(struct scq *scq, struct folio *folio)
{
	struct bio_vec bvec;
	struct bio bio;
	bool stored;

	swap_bio_init_write(&bio, &bvec, 1, folio);
	stored = scq_store_large(scq, folio_nr_pages(folio), &bio);
	bio_uninit(&bio);
	return stored ? 0 : -EIO;
}

/*
 * Write the first of @folios and up to @max - 1 that follow it on the device.
 * Returns how many.
 */
static unsigned int swap_compress_write(struct list_head *folios,
					unsigned int max, int *err)
{
	struct folio *folio = list_first_entry(folios, struct folio, lru);
	struct bio_vec bvecs[SWAP_COMPRESS_BIO_FOLIOS];
	struct mem_cgroup *memcg = folio_memcg(folio);
	unsigned int nr = 1;
	struct bio bio;

	swap_bio_init_write(&bio, bvecs, max, folio);
	list_for_each_entry_continue(folio, folios, lru) {
		if (nr == max || folio_memcg(folio) != memcg ||
		    folio_nr_pages(folio) > SCQ_SLICE_PAGES ||
		    !swap_bio_add_write(&bio, folio))
			break;
		nr++;
	}
	*err = swap_compress_submit(&bio);
	return nr;
}

/*
 * Folios that zswap did not take after all, in front of a disk. As in reclaim without
 * this feature, nobody waits for the disk: the folio goes back to the LRU with
 * PG_reclaim set, and is moved to where it is freed next when its write ends.
 */
static void swap_compress_submit_async(struct scq_run *run)
{
	bool finished = false;
	struct folio *folio, *next;
	struct blk_plug plug;

	blk_start_plug(&plug);
	list_for_each_entry_safe(folio, next, &run->folios, lru) {
		if (swap_folio_synchronous(folio))
			continue;
		/* A busy disk has us wait to submit: not with what is stored. */
		if (!finished)
			scq_finish_settled(run);
		finished = true;
		swap_submit_write(folio);
		scq_settle(run, folio, SCQ_SUBMITTED);
		cond_resched();
	}
	blk_finish_plug(&plug);
}

static void swap_compress_store_device(struct scq_run *run)
{
	struct folio *folio;
	unsigned int alone = 0;

	while ((folio = list_first_entry_or_null(&run->folios, struct folio,
						 lru))) {
		unsigned int nr = 1;
		int err;

		if (folio_nr_pages(folio) > SCQ_SLICE_PAGES)
			err = swap_compress_write_large(run->scq, folio);
		else
			nr = swap_compress_write(&run->folios,
						 alone ? 1 : SWAP_COMPRESS_BIO_FOLIOS,
						 &err);
		if (err && nr > 1) {
			alone = nr;	/* to find out which of them failed */
			continue;
		}
		if (alone)
			alone--;

		while (nr--) {
			folio = list_first_entry(&run->folios, struct folio,
						 lru);
			if (err)
				pr_alert_ratelimited("Write-error %d on swap entry %lx\n",
						     err, folio->swap.val);
			scq_settle(run, folio, err ? SCQ_FAILED : SCQ_STORED);
		}
		cond_resched();
	}
}

/*
 * As the end of shrink_folio_list() does it. Trylock only: whoever holds the
 * lock may be waiting for the writeback of another folio of this batch, and has
 * a use for this one. Whoever found the folio in the swap cache holds a
 * reference, a fault by mapping it, and makes reclaim_swapcache_folio() fail.
 */
static bool swap_compress_reclaim(struct folio *folio)
{
	bool reclaimed;

	if (!folio_trylock(folio))
		return false;
	reclaimed = folio_test_swapcache(folio) &&
		    !folio_test_writeback(folio) &&
		    !folio_test_dirty(folio) &&
		    reclaim_swapcache_folio(folio);
	folio_unlock(folio);
	return reclaimed;
}

/*
 * What cannot be freed goes back to the LRU, but not to where reclaim looks
 * first: it is in use again, or could not be stored and would fail again at
 * once (see "rejected folios" in evict_folios(), AOP_WRITEPAGE_ACTIVATE). kswapd
 * has counted it as reclaimed, see __swap_compress_settle().
 */
static void swap_compress_put_back(struct folio *folio)
{
	/* If kswapd sleeps, somebody else handed it over. */
	if (!waitqueue_active(&folio_pgdat(folio)->kswapd_wait))
		atomic_long_add(folio_nr_pages(folio),
				&swap_compress_debts[folio_nid(folio)]);
	if (folio_mapped(folio) || folio_test_dirty(folio))
		folio_set_active(folio);
	folio_putback_lru(folio);
}

static void swap_compress_free(struct folio_batch *fbatch)
{
	mem_cgroup_uncharge_folios(fbatch);
	free_unref_folios(fbatch);
}

/*
 * What this CPU keeps on its lists of free pages does not count as free, and is
 * of no use to a task on another CPU, which would wait for some batches more.
 */
static void swap_compress_drain(void)
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

	swap_compress_account(folios, -1);

	folio_batch_init(&fbatch);
	list_for_each_entry_safe(folio, next, folios, lru) {
		long nr_pages = folio_nr_pages(folio);

		list_del(&folio->lru);
		if (!swap_compress_reclaim(folio)) {
			swap_compress_put_back(folio);
			put_back = true;
			continue;
		}

		count_memcg_folio_events(folio, PGSTEAL_KSWAPD, nr_pages);
		nr_freed += nr_pages;
		if (!folio_batch_add(&fbatch, folio))
			swap_compress_free(&fbatch);
	}
	if (folio_batch_count(&fbatch))
		swap_compress_free(&fbatch);
	if (nr_freed && scq_has_waiters(&swap_scq))
		swap_compress_drain();
	/* Its reference would keep their next user from owning them. */
	if (put_back)
		lru_add_drain();

	count_vm_events(PGSTEAL_KSWAPD, nr_freed);
	count_vm_events(PGSTEAL_ANON, nr_freed);
	return nr_freed;
}

static const struct scq_ops swap_scq_ops = {
	.stores	= {
		swap_compress_cancel,
		swap_compress_store_memory,
		swap_compress_submit_async,
		swap_compress_store_device,
	},
	.store_slice = swap_compress_store_slice,
	.finish	= swap_compress_finish,
};

/*********************************
 * interface: boot parameter and sysfs
 **********************************/

static bool swap_compress_boot_on __initdata =
	IS_ENABLED(CONFIG_SWAP_COMPRESS_WQ_DEFAULT_ON);

/* A value that is neither on nor off is reported as a malformed option. */
static int __init swap_compress_setup(char *str)
{
	return kstrtobool(str, &swap_compress_boot_on);
}

early_param("swap_compress", swap_compress_setup);

/* Returns 0, or -EINTR or -ERESTARTSYS if the task is killed while it waits. */
static int swap_compress_set_enabled(bool on)
{
	static DEFINE_MUTEX(lock);
	int err;

	err = mutex_lock_killable(&lock);
	if (err)
		return err;

	/* The key is on while anything is queued: swap_compress_queued() asks. */
	if (on == static_key_enabled(&swap_compress_enabled)) {
		err = 0;
	} else if (on) {
		static_branch_enable(&swap_compress_enabled);
		scq_start(&swap_scq);
	} else {
		err = scq_stop(&swap_scq, MAX_SCHEDULE_TIMEOUT);
		if (!err)
			static_branch_disable(&swap_compress_enabled);
	}
	mutex_unlock(&lock);
	return err;
}

static ssize_t enabled_show(struct kobject *kobj, struct kobj_attribute *attr,
			    char *buf)
{
	return sysfs_emit(buf, "%d\n",
			  static_key_enabled(&swap_compress_enabled));
}

static ssize_t enabled_store(struct kobject *kobj, struct kobj_attribute *attr,
			     const char *buf, size_t count)
{
	bool on;
	int err = kstrtobool(buf, &on);

	return err ?: swap_compress_set_enabled(on) ?: count;
}

static ssize_t batch_pages_show(struct kobject *kobj,
				struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(swap_scq.batch_pages));
}

static ssize_t batch_pages_store(struct kobject *kobj,
				 struct kobj_attribute *attr,
				 const char *buf, size_t count)
{
	unsigned long nr_pages;
	int err = kstrtoul(buf, 0, &nr_pages);

	return err ?: scq_set_batch_pages(&swap_scq, nr_pages) ?: count;
}

static ssize_t max_inflight_pages_show(struct kobject *kobj,
				       struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%lu\n", READ_ONCE(swap_scq.max_inflight_pages));
}

static ssize_t max_inflight_pages_store(struct kobject *kobj,
					struct kobj_attribute *attr,
					const char *buf, size_t count)
{
	unsigned long nr_pages;
	int err = kstrtoul(buf, 0, &nr_pages);

	return err ?: scq_set_max_inflight_pages(&swap_scq, nr_pages) ?: count;
}

static ssize_t sources_show(struct kobject *kobj, struct kobj_attribute *attr,
			    char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(swap_compress_sources));
}

static ssize_t sources_store(struct kobject *kobj, struct kobj_attribute *attr,
			     const char *buf, size_t count)
{
	unsigned int sources;
	int err = kstrtouint(buf, 0, &sources);

	if (err)
		return err;
	if (sources & ~SWAP_COMPRESS_SOURCES)
		return -EINVAL;
	WRITE_ONCE(swap_compress_sources, sources);
	return count;
}

static ssize_t inflight_pages_show(struct kobject *kobj,
				   struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%ld\n", scq_inflight(&swap_scq));
}

static struct kobj_attribute enabled_attr = __ATTR_RW(enabled);
static struct kobj_attribute batch_pages_attr = __ATTR_RW(batch_pages);
static struct kobj_attribute max_inflight_pages_attr =
	__ATTR_RW(max_inflight_pages);
static struct kobj_attribute sources_attr = __ATTR_RW(sources);
static struct kobj_attribute inflight_pages_attr = __ATTR_RO(inflight_pages);

static struct attribute *swap_compress_attrs[] = {
	&enabled_attr.attr,
	&batch_pages_attr.attr,
	&max_inflight_pages_attr.attr,
	&sources_attr.attr,
	&inflight_pages_attr.attr,
	NULL
};

static const struct attribute_group swap_compress_group = {
	.attrs = swap_compress_attrs,
};

static struct kobj_attribute scq_stat_attrs[NR_SCQ_STATS];

static ssize_t scq_stat_show(struct kobject *kobj, struct kobj_attribute *attr,
			     char *buf)
{
	return sysfs_emit(buf, "%lu\n",
			  scq_read_stat(&swap_scq, attr - scq_stat_attrs));
}

static struct attribute *swap_compress_stats_attrs[NR_SCQ_STATS + 1];

static const struct attribute_group swap_compress_stats_group = {
	.name = "stats",
	.attrs = swap_compress_stats_attrs,
};

static int __init swap_compress_sysfs_init(void)
{
	struct kobject *kobj;
	unsigned int i;
	int err;

	for (i = 0; i < NR_SCQ_STATS; i++) {
		struct kobj_attribute *attr = &scq_stat_attrs[i];

		sysfs_attr_init(&attr->attr);
		attr->attr.name = scq_stat_names[i];
		attr->attr.mode = 0444;
		attr->show = scq_stat_show;
		swap_compress_stats_attrs[i] = &attr->attr;
	}

	kobj = kobject_create_and_add("swap_compress", mm_kobj);
	if (!kobj)
		return -ENOMEM;
	err = sysfs_create_group(kobj, &swap_compress_group) ?:
	      sysfs_create_group(kobj, &swap_compress_stats_group);
	if (err)
		kobject_put(kobj);
	return err;
}

static void __init swap_compress_debugfs_init(void)
{
#ifdef CONFIG_FAULT_INJECTION_DEBUG_FS
	struct dentry *dir;

	dir = fault_create_debugfs_attr("fail_swap_compress", NULL,
					&scq_fault_attr);
	debugfs_create_u32("points", 0600, dir, &scq_fault_points);
	debugfs_create_u32("delay_ms", 0600, dir, &scq_fault_delay_ms);
#endif
}

/*
 * Unbound, since the point is to run where CPUs idle; WQ_MEM_RECLAIM, since
 * reclaim waits for it: the rescuer alone can finish every batch. A worker for
 * each CPU but the one that kswapd takes: one more would share a CPU with it, for
 * twice the context switches; see "Choosing values". A batch wakes at most one
 * worker, so that light pressure runs one.
 */
static int __init swap_compress_init(void)
{
	const unsigned int nr_workers = clamp(num_online_cpus() - 1, 1U,
					      SCQ_MAX_WORKERS);
	const unsigned long limit = totalram_pages() >> SCQ_INFLIGHT_SHIFT;
	struct workqueue_struct *wq;
	int err;

	wq = alloc_workqueue("swap_compress",
			     WQ_UNBOUND | WQ_MEM_RECLAIM | WQ_SYSFS,
			     nr_workers);
	if (!wq)
		return -ENOMEM;

	err = scq_init(&swap_scq, &swap_scq_ops, wq, SCQ_POOL_BATCHES, limit);
	if (err)
		goto destroy_wq;
	scq_set_max_inflight_pages(&swap_scq,
				   min3(nr_workers * SCQ_WORKER_PAGES,
					SCQ_INFLIGHT_PAGES, limit));

	err = swap_compress_sysfs_init();
	if (err)
		goto destroy_scq;
	swap_compress_debugfs_init();
	register_pm_notifier(&swap_compress_pm_nb);
	if (swap_compress_boot_on)
		swap_compress_set_enabled(true);
	return 0;

destroy_scq:
	scq_destroy(&swap_scq);
destroy_wq:
	destroy_workqueue(wq);
	return err;
}
late_initcall(swap_compress_init);
