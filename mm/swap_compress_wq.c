// SPDX-License-Identifier: GPL-2.0
/*
 * A queue of folios that workers of a workqueue store and finish, batch by batch.
 *
 * This is the engine of swap_compress. Of a folio it knows the node, the size and
 * the list head; struct scq_ops says how folios are stored and freed. See "DOC:
 * overview" in mm/swap_compress.c for what the queue is for, and
 * mm/swap_compress_wait.c for tasks that wait for it.
 */

#define pr_fmt(fmt) "swap_compress: " fmt

#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/fault-inject.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/percpu.h>
#include <linux/psi.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include "swap_compress_wq.h"

#define CREATE_TRACE_POINTS
#include <trace/events/swap_compress.h>

/*
 * A batch must be large enough to be worth waking a worker, and small enough that
 * its first folio does not wait long for its last. kswapd stores and frees in
 * units of the same size, so a worker takes no more from the reserves than kswapd
 * does before it frees something.
 */
#define SCQ_BATCH_PAGES		SWAP_CLUSTER_MAX

/*********************************
 * data
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
 * struct scq_plug_list - folios of one CPU that do not make a batch yet
 * @lock:	protects @folios, @nr_pages, @since; other CPUs push the list
 * @folios:	in the order of hand-over, linked by folio->lru
 * @nr_pages:	total size of @folios
 * @since:	when the first of them was added, ktime_get_ns()
 * @work:	takes the folios; runs after a push or after push_delay
 * @scq:	set once
 * @cpu:	set once
 */
struct scq_plug_list {
	spinlock_t lock;		/* see above */
	struct list_head folios;
	unsigned int nr_pages;
	u64 since;
	struct delayed_work work;
	struct scq *scq;
	int cpu;
};

/**
 * struct scq_batch - the folios of one work item
 * @work:	the work item
 * @folios:	empty while the batch is in the pool
 * @nr_pages:	total size of @folios
 * @since:	when the batch was full, ktime_get_ns()
 * @pool:	link in scq->pool
 * @scq:	set once
 */
struct scq_batch {
	struct work_struct work;
	struct list_head folios;
	unsigned int nr_pages;
	u64 since;
	struct list_head pool;
	struct scq *scq;
};

/*********************************
 * counters
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
	[SCQ_THROTTLED]		= "throttled",
	[SCQ_BIO_PAGES]		= "bio_pages",
	[SCQ_INLINE_NOT_KSWAPD] = "inline_not_kswapd",
	[SCQ_INLINE_SHMEM]	= "inline_shmem",
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
 * scq_stat_name() - name of a counter in sysfs and in tracepoints
 * @item: counter
 *
 * Context: any.
 * Return: the name.
 */
const char *scq_stat_name(enum scq_stat item)
{
	return scq_stat_names[item];
}

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
 * Context: any. Not a snapshot: counters move while they are added up.
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
 * fault injection
 **********************************/

#ifdef CONFIG_FAULT_INJECTION
DECLARE_FAULT_ATTR(scq_fault_attr);
u32 scq_fault_points = U32_MAX;
u32 scq_fault_delay_ms = 20;

/**
 * scq_should_fail() - decide whether to inject a fault
 * @point: what could fail
 *
 * Configured by KUnit, or through fail_swap_compress in debugfs. The attribute is
 * our own because a task filter cannot select kworkers.
 *
 * Context: any.
 * Return: true if the caller must fail.
 */
bool scq_should_fail(enum scq_fault point)
{
	return (READ_ONCE(scq_fault_points) & BIT(point)) &&
	       should_fail(&scq_fault_attr, 1);
}

static void scq_inject_delay(void)
{
	if (scq_should_fail(SCQ_FAULT_DELAY))
		msleep(READ_ONCE(scq_fault_delay_ms));
}
#else
static void scq_inject_delay(void)
{
}
#endif

/*********************************
 * room
 **********************************/

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
 * scq_inflight() - count pages of all nodes that are in flight
 * @scq: queue
 *
 * Context: any.
 * Return: a sum of counters that move meanwhile. Once scq_stop() has begun, zero
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
 * scq_is_idle() - decide whether workers have time for something else
 * @scq: queue
 *
 * Context: any.
 * Return: true if the queue accepts folios, and none is in flight.
 */
bool scq_is_idle(struct scq *scq)
{
	return !atomic_read(&scq->stopped) && !scq_inflight(scq);
}

