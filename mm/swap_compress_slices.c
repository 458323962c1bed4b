// SPDX-License-Identifier: GPL-2.0
/*
 * Store a large folio in slices, with the help of other workers.
 *
 * One worker would take long for a folio of many pages, while other workers may have
 * nothing to do.
 */

#include <linux/cpumask.h>
#include <linux/mm_types.h>
#include <linux/psi.h>
#include <linux/sched/mm.h>
#include <linux/swap.h>
#include "swap_compress_wq.h"

/* Helpers of one large folio; bounded because they are on the stack */
#define SCQ_MAX_HELPERS	7U

/**
 * struct scq_slices - a large folio that several workers store
 * @store:	stores a slice
 * @private:	for @store
 * @nr_pages:	size of the folio
 * @next_page:	where the next slice begins
 * @failed:	a slice was not stored
 */
struct scq_slices {
	scq_slice_fn store;
	void *private;
	unsigned int nr_pages;
	atomic_t next_page;
	bool failed;
};

struct scq_helper {
	struct work_struct work;
	struct scq_slices *slices;
};

static void scq_store_some(struct scq_slices *slices)
{
	unsigned int first;

	while (!READ_ONCE(slices->failed)) {
		first = atomic_fetch_add(SCQ_SLICE_PAGES, &slices->next_page);
		if (first >= slices->nr_pages)
			break;
		if (!slices->store(slices->private, first,
				   min(SCQ_SLICE_PAGES,
				       slices->nr_pages - first)))
			WRITE_ONCE(slices->failed, true);
		cond_resched();
	}
}

static void scq_helper_work(struct work_struct *work)
{
	struct scq_helper *helper = container_of(work, struct scq_helper, work);
	unsigned int noreclaim;
	unsigned long pflags;

	/* As in scq_process() */
	psi_memstall_enter(&pflags);
	noreclaim = memalloc_noreclaim_save();
	scq_store_some(helper->slices);
	memalloc_noreclaim_restore(noreclaim);
	psi_memstall_leave(&pflags);
}

/**
 * scq_store_slices() - store a large folio with the help of other workers
 * @scq: queue
 * @nr_pages: size of the folio
 * @store: Stores some pages of the folio, and returns true if that succeeded. Calls
 *	may run in parallel.
 * @private: for @store
 *
 * There are at most as many helpers as other CPUs, and as other slices. A helper
 * that has not begun when no slice is left is cancelled, so that the folio never
 * waits for a worker to become free.
 *
 * Context: called by a store; sleeps.
 * Return: true if each slice was stored.
 */
bool scq_store_slices(struct scq *scq, unsigned int nr_pages,
		      scq_slice_fn store, void *private)
{
	struct scq_slices slices = {
		.store	  = store,
		.private  = private,
		.nr_pages = nr_pages,
	};
	unsigned int nr = min3(DIV_ROUND_UP(nr_pages, SCQ_SLICE_PAGES) - 1,
			       num_online_cpus() - 1, SCQ_MAX_HELPERS);
	struct scq_helper helpers[SCQ_MAX_HELPERS];
	unsigned int i;

	for (i = 0; i < nr; i++) {
		INIT_WORK_ONSTACK(&helpers[i].work, scq_helper_work);
		helpers[i].slices = &slices;
		queue_work(scq->wq, &helpers[i].work);
	}
	scq_store_some(&slices);
	for (i = 0; i < nr; i++) {
		cancel_work_sync(&helpers[i].work);
		destroy_work_on_stack(&helpers[i].work);
	}
	return !slices.failed;
}
