/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The engine behind swap_compress_wq.c, for it and for its KUnit suite.
 *
 * What the rest of mm uses is declared in swap_compress.h.
 */
#ifndef _MM_SWAP_COMPRESS_WQ_H
#define _MM_SWAP_COMPRESS_WQ_H

#include <linux/atomic.h>
#include <linux/cpumask.h>
#include <linux/fault-inject.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

struct folio;
struct scq;

/*
 * Upper end of the batch_pages knob. A batch is stored before any of it is freed,
 * so this times the number of workers is what they may take from the reserves.
 */
#define SCQ_MAX_BATCH_PAGES	128U

/*
 * What happened to the pages kswapd offered, in pages (SCQ_BATCHES and SCQ_WAITS:
 * times). Reasons for a store by kswapd itself are counters too, so that the
 * decision and its record are one value.
 */
enum scq_stat {
	SCQ_QUEUED,		/* handed over to the workqueue */
	SCQ_BATCHES,		/* batches the workers ran */
	SCQ_STORED,		/* written to the device by a worker */
	SCQ_STORED_ZSWAP,	/* stored in zswap by a worker */
	SCQ_STORED_ZERO,	/* marked in the zero map by a worker */
	SCQ_SUBMITTED,		/* write begun by a worker that did not wait for it */
	SCQ_FAILED,		/* not stored, folio is dirty again */
	SCQ_CANCELLED_REFAULT,	/* not stored: in use again, folio is dirty */
	SCQ_CANCELLED_FREED,	/* not stored: nobody is left to want it */
	SCQ_FREED,		/* freed by a worker */
	SCQ_PUT_BACK,		/* back on the LRU: in use again, or failed */
	SCQ_WAITS,		/* times that a task waited for memory */
	SCQ_INLINE_NOT_KSWAPD,	/* direct reclaim, and MADV_PAGEOUT unless asked */
	SCQ_INLINE_UNSUITED,	/* shmem, unless asked for */
	SCQ_INLINE_ISOLATED,	/* somebody waits for the pageblock */
	SCQ_INLINE_DEVICE,	/* swap device is not synchronous */
	SCQ_INLINE_ZSWAP,	/* zswap, or the memcg's share of it, is full */
	SCQ_INLINE_UNIPROCESSOR,	/* nobody else to do it */
	SCQ_INLINE_STOPPED,	/* lost the race with scq_stop() */
	SCQ_INLINE_INFLIGHT,	/* max_inflight_pages reached */
	SCQ_INLINE_POOL,	/* no batch object free */
	NR_SCQ_STATS
};

/**
 * struct scq_run - the folios of a batch while they are stored
 * @scq:	the queue
 * @folios:	not settled yet, in the order in which they were handed over
 * @clean:	settled: their content is stored, or nobody is left to want it
 * @redirty:	settled: their content is not stored, and still wanted
 * @submitted:	settled: they are being written, the end of that ends writeback
 * @nr_pages:	size of all of them
 * @nr_finished: pages finished so far
 * @nr_freed:	pages of these that were freed
 */
struct scq_run {
	struct scq *scq;
	struct list_head folios;
	struct list_head clean;
	struct list_head redirty;
	struct list_head submitted;
	unsigned int nr_pages;
	unsigned int nr_finished;
	unsigned int nr_freed;
};

#define SCQ_MAX_STORES	4

/* A folio of more pages may be stored by several workers, this much at a time. */
#define SCQ_SLICE_PAGES	32U

/**
 * struct scq_ops - what a queue does with the folios of a batch
 * @stores: Tried one after another, NULL ends them. Each goes through
 *	run->folios and says what became of a folio with scq_settle(), or leaves
 *	it to the next one. What the last one leaves has failed. None ends
 *	writeback.
 * @store_slice: Store some pages of a folio for scq_store_large(), several of
 *	whose calls may run at a time. True if they are stored. NULL if no store
 *	calls scq_store_large().
 * @finish: Free what can be freed, give back the rest; all folios are of the same
 *	node. Writeback has ended, unless a store said SCQ_SUBMITTED; what was not
 *	stored is dirty. Empties the list and returns the number of pages freed.
 *
 * Called by a worker; may sleep, and must not wait for a folio lock.
 */
struct scq_ops {
	void (*stores[SCQ_MAX_STORES])(struct scq_run *run);
	bool (*store_slice)(void *private, unsigned int first_page,
			    unsigned int nr_pages);
	unsigned long (*finish)(int nid, struct list_head *folios);
};

/**
 * struct scq_need - what a task waits for; embedded in a structure of its own
 * @enough: Can the task go on?
 * @nr_inflight: Pages in flight that could help it. Also tells how many such pages were
 *	ever finished, of which only differences count.
 *
 * Both are called with the task's state set, and must not sleep.
 */
