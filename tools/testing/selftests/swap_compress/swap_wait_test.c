// SPDX-License-Identifier: GPL-2.0
/*
 * What the rest of the kernel is told while pages are on their way: a task waits
 * only for pages that it can use, and only as long as workers get somewhere;
 * nobody who needs particular pages is kept from them.
 *
 * Needs what swap_compress_test needs, and the fault injection of the feature
 * (CONFIG_FAULT_INJECTION_DEBUG_FS, debugfs at /sys/kernel/debug), which makes
 * workers stand still for a while.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "pressure.h"

#define CGROUPS		"/sys/fs/cgroup/"
#define GROUP		CGROUPS "swap_wait/"
#define CMA		"/sys/kernel/debug/cma/"

#define QUEUED_PAGES	384

/* What makes way for a contiguous allocation needs memory, too. */
#define WAIT_MIB	(2 * AREA_MIB)
#define WAIT_PAGES	(2 * AREA_PAGES)

FIXTURE(wait) {
	struct stats stats;
};

FIXTURE_SETUP(wait)
{
	const char *lacks = stuck_begin(&self->stats);

	if (lacks)
		SKIP(return test_end(), "%s", lacks);
}

FIXTURE_TEARDOWN(wait)
{
	test_end();
	EXPECT_TRUE(idle_sums_are_right());
	EXPECT_EQ(self->stats.failed, stat_get("failed"));
	REPORT_TOO_LITTLE();
}

/* Hands over pages to workers that stand still. */
static void queue_pages(struct __test_metadata *_metadata, struct area *area)
{
	unsigned int tries = 3;

	area_map(area, QUEUED_PAGES);
	while (tries--) {
		area_fill(area);
		area_page_out(area);
		if (sys_long(SWAP_COMPRESS "inflight_pages") > QUEUED_PAGES / 2)
			return;
		/* Compaction had isolated them, or waited to. */
		EXPECT_TRUE(idle_sums_are_right());
	}
	EXPECT_ENOUGH(QUEUED_PAGES / 2,
		      sys_long(SWAP_COMPRESS "inflight_pages"));
}

static void write_to(size_t bytes)
{
	unsigned char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t i;

	if (memory == MAP_FAILED)
		_exit(1);
	for (i = 0; i < bytes; i += PAGE_BYTES)
		memory[i] = i >> 12 | 1;
}

/*
 * A cgroup that has no swap is at its limit, while pages of others are stuck: none
 * of these can help it.
 */
TEST_F_TIMEOUT(wait, cgroup_does_not_wait_for_pages_of_others, TIMEOUT)
{
	unsigned long waits;
	struct area area;
	long in_time;
	pid_t pid;

	sys_write(CGROUPS "cgroup.subtree_control", "+memory");
	if (mkdir(GROUP, 0755) && errno != EEXIST)
		SKIP(return, "needs cgroup v2 at " CGROUPS);
	if (sys_write(GROUP "memory.max", "8M") ||
	    sys_write(GROUP "memory.swap.max", "0"))
		SKIP(return, "needs cgroup v2 with the memory controller");
	ASSERT_TRUE(stick_workers(1000));
	queue_pages(_metadata, &area);
	waits = stat_get("waits");
	pid = fork();
	if (!pid) {
		volunteer();
		if (sys_write(GROUP "cgroup.procs", "0"))
			_exit(2);
		write_to(16 * MIB);
		_exit(0);
	}
	EXPECT_EQ(128 + SIGKILL, child_status(pid));
	in_time = sys_long(SWAP_COMPRESS "inflight_pages");
	EXPECT_ENOUGH(1, in_time);
	if (in_time)
		EXPECT_EQ(waits, stat_get("waits"));
	fault(FAULT_OWN, 0);
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
	rmdir(GROUP);
}

