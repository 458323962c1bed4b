// SPDX-License-Identifier: GPL-2.0
/*
 * Waiting for pages that swap_compress has in flight: first how a task waits for a
 * queue (scq_*), then what each kind of task waits for.
 *
 * Pages in flight are on no LRU, and will soon be free. A task that reclaims, and
 * finds too little on the LRU, would fail or have the OOM killer run although memory
 * is on its way.
 */

#include <linux/cpuset.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/page-isolation.h>
#include <linux/page_counter.h>
#include <linux/sched/rt.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>
#include <linux/swap.h>
#include <linux/vmstat.h>
#include <kunit/visibility.h>
#include "internal.h"
#include "swap.h"
#include "swap_compress_internal.h"

/*********************************
 * how a task waits for a queue
 **********************************/

/* Is there enough, or has everything been finished that could help? */
static bool scq_wait_is_over(const struct scq_need *need, long goal)
{
	long finished;

	return need->enough(need) || !need->nr_inflight(need, &finished) ||
	       finished - goal >= 0;
}

/*
 * Wait until there is enough, or until as many pages are finished as were in flight:
 * the task does not wait for pages that are handed over later. If nobody counts which
 * of the finished pages could help (@finished stays 0), it waits until none is in
 * flight.
 *
 * Workers may get no CPU, or hang in a device. A task in whose time nothing was finished
 * records that in @gave_up, and until something is finished no other task tries.
 */
static bool scq_wait_for(struct scq *scq, const struct scq_need *need,
			 bool exclusive, long timeout, long *gave_up)
{
	const long before = scq_finished(scq);
	long goal, nr_inflight, ret;

	nr_inflight = need->nr_inflight(need, &goal);
	goal += nr_inflight;
	ret = ___wait_event(scq->progress,
			    ___wait_cond_timeout(scq_wait_is_over(need, goal)),
			    TASK_KILLABLE, exclusive, timeout,
			    __ret = schedule_timeout(__ret));
	if (!ret && scq_finished(scq) == before)
		WRITE_ONCE(*gave_up, before);
	return need->enough(need);
}

/* Has a wait timed out, and nothing been finished since? */
static bool scq_is_stuck(struct scq *scq, const long *gave_up)
{
	return READ_ONCE(*gave_up) == scq_finished(scq);
}

static bool scq_wait_unless_stuck(struct scq *scq, const struct scq_need *need,
				  long timeout, long *gave_up)
{
	long finished;

	if (!need->nr_inflight(need, &finished) || need->enough(need) ||
	    scq_is_stuck(scq, gave_up))
		return false;
	scq_push(scq);
	scq_count(scq, SCQ_WAITS, 1);
	return scq_wait_for(scq, need, false, timeout, gave_up);
}

/**
 * scq_wait() - push, and wait for pages in flight
 * @scq: queue
 * @need: what the caller waits for
 * @timeout: in jiffies; a store may need a lock that the task holds
 *
 * For a task that reclaimed nothing, or needs particular pages. A task that has enough
 * to begin with does not lack the pages in flight. It does not wait, and is not told
 * that there was progress, or it could try for ever.
 *
 * Context: may sleep, killable. Locks that a store needs may be held.
 * Return: true if the task waited, and there is enough now. It does not wait if there
 * is enough to begin with, if nothing is in flight that could help, or if an earlier
 * wait timed out and nothing has been finished since.
 */
bool scq_wait(struct scq *scq, const struct scq_need *need, long timeout)
{
	return scq_wait_unless_stuck(scq, need, timeout, &scq->wait_gave_up);
}

/**
 * scq_wait_longer() - scq_wait() of a task that waits longer than others
 * @scq: queue
 * @need: what the caller waits for
 * @timeout: in jiffies
 *
 * Only a wait of this kind that timed out keeps later ones from waiting.
 *
 * Context: as of scq_wait().
 * Return: as of scq_wait().
 */
