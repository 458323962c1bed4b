// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit test of how workers take part in the writes of a block device, see
 * mm/swap_compress_bio.c.
 *
 * The device is the test's own. It writes down which pages were stored by whom, can
 * fail, and can let workers stand still.
 */

#include <kunit/test.h>

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/cpu.h>
#include <linux/fault-inject.h>
#include <linux/iopoll.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/swap.h>

#include "../../mm/internal.h"
#include "../../mm/swap_compress_internal.h"

#define DEVICE_PAGES	4096U
#define PART_PAGES	SCQ_SLICE_PAGES
#define BIO_PAGES	BIO_MAX_VECS
#define NOBODY		DEVICE_PAGES
#define LONG		(20 * HZ)	/* no case takes so long, on any machine */
#define SOON_US		(10 * USEC_PER_SEC)

struct sent {
	blk_status_t status;
	unsigned int ended;		/* times */
};

/* One test runs at a time. */
static struct device_under_test {
	struct scq scq;
	struct workqueue_struct *wq;
	struct task_struct *submitter;
	atomic_t nr_inflight;		/* pages that workers have */
	unsigned int most_inflight;
	unsigned int fails;		/* this page does */
	bool open;			/* workers proceed */
	wait_queue_head_t gate;
	spinlock_t lock;		/* what follows */
	unsigned int stored[DEVICE_PAGES];	/* times */
	unsigned int by_submitter;	/* pages */
	unsigned int by_workers;
	unsigned int nr_bios;		/* parts count each */
} dut;

static void test_write(struct bio *bio)
{
	unsigned int page = bio->bi_iter.bi_sector >> PAGE_SECTORS_SHIFT;
	unsigned int nr_pages = bio_sectors(bio) >> PAGE_SECTORS_SHIFT;
	bool works = current != dut.submitter;

	if (works)
		wait_event(dut.gate, READ_ONCE(dut.open));

	spin_lock(&dut.lock);
	dut.nr_bios++;
	if (works)
		dut.by_workers += nr_pages;
	else
		dut.by_submitter += nr_pages;
	while (nr_pages--) {
		if (page == dut.fails)
			bio->bi_status = BLK_STS_IOERR;
		dut.stored[page++]++;
	}
	spin_unlock(&dut.lock);
	bio_endio(bio);
}

static void test_end_io(struct bio *bio)
{
	struct sent *sent = bio->bi_private;

	sent->status = bio->bi_status;
	WRITE_ONCE(sent->ended, sent->ended + 1);
	bio_put(bio);
}

static struct bio *make_bio(struct kunit *test, struct sent *sent,
			    unsigned int page, unsigned int nr_pages, blk_opf_t opf)
{
	struct bio *bio = bio_alloc(NULL, nr_pages, REQ_OP_WRITE | opf, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, bio);
	bio->bi_iter.bi_sector = (sector_t)page << PAGE_SECTORS_SHIFT;
	bio->bi_private = sent;
	bio->bi_end_io = test_end_io;
	while (nr_pages--)
		__bio_add_page(bio, ZERO_PAGE(0), PAGE_SIZE, 0);
	return bio;
}

/* As the block layer does it, which has a plug if the task has none */
static void send_bio(struct bio *bio)
{
	struct blk_plug plug;

	blk_start_plug(&plug);
	bio = scq_share_bio(&dut.scq, bio, &dut.nr_inflight, test_write);
	dut.most_inflight = max_t(unsigned int, dut.most_inflight,
				  atomic_read(&dut.nr_inflight));
	if (bio)
		test_write(bio);
	blk_finish_plug(&plug);
}

static void send(struct kunit *test, struct sent *sent, unsigned int page,
		 unsigned int nr_pages, blk_opf_t opf)
{
	send_bio(make_bio(test, sent, page, nr_pages, opf));
}

static void open_gate(void)
{
	WRITE_ONCE(dut.open, true);
	wake_up_all(&dut.gate);
}

static bool ends(struct sent *sent)
{
	unsigned int ended;

	return !read_poll_timeout(READ_ONCE, ended, ended, USEC_PER_MSEC, SOON_US,
				  false, sent->ended);
}

