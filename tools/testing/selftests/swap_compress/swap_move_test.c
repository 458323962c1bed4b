// SPDX-License-Identifier: GPL-2.0
/*
 * Pages that are on their way and get another place: copied by a fault while other
 * threads write to them, or moved by UFFDIO_MOVE. No write is lost, and what is shared
 * stays.
 *
 * Needs what swap_compress_test needs, and CONFIG_USERFAULTFD.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "pressure.h"

FIXTURE(move) {
	struct stats stats;		/* when the test began */
};

FIXTURE_SETUP(move)
{
	const char *lacks = test_begin(&self->stats);

	if (lacks)
		SKIP(return test_end(), "%s", lacks);
}

FIXTURE_TEARDOWN(move)
{
	test_end();
	EXPECT_TRUE(idle_sums_are_right());
	EXPECT_EQ(self->stats.failed, stat_get("failed"));
	REPORT_TOO_LITTLE();
}

/*
 * Threads that write to words of their own in one page. One that still has it in
 * its TLB needs no fault, while the fault of another may have the page copied, or
 * UFFDIO_MOVE take it away: no write may go to the old one.
 */
struct writer {
	pthread_t thread;
	unsigned long *word;
	unsigned int cpu;
	unsigned int pause_us;
	unsigned long writes;
	unsigned long lost;
};

static bool writers_stop;
static unsigned long page_moves;	/* odd while UFFDIO_MOVE may be at it */

/* The page was not moved since @moves was read. */
static bool unmoved(unsigned long moves)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return !(moves & 1) &&
	       __atomic_load_n(&page_moves, __ATOMIC_SEQ_CST) == moves;
}

static void *writer_run(void *arg)
{
	struct writer *writer = arg;
	unsigned long moves = 0;
	unsigned long value;

	run_on(writer->cpu);
	while (!__atomic_load_n(&writers_stop, __ATOMIC_RELAXED)) {
		value = __atomic_load_n(writer->word, __ATOMIC_RELAXED);
		writer->lost += unmoved(moves) && value != writer->writes;
		writer->writes++;
		moves = __atomic_load_n(&page_moves, __ATOMIC_SEQ_CST);
		__atomic_store_n(writer->word, writer->writes,
				 __ATOMIC_RELAXED);
		if (!unmoved(moves))
			moves = 1;	/* who knows where that went */
		if (writer->pause_us)
			usleep(writer->pause_us);
	}
	value = __atomic_load_n(writer->word, __ATOMIC_RELAXED);
	writer->lost += unmoved(moves) && value != writer->writes;
	return NULL;
}

/*
 * Lets threads write to the first page of an area, and reclaims all of it until
 * @least pages more have been queued: the flush at the end of a pass is the last
 * thing done.
 */
static void write_and_page_out(struct __test_metadata *_metadata,
			       struct area *area, struct writer *writers,
			       unsigned int nr, unsigned long least)
{
	unsigned long queued = stat_get("queued") + least;
	unsigned long start = now_ns();
	unsigned int i;

	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "proactive", "1"));
	area_fill(area);
	memset(area->base, 0, PAGE_BYTES);
	writers_stop = false;
	for (i = 0; i < nr; i++) {
		writers[i].word = (unsigned long *)area->base + 8 + 200 * i;
		ASSERT_EQ(0, pthread_create(&writers[i].thread, NULL,
					    writer_run, &writers[i]));
	}
	run_on(0);
	while (now_ns() < start + 8 * NS_PER_S ||
	       (stat_get("queued") < queued && now_ns() < start + 120 * NS_PER_S)) {
		for (i = 1; i < area->pages; i++)
			page_fill(area, i);
		madvise(area->base, area->pages * PAGE_BYTES, MADV_PAGEOUT);
	}
	__atomic_store_n(&writers_stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < nr; i++) {
		pthread_join(writers[i].thread, NULL);
		ksft_print_msg("%lu writes, %lu lost\n", writers[i].writes,
			       writers[i].lost);
		EXPECT_EQ(0, writers[i].lost);
	}
}