bool scq_wait_longer(struct scq *scq, const struct scq_need *need, long timeout)
{
	return scq_wait_unless_stuck(scq, need, timeout, &scq->longer_gave_up);
}

/**
 * scq_throttle() - let a task wait for workers instead of reclaiming
 * @scq: queue
 * @need: what it waits for
 * @timeout: in jiffies; workers may get no CPU
 *
 * No more tasks wait than batches are in flight. A batch that ends wakes one of
 * them, and a task that leaves wakes the next. A task that goes on waiting wakes
 * none, so that a batch does not wake all.
 *
 * A task that has enough to begin with does not lack the pages in flight, so it does
 * not wait. A task does not wait for workers of lower priority either.
 *
 * Context: may sleep, killable. No lock is held that a store needs.
 * Return: true if the task waited, and there is enough now.
 */
bool scq_throttle(struct scq *scq, const struct scq_need *need, long timeout)
{
	long nr_batches = scq_inflight(scq) / scq_batch_pages(scq);
	bool ret = false;

	if (need->enough(need) || scq_is_stuck(scq, &scq->throttle_gave_up) ||
	    task_nice(current) < READ_ONCE(scq->nice))
		return false;

	if (atomic_inc_return(&scq->nr_throttled) <= nr_batches) {
		scq_count(scq, SCQ_THROTTLED, 1);
		ret = scq_wait_for(scq, need, true, timeout,
				   &scq->throttle_gave_up);
		/* Whatever the reason to leave: we may have consumed a wake-up. */
		if (wq_has_sleeper(&scq->progress))
			wake_up(&scq->progress);
	}
	atomic_dec(&scq->nr_throttled);
	return ret;
}

/*********************************
 * allocations
 **********************************/

/*
 * The longest that a task waits as its last resort. With the default bound, all that
 * may be in flight is stored within that time, unless workers get no CPU.
 */
#define SWAP_COMPRESS_WAIT	(HZ / 2)
/*
 * The longest that a task waits that could as well reclaim for itself. Where it waits,
 * CPUs are busy, and by the time it had reclaimed a batch, workers have stored several.
 */
#define SWAP_COMPRESS_THROTTLE	(HZ / 25)

/* An allocation, as direct reclaim knows it */
struct swap_compress_alloc {
	struct scq_need need;
	struct zonelist *zonelist;
	int order;
	gfp_t gfp;
	nodemask_t *nodes;
};

/* The flags of gfp_to_alloc_flags() that add to what is free */
VISIBLE_IF_KUNIT unsigned int swap_compress_alloc_flags(gfp_t gfp)
{
	unsigned int flags = 0;

	if ((gfp & __GFP_HIGH) || rt_or_dl_task(current))
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

/* Pages in flight on the nodes that the allocation may use */
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
		nr_inflight += scq_node_inflight(swap_compress_scq, nid);
		*finished += scq_node_finished(swap_compress_scq, nid);
	}
	return nr_inflight;
}

static struct swap_compress_alloc
swap_compress_alloc(struct zonelist *zonelist, int order, gfp_t gfp,
		    nodemask_t *nodes)
{
	return (struct swap_compress_alloc) {
		.need.enough	  = swap_compress_alloc_enough,
		.need.nr_inflight = swap_compress_alloc_inflight,
		.zonelist	  = zonelist,
		.order		  = order,
		.gfp		  = gfp,
		.nodes		  = nodes,
	};
}

/*
 * What workers have freed may be on the free lists of their CPUs, where no watermark
 * sees it. Drain these, unless nothing was finished since the last time. Is there
 * enough then?
 */
static bool swap_compress_drain(const struct scq_need *need)
{
	static long drained;
	long finished = scq_finished(swap_compress_scq);
	struct zone *zone;

	if (READ_ONCE(drained) != finished) {
		/* With NULL it would return at once if another task drains. */
		for_each_populated_zone(zone)
			drain_all_pages(zone);
		WRITE_ONCE(drained, finished);
	}
	return need->enough(need);
}