static bool none_in_flight(void)
{
	int nr;

	return !read_poll_timeout(atomic_read, nr, !nr, USEC_PER_MSEC, SOON_US,
				  false, &dut.nr_inflight);
}

static void expect_ended(struct kunit *test, struct sent *sent, unsigned int nr,
			 blk_status_t status)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		KUNIT_EXPECT_TRUE(test, ends(&sent[i]));
		KUNIT_EXPECT_EQ(test, 1, sent[i].ended);
		KUNIT_EXPECT_TRUE(test, sent[i].status == status);
	}
	KUNIT_EXPECT_TRUE(test, none_in_flight());
	/* Nothing ends twice, even later. */
	flush_workqueue(dut.wq);
	for (i = 0; i < nr; i++)
		KUNIT_EXPECT_EQ(test, 1, sent[i].ended);
}

/* These pages, and no other, were stored, each once. */
static void expect_stored(struct kunit *test, unsigned int first,
			  unsigned int nr_pages)
{
	unsigned int i;

	for (i = 0; i < DEVICE_PAGES; i++)
		KUNIT_EXPECT_EQ(test, i >= first && i < first + nr_pages,
				dut.stored[i]);
	KUNIT_EXPECT_EQ(test, nr_pages, dut.by_submitter + dut.by_workers);
	KUNIT_EXPECT_EQ(test, dut.by_workers,
			scq_read_stat(&dut.scq, SCQ_BIO_PAGES));
}

static int swap_compress_bio_init(struct kunit *test)
{
	static const struct scq_ops no_ops;

	memset(&dut, 0, sizeof(dut));
	dut.submitter = current;
	dut.fails = NOBODY;
	dut.open = true;
	init_waitqueue_head(&dut.gate);
	spin_lock_init(&dut.lock);
	dut.wq = alloc_workqueue("scq_bio_test", WQ_UNBOUND | WQ_MEM_RECLAIM, 4);
	KUNIT_ASSERT_NOT_NULL(test, dut.wq);
	KUNIT_ASSERT_EQ(test, 0, scq_init(&dut.scq, &no_ops, dut.wq, 4, 128));
	dut.scq.bio_wq = dut.wq;
	scq_start(&dut.scq);
	return 0;
}

static void swap_compress_bio_exit(struct kunit *test)
{
	open_gate();
	flush_workqueue(dut.wq);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&dut.nr_inflight));
	scq_destroy(&dut.scq);
	destroy_workqueue(dut.wq);
}

/*********************************
 * large bios
 **********************************/

static void large_bio_is_stored_once(struct kunit *test)
{
	struct sent sent = {};

	send(test, &sent, 3, BIO_PAGES, 0);
	expect_ended(test, &sent, 1, BLK_STS_OK);
	expect_stored(test, 3, BIO_PAGES);
	KUNIT_EXPECT_EQ(test, BIO_PAGES / PART_PAGES, dut.nr_bios);
	KUNIT_EXPECT_LE(test, PART_PAGES, dut.by_workers);
}

static void large_synchronous_bio_is_shared(struct kunit *test)
{
	struct sent sent = {};

	send(test, &sent, 0, BIO_PAGES, REQ_SYNC);
	expect_ended(test, &sent, 1, BLK_STS_OK);
	expect_stored(test, 0, BIO_PAGES);
	KUNIT_EXPECT_LE(test, PART_PAGES, dut.by_workers);
	/* The submitter does not sleep while there is something to do. */
	KUNIT_EXPECT_LE(test, PART_PAGES, dut.by_submitter);
}

static void last_part_may_be_smaller(struct kunit *test)
{
	struct sent sent = {};

	send(test, &sent, 0, PART_PAGES + 1, 0);
	expect_ended(test, &sent, 1, BLK_STS_OK);
	expect_stored(test, 0, PART_PAGES + 1);
	KUNIT_EXPECT_EQ(test, 2, dut.nr_bios);
	KUNIT_EXPECT_EQ(test, PART_PAGES, dut.by_workers);
	KUNIT_EXPECT_EQ(test, 1, dut.by_submitter);
}

