// SPDX-License-Identifier: GPL-2.0
/*
 * Let workers take part in the writes of a block device that stores in memory.
 *
 * zram compresses what filesystems and others write to it in the task that submits the
 * bio, which is mostly one thread for the whole device: writeback. With this, workers
 * store parts of a large bio, and small bios that were submitted under one plug. A
 * part is a bio of its own, so the driver notices no difference but the task.
 */

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/cpumask.h>
#include <linux/init.h>
#include <linux/sched/rt.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/swap.h>
#include <linux/wait_bit.h>
#include <trace/events/block.h>
#include "swap.h"
#include "swap_compress_internal.h"

/* What one worker stores before it looks for other work; a larger bio is split. */
#define SCQ_BIO_SECTORS		(SCQ_SLICE_PAGES << (PAGE_SHIFT - SECTOR_SHIFT))

/* Fewer pages are not worth waking a worker. */
#define SCQ_MIN_BIO_PAGES	(SCQ_SLICE_PAGES / 4)

/*
 * Pages of one device that are in flight, for each worker: a part that it stores, and
 * the next one. With more, a submitter would be done long before the workers.
 */
#define SCQ_WORKER_BIO_PAGES	(2 * SCQ_SLICE_PAGES)

/**
 * struct scq_bios - bios that one worker stores
 * @cb:		link in the plug of a task, as long as bios are being added
 * @work:	the work item
 * @bios:	in the order in which they were submitted
 * @nr_pages:	size of all of them
 * @scq:	queue
 * @nr_inflight:	the device's pages in flight
 * @write:	stores and ends a bio
 */
struct scq_bios {
	struct blk_plug_cb cb;
	struct work_struct work;
	struct bio_list bios;
	unsigned int nr_pages;
	struct scq *scq;
	atomic_t *nr_inflight;
	scq_write_fn write;
};

/* Parts of bios */
static struct bio_set scq_bio_set;

/*
 * Workers for reclaim come first: nothing is added while they have pages. Tasks that
 * submit at the same time may exceed the bound by what each of them adds.
 */
static bool scq_has_room_for_bios(struct scq *scq, atomic_t *nr_inflight)
{
	return scq_is_idle(scq) && atomic_read(nr_inflight) <
	       SCQ_WORKER_BIO_PAGES * swap_compress_nr_workers(num_online_cpus());
}

static void scq_init_bios(struct scq_bios *bios, struct scq *scq,
			  atomic_t *nr_inflight, scq_write_fn write)
{
	bio_list_init(&bios->bios);
	bios->scq = scq;
	bios->nr_inflight = nr_inflight;
	bios->write = write;
}

/* From here on the device has these pages in flight. */
static void scq_add_bio(struct scq_bios *bios, struct bio *bio)
{
	unsigned int nr_pages = bio->bi_iter.bi_size >> PAGE_SHIFT;

	bio_list_add(&bios->bios, bio);
	bios->nr_pages += nr_pages;
	atomic_add(nr_pages, bios->nr_inflight);
}

static void scq_write_bios(struct scq_bios *bios)
{
	atomic_t *nr_inflight = bios->nr_inflight;
	unsigned int nr_pages = bios->nr_pages;
	struct bio *bio;

	while ((bio = bio_list_pop(&bios->bios))) {
		bios->write(bio);
		cond_resched();
	}
	kfree(bios);
	/* The device may vanish as soon as it has no page in flight. */
	if (!atomic_sub_return(nr_pages, nr_inflight))
		wake_up_var(nr_inflight);
}

static void scq_bios_work(struct work_struct *work)
{
	struct scq_bios *bios = container_of(work, struct scq_bios, work);

	/* First, so that they are counted when a bio ends */
	scq_count(bios->scq, SCQ_BIO_PAGES, bios->nr_pages);
	scq_write_bios(bios);
}

static void scq_queue_bios(struct scq_bios *bios)
{
	INIT_WORK(&bios->work, scq_bios_work);
	queue_work(bios->scq->bio_wq, &bios->work);
}