/*
 * May an allocation wait as its last resort? Without __GFP_FS or __GFP_IO there is no
 * OOM kill to put off, and a store may need a lock that the task holds. With
 * __GFP_NORETRY the allocation is to fail soon, and so is one of many pages, for which
 * nobody is killed, and which single pages that are freed hardly help.
 */
VISIBLE_IF_KUNIT bool swap_compress_may_wait(int order, gfp_t gfp)
{
	return order <= PAGE_ALLOC_COSTLY_ORDER && gfp_has_io_fs(gfp) &&
	       !(gfp & __GFP_NORETRY);
}

/**
 * __swap_compress_wait() - wait for memory that is on its way
 * @zonelist: of the allocation
 * @order: order of the allocation, see swap_compress_may_wait()
 * @gfp: flags of the allocation
 * @nodes: nodes the allocation may use, NULL: all
 *
 * Unlike __swap_compress_throttle() this makes all other tasks wait: otherwise the
 * allocation fails, or the OOM killer runs.
 *
 * Context: may sleep, killable. For direct reclaim that is about to give up.
 * Return: true if the allocation can succeed now.
 */
bool __swap_compress_wait(struct zonelist *zonelist, int order, gfp_t gfp,
			  nodemask_t *nodes)
{
	const struct swap_compress_alloc alloc =
		swap_compress_alloc(zonelist, order, gfp, nodes);

	if (!swap_compress_may_wait(order, gfp) ||
	    swap_compress_alloc_enough(&alloc.need))
		return false;
	return scq_wait(swap_compress_scq, &alloc.need, SWAP_COMPRESS_WAIT) ||
	       swap_compress_drain(&alloc.need);
}

/* Is a quarter of the bound in flight, on the nodes that the allocation may use? */
static bool swap_compress_is_behind(const struct swap_compress_alloc *alloc)
{
	unsigned long max = scq_max_inflight_pages(swap_compress_scq);
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
		bound += min(max, swap_compress_node_limit(pgdat));
	}
	return nr_inflight >= bound / 4;
}

/*
 * May a task be made to wait, which could as well reclaim for itself? Threads of the
 * kernel (also io_uring's and vhost's) do not, because others may wait for them. Nor do
 * real-time tasks, whose priority is above that of any worker. __GFP_FS and __GFP_IO
 * mean that the task holds no lock that a store needs.
 */
VISIBLE_IF_KUNIT
bool swap_compress_may_throttle(struct task_struct *task, int order, gfp_t gfp)
{
	return !order && gfp_has_io_fs(gfp) &&
	       !(task->flags & (PF_KTHREAD | PF_USER_WORKER)) &&
	       !rt_or_dl_task(task) && !fatal_signal_pending(task);
}

/**
 * __swap_compress_throttle() - let a task wait for workers instead of reclaiming
 * @zonelist: of its allocation
 * @order: order of its allocation; only single pages are waited for
 * @gfp: flags of its allocation, see swap_compress_may_throttle()
 * @nodes: nodes the allocation may use, NULL: all
 *
 * A task that has a CPU for itself makes better use of it by reclaiming. So it
 * waits only if another task is runnable on its CPU: kswapd, a worker, or a task
 * that these keep from another CPU.
 *
 * Context: may sleep, killable. For a task that is about to reclaim directly.
 * Return: true if the allocation can succeed now.
 */
bool __swap_compress_throttle(struct zonelist *zonelist, int order, gfp_t gfp,
			      nodemask_t *nodes)
{
	const struct swap_compress_alloc alloc =
		swap_compress_alloc(zonelist, order, gfp, nodes);

	if (!swap_compress_may_throttle(current, order, gfp) ||
	    single_task_running() || !swap_compress_is_behind(&alloc))
		return false;
	return scq_throttle(swap_compress_scq, &alloc.need,
			    SWAP_COMPRESS_THROTTLE);
}