/**
 * scq_reserve() - ask for room for a folio
 * @scq: queue
 * @nid: node of the folio
 * @nr_pages: size of the folio
 * @limit: bound of that node, in addition to max_inflight_pages
 *
 * Never waits, and never lets the pages accepted for a node exceed its bound.
 *
 * The pool of batch objects is only looked at. If the last object is taken before
 * the folio reaches a plug list, the folio stays in the list until the list's own
 * work item takes it.
 *
 * Context: any. After SCQ_QUEUED the caller must pass the folio to scq_plug(), or
 * call scq_unreserve().
 * Return: SCQ_QUEUED, or the reason for refusing. The caller counts it.
 */
enum scq_stat scq_reserve(struct scq *scq, int nid, unsigned int nr_pages,
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
		scq_unreserve(scq, nid, nr_pages);
		return SCQ_INLINE_STOPPED;
	}
	return SCQ_QUEUED;
}

/**
 * scq_is_awaited() - does a task wait for pages in flight?
 * @scq: queue
 *
 * Context: any.
 * Return: true if a task sleeps until pages are finished.
 */
bool scq_is_awaited(struct scq *scq)
{
	return wq_has_sleeper(&scq->progress);
}

/**
 * scq_unreserve() - give back room that scq_reserve() gave
 * @scq: queue
 * @nid: node of the pages
 * @nr_pages: number of pages
 *
 * Context: any.
 */
void scq_unreserve(struct scq *scq, int nid, unsigned long nr_pages)
{
	bool last = !atomic_long_sub_return(nr_pages,
					    &scq->nodes[nid].inflight_pages);

	if (!scq_is_awaited(scq))
		return;
	if (last)
		wake_up_all(&scq->progress);
	else	/* one task in scq_throttle(), and every task in scq_wait() */
		wake_up(&scq->progress);
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
	/* LIFO: the object used last is likely to be in a CPU's cache. */
	list_add(&batch->pool, &scq->pool);
	WRITE_ONCE(scq->nr_pool, scq->nr_pool + 1);
	spin_unlock(&scq->pool_lock);
}

/*********************************
 * workers
 **********************************/

/**
 * scq_settle() - record the result for a folio of a job
 * @job: passed to the store
 * @folio: in job->folios; moved to another list
 * @result: SCQ_STORED and the like, SCQ_CANCELLED_FREED, SCQ_SUBMITTED, or a
 *	reason why the content is not stored: SCQ_FAILED or SCQ_CANCELLED_REFAULT
 *
 * After SCQ_SUBMITTED the completion of the write ends writeback, which may have
 * happened already.
 *
 * Context: called by a store.
 */
void scq_settle(struct scq_job *job, struct folio *folio, enum scq_stat result)
{
	struct list_head *settled = &job->clean;

	if (result == SCQ_FAILED || result == SCQ_CANCELLED_REFAULT)
		settled = &job->redirty;
	else if (result == SCQ_SUBMITTED)
		settled = &job->submitted;
	scq_count(job->scq, result, folio_nr_pages(folio));
	trace_swap_compress_store(folio, scq_stat_name(result));
	list_move_tail(&folio->lru, settled);
}

static void scq_store(struct scq_job *job)
{
	struct folio *folio, *next;
	unsigned int i;

	list_for_each_entry_safe(folio, next, &job->folios, lru) {
		if (scq_should_fail(SCQ_FAULT_STORE))
			scq_settle(job, folio, SCQ_FAILED);
	}
	for (i = 0; i < SCQ_MAX_STORES && job->scq->ops->stores[i]; i++)
		job->scq->ops->stores[i](job);
	list_for_each_entry_safe(folio, next, &job->folios, lru)
		scq_settle(job, folio, SCQ_FAILED);
}

/* Finish the folios of one node, all of which have ended writeback or soon will. */
static void scq_finish_node(struct scq_job *job, int nid,
			    struct list_head *folios, unsigned long nr_pages)
{
	struct scq *scq = job->scq;
	unsigned long nr_freed = scq->ops->finish(nid, folios);

	scq_count(scq, SCQ_FREED, nr_freed);
	scq_count(scq, SCQ_PUT_BACK, nr_pages - nr_freed);
	job->nr_freed += nr_freed;
	job->nr_finished += nr_pages;
	if (job->nr_finished == job->nr_pages) {
		trace_swap_compress_batch_end(job->nr_pages, job->nr_freed);
		scq_count(scq, SCQ_BATCHES, 1);
	}
	/* Last: from here on no task waits for these pages any more. */
	atomic_long_add(nr_pages, &scq->nodes[nid].finished_pages);
	scq_unreserve(scq, nid, nr_pages);
}

