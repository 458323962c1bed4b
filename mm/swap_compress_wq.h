/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The queue in swap_compress_wq.c, for the rest of swap_compress and for the KUnit
 * suite. swap_compress.h declares what the rest of mm uses.
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

struct bio;
struct folio;
struct scq;

/*
 * Upper end of the batch_pages knob. A worker stores a whole batch before it frees
 * any of it, unless it has to wait for a disk. So this times the number of workers
 * bounds what they take from the reserves. Only a larger folio exceeds it.
 */
#define SCQ_MAX_BATCH_PAGES	128U

/*
 * What happened to the folios that reclaim offered, in pages; SCQ_BATCHES, SCQ_WAITS
 * and SCQ_THROTTLED count events. Why reclaim stores a folio itself is counted too:
 * swap_compress_eligible() returns the counter.
 *
 * SCQ_STORED to SCQ_CANCELLED_FREED are the results of a queued folio: their sum is
 * SCQ_QUEUED when nothing is in flight. A new counter also needs a name in
 * scq_stat_names[], and a line in Documentation/ABI, in tools/mm/swap_compress_stat
 * and in pressure.c of the selftests.
 */
enum scq_stat {
	SCQ_QUEUED,		/* handed over to the workqueue */
	SCQ_BATCHES,		/* batches that workers finished */
	SCQ_STORED,		/* written to the device by a worker */
	SCQ_STORED_ZSWAP,	/* stored in zswap by a worker */
	SCQ_STORED_ZERO,	/* marked in the zero map by a worker */
	SCQ_SUBMITTED,		/* write started by a worker that did not wait for it */
	SCQ_FAILED,		/* not stored: the folio is dirty again */
	SCQ_CANCELLED_REFAULT,	/* not stored: in use again, the folio is dirty */
	SCQ_CANCELLED_FREED,	/* not stored: its last user is gone */
	SCQ_FREED,		/* freed by a worker */
	SCQ_PUT_BACK,		/* returned to the LRU: in use, failed, or write under way */
	SCQ_WAITS,		/* times that a task waited for what is in flight */
	SCQ_THROTTLED,		/* times that a task waited instead of reclaiming */
	SCQ_BIO_PAGES,		/* of others' write bios, given to a worker */
	SCQ_INLINE_NOT_KSWAPD,	/* another task reclaims */
	SCQ_INLINE_SHMEM,	/* shmem is not handed over */
	SCQ_INLINE_ISOLATED,	/* its pageblock is isolated */
	SCQ_INLINE_DEVICE,	/* a worker might have to wait for the device */
	SCQ_INLINE_ZSWAP,	/* zswap is full, or the memcg forbids what may follow */
	SCQ_INLINE_UNIPROCESSOR,	/* only one CPU is online */
	SCQ_INLINE_STOPPED,	/* scq_stop() came first */
	SCQ_INLINE_INFLIGHT,	/* too many pages are in flight */
	SCQ_INLINE_POOL,	/* no batch object is free */
	NR_SCQ_STATS
};

/**
 * struct scq_job - the folios of a batch while a worker stores them
 * @scq:	the queue
 * @folios:	not settled yet, in the order in which they were handed over
 * @clean:	settled: the content is stored, or its last user is gone
 * @redirty:	settled: the content is not stored, and still needed
 * @submitted:	settled: the content is being written; the completion of the write
 *	ends writeback
 * @nr_pages:	size of all of them
 * @nr_finished: pages finished so far
 * @nr_freed:	pages of @nr_finished that were freed
 */