/**
 * __swap_compress_inflight() - pages of a node that will soon be free
 * @nid: node
 *
 * Context: any.
 * Return: how many pages are in flight. They are on no LRU, so that nothing else
 * counts them as reclaimable.
 */
unsigned long __swap_compress_inflight(int nid)
{
	return scq_node_inflight(swap_compress_scq, nid);
}

/*********************************
 * kswapd
 **********************************/

/* The longest that kswapd waits before it has the OOM killer run */
#define SWAP_COMPRESS_NODE_WAIT		(2 * HZ)

/* A node that kswapd cannot balance */
struct swap_compress_node {
	struct scq_need need;
	struct pglist_data *pgdat;
	int order;
	int highest_zoneidx;
};

/* Is a zone balanced now? Compare pgdat_balanced(). */
static bool swap_compress_node_enough(const struct scq_need *need)
{
	const struct swap_compress_node *node =
		container_of_const(need, struct swap_compress_node, need);
	int i;

	for (i = 0; i <= node->highest_zoneidx; i++) {
		struct zone *zone = &node->pgdat->node_zones[i];

		if (managed_zone(zone) &&
		    zone_watermark_ok(zone, node->order, high_wmark_pages(zone),
				      node->highest_zoneidx, 0))
			return true;
	}
	return false;
}

static long swap_compress_node_inflight(const struct scq_need *need,
					long *finished)
{
	const struct swap_compress_node *node =
		container_of_const(need, struct swap_compress_node, need);
	int nid = node->pgdat->node_id;

	*finished = scq_node_finished(swap_compress_scq, nid);
	return scq_node_inflight(swap_compress_scq, nid);
}

/**
 * __swap_compress_wait_node() - wait for pages of a node that are on their way
 * @pgdat: node that kswapd cannot balance
 * @order: of kswapd's work
 * @highest_zoneidx: of kswapd's work
 *
 * For kswapd, which is about to have the OOM killer run because all memory was used
 * within lru_gen's min_ttl_ms. What it handed over may be all that it needs.
 *
 * Context: kswapd; may sleep, two seconds at most.
 * Return: true if the node is balanced now.
 */
bool __swap_compress_wait_node(struct pglist_data *pgdat, int order,
			       int highest_zoneidx)
{
	const struct swap_compress_node node = {
		.need.enough	  = swap_compress_node_enough,
		.need.nr_inflight = swap_compress_node_inflight,
		.pgdat		  = pgdat,
		.order		  = order,
		.highest_zoneidx  = highest_zoneidx,
	};

	return scq_wait_longer(swap_compress_scq, &node.need,
			       SWAP_COMPRESS_NODE_WAIT) ||
	       swap_compress_node_enough(&node.need) ||
	       swap_compress_drain(&node.need);
}

/*********************************
 * charges to a cgroup
 **********************************/

#ifdef CONFIG_MEMCG
struct swap_compress_charge {
	struct scq_need need;
	struct mem_cgroup *memcg;
};

/*
 * Is there room for a charge? If there is to begin with, the cgroup is reclaimed for
 * another reason, such as memory.high, and scq_wait() does not wait.
 */
static bool swap_compress_charge_enough(const struct scq_need *need)
{
	const struct swap_compress_charge *charge =
		container_of_const(need, struct swap_compress_charge, need);
	struct page_counter *memory = &charge->memcg->memory;

	return READ_ONCE(memory->max) >=
	       page_counter_read(memory) + SWAP_CLUSTER_MAX;
}

/*
 * Returns 0 if no page in flight is charged to the cgroup or a descendant. Otherwise
 * returns all pages in flight, because workers may store pages of others first.
 */
static long swap_compress_charge_inflight(const struct scq_need *need,
					  long *finished)
{
	const struct swap_compress_charge *charge =
		container_of_const(need, struct swap_compress_charge, need);

	*finished = scq_finished(swap_compress_scq);
	return swap_compress_memcg_inflight(charge->memcg) ?
	       scq_inflight(swap_compress_scq) : 0;
}