static void error_of_a_part_ends_the_bio(struct kunit *test)
{
	static const unsigned int pages[] = {
		0, PART_PAGES, BIO_PAGES - 1,
	};
	struct sent sent[ARRAY_SIZE(pages)] = {};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		dut.fails = i * BIO_PAGES + pages[i];
		send(test, &sent[i], i * BIO_PAGES, BIO_PAGES, 0);
		KUNIT_EXPECT_TRUE(test, ends(&sent[i]));
		flush_workqueue(dut.wq);
	}
	expect_ended(test, sent, ARRAY_SIZE(pages), BLK_STS_IOERR);
	expect_stored(test, 0, ARRAY_SIZE(pages) * BIO_PAGES);
}

static void bio_ends_with_its_last_part(struct kunit *test)
{
	struct sent sent = {};

	dut.open = false;
	send(test, &sent, 0, 2 * PART_PAGES, 0);
	KUNIT_EXPECT_EQ(test, PART_PAGES, dut.by_submitter);
	KUNIT_EXPECT_EQ(test, PART_PAGES, atomic_read(&dut.nr_inflight));
	KUNIT_EXPECT_EQ(test, 0, sent.ended);
	open_gate();
	expect_ended(test, &sent, 1, BLK_STS_OK);
	expect_stored(test, 0, 2 * PART_PAGES);
}

/*********************************
 * small bios
 **********************************/

/* All are made before the plug begins: who waits for memory ends it. */
static void send_small(struct kunit *test, struct sent *sent, unsigned int nr,
		       struct blk_plug *plug)
{
	struct bio **bios = kunit_kcalloc(test, nr, sizeof(*bios), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, bios);
	for (i = 0; i < nr; i++)
		bios[i] = make_bio(test, &sent[i], i, 1, 0);
	blk_start_plug(plug);
	for (i = 0; i < nr; i++)
		send_bio(bios[i]);
}

/* Whoever submitted it may be going to wait for it. */
static void bio_alone_is_stored_by_the_submitter(struct kunit *test)
{
	static const unsigned int sizes[] = {
		1, SCQ_SLICE_PAGES / 4, PART_PAGES,
	};
	struct sent sent[2 * ARRAY_SIZE(sizes)] = {};
	unsigned int i, page = 0;

	for (i = 0; i < ARRAY_SIZE(sent); i++) {
		send(test, &sent[i], page, sizes[i / 2], i % 2 ? REQ_SYNC : 0);
		page += sizes[i / 2];
		KUNIT_EXPECT_EQ(test, page, dut.by_submitter);
	}
	expect_ended(test, sent, ARRAY_SIZE(sent), BLK_STS_OK);
	expect_stored(test, 0, page);
}

static void full_plug_goes_at_once(struct kunit *test)
{
	struct sent sent[PART_PAGES + 1] = {};
	struct blk_plug plug;

	dut.open = false;
	/* The last one begins another list, which goes with the plug. */
	send_small(test, sent, PART_PAGES + 1, &plug);
	KUNIT_EXPECT_EQ(test, PART_PAGES + 1, atomic_read(&dut.nr_inflight));
	KUNIT_EXPECT_EQ(test, 0, dut.by_submitter);
	blk_finish_plug(&plug);
	KUNIT_EXPECT_EQ(test, 1, dut.by_submitter);
	KUNIT_EXPECT_EQ(test, PART_PAGES, atomic_read(&dut.nr_inflight));
	open_gate();
	expect_ended(test, sent, PART_PAGES + 1, BLK_STS_OK);
	expect_stored(test, 0, PART_PAGES + 1);
	KUNIT_EXPECT_EQ(test, PART_PAGES, dut.by_workers);
}