static bool scq_is_alone(const struct scq_bios *bios)
{
	return bios->bios.head == bios->bios.tail;
}

static void scq_unplug_bios(struct blk_plug_cb *cb, bool from_schedule)
{
	struct scq_bios *bios = container_of(cb, struct scq_bios, cb);

	/*
	 * A task that is about to sleep cannot store. Otherwise it stores few pages
	 * itself, and a bio that it submitted alone: it may be going to wait for it.
	 */
	if (from_schedule ||
	    (bios->nr_pages >= SCQ_MIN_BIO_PAGES && !scq_is_alone(bios)))
		scq_queue_bios(bios);
	else
		scq_write_bios(bios);
}

/*
 * Leave a small bio to the end of the task's plug, before which the task does not wait
 * for it. Returns false if that is not possible.
 */
static bool scq_plug_bio(struct scq *scq, struct bio *bio, atomic_t *nr_inflight,
			 scq_write_fn write)
{
	struct blk_plug_cb *cb;
	struct scq_bios *bios;

	if (!scq_has_room_for_bios(scq, nr_inflight) ||
	    scq_should_fail(SCQ_FAULT_POOL))
		return false;

	cb = blk_check_plugged(scq_unplug_bios, nr_inflight, sizeof(*bios));
	if (!cb)
		return false;

	bios = container_of(cb, struct scq_bios, cb);
	if (!bios->nr_pages)
		scq_init_bios(bios, scq, nr_inflight, write);
	scq_add_bio(bios, bio);
	if (bios->nr_pages >= SCQ_SLICE_PAGES && !scq_is_alone(bios)) {
		list_del(&cb->list);
		scq_unplug_bios(cb, false);
	}
	return true;
}

/*
 * Let go of what the task has plugged for the device, as if the plug ended. It must not
 * wait for a bio that was submitted later.
 */
static void scq_end_plug(atomic_t *nr_inflight)
{
	struct blk_plug_cb *cb;

	if (!current->plug)
		return;
	list_for_each_entry(cb, &current->plug->cb_list, list) {
		if (cb->callback == scq_unplug_bios && cb->data == nr_inflight) {
			list_del(&cb->list);
			scq_unplug_bios(cb, false);
			return;
		}
	}
}

/*
 * Make the first part of a large bio a bio of its own. The large one ends when all
 * parts have, with an error of any of them. Returns NULL if there is no memory.
 */
static struct bio *scq_split_bio(struct bio *bio)
{
	struct bio *part;

	if (scq_should_fail(SCQ_FAULT_POOL))
		return NULL;
	part = bio_split(bio, SCQ_BIO_SECTORS, GFP_NOWAIT, &scq_bio_set);
	if (IS_ERR_OR_NULL(part))	/* NULL before Linux 6.13 */
		return NULL;
	bio_chain(part, bio);
	trace_block_split(part, bio->bi_iter.bi_sector);
	return part;
}

/* Queue a part. Returns false if that is not possible now. */
static bool scq_queue_part(struct scq *scq, struct bio *part, atomic_t *nr_inflight,
			   scq_write_fn write)
{
	struct scq_bios init = {}, *bios;

	if (!scq_has_room_for_bios(scq, nr_inflight))
		return false;
	scq_init_bios(&init, scq, nr_inflight, write);
	bios = kmemdup(&init, sizeof(init), GFP_NOWAIT);
	if (!bios)
		return false;
	scq_add_bio(bios, part);
	scq_queue_bios(bios);
	return true;
}

/**
 * scq_may_share_bio() - decide whether workers may store parts of a write bio
 * @bio: bio
 *
 * Two bios may be stored at the same time, so that neither may have a part of a page:
 * the driver would read the page, change it, and lose what the other one wrote.
 *
 * A task that reclaims does not wait for a worker that may have to reclaim. One with a
 * real-time priority or a negative nice value does not wait for a worker's CPU. Other
 * tasks do, also if the administrator has given workers a higher nice value.
 *
 * Context: any.
 * Return: true if they may.
 */