struct scq_job {
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

/**
 * struct scq_ops - how a queue stores and frees folios
 * @stores: Called one after another, up to the first NULL. Each goes through
 *	job->folios, and either passes a folio to scq_settle() or leaves it to the
 *	next store. Folios that the last store leaves have failed. No store ends
 *	writeback.
 * @end_writeback: End writeback of the settled folios, except those on
 *	job->submitted. Marks folios on job->redirty dirty before that.
 * @finish: Free the folios that can be freed, and return the others to the LRU. All
 *	are of node @nid. Empties the list, and returns the number of pages freed.
 *
 * Called by a worker. May sleep, and must not wait for a folio lock.
 */
struct scq_ops {
	void (*stores[SCQ_MAX_STORES])(struct scq_job *job);
	void (*end_writeback)(struct scq_job *job);
	unsigned long (*finish)(int nid, struct list_head *folios);
};

/**
 * struct scq_need - what a task waits for; embedded in a structure of its own
 * @enough: Can the task go on?
 * @nr_inflight: Number of pages in flight that could help it. Also stores into
 *	@finished how many such pages were ever finished, of which only differences
 *	are used; or always 0 if nobody counts these.
 *
 * Both are called with the task's state set, and must not sleep.
 */
struct scq_need {
	bool (*enough)(const struct scq_need *need);
	long (*nr_inflight)(const struct scq_need *need, long *finished);
};

struct scq_batch;
struct scq_node;
struct scq_plug_list;
struct scq_stats;

/**
 * struct scq - swap_compress queue: folios to be stored by a workqueue
 *
 * Legend: I: set by scq_init() and constant, K: written under @knob_lock and
 * read with READ_ONCE(), P: protected by @pool_lock, A: atomic.
 *
 * @ops:	I: how folios are stored and freed
 * @wq:		I: where batches run; owned by the caller
 * @bio_wq:	I: where bios of others are stored, or NULL; owned by the caller
 * @push_delay:	I: jiffies after which a partial plug list is pushed
 * @limit_pages: I: upper end of @max_inflight_pages
 * @nodes:	I: pages in flight of each node
 * @plugs:	I: one plug list per CPU
 * @stats:	I: one set of counters per CPU
 * @batches:	I: the pool's memory
 * @batch_pages: K: pages that make a batch
 * @max_inflight_pages: K: bound of a node's pages in flight
 * @stopped:	A: number of reasons not to accept anything; see scq_stop()
 * @wait_gave_up: value of scq_finished() when a wait timed out; racy, a hint
 * @longer_gave_up: the same of scq_wait_longer()
 * @throttle_gave_up: the same of scq_throttle(), which waits for less time
 * @nice:	nice value of workers, as the last one saw it; racy, a hint
 * @nr_throttled: A: tasks in scq_throttle()
 * @plugged:	A: CPUs whose plug list may hold folios
 * @pool:	P: free batch objects
 * @nr_pool:	P: their number; a hint when read without the lock
 * @pool_lock:	nests in the lock of a plug list, as the workqueue's locks do;
 *	nothing nests in @pool_lock
 * @knob_lock:	serialises knobs; sleeps
 * @progress:	woken when pages are finished
 */
struct scq {
	const struct scq_ops *ops;
	struct workqueue_struct *wq;
	struct workqueue_struct *bio_wq;
	unsigned long push_delay;
	unsigned long limit_pages;
	struct scq_node *nodes;
	struct scq_plug_list __percpu *plugs;
	struct scq_stats __percpu *stats;
	struct scq_batch *batches;

	unsigned int batch_pages;
	unsigned long max_inflight_pages;

	atomic_t stopped;
	long wait_gave_up;
	long longer_gave_up;
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

enum scq_stat scq_reserve(struct scq *scq, int nid, unsigned int nr_pages,
			  unsigned long limit);
bool scq_is_awaited(struct scq *scq);
void scq_unreserve(struct scq *scq, int nid, unsigned long nr_pages);
void scq_plug(struct scq *scq, struct list_head *folios);
void scq_push(struct scq *scq);

long scq_node_inflight(struct scq *scq, int nid);
long scq_inflight(struct scq *scq);
long scq_node_finished(struct scq *scq, int nid);
long scq_finished(struct scq *scq);
bool scq_is_idle(struct scq *scq);

unsigned int scq_batch_pages(struct scq *scq);
int scq_set_batch_pages(struct scq *scq, unsigned long nr_pages);
unsigned long scq_max_inflight_pages(struct scq *scq);
int scq_set_max_inflight_pages(struct scq *scq, unsigned long nr_pages);

void scq_settle(struct scq_job *job, struct folio *folio,
		enum scq_stat result);
void scq_finish_settled(struct scq_job *job);

void scq_count(struct scq *scq, enum scq_stat item, unsigned long nr);
unsigned long scq_read_stat(struct scq *scq, enum scq_stat item);
const char *scq_stat_name(enum scq_stat item);

/* swap_compress_slices.c */

/* A folio of more pages may be stored by several workers, this much at a time. */
#define SCQ_SLICE_PAGES	32U

typedef bool (*scq_slice_fn)(void *private, unsigned int first_page,
			     unsigned int nr_pages);

bool scq_store_slices(struct scq *scq, unsigned int nr_pages,
		      scq_slice_fn store, void *private);

/* swap_compress_bio.c */

/* Stores and ends a bio */
typedef void (*scq_write_fn)(struct bio *bio);

bool scq_may_share_bio(struct bio *bio);
struct bio *scq_share_bio(struct scq *scq, struct bio *bio, atomic_t *nr_inflight,
			  scq_write_fn write);

/* swap_compress_wait.c */
bool scq_wait(struct scq *scq, const struct scq_need *need, long timeout);
bool scq_wait_longer(struct scq *scq, const struct scq_need *need, long timeout);
bool scq_throttle(struct scq *scq, const struct scq_need *need, long timeout);

/* Points at which fault injection can fail; bits of scq_fault_points */
enum scq_fault {
	SCQ_FAULT_STORE,	/* the store of a folio */
	SCQ_FAULT_POOL,		/* getting a batch object, or memory for a bio */
	SCQ_FAULT_BIO,		/* a write to the device */
	SCQ_FAULT_DELAY,	/* not a failure: a worker begins late */
};

#ifdef CONFIG_FAULT_INJECTION
extern struct fault_attr scq_fault_attr;
extern u32 scq_fault_points;
extern u32 scq_fault_delay_ms;

bool scq_should_fail(enum scq_fault point);
#else
static inline bool scq_should_fail(enum scq_fault point)
{
	return false;
}
#endif

#endif /* _MM_SWAP_COMPRESS_WQ_H */
