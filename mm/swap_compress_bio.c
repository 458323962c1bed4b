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
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/wait_bit.h>
#include "swap.h"
#include "swap_compress_internal.h"

/* What one worker stores before it looks for other work; a larger bio is split. */
#define SCQ_BIO_SECTORS		(SCQ_SLICE_PAGES << (PAGE_SHIFT - SECTOR_SHIFT))

/* Fewer pages are not worth waking a worker. */
#define SCQ_MIN_BIO_PAGES	(SCQ_SLICE_PAGES / 4)

/*
 * Pages of one device in flight, for each CPU. So much keeps workers busy while the
 * submitter stores a part as well, and delays reclaim that begins meanwhile by a few
 * parts at most.
 */
#define SCQ_CPU_BIO_PAGES	(2 * SCQ_SLICE_PAGES)

/**
 * struct scq_bios - bios that one worker stores
 * @cb:		link in the plug of a task, as long as bios are being added
 * @work:	the work item
 * @bios:	in the order in which they were submitted
 * @nr_pages:	size of all of them
 * @noreclaim:	a submitter was reclaiming memory
 * @scq:	queue
 * @inflight:	the device's pages in flight
 * @write:	stores and ends a bio
 */
struct scq_bios {
	struct blk_plug_cb cb;
	struct work_struct work;
	struct bio_list bios;
	unsigned int nr_pages;
	bool noreclaim;
	struct scq *scq;
	atomic_t *inflight;
	scq_write_fn write;
};

/* Parts of bios. Nobody waits for memory of it, see scq_share_bio(). */
static struct bio_set scq_bio_set;

static void scq_write_bios(struct scq_bios *bios)
{
	struct bio *bio;

	while ((bio = bio_list_pop(&bios->bios))) {
		bios->write(bio);
		cond_resched();
	}
}

static void scq_bios_work(struct work_struct *work)
{
	struct scq_bios *bios = container_of(work, struct scq_bios, work);
	unsigned int nr_pages = bios->nr_pages;
	atomic_t *inflight = bios->inflight;
	unsigned int noreclaim;

	if (bios->noreclaim) {
		noreclaim = memalloc_noreclaim_save();
		scq_write_bios(bios);
		memalloc_noreclaim_restore(noreclaim);
	} else {
		scq_write_bios(bios);
	}
	scq_count(bios->scq, SCQ_BIO_PAGES, nr_pages);
	kfree(bios);
	/* The device may vanish as soon as it has no page in flight. */
	if (!atomic_sub_return(nr_pages, inflight))
		wake_up_var(inflight);
}

static void scq_init_bios(struct scq_bios *bios, struct scq *scq,
			  atomic_t *inflight, scq_write_fn write)
{
	INIT_WORK(&bios->work, scq_bios_work);
	bio_list_init(&bios->bios);
	bios->scq = scq;
	bios->inflight = inflight;
	bios->write = write;
}

static void scq_add_bio(struct scq_bios *bios, struct bio *bio)
{
	bio_list_add(&bios->bios, bio);
	bios->nr_pages += bio->bi_iter.bi_size >> PAGE_SHIFT;
	bios->noreclaim |= current->flags & PF_MEMALLOC;
}

/*
 * Reclaim comes first: while it has pages in flight, file data is not queued behind
 * them. The number may be exceeded by what tasks submit at the same time.
 */
static bool scq_has_room_for_bios(struct scq *scq, atomic_t *inflight)
{
	return scq_is_idle(scq) &&
	       atomic_read(inflight) < SCQ_CPU_BIO_PAGES * num_online_cpus();
}

static void scq_queue_bios(struct scq_bios *bios)
{
	atomic_add(bios->nr_pages, bios->inflight);
	queue_work(bios->scq->wq, &bios->work);
}

static void scq_unplug_bios(struct blk_plug_cb *cb, bool from_schedule)
{
	struct scq_bios *bios = container_of(cb, struct scq_bios, cb);

	/* A task that is about to sleep cannot store. */
	if (from_schedule || (bios->nr_pages >= SCQ_MIN_BIO_PAGES &&
			      scq_has_room_for_bios(bios->scq, bios->inflight))) {
		scq_queue_bios(bios);
		return;
	}
	scq_write_bios(bios);
	kfree(bios);
}

/*
 * Leave a small bio to the end of the task's plug, before which the task does not wait
 * for it. Returns false if there is no plug.
 */