struct scq_need {
	bool (*enough)(const struct scq_need *need);
	long (*nr_inflight)(const struct scq_need *need, long *finished);
};

struct scq_batch;
struct scq_node;
struct scq_plug;
struct scq_stats;

/**
 * struct scq - a queue of folios to be stored by a workqueue
 *
 * Legend: I: set by scq_init() and constant, K: written under @knob_lock and
 * read with READ_ONCE(), P: protected by @pool_lock, A: atomic.
 *
 * @ops:	I: backend
 * @wq:		I: where batches run; owned by the caller
 * @push_delay:	I: jiffies after which a plug that did not fill is pushed
 * @limit_pages: I: upper end of @max_inflight_pages
 * @nodes:	I: pages in flight of each node
 * @plugs:	I: one plug a CPU
 * @stats:	I: one set of counters a CPU
 * @batches:	I: the pool's memory
 * @batch_pages: K: pages that make a batch
 * @max_inflight_pages: K: bound of a node's pages in flight
 * @stopped:	A: reasons not to accept anything; see scq_stop()
 * @wait_gave_up: value of scq_finished() when a wait timed out; racy, a hint
 * @throttle_gave_up: the same of scq_throttle(), which waits for less time
 * @nice:	nice value of workers, as the last one saw it; racy, a hint
 * @nr_throttled: A: tasks that scq_throttle() holds, about to be held or let go
 * @plugged:	A: CPUs whose plug may hold folios
 * @pool:	P: free batch objects
 * @nr_pool:	P: their number; a hint when read without the lock
 * @pool_lock:	innermost but for the workqueue's own locks; nests in a plug's
 * @knob_lock:	serialises knobs; sleeps
 * @progress:	woken when pages are finished
 */
struct scq {
	const struct scq_ops *ops;
	struct workqueue_struct *wq;
	unsigned long push_delay;
	unsigned long limit_pages;
	struct scq_node *nodes;
	struct scq_plug __percpu *plugs;
	struct scq_stats __percpu *stats;
	struct scq_batch *batches;

	unsigned int batch_pages;
	unsigned long max_inflight_pages;

	atomic_t stopped;
	long wait_gave_up;
	long throttle_gave_up;
	int nice;
	atomic_t nr_throttled;
	cpumask_var_t plugged;

	struct list_head pool;
	unsigned int nr_pool;
	spinlock_t pool_lock;		/* see above */

	struct mutex knob_lock;		/* see above */
	wait_queue_head_t progress;
};

int scq_init(struct scq *scq, const struct scq_ops *ops,
	     struct workqueue_struct *wq, unsigned int nr_batches,
	     unsigned long limit_pages);
void scq_destroy(struct scq *scq);

void scq_start(struct scq *scq);
int scq_stop(struct scq *scq, long timeout);

enum scq_stat scq_queue(struct scq *scq, int nid, unsigned int nr_pages,
			unsigned long limit);
void scq_unqueue(struct scq *scq, int nid, unsigned long nr_pages);
void scq_plug(struct scq *scq, struct list_head *folios);
void scq_push(struct scq *scq);

long scq_node_inflight(struct scq *scq, int nid);
long scq_inflight(struct scq *scq);
long scq_node_finished(struct scq *scq, int nid);
long scq_finished(struct scq *scq);
bool scq_wait(struct scq *scq, const struct scq_need *need, long timeout);
bool scq_throttle(struct scq *scq, const struct scq_need *need, long timeout);
bool scq_has_waiters(struct scq *scq);

int scq_set_batch_pages(struct scq *scq, unsigned long nr_pages);
int scq_set_max_inflight_pages(struct scq *scq, unsigned long nr_pages);

void scq_settle(struct scq_run *run, struct folio *folio,
		enum scq_stat result);
void scq_finish_settled(struct scq_run *run);
bool scq_store_large(struct scq *scq, unsigned int nr_pages, void *private);

/* What fault injection can make fail; the bits of scq_fault_points */
enum scq_fault {
	SCQ_FAULT_STORE,	/* the store of a folio */
	SCQ_FAULT_POOL,		/* getting a batch object */
	SCQ_FAULT_BIO,		/* a write to the device */
	SCQ_FAULT_DELAY,	/* not an error: a worker begins late */
};

#ifdef CONFIG_FAULT_INJECTION
extern struct fault_attr scq_fault_attr;
extern u32 scq_fault_points;
extern u32 scq_fault_delay_ms;

bool scq_should_fail(enum scq_fault point);
#else
#define scq_fault_delay_ms	0
static inline bool scq_should_fail(enum scq_fault point)
{
	return false;
}
#endif

void scq_count(struct scq *scq, enum scq_stat item, unsigned long nr);
unsigned long scq_read_stat(struct scq *scq, enum scq_stat item);

#endif /* _MM_SWAP_COMPRESS_WQ_H */