/* Locks memory until it is killed for it. */
static void lock_all(void)
{
	void *memory;

	volunteer();
	for (;;) {
		memory = mmap(NULL, MIB, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (memory == MAP_FAILED || mlock(memory, MIB))
			_exit(1);
	}
}

/*
 * No memory is left, and what is on its way does not come: the task that took it all
 * is killed, after a few vain waits and not after one for each attempt to reclaim.
 */
TEST_F_TIMEOUT(wait, oom_kill_is_put_off_for_a_bounded_time, TIMEOUT)
{
	unsigned long waits;
	struct area area;
	pid_t pid;

	ASSERT_TRUE(stick_workers(3000));
	queue_pages(_metadata, &area);
	waits = stat_get("waits");
	pid = fork();
	if (!pid)
		lock_all();
	EXPECT_EQ(128 + SIGKILL, child_status(pid));
	waits = stat_get("waits") - waits;
	ksft_print_msg("%lu waits\n", waits);
	EXPECT_ENOUGH(1, waits);
	EXPECT_GT(64, waits);
	fault(FAULT_OWN, 0);
	revive_kswapd();
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
}

/* Switching off waits for what is on its way, and can be given up by a signal. */
TEST_F_TIMEOUT(wait, switching_off_can_be_killed, TIMEOUT)
{
	unsigned long stopped = stat_get("inline_stopped");
	struct area area, others;
	unsigned int tries = 200;
	long in_time;
	int status;
	pid_t pid;

	ASSERT_TRUE(stick_workers(2000));
	area_map(&others, 4);
	queue_pages(_metadata, &area);
	pid = fork();
	if (!pid)
		_exit(sys_write(SWAP_COMPRESS "enabled", "0") ? 1 : 0);
	/* Others are refused: it waits. */
	while (stat_get("inline_stopped") == stopped && --tries) {
		sleep_ms(5);
		area_fill(&others);
		area_page_out(&others);
	}
	EXPECT_ENOUGH(1, tries);
	kill(pid, SIGKILL);
	status = child_status(pid);
	in_time = sys_long(SWAP_COMPRESS "inflight_pages");
	EXPECT_ENOUGH(1, in_time);
	if (in_time > 0) {
		EXPECT_EQ(128 + SIGKILL, status);
		EXPECT_EQ(1, sys_long(SWAP_COMPRESS "enabled"));
	} else {
		EXPECT_EQ(0, sys_write(SWAP_COMPRESS "enabled", "1"));
	}
	fault(FAULT_OWN, 0);
	EXPECT_EQ(0, area_verify(&area));
	EXPECT_TRUE(idle_sums_are_right());
	/* It still accepts pages. */
	stats_read(&self->stats);
	area_page_out(&area);
	EXPECT_TRUE(idle_sums_are_right());
	EXPECT_QUEUED(&self->stats, 100);
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
	area_unmap(&others);
}

/* A field of /proc/vmstat */
static unsigned long vmstat_field(const char *name)
{
	unsigned long value, found = 0;
	char line[128], field[64];
	FILE *file = fopen("/proc/vmstat", "re");

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%63s %lu", field, &value) == 2 &&
		    !strcmp(field, name))
			found = value;
	}
	if (file)
		fclose(file);
	return found;
}

/*
 * With the classic LRU, direct reclaim gives up a node of which more than an eighth
 * of the inactive pages is isolated. What is on its way stays below that.
 */
TEST_F_TIMEOUT(wait, classic_lru_leaves_some_to_isolate, TIMEOUT)
{
	unsigned long inactive = 0, nr_inflight = 0, refused, now, i;
	struct area area;

	if (!access(LRU_GEN "enabled", W_OK))
		ASSERT_EQ(0, sys_write(LRU_GEN "enabled", "0"));
	refused = stat_get("inline_inflight");
	/* Few enough for a sixteenth of them to be the smaller bound */
	area_map(&area, WAIT_PAGES / 3);
	area_fill(&area);
	ASSERT_TRUE(stick_workers(200));
	reclaim_start();
	for (i = 0; i < 400 ||
	     (i < 12000 && stat_get("inline_inflight") == refused); i++) {
		now = vmstat_field("nr_inactive_anon");
		inactive = now > inactive ? now : inactive;
		now = sys_long(SWAP_COMPRESS "inflight_pages");
		nr_inflight = now > nr_inflight ? now : nr_inflight;
		sleep_ms(5);
		kswapd_wake();
	}
	reclaim_stop();
	ksft_print_msg("at most %lu pages in flight, %lu inactive\n", nr_inflight,
		       inactive);
	EXPECT_GE(inactive / 8, nr_inflight);
	EXPECT_ENOUGH(64, nr_inflight);
	if (nr_inflight >= 64)
		EXPECT_ENOUGH(1, stat_get("inline_inflight") - refused);
	fault(FAULT_OWN, 0);
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
}

static void *compact_run(void *arg)
{
	int *err = arg;

	*err = sys_write(VM "compact_memory", "1");
	return NULL;
}