bool scq_may_share_bio(struct bio *bio)
{
	return num_online_cpus() > 1 && !(current->flags & PF_MEMALLOC) &&
	       !rt_or_dl_task(current) && task_nice(current) >= 0 &&
	       bio->bi_iter.bi_size &&
	       !(bio->bi_opf & (REQ_SWAP | REQ_NOWAIT | REQ_POLLED | REQ_FUA |
				REQ_PREFLUSH)) &&
	       IS_ALIGNED(bio->bi_iter.bi_sector << SECTOR_SHIFT, PAGE_SIZE) &&
	       IS_ALIGNED(bio->bi_iter.bi_size, PAGE_SIZE);
}

/**
 * scq_share_bio() - have workers store as much of a write bio as they have time for
 * @scq: queue
 * @bio: of whole pages
 * @nr_inflight: pages of the device that are with workers, or in plugs
 * @write: stores and ends a bio
 *
 * Nothing here waits for memory or for a worker. What cannot be shared is stored by the
 * caller, here or afterwards.
 *
 * Context: task that may sleep.
 * Return: what the caller has to store: @bio, or what is left of it, or NULL.
 */
struct bio *scq_share_bio(struct scq *scq, struct bio *bio, atomic_t *nr_inflight,
			  scq_write_fn write)
{
	struct bio *part;

	if (bio_sectors(bio) <= SCQ_BIO_SECTORS &&
	    scq_plug_bio(scq, bio, nr_inflight, write))
		return NULL;
	scq_end_plug(nr_inflight);
	while (bio_sectors(bio) > SCQ_BIO_SECTORS) {
		part = scq_split_bio(bio);
		if (!part)
			break;
		if (!scq_queue_part(scq, part, nr_inflight, write))
			write(part);
	}
	return bio;
}

/**
 * swap_compress_share_bio() - store a write bio with the help of workers
 * @bio: write bio of a driver that stores in the task that submits it
 * @nr_inflight: Pages of the device that are with workers, or in plugs. The device must
 *	live until it is zero, which wake_up_var() reports.
 * @write: Stores and ends a bio, which may be a part of @bio. Calls may run in
 *	parallel.
 *
 * Workers help only while swap_compress is switched on and has no page in flight.
 *
 * Context: task; may sleep.
 */
void swap_compress_share_bio(struct bio *bio, atomic_t *nr_inflight,
			     void (*write)(struct bio *bio))
{
	/* Pairs with scq_bio_init() */
	if (swap_compress_on() && smp_load_acquire(&swap_compress_scq->bio_wq) &&
	    scq_may_share_bio(bio))
		bio = scq_share_bio(swap_compress_scq, bio, nr_inflight, write);
	if (bio)
		write(bio);
}
EXPORT_SYMBOL_GPL(swap_compress_share_bio);

/*
 * Not the workqueue of reclaim: a store for a filesystem may have to reclaim memory,
 * and no batch may wait for that. It has WQ_MEM_RECLAIM because reclaim waits for file
 * data to be written.
 */
static int __init scq_bio_init(void)
{
	struct workqueue_struct *wq;
	int err;

	if (!swap_compress_scq)
		return -ENOMEM;
	err = bioset_init(&scq_bio_set, BIO_POOL_SIZE, 0, 0);
	if (err)
		return err;
	wq = alloc_workqueue("swap_compress_bio",
			     WQ_UNBOUND | WQ_MEM_RECLAIM | WQ_SYSFS,
			     swap_compress_nr_workers(num_online_cpus()));
	if (!wq) {
		bioset_exit(&scq_bio_set);
		return -ENOMEM;
	}
	/* From here on bios are shared, which takes the set. */
	smp_store_release(&swap_compress_scq->bio_wq, wq);
	return 0;
}
late_initcall(scq_bio_init);