static bool scq_plug_bio(struct scq *scq, struct bio *bio, atomic_t *inflight,
			 scq_write_fn write)
{
	struct blk_plug_cb *cb;
	struct scq_bios *bios;

	cb = blk_check_plugged(scq_unplug_bios, inflight, sizeof(*bios));
	if (!cb)
		return false;

	bios = container_of(cb, struct scq_bios, cb);
	if (!bios->nr_pages)
		scq_init_bios(bios, scq, inflight, write);
	scq_add_bio(bios, bio);
	if (bios->nr_pages >= SCQ_SLICE_PAGES) {
		list_del(&cb->list);
		scq_unplug_bios(cb, false);
	}
	return true;
}

/*
 * Make the first part of a large bio a bio of its own. The large one ends when all
 * parts have, with an error of any of them. Returns NULL if there is no memory.
 */
static struct bio *scq_split_bio(struct bio *bio)
{
	struct bio *part;

	if (!bioset_initialized(&scq_bio_set))
		return NULL;
	part = bio_split(bio, SCQ_BIO_SECTORS, GFP_NOWAIT, &scq_bio_set);
	if (IS_ERR_OR_NULL(part))	/* NULL before Linux 6.13 */
		return NULL;
	bio_chain(part, bio);
	return part;
}

/* Queue a bio alone. Returns false if that is not possible now. */
static bool scq_queue_bio(struct scq *scq, struct bio *bio, atomic_t *inflight,
			  scq_write_fn write)
{
	struct scq_bios *bios;

	if (!scq_has_room_for_bios(scq, inflight))
		return false;
	bios = kzalloc(sizeof(*bios), GFP_NOWAIT);
	if (!bios)
		return false;
	scq_init_bios(bios, scq, inflight, write);
	scq_add_bio(bios, bio);
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
 * Context: any.
 * Return: true if they may.
 */
bool scq_may_share_bio(struct bio *bio)
{
	return num_online_cpus() > 1 &&
	       !(bio->bi_opf & (REQ_SWAP | REQ_NOWAIT | REQ_POLLED | REQ_FUA |
				REQ_PREFLUSH)) &&
	       IS_ALIGNED(bio->bi_iter.bi_sector << SECTOR_SHIFT, PAGE_SIZE) &&
	       IS_ALIGNED(bio->bi_iter.bi_size, PAGE_SIZE);
}

/**
 * scq_share_bio() - have workers store as much of a write bio as they have time for
 * @scq: queue
 * @bio: of whole pages
 * @inflight: pages of the device that workers have
 * @write: stores and ends a bio
 *
 * Nothing here waits for memory or for a worker. What cannot be shared is left to the
 * caller.
 *
 * Context: task that may sleep.
 * Return: what the caller has to store: @bio, or what is left of it, or NULL.
 */
struct bio *scq_share_bio(struct scq *scq, struct bio *bio, atomic_t *inflight,
			  scq_write_fn write)
{
	struct bio *part;

	while (bio_sectors(bio) > SCQ_BIO_SECTORS) {
		part = scq_split_bio(bio);
		if (!part)
			return bio;
		if (!scq_queue_bio(scq, part, inflight, write))
			write(part);
	}
	return scq_plug_bio(scq, bio, inflight, write) ? NULL : bio;
}

/**
 * swap_compress_write_bio() - store a write bio with the help of workers
 * @bio: write bio of a driver that stores in the task that submits it
 * @inflight: Pages of the device that workers have; the device must live until it is
 *	zero, which wake_up_var() reports.
 * @write: Stores and ends a bio, which may be a part of @bio. Calls may run in
 *	parallel.
 *
 * Workers help only while swap_compress is switched on and reclaim needs none of them.
 *
 * Context: task; may sleep.
 */
void swap_compress_write_bio(struct bio *bio, atomic_t *inflight,
			     void (*write)(struct bio *bio))
{
	if (swap_compress_on() && scq_may_share_bio(bio))
		bio = scq_share_bio(swap_compress_scq, bio, inflight, write);
	if (bio)
		write(bio);
}
EXPORT_SYMBOL_GPL(swap_compress_write_bio);

static int __init scq_bio_init(void)
{
	return bioset_init(&scq_bio_set, BIO_POOL_SIZE, 0, 0);
}
device_initcall(scq_bio_init);