static void some_go_to_a_worker_with_the_plug(struct kunit *test)
{
	struct sent sent[PART_PAGES - 1] = {};
	struct blk_plug plug;

	send_small(test, sent, PART_PAGES - 1, &plug);
	KUNIT_EXPECT_EQ(test, 0, dut.by_submitter);
	blk_finish_plug(&plug);
	expect_ended(test, sent, PART_PAGES - 1, BLK_STS_OK);
	expect_stored(test, 0, PART_PAGES - 1);
	KUNIT_EXPECT_EQ(test, PART_PAGES - 1, dut.by_workers);
}

static void few_are_not_worth_a_worker(struct kunit *test)
{
	struct sent sent[2] = {};
	struct blk_plug plug;

	send_small(test, sent, 2, &plug);
	KUNIT_EXPECT_EQ(test, 0, dut.by_submitter);
	blk_finish_plug(&plug);
	KUNIT_EXPECT_EQ(test, 2, dut.by_submitter);
	expect_ended(test, sent, 2, BLK_STS_OK);
	expect_stored(test, 0, 2);
}

/* Whoever sleeps may wait for just these. */
static void sleep_unplugs(struct kunit *test)
{
	struct sent sent[2] = {};
	struct blk_plug plug;

	send_small(test, sent, 2, &plug);
	/* Sleeps */
	KUNIT_EXPECT_TRUE(test, ends(&sent[1]));
	KUNIT_EXPECT_EQ(test, 2, dut.by_workers);
	blk_finish_plug(&plug);
	expect_ended(test, sent, 2, BLK_STS_OK);
	expect_stored(test, 0, 2);
}

static void expect_small_bios_ended(struct kunit *test, const struct sent *sent)
{
	KUNIT_EXPECT_EQ(test, 1, sent[0].ended);
	KUNIT_EXPECT_EQ(test, 1, sent[1].ended);
}

/* Otherwise they would wait for all that the task writes before its plug ends. */
static void small_bios_go_before_a_large_one(struct kunit *test)
{
	struct sent sent[3] = {};
	struct bio *large = make_bio(test, &sent[2], 2, BIO_PAGES, 0);
	struct blk_plug plug;

	send_small(test, sent, 2, &plug);
	KUNIT_EXPECT_EQ(test, 0, dut.by_submitter);
	send_bio(large);
	expect_small_bios_ended(test, sent);
	blk_finish_plug(&plug);
	expect_ended(test, sent, 3, BLK_STS_OK);
	expect_stored(test, 0, 2 + BIO_PAGES);
}

static void small_bios_go_before_one_without_room(struct kunit *test)
{
	struct sent sent[3] = {};
	struct bio *last = make_bio(test, &sent[2], 2, 1, 0);
	struct blk_plug plug;

	send_small(test, sent, 2, &plug);
	KUNIT_EXPECT_EQ(test, 0, dut.by_submitter);
	/* As if others had taken it */
	atomic_add(DEVICE_PAGES, &dut.nr_inflight);
	send_bio(last);
	atomic_sub(DEVICE_PAGES, &dut.nr_inflight);
	expect_small_bios_ended(test, sent);
	KUNIT_EXPECT_EQ(test, 3, dut.by_submitter);
	blk_finish_plug(&plug);
	expect_ended(test, sent, 3, BLK_STS_OK);
	expect_stored(test, 0, 3);
}

/* With a plug: each of them is submitted by a task that sleeps afterwards. */
static void bios_of_one_size(struct kunit *test, struct sent *sent,
			     unsigned int nr, unsigned int nr_pages,
			     struct blk_plug *plug)
{
	struct bio **bios = kunit_kcalloc(test, nr, sizeof(*bios), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, bios);
	for (i = 0; i < nr; i++)
		bios[i] = make_bio(test, &sent[i], i * nr_pages, nr_pages, 0);
	for (i = 0; i < nr; i++) {
		if (plug)
			blk_start_plug(plug);
		send_bio(bios[i]);
		/* As a task that is about to sleep does it */
		if (plug) {
			__blk_flush_plug(plug, true);
			blk_finish_plug(plug);
		}
	}
}

/*********************************
 * who stores
 **********************************/

/* Two parts for each worker, which a submitter may exceed by less than a part. */
#define MOST_INFLIGHT	(2 * PART_PAGES * clamp(num_online_cpus() - 1, 1U, 8U) + \
			 PART_PAGES - 1)