/**
 * __swap_compress_wait_memcg() - wait for pages of a cgroup that are on their way
 * @memcg: cgroup that is at its limit
 * @gfp: flags of the charge; with __GFP_NORETRY it is to fail soon, and does not wait.
 *	Without __GFP_FS it waits, too: the cgroup's OOM killer would run all the same.
 *
 * Context: may sleep, killable. For reclaim of a cgroup that is about to give up.
 * Return: true if something can be charged to it now.
 */
bool __swap_compress_wait_memcg(struct mem_cgroup *memcg, gfp_t gfp)
{
	const struct swap_compress_charge charge = {
		.need.enough	  = swap_compress_charge_enough,
		.need.nr_inflight = swap_compress_charge_inflight,
		.memcg		  = memcg,
	};

	if (gfp & __GFP_NORETRY)
		return false;
	return scq_wait(swap_compress_scq, &charge.need, SWAP_COMPRESS_WAIT);
}
#endif

/*********************************
 * particular pages
 **********************************/

/* The longest that a task waits that needs particular pages */
#define SWAP_COMPRESS_RANGE_WAIT	(2 * HZ)

/* Pages that a task needs. Those before @pfn are known not to be in flight. */
struct swap_compress_range {
	struct scq_need need;
	int nid;
	unsigned long *pfn;
	unsigned long end_pfn;
};

/*
 * May the page be the first one of a folio in flight? Such a folio is swap-backed and
 * isolated, from before it is accepted until it is finished. It may have left the
 * swap cache: a fault can take it as soon as its writeback has ended.
 *
 * The page is only looked at: with a reference to it a worker could not free it. In
 * an isolated pageblock no page becomes a tail page meanwhile.
 */
static bool swap_compress_may_be_inflight(unsigned long pfn)
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
		if (swap_compress_may_be_inflight(*range->pfn))
			return false;
	}
	return true;
}

static long swap_compress_range_inflight(const struct scq_need *need,
					 long *finished)
{
	const struct swap_compress_range *range =
		container_of_const(need, struct swap_compress_range, need);

	/* No goal: pages that are handed over later may be finished earlier. */
	*finished = 0;
	return scq_node_inflight(swap_compress_scq, range->nid);
}

/**
 * __swap_compress_wait_range() - wait until no page of a range is in flight
 * @start_pfn: the first page
 * @end_pfn: the page behind the last one, which is of the same node
 *
 * For alloc_contig_range() and memory offlining: pages in flight can neither be
 * isolated nor migrated. The caller has set the pageblocks of the range to
 * MIGRATE_ISOLATE, so that none of the pages is handed over from now on.
 *
 * Context: may sleep, killable; no folio lock held. Takes two seconds at most. After
 * a wait that timed out, the next one returns at once until something is finished.
 */
void __swap_compress_wait_range(unsigned long start_pfn, unsigned long end_pfn)
{
	/* A large folio may begin before the range, mostly not before its pageblock. */
	unsigned long pfn = pageblock_start_pfn(start_pfn);
	const struct swap_compress_range range = {
		.need.enough	  = swap_compress_range_enough,
		.need.nr_inflight = swap_compress_range_inflight,
		.nid		  = pfn_to_nid(start_pfn),
		.pfn		  = &pfn,
		.end_pfn	  = end_pfn,
	};

	/*
	 * Pairs with the cmpxchg in scq_reserve(): either __swap_compress_queue()
	 * sees that the pageblock is isolated, or we see the folio in flight.
	 */
	smp_mb();
	/* There may be many pages. Look here, where others are let run meanwhile. */
	while (scq_node_inflight(swap_compress_scq, range.nid) && pfn < end_pfn &&
	       !swap_compress_may_be_inflight(pfn)) {
		if (!(++pfn % SWAP_CLUSTER_MAX))
			cond_resched();
	}
	scq_wait(swap_compress_scq, &range.need, SWAP_COMPRESS_RANGE_WAIT);
}