/*
 * Compaction waits while more than a sixteenth of what is on the LRU is isolated, which
 * pages in flight are. No others are handed over meanwhile, although there is room.
 */
TEST_F_TIMEOUT(wait, nothing_is_handed_over_while_compaction_waits, TIMEOUT)
{
	unsigned long listed, queued, refused, page = 0;
	struct area area, others, rest;
	pthread_t thread;
	int err;

	ASSERT_TRUE(stick_workers(2000));
	area_map(&others, 64);
	area_fill(&others);
	queue_pages(_metadata, &area);
	ASSERT_EQ(0, pthread_create(&thread, NULL, compact_run, &err));
	/* One page after the other, until one is refused: compaction waits. */
	refused = stat_get("inline_inflight");
	do {
		sleep_ms(100);
		rest = others;
		rest.base += page * PAGE_BYTES;
		rest.pages = 1;
		area_page_out(&rest);
	} while (++page < 32 && stat_get("inline_inflight") == refused);
	EXPECT_ENOUGH(1, stat_get("inline_inflight") - refused);
	refused = stat_get("inline_inflight");
	listed = vmstat_field("nr_inactive_anon") + vmstat_field("nr_active_anon") +
		 vmstat_field("nr_inactive_file") + vmstat_field("nr_active_file");
	rest.base = others.base + page * PAGE_BYTES;
	rest.pages = others.pages - page;
	area_page_out(&rest);
	/* It still waits. Some page may slip through between two of its looks. */
	EXPECT_ENOUGH(listed / 16, sys_long(SWAP_COMPRESS "inflight_pages"));
	EXPECT_ENOUGH(rest.pages / 2, stat_get("inline_inflight") - refused);
	fault(FAULT_OWN, 0);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, err);
	EXPECT_EQ(0, area_verify(&area));
	EXPECT_EQ(0, area_verify(&others));
	/* Then they are again. */
	queued = stat_get("queued");
	area_page_out(&others);
	EXPECT_TRUE(idle_sums_are_right());
	EXPECT_ENOUGH(queued + 1, stat_get("queued"));
	EXPECT_EQ(0, area_verify(&others));
	area_unmap(&others);
	area_unmap(&area);
}

/* A file of the CMA area that is used */
static const char *cma_file(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), CMA "%s/%s",
		 getenv("SWAP_COMPRESS_CMA") ?: "reserved", name);
	return path;
}

/* Whether so many pages of it, one after the other, could be had */
static bool cma_allocate(long pages)
{
	if (sys_write_long(cma_file("alloc"), pages))
		return false;
	sys_write_long(cma_file("free"), pages);
	return true;
}

#define CMA_TRIES	16

/*
 * How many allocations of half of a CMA area succeed while there is load. Each is
 * tried at one place of the area after the other.
 */
static unsigned int cma_allocations(struct __test_metadata *_metadata)
{
	unsigned int i, succeeded = 0;
	struct load load;

	load_start(&load, WAIT_PAGES);
	for (i = 0; i < CMA_TRIES; i++) {
		sleep_ms(50);
		kswapd_wake();
		succeeded += cma_allocate(sys_long(cma_file("count")) / 2);
	}
	ksft_print_msg("%u of %u allocations succeeded\n", succeeded, i);
	EXPECT_EQ(0, load_stop(&load));
	return succeeded;
}

/*
 * Pages that are needed by alloc_contig_range() are not kept away from it. And it
 * ends: without the pages of the area, which it has isolated, the load does not fit
 * into memory and most of its pages are on their way, which counts as isolated, so
 * that compaction waits for fewer to be.
 */
TEST_F_TIMEOUT(wait, contiguous_allocations_succeed, 2 * TIMEOUT)
{
	unsigned int off, on;

	if (sys_long(cma_file("count")) <= 0)
		SKIP(return, "needs CONFIG_CMA_DEBUGFS, and an area (cma=16M)");
	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "enabled", "0"));
	off = cma_allocations(_metadata);
	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "enabled", "1"));
	ASSERT_TRUE(delay_workers());
	on = cma_allocations(_metadata);
	/* An allocation may also fail for want of memory for what makes way. */
	EXPECT_ENOUGH((long)off - CMA_TRIES / 8, on);
	EXPECT_ENOUGH(CMA_TRIES / 2, off);
	EXPECT_QUEUED(&self->stats, 500);
}

int main(int argc, char **argv)
{
	pressure_init(WAIT_MIB);
	return test_harness_run(argc, argv);
}