TEST_F_TIMEOUT(move, threads_share_a_page, TIMEOUT)
{
	/* One that never lets go of the page, one that has to fault it in */
	struct writer writers[] = {
		{ .cpu = 1 },
		{ .cpu = 0, .pause_us = 30 },
	};
	struct area area;

	area_map(&area, 128);
	write_and_page_out(_metadata, &area, writers, ARRAY_SIZE(writers), 1000);
	EXPECT_QUEUED(&self->stats, 1000);
	area_unmap(&area);
}

#ifndef UFFDIO_MOVE			/* before Linux 6.8 */
#define UFFD_FEATURE_MOVE	0x10000
#define UFFDIO_MOVE		_IOWR(UFFDIO, 0x05, struct uffdio_move)
struct uffdio_move {
	__u64 dst;
	__u64 src;
	__u64 len;
	__u64 mode;
	__s64 move;
};
#endif

#define NEEDS_MOVE "needs CONFIG_USERFAULTFD, and Linux 6.8 for UFFDIO_MOVE"

/* A userfaultfd for UFFDIO_MOVE, or -1. */
static int move_open(void)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_MOVE,
	};
	int uffd = syscall(__NR_userfaultfd, O_CLOEXEC);

	return uffd < 0 || ioctl(uffd, UFFDIO_API, &api) ? -1 : uffd;
}

/* Makes an area one that pages can be moved to. */
static int move_register(int uffd, const struct area *area)
{
	struct uffdio_register to = {
		.range.start = (unsigned long)area->base,
		.range.len = area->pages * PAGE_BYTES,
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	return ioctl(uffd, UFFDIO_REGISTER, &to);
}

/* 0 or an error. Somebody may be at the page just now, but not for long. */
static int move_page_once(int uffd, const struct area *to,
			  const struct area *from, unsigned long page)
{
	struct uffdio_move move = {
		.dst = (unsigned long)to->base + page * PAGE_BYTES,
		.src = (unsigned long)from->base + page * PAGE_BYTES,
		.len = PAGE_BYTES,
	};

	return ioctl(uffd, UFFDIO_MOVE, &move) ? errno : 0;
}

static int move_page(int uffd, const struct area *to, const struct area *from,
		     unsigned long page)
{
	unsigned int tries = 1000;
	int err;

	while ((err = move_page_once(uffd, to, from, page))) {
		if ((err != EAGAIN && err != EBUSY) || !--tries)
			break;
		sched_yield();
	}
	return err;
}

struct mover {
	pthread_t thread;
	int uffd;
	struct area *from;
	struct area to;
	unsigned long moved;
};

static void *mover_run(void *arg)
{
	struct sched_param first = { .sched_priority = 1 };
	struct mover *mover = arg;

	/* In the middle of a pass, which is made on the same CPU */
	run_on(0);
	sched_setscheduler(0, SCHED_FIFO, &first);
	while (!__atomic_load_n(&writers_stop, __ATOMIC_RELAXED)) {
		usleep(300);
		/* Until it is flushed, the writer needs no fault. */
		if (!(page_entry(mover->from->base) & PAGEMAP_SWAPPED))
			continue;
		__atomic_fetch_add(&page_moves, 1, __ATOMIC_SEQ_CST);
		if (!move_page(mover->uffd, &mover->to, mover->from, 0))
			mover->moved++;
		__atomic_fetch_add(&page_moves, 1, __ATOMIC_SEQ_CST);
		madvise(mover->to.base, PAGE_BYTES, MADV_DONTNEED);
	}
	return NULL;
}

/* Whoever still has the moved page in its TLB is to write to a new one. */
TEST_F_TIMEOUT(move, shared_page_moves_away, TIMEOUT)
{
	struct writer writer = { .cpu = 1 };
	struct area area;
	struct mover mover = {
		.uffd = move_open(),
		.from = &area,
	};

	if (mover.uffd < 0)
		SKIP(return, NEEDS_MOVE);
	area_map(&area, 32);
	area_map(&mover.to, 1);
	ASSERT_EQ(0, move_register(mover.uffd, &mover.to));
	writers_stop = false;
	ASSERT_EQ(0, pthread_create(&mover.thread, NULL, mover_run, &mover));
	write_and_page_out(_metadata, &area, &writer, 1, 200);
	pthread_join(mover.thread, NULL);
	ksft_print_msg("%lu moves\n", mover.moved);
	EXPECT_ENOUGH(1, mover.moved);
	EXPECT_QUEUED(&self->stats, 200);
	area_unmap(&mover.to);
	area_unmap(&area);
	close(mover.uffd);
}

/* Two areas between which pages move; the first one is filled. */
static void move_areas(struct __test_metadata *_metadata, int uffd,
		       struct area *areas)
{
	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "proactive", "1"));
	area_map(&areas[0], 96);
	area_map(&areas[1], 96);
	area_fill(&areas[0]);
	ASSERT_EQ(0, move_register(uffd, &areas[0]));
	ASSERT_EQ(0, move_register(uffd, &areas[1]));
}