static void without_room_the_submitter_stores(struct kunit *test)
{
	const unsigned int nr = DEVICE_PAGES / BIO_PAGES;
	struct sent sent[DEVICE_PAGES / BIO_PAGES] = {};

	dut.open = false;
	bios_of_one_size(test, sent, nr, BIO_PAGES, NULL);
	KUNIT_EXPECT_LE(test, dut.most_inflight, MOST_INFLIGHT);
	KUNIT_EXPECT_EQ(test, atomic_read(&dut.nr_inflight) + dut.by_submitter,
			DEVICE_PAGES);
	/* The rests of large bios are stored by it in any case. */
	KUNIT_EXPECT_LT(test, nr * PART_PAGES, dut.by_submitter);
	open_gate();
	expect_ended(test, sent, nr, BLK_STS_OK);
	expect_stored(test, 0, DEVICE_PAGES);
}

static void room_is_for_tasks_that_sleep_too(struct kunit *test)
{
	struct sent *sent = kunit_kcalloc(test, DEVICE_PAGES / 2, sizeof(*sent),
					  GFP_KERNEL);
	struct blk_plug plug;

	KUNIT_ASSERT_NOT_NULL(test, sent);
	dut.open = false;
	bios_of_one_size(test, sent, DEVICE_PAGES / 2, 2, &plug);
	KUNIT_EXPECT_LE(test, dut.most_inflight, MOST_INFLIGHT);
	KUNIT_EXPECT_LT(test, 0, dut.by_submitter);
	KUNIT_EXPECT_EQ(test, atomic_read(&dut.nr_inflight) + dut.by_submitter,
			DEVICE_PAGES);
	open_gate();
	expect_ended(test, sent, DEVICE_PAGES / 2, BLK_STS_OK);
	expect_stored(test, 0, DEVICE_PAGES);
}

static void workers_are_for_reclaim_first(struct kunit *test)
{
	struct sent sent[2] = {};

	KUNIT_ASSERT_EQ(test, SCQ_QUEUED,
			scq_reserve(&dut.scq, first_online_node, 1, 128));
	send(test, &sent[0], 0, BIO_PAGES, 0);
	KUNIT_EXPECT_EQ(test, BIO_PAGES, dut.by_submitter);
	scq_unreserve(&dut.scq, first_online_node, 1);

	send(test, &sent[1], BIO_PAGES, BIO_PAGES, 0);
	expect_ended(test, sent, 2, BLK_STS_OK);
	expect_stored(test, 0, 2 * BIO_PAGES);
	KUNIT_EXPECT_LE(test, PART_PAGES, dut.by_workers);
}

static void stopped_queue_takes_nothing(struct kunit *test)
{
	struct sent sent = {};

	KUNIT_ASSERT_EQ(test, 0, scq_stop(&dut.scq, LONG));
	send(test, &sent, 0, BIO_PAGES, 0);
	KUNIT_EXPECT_EQ(test, BIO_PAGES, dut.by_submitter);
	scq_start(&dut.scq);
	expect_ended(test, &sent, 1, BLK_STS_OK);
	expect_stored(test, 0, BIO_PAGES);
}

#ifdef CONFIG_FAULT_INJECTION
static void end_faults(void *unused)
{
	scq_fault_attr.probability = 0;
}

static void without_memory_the_submitter_stores(struct kunit *test)
{
	struct sent sent[2 + PART_PAGES] = {};
	struct blk_plug plug;

	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, end_faults, NULL));
	scq_fault_points = BIT(SCQ_FAULT_POOL);
	scq_fault_attr.verbose = 0;
	atomic_set(&scq_fault_attr.times, -1);
	scq_fault_attr.probability = 100;

	send_small(test, sent, PART_PAGES, &plug);
	send(test, &sent[PART_PAGES], PART_PAGES, BIO_PAGES, 0);
	KUNIT_EXPECT_EQ(test, PART_PAGES + BIO_PAGES, dut.by_submitter);
	blk_finish_plug(&plug);
	expect_ended(test, sent, PART_PAGES + 1, BLK_STS_OK);
	expect_stored(test, 0, PART_PAGES + BIO_PAGES);
}
#else
static void without_memory_the_submitter_stores(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_FAULT_INJECTION");
}
#endif