/**
 * scq_finish_settled() - end writeback of the settled folios, and finish them
 * @job: passed to the store
 *
 * Context: called by a store before it waits for something slow.
 */
void scq_finish_settled(struct scq_job *job)
{
	struct list_head *settled = &job->clean;

	job->scq->ops->end_writeback(job);
	list_splice_tail_init(&job->redirty, settled);
	list_splice_tail_init(&job->submitted, settled);

	/* Mostly all folios are of one node. */
	while (!list_empty(settled)) {
		int nid = folio_nid(list_first_entry(settled, struct folio, lru));
		struct folio *folio, *next;
		unsigned long nr_pages = 0;
		LIST_HEAD(folios);

		list_for_each_entry_safe(folio, next, settled, lru) {
			if (folio_nid(folio) != nid)
				continue;
			nr_pages += folio_nr_pages(folio);
			list_move_tail(&folio->lru, &folios);
		}
		scq_finish_node(job, nid, &folios, nr_pages);
	}
}

/*
 * The nice value of workers can be changed in sysfs, but no function reads it.
 * scq_throttle() needs it: a task of higher priority does not wait for workers.
 */
static void scq_note_nice(struct scq *scq)
{
	int nice = task_nice(current);

	/* The rescuer's says nothing about the others. */
	if (!current_is_workqueue_rescuer() && READ_ONCE(scq->nice) != nice)
		WRITE_ONCE(scq->nice, nice);
}

/* Store and finish @folios; the list is empty on return. */
static void scq_process(struct scq *scq, struct list_head *folios,
			unsigned int nr_pages, u64 since)
{
	struct scq_job job = {
		.scq	 = scq,
		.folios	 = LIST_HEAD_INIT(job.folios),
		.clean	 = LIST_HEAD_INIT(job.clean),
		.redirty = LIST_HEAD_INIT(job.redirty),
		.submitted = LIST_HEAD_INIT(job.submitted),
		.nr_pages = nr_pages,
	};
	unsigned int noreclaim;
	unsigned long pflags;

	scq_note_nice(scq);
	trace_swap_compress_batch_start(nr_pages, ktime_get_ns() - since);

	/*
	 * A worker is part of reclaim. Like kswapd it may allocate from the
	 * reserves in order to store, must not reclaim in turn, and what it does
	 * is pressure on memory.
	 */
	psi_memstall_enter(&pflags);
	noreclaim = memalloc_noreclaim_save();

	scq_inject_delay();
	list_splice_init(folios, &job.folios);
	scq_store(&job);
	scq_finish_settled(&job);

	memalloc_noreclaim_restore(noreclaim);
	psi_memstall_leave(&pflags);
}

static void scq_batch_work(struct work_struct *work)
{
	struct scq_batch *batch = container_of(work, struct scq_batch, work);

	scq_process(batch->scq, &batch->folios, batch->nr_pages, batch->since);
	scq_put_batch(batch->scq, batch);
}

/*
 * Move up to @nr_pages, and at least one folio, from the head of a plug list.
 * Returns the pages moved.
 */
static unsigned int scq_cut(struct scq_plug_list *plug, struct list_head *folios,
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
 * Process a plug list, as many pages at a time as a batch has. Partial lists are
 * processed here, and full ones for which the pool had no batch object. Because
 * this needs no batch object, it always makes progress.
 */
static void scq_plug_work(struct work_struct *work)
{
	struct scq_plug_list *plug = container_of(to_delayed_work(work),
						  struct scq_plug_list, work);
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
		scq_process(scq, &folios, nr_pages, since);
	}
}

/*********************************
 * plug, push
 **********************************/

/**
 * scq_plug() - add folios to this CPU's plug list, and queue full batches
 * @scq: queue
 * @folios: linked by folio->lru; scq_reserve() accepted each, each is under
 *	writeback, and no TLB has an entry of them any more; empty on return
 *
 * Context: task; does not sleep.
 */
void scq_plug(struct scq *scq, struct list_head *folios)
{
	/* A hint: the lock, not the CPU, protects the list. */
	struct scq_plug_list *plug = raw_cpu_ptr(scq->plugs);
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
		plug->since = now;	/* of what is left */
		queue_work(scq->wq, &batch->work);
	}
	/* The pool was empty, or a large folio came behind a partial list. */
	if (plug->nr_pages >= batch_pages)
		mod_delayed_work(scq->wq, &plug->work, 0);
	else if (plug->nr_pages)	/* without effect if pending already */
		queue_delayed_work(scq->wq, &plug->work, scq->push_delay);
	spin_unlock(&plug->lock);
}