/* Pages move from one area to another, and back, while they are queued. */
TEST_F_TIMEOUT(move, queued_pages_move, TIMEOUT)
{
	unsigned int round, still_queued = 0;
	bool delayed = delay_workers();
	struct area areas[2], *from, *to;
	int uffd = move_open();
	unsigned long page;

	if (uffd < 0)
		SKIP(return, NEEDS_MOVE);
	move_areas(_metadata, uffd, areas);
	for (round = 0; round < 60; round++) {
		from = &areas[round % 2];
		to = &areas[!(round % 2)];
		madvise(from->base, from->pages * PAGE_BYTES, MADV_PAGEOUT);
		for (page = 0; page < from->pages; page++) {
			ASSERT_EQ(0, move_page(uffd, to, from, page));
			to->gen[page] = from->gen[page];
		}
		still_queued += sys_long(SWAP_COMPRESS "inflight_pages") > 0;
		ASSERT_EQ(0, area_verify(to));
		for (page = 0; page < to->pages; page++) {
			to->gen[page]++;
			page_fill(to, page);
		}
	}
	ksft_print_msg("some still queued after %u of %u rounds\n",
		       still_queued, round);
	if (delayed)
		EXPECT_ENOUGH(1, still_queued);
	EXPECT_QUEUED(&self->stats, 1000);
	area_unmap(&areas[0]);
	area_unmap(&areas[1]);
	close(uffd);
}

/*
 * A page that was read while it was queued is mapped like a shared one, which cannot be
 * moved. It has to move all the same: nobody shares it.
 */
TEST_F_TIMEOUT(move, read_pages_move, TIMEOUT)
{
	unsigned long page, put_back = stat_get("put_back");
	bool delayed = delay_workers();
	struct area areas[2], *from, *to;
	int uffd = move_open();
	unsigned int round;

	if (uffd < 0)
		SKIP(return, NEEDS_MOVE);
	move_areas(_metadata, uffd, areas);
	for (round = 0; round < 60 || (delayed && round < 600 &&
				       stat_get("put_back") < put_back + 100);
	     round++) {
		from = &areas[round % 2];
		to = &areas[!(round % 2)];
		madvise(from->base, from->pages * PAGE_BYTES, MADV_PAGEOUT);
		ASSERT_EQ(0, area_verify(from));
		for (page = 0; page < from->pages; page++) {
			ASSERT_EQ(0, move_page_once(uffd, to, from, page));
			to->gen[page] = from->gen[page];
		}
		ASSERT_EQ(0, area_verify(to));
	}
	ksft_print_msg("%lu pages were put back in %u rounds\n",
		       stat_get("put_back") - put_back, round);
	if (delayed)
		EXPECT_ENOUGH(100, stat_get("put_back") - put_back);
	EXPECT_QUEUED(&self->stats, 1000);
	area_unmap(&areas[0]);
	area_unmap(&areas[1]);
	close(uffd);
}

struct dropper {
	pthread_t thread;
	const struct area *from;
	unsigned long page;	/* to be dropped now; one more than the last ends it */
};

static void *dropper_run(void *arg)
{
	struct dropper *dropper = arg;
	unsigned long page, last = ~0UL;

	for (;;) {
		page = __atomic_load_n(&dropper->page, __ATOMIC_ACQUIRE);
		if (page == dropper->from->pages)
			return NULL;
		if (page != last)
			madvise(dropper->from->base + page * PAGE_BYTES,
				PAGE_BYTES, MADV_DONTNEED);
		else
			sched_yield();
		last = page;
	}
}

/*
 * A page that was read while it was queued is made exclusive before it moves. It may
 * be gone by then, from where userfaultfd would be asked for it.
 */