static void some_bios_are_never_shared(struct kunit *test)
{
	static const blk_opf_t flags[] = {
		REQ_SWAP, REQ_NOWAIT, REQ_POLLED, REQ_FUA, REQ_PREFLUSH,
	};
	struct sent sent[ARRAY_SIZE(flags) + 3] = {};
	unsigned int i, noreclaim;
	struct bio *bio;

	if (num_online_cpus() == 1)
		kunit_skip(test, "needs two CPUs: with one, no bio is shared");

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		bio = make_bio(test, &sent[i], 0, BIO_PAGES, flags[i]);
		KUNIT_EXPECT_FALSE(test, scq_may_share_bio(bio));
		bio_endio(bio);
	}

	/* A part of a page, at the beginning, and at the end */
	bio = make_bio(test, &sent[i], 0, BIO_PAGES, 0);
	bio->bi_iter.bi_sector++;
	KUNIT_EXPECT_FALSE(test, scq_may_share_bio(bio));
	bio_endio(bio);
	bio = make_bio(test, &sent[i + 1], 0, BIO_PAGES, 0);
	bio->bi_iter.bi_size -= SECTOR_SIZE;
	KUNIT_EXPECT_FALSE(test, scq_may_share_bio(bio));
	bio_endio(bio);

	/* Of a task that must not wait for workers */
	bio = make_bio(test, &sent[i + 2], 0, BIO_PAGES, REQ_SYNC);
	noreclaim = memalloc_noreclaim_save();
	KUNIT_EXPECT_FALSE(test, scq_may_share_bio(bio));
	memalloc_noreclaim_restore(noreclaim);
	sched_set_fifo_low(current);
	KUNIT_EXPECT_FALSE(test, scq_may_share_bio(bio));
	sched_set_normal(current, -1);
	KUNIT_EXPECT_FALSE(test, scq_may_share_bio(bio));
	sched_set_normal(current, 0);

	/* Whether the task waits does not matter yet. */
	KUNIT_EXPECT_TRUE(test, scq_may_share_bio(bio));
	bio_endio(bio);
}

static struct kunit_case swap_compress_bio_cases[] = {
	KUNIT_CASE(large_bio_is_stored_once),
	KUNIT_CASE(large_synchronous_bio_is_shared),
	KUNIT_CASE(last_part_may_be_smaller),
	KUNIT_CASE(error_of_a_part_ends_the_bio),
	KUNIT_CASE(bio_ends_with_its_last_part),
	KUNIT_CASE(bio_alone_is_stored_by_the_submitter),
	KUNIT_CASE(full_plug_goes_at_once),
	KUNIT_CASE(some_go_to_a_worker_with_the_plug),
	KUNIT_CASE(few_are_not_worth_a_worker),
	KUNIT_CASE(sleep_unplugs),
	KUNIT_CASE(small_bios_go_before_a_large_one),
	KUNIT_CASE(small_bios_go_before_one_without_room),
	KUNIT_CASE(without_room_the_submitter_stores),
	KUNIT_CASE(room_is_for_tasks_that_sleep_too),
	KUNIT_CASE(workers_are_for_reclaim_first),
	KUNIT_CASE(stopped_queue_takes_nothing),
	KUNIT_CASE(without_memory_the_submitter_stores),
	KUNIT_CASE(some_bios_are_never_shared),
	{}
};

static struct kunit_suite swap_compress_bio_suite = {
	.name		= "swap_compress_bio",
	.init		= swap_compress_bio_init,
	.exit		= swap_compress_bio_exit,
	.test_cases	= swap_compress_bio_cases,
};

kunit_test_suite(swap_compress_bio_suite);

MODULE_DESCRIPTION("KUnit test of write bios that swap_compress shares");
MODULE_LICENSE("GPL");