/**
 * scq_push() - have workers take what the plug lists hold
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
 * knobs, start, stop
 **********************************/

/**
 * scq_batch_pages() - pages that make a batch
 * @scq: queue
 *
 * Context: any.
 * Return: the number of pages.
 */
unsigned int scq_batch_pages(struct scq *scq)
{
	return READ_ONCE(scq->batch_pages);
}

/**
 * scq_set_batch_pages() - set the size of a batch
 * @scq: queue
 * @nr_pages: 1 to SCQ_MAX_BATCH_PAGES, and at most the bound in flight
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
 * scq_max_inflight_pages() - bound of a node's pages in flight
 * @scq: queue
 *
 * Context: any.
 * Return: the number of pages.
 */
unsigned long scq_max_inflight_pages(struct scq *scq)
{
	return READ_ONCE(scq->max_inflight_pages);
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
 * scq_start() - undo one scq_stop(), or let a new queue accept folios
 * @scq: queue
 *
 * Context: any.
 */
void scq_start(struct scq *scq)
{
	atomic_dec(&scq->stopped);
}

/**
 * scq_stop() - accept no more folios, and wait until all are finished
 * @scq: queue
 * @timeout: in jiffies; give up when nothing is finished for that long
 *
 * Calls nest: the queue accepts folios again after as many calls of scq_start().
 * Also waits for folios that were accepted but have not reached a plug list yet:
 * their caller adds them soon, and the timer of the plug list then pushes them.
 *
 * Context: may sleep, killable; not from a worker of the queue, no folio lock
 * held.
 * Return: 0. On failure the stop is undone: -ETIMEDOUT, or -ERESTARTSYS if the
 * task is being killed.
 */
int scq_stop(struct scq *scq, long timeout)
{
	long finished, left;

	atomic_inc(&scq->stopped);
	/* Pairs with the cmpxchg in scq_reserve(). */
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
 * @ops: how folios are stored and freed
 * @wq: where batches run; must outlive the queue
 * @nr_batches: size of the pool
 * @limit_pages: highest value of max_inflight_pages, which begins with it
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
	scq->max_inflight_pages = limit_pages;
	scq->batch_pages = min_t(unsigned long, SCQ_BATCH_PAGES, limit_pages);
	scq->wait_gave_up = -1;
	scq->longer_gave_up = -1;
	scq->throttle_gave_up = -1;
	atomic_set(&scq->stopped, 1);
	INIT_LIST_HEAD(&scq->pool);
	spin_lock_init(&scq->pool_lock);
	mutex_init(&scq->knob_lock);
	init_waitqueue_head(&scq->progress);

	scq->plugs = alloc_percpu(struct scq_plug_list);
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
		struct scq_plug_list *plug = per_cpu_ptr(scq->plugs, cpu);

		spin_lock_init(&plug->lock);
		INIT_LIST_HEAD(&plug->folios);
		INIT_DELAYED_WORK(&plug->work, scq_plug_work);
		plug->scq = scq;
		plug->cpu = cpu;
	}

	for (i = 0; i < nr_batches; i++) {
		struct scq_batch *batch = &scq->batches[i];

		INIT_WORK(&batch->work, scq_batch_work);
		INIT_LIST_HEAD(&batch->folios);
		batch->scq = scq;
		scq_put_batch(scq, batch);
	}
	return 0;
}

/**
 * scq_destroy() - stop a queue and free its memory
 * @scq: queue; nobody else uses it any more
 *
 * Context: may sleep.
 */
void scq_destroy(struct scq *scq)
{
	int cpu;

	/* Even if the caller is being killed, a worker may still use the memory. */
	while (scq_stop(scq, MAX_SCHEDULE_TIMEOUT))
		flush_workqueue(scq->wq);
	/* A timer of a plug list may be pending, a worker about to return its batch. */
	for_each_possible_cpu(cpu)
		cancel_delayed_work_sync(&per_cpu_ptr(scq->plugs, cpu)->work);
	flush_workqueue(scq->wq);

	free_cpumask_var(scq->plugged);
	kvfree(scq->batches);
	kfree(scq->nodes);
	free_percpu(scq->stats);
	free_percpu(scq->plugs);
}