TEST_F_TIMEOUT(move, read_pages_vanish_while_moved, TIMEOUT)
{
	unsigned long page, moved = 0, gone = 0;
	bool delayed = delay_workers();
	struct uffdio_range range;
	struct dropper dropper;
	struct area areas[2];
	int err, uffd = move_open();
	unsigned int round;

	if (uffd < 0)
		SKIP(return, NEEDS_MOVE);
	move_areas(_metadata, uffd, areas);
	for (round = 0; round < 40; round++) {
		madvise(areas[0].base, areas[0].pages * PAGE_BYTES, MADV_PAGEOUT);
		ASSERT_EQ(0, area_verify(&areas[0]));
		dropper = (struct dropper){ .from = &areas[0] };
		ASSERT_EQ(0, pthread_create(&dropper.thread, NULL, dropper_run,
					    &dropper));
		for (page = 0; page < areas[0].pages; page++) {
			__atomic_store_n(&dropper.page, page, __ATOMIC_RELEASE);
			err = move_page(uffd, &areas[1], &areas[0], page);
			if (err)
				EXPECT_EQ(ENOENT, err);
			moved += !err;
			gone += err == ENOENT;
		}
		__atomic_store_n(&dropper.page, page, __ATOMIC_RELEASE);
		pthread_join(dropper.thread, NULL);

		/* Nobody answers: not to be filled while registered */
		range.start = (unsigned long)areas[0].base;
		range.len = areas[0].pages * PAGE_BYTES;
		ASSERT_EQ(0, ioctl(uffd, UFFDIO_UNREGISTER, &range));
		madvise(areas[1].base, areas[1].pages * PAGE_BYTES, MADV_DONTNEED);
		area_fill(&areas[0]);
		ASSERT_EQ(0, move_register(uffd, &areas[0]));
	}
	ksft_print_msg("%lu pages moved, %lu were gone\n", moved, gone);
	EXPECT_ENOUGH(1, moved);
	EXPECT_ENOUGH(1, gone);
	if (delayed)
		EXPECT_QUEUED(&self->stats, 1000);
	area_unmap(&areas[0]);
	area_unmap(&areas[1]);
	close(uffd);
}

/* Processes that share an area read it, one after another: they lock its folios. */
static void read_for_ever(const struct area *area)
{
	unsigned long page;
	pid_t reader;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		reader = fork();
		if (!reader) {
			for (page = 0; page < area->pages; page++)
				__atomic_load_n(area->base + page * PAGE_BYTES,
						__ATOMIC_RELAXED);
			_exit(0);
		}
		if (reader < 0 || waitpid(reader, NULL, 0) != reader)
			_exit(1);
	}
}

/* What is shared does not move, be it swapped, queued or mapped, or locked. */
TEST_F_TIMEOUT(move, shared_pages_stay, TIMEOUT)
{
	unsigned long page, swapped = 0;
	int uffd = move_open();
	struct area area, to;
	unsigned int round;
	bool moved = false;
	pid_t child;

	if (uffd < 0)
		SKIP(return, NEEDS_MOVE);
	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "proactive", "1"));
	area_map(&area, 64);
	area_map(&to, 64);
	area_fill(&area);
	ASSERT_EQ(0, move_register(uffd, &to));
	area_page_out(&area);
	child = fork();
	if (!child)
		read_for_ever(&area);
	ASSERT_LT(0, child);
	for (page = 0; page < area.pages; page++) {
		swapped += !!(page_entry(area.base + page * PAGE_BYTES) & PAGEMAP_SWAPPED);
		EXPECT_EQ(EBUSY, move_page_once(uffd, &to, &area, page));
	}
	EXPECT_ENOUGH(area.pages / 2, swapped);
	EXPECT_EQ(0, area_verify(&area));
	for (round = 0; round < 100 && !moved; round++)
		for (page = 0; page < area.pages && !moved; page++)
			moved = move_page_once(uffd, &to, &area, page) != EBUSY;
	EXPECT_FALSE(moved);
	kill(child, SIGKILL);
	EXPECT_EQ(128 + SIGKILL, child_status(child));
	area_unmap(&to);
	area_unmap(&area);
	close(uffd);
}

int main(int argc, char **argv)
{
	pressure_init(AREA_MIB);
	return test_harness_run(argc, argv);
}
