// SPDX-License-Identifier: GPL-2.0
/*
 * Does every byte come back when a workqueue compresses for kswapd, while tasks
 * use, share and drop the memory that is on its way?
 *
 * Needs root, SWAP_COMPRESS_WQ, synchronous swap (zram) that is on, and a
 * machine of its own: nearly all memory is locked away so that little is left
 * to reclaim.
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "busy.h"
#include "kselftest_harness.h"
#include "pressure.h"

FIXTURE(swap_compress) {
	struct stats stats;		/* when the test began */
};

FIXTURE_SETUP(swap_compress)
{
	const char *lacks = test_begin(&self->stats);

	if (lacks)
		SKIP(return test_end(), "%s", lacks);
}

FIXTURE_TEARDOWN(swap_compress)
{
	test_end();
	EXPECT_TRUE(idle_sums_are_right());
	EXPECT_EQ(self->stats.failed, stat_get("failed"));
	REPORT_TOO_LITTLE();
}

TEST_F_TIMEOUT(swap_compress, knobs_refuse_bad_values, TIMEOUT)
{
	static const struct {
		const char *knob;
		const char *value;
	} bad[] = {
		{ "enabled", "2" },
		{ "enabled", "-1" },
		{ "enabled", "maybe" },
		{ "batch_pages", "0" },
		{ "batch_pages", "-1" },
		{ "batch_pages", "1000000" },
		{ "batch_pages", "many" },
		{ "batch_pages", "8 8" },
		{ "max_inflight_pages", "0" },
		{ "max_inflight_pages", "-1" },
		{ "max_inflight_pages", "many" },
		{ "shmem", "2" },
		{ "proactive", "-1" },
		{ "proactive", "all" },
	};
	char before[64], after[64], path[128];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(path, sizeof(path), SWAP_COMPRESS "%s", bad[i].knob);
		ASSERT_EQ(0, sys_read(path, before, sizeof(before)));
		EXPECT_EQ(-EINVAL, sys_write(path, bad[i].value)) {
			TH_LOG("%s took '%s'", bad[i].knob, bad[i].value);
		}
		ASSERT_EQ(0, sys_read(path, after, sizeof(after)));
		EXPECT_STREQ(before, after);
	}
}

TEST_F_TIMEOUT(swap_compress, inflight_bound_holds_a_batch, TIMEOUT)
{
	long batch = sys_long(SWAP_COMPRESS "batch_pages");
	long bound = sys_long(SWAP_COMPRESS "max_inflight_pages");

	ASSERT_LT(1, batch);
	EXPECT_EQ(-EINVAL, sys_write_long(SWAP_COMPRESS "max_inflight_pages",
					  batch - 1));
	EXPECT_EQ(bound, sys_long(SWAP_COMPRESS "max_inflight_pages"));
	EXPECT_EQ(0, sys_write_long(SWAP_COMPRESS "max_inflight_pages", batch));
	EXPECT_EQ(batch, sys_long(SWAP_COMPRESS "max_inflight_pages"));
	EXPECT_EQ(-EINVAL, sys_write_long(SWAP_COMPRESS "batch_pages",
					  batch + 1));
	EXPECT_EQ(batch, sys_long(SWAP_COMPRESS "batch_pages"));
}

TEST_F_TIMEOUT(swap_compress, enabled_takes_every_spelling, TIMEOUT)
{
	static const char * const on[] = { "1", "y", "on" };
	static const char * const off[] = { "0", "n", "off" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(on); i++) {
		EXPECT_EQ(0, sys_write(SWAP_COMPRESS "enabled", off[i]));
		EXPECT_EQ(0, sys_long(SWAP_COMPRESS "enabled"));
		EXPECT_EQ(0, sys_write(SWAP_COMPRESS "enabled", on[i]));
		EXPECT_EQ(1, sys_long(SWAP_COMPRESS "enabled"));
	}
}

TEST_F_TIMEOUT(swap_compress, verify_sees_a_wrong_byte, TIMEOUT)
{
	struct area area;

	area_map(&area, 64);
	area_fill(&area);
	EXPECT_EQ(0, area_verify(&area));
	area.base[31 * PAGE_BYTES + 1234] ^= 0x40;
	EXPECT_EQ(1, area_verify(&area));
	page_fill(&area, 31);
	/* A stale page, and a page in the place of another. */
	area.gen[7]++;
	memcpy(area.base + 9 * PAGE_BYTES, area.base + 8 * PAGE_BYTES,
	       PAGE_BYTES);
	EXPECT_EQ(2, area_verify(&area));
	area_unmap(&area);
}

TEST_F_TIMEOUT(swap_compress, reclaimed_memory_comes_back, TIMEOUT)
{
	struct area area;

	area_map(&area, AREA_PAGES);
	area_fill(&area);
	/* What the system has not used for longer, shmem for example, goes first. */
	EXPECT_ENOUGH(1000, reclaim_until("queued", 1000));
	EXPECT_QUEUED(&self->stats, 1000);
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
}

TEST_F_TIMEOUT(swap_compress, off_queues_nothing, TIMEOUT)
{
	struct area area;

	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "enabled", "0"));
	area_map(&area, AREA_PAGES);
	area_fill(&area);
	EXPECT_ENOUGH(1000, reclaim());
	EXPECT_EQ(self->stats.queued, stat_get("queued"));
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
}

/* Zeroes need no store at all, but for a bit. */
TEST_F_TIMEOUT(swap_compress, zero_pages_reach_no_store, TIMEOUT)
{
	unsigned long *word, *end;
	unsigned long wrong = 0;
	struct area area;

	area_map(&area, AREA_PAGES);
	word = (unsigned long *)area.base;
	end = (unsigned long *)(area.base + AREA_PAGES * PAGE_BYTES);
	/* Written to, or there would be no pages. */
	memset(word, 0, AREA_PAGES * PAGE_BYTES);
	EXPECT_REASON(1000, reclaim_until("stored_zero", 1000));
	for (; word < end; word++)
		wrong += *word != 0;
	EXPECT_EQ(0, wrong);
	/* Other content in the same slots: it must not come back as zeroes. */
	area_fill(&area);
	EXPECT_ENOUGH(1000, reclaim());
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
}

/* kswapd does not take what is used all the time: half a second at most. */
static void rest_until_queued(unsigned long nr_pages)
{
	unsigned int tries = 50;

	revive_kswapd();
	kswapd_wake();
	while (stat_get("queued") < nr_pages && --tries)
		sleep_ms(10);
}

/* The same pages that kswapd is taking are used, in the same order. */
TEST_F_TIMEOUT(swap_compress, refault_while_reclaimed, TIMEOUT)
{
	unsigned long cancelled = stat_get("cancelled_refault");
	bool delayed = delay_workers();
	unsigned long queued, page, i;
	struct area area;

	area_map(&area, AREA_PAGES);
	area_fill(&area);
	reclaim_start();
	for (i = 0; i < 10 * area.pages; i++) {
		page = i % area.pages;
		EXPECT_FALSE(page_wrong(&area, page));
		if (i % 4 == 0) {
			area.gen[page]++;
			page_fill(&area, page);
		}
		/* kswapd is to have a CPU. */
		if (i % 16 == 0)
			sleep_ms(1);
		if (i % 512)
			continue;
		queued = stat_get("queued");
		if (queued > self->stats.queued + 5000)
			break;
		rest_until_queued(queued + 64);
	}
	EXPECT_QUEUED(&self->stats, 1000);
	reclaim_stop();

	/*
	 * kswapd may be far ahead of the task that uses the pages: now for certain,
	 * and not behind a backlog that is longer than the test.
	 */
	EXPECT_TRUE(idle_sums_are_right());
	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "proactive", "1"));
	if (delayed)
		fault(FAULT_OWN, 100);
	for (i = 0; i < 200; i++) {
		madvise(area.base, 4 * PAGE_BYTES, MADV_PAGEOUT);
		for (page = 0; page < 4; page++)
			EXPECT_FALSE(page_wrong(&area, page));
		if (stat_get("cancelled_refault") > cancelled)
			break;
	}
	EXPECT_TRUE(idle_sums_are_right());
	/* Without a delay there may be a worker for each batch at once. */
	if (delayed)
		EXPECT_ENOUGH(1, stat_get("cancelled_refault") - cancelled);
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
}

static unsigned long rewrite_share(struct area *area, unsigned int from,
				   unsigned int gen)
{
	unsigned long wrong = area_verify(area);
	unsigned long page;

	for (page = from; page < area->pages; page += 4) {
		area->gen[page] = gen;
		page_fill(area, page);
	}
	return wrong + area_verify(area);
}

TEST_F_TIMEOUT(swap_compress, fork_and_copy_on_write, TIMEOUT)
{
	struct area area;
	int status;
	pid_t pid;

	area_map(&area, AREA_PAGES);
	area_fill(&area);
	EXPECT_ENOUGH(500, reclaim());
	pid = fork();
	ASSERT_LE(0, pid);
	/* Each rewrites other quarters of what they share: more than fits. */
	if (!pid)
		_exit(rewrite_share(&area, 0, 1) ? 1 : 0);
	EXPECT_EQ(0, rewrite_share(&area, 1, 2));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_QUEUED(&self->stats, 500);
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
}

/* Pages that reclaim stored itself, of shmem or for a task */
static unsigned long stored_inline(void)
{
	return stat_get("inline_shmem") + stat_get("inline_not_kswapd");
}

TEST_F_TIMEOUT(swap_compress, exit_with_queued_pages, TIMEOUT)
{
	unsigned long cancelled = stat_get("cancelled_freed");
	unsigned long swap_free = meminfo_kib("SwapFree");
	unsigned long inlined = stored_inline();
	bool delayed = delay_workers();
	unsigned int seen = 0;
	unsigned int round;
	int status;
	pid_t pid;

	for (round = 0; round < 8 ||
	     (round < 24 && delayed && stat_get("cancelled_freed") == cancelled);
	     round++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			_exit(fill_until_in_flight() ? 0 : 1);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_TRUE(WIFEXITED(status));
		seen += !WEXITSTATUS(status);
		reclaim_stop();
	}
	EXPECT_TRUE(idle_sums_are_right());
	if (delayed) {
		EXPECT_ENOUGH(1, seen);
		EXPECT_ENOUGH(1, stat_get("cancelled_freed") - cancelled);
	}
	EXPECT_QUEUED(&self->stats, 256);
	/*
	 * No slot of a queued page stays behind, but for a few that are cached for
	 * reuse. What was not queued may be shmem of the rest of the system.
	 */
	inlined = (stored_inline() - inlined) * (PAGE_BYTES / 1024);
	EXPECT_LE(swap_free, meminfo_kib("SwapFree") + inlined + 2048);
}

#define KSM		"/sys/kernel/mm/ksm/"
#define KSM_PAGES	128UL

static struct setting ksm[] = {
	{ .path = KSM "run" },
	{ .path = KSM "pages_to_scan" },
	{ .path = KSM "sleep_millisecs" },
};

static void fill_for_ksm(struct area *area)
{
	unsigned long i;

	for (i = 0; i < area->pages; i++) {
		memset(area->base + i * PAGE_BYTES, 0x55, PAGE_BYTES);
		memcpy(area->base + i * PAGE_BYTES, &i, sizeof(i));
	}
}

/* Makes each page one that KSM has merged, with a single user left. */
static bool merge(struct area *area)
{
	unsigned int waited;
	struct area twin;
	bool merged;

	area_map(&twin, area->pages);
	fill_for_ksm(&twin);
	madvise(area->base, area->pages * PAGE_BYTES, MADV_MERGEABLE);
	madvise(twin.base, twin.pages * PAGE_BYTES, MADV_MERGEABLE);
	sys_write_long(KSM "pages_to_scan", 4 * KSM_PAGES);
	sys_write(KSM "sleep_millisecs", "20");
	sys_write(KSM "run", "1");
	for (waited = 0; waited < 3000; waited++) {
		merged = sys_long(KSM "pages_shared") >= (long)area->pages;
		if (merged)
			break;
		sleep_ms(100);
	}
	sys_write(KSM "run", "0");
	area_unmap(&twin);
	return merged;
}

/*
 * A queued page that nobody can want any more is not stored. KSM can: it gives the
 * page to the next that has the same content.
 */
TEST_F_TIMEOUT(swap_compress, ksm_pages_are_stored, TIMEOUT)
{
	unsigned long cancelled, stored;
	struct area area;
	long in_time;
	bool merged;
	int round;

	if (access(KSM "run", W_OK))
		SKIP(return, "needs a kernel with CONFIG_KSM");
	if (!stick_workers(500))
		SKIP(return, "needs CONFIG_FAULT_INJECTION_DEBUG_FS, and debugfs");
	settings_save(ksm, ARRAY_SIZE(ksm));
	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "proactive", "1"));
	for (round = 0; round < 2; round++) {
		area_map(&area, KSM_PAGES);
		fill_for_ksm(&area);
		merged = round && merge(&area);
		EXPECT_EQ(round, merged);
		cancelled = stat_get("cancelled_freed");
		stored = stat_get("stored");
		area_page_out(&area);
		in_time = sys_long(SWAP_COMPRESS "inflight_pages");
		EXPECT_ENOUGH(KSM_PAGES / 2, in_time);
		madvise(area.base, area.pages * PAGE_BYTES, MADV_DONTNEED);
		EXPECT_TRUE(idle_sums_are_right());
		cancelled = stat_get("cancelled_freed") - cancelled;
		stored = stat_get("stored") - stored;
		ksft_print_msg("%s: %lu cancelled, %lu stored\n",
			       merged ? "merged" : "not merged", cancelled,
			       stored);
		if (merged)
			EXPECT_EQ(0, cancelled);
		if (in_time >= (long)KSM_PAGES / 2)
			EXPECT_LT(0, merged ? stored : cancelled);
		area_unmap(&area);
	}
	settings_restore(ksm, ARRAY_SIZE(ksm));
}

/* Fills more than there is, and no more than fits when it is compressed. */
static void overfill(struct area *area, struct vmstat *before,
		     struct vmstat *after)
{
	vmstat_read(before);
	area_map(area, 2 * AREA_PAGES);
	area_fill(area);
	vmstat_read(after);
}

/*
 * Who needs more memory than workers can free waits for these, where others want
 * his CPU.
 */
TEST_F_TIMEOUT(swap_compress, allocations_wait_for_workers, TIMEOUT)
{
	unsigned long throttled = stat_get("throttled");
	struct vmstat before, after;
	struct busy busy;
	struct area area;

	if (!delay_workers())
		SKIP(return, "needs CONFIG_FAULT_INJECTION_DEBUG_FS, and debugfs");
	fault(FAULT_OWN, 100);
	busy_start(&busy);
	overfill(&area, &before, &after);
	busy_stop(&busy);
	EXPECT_ENOUGH(1, stat_get("throttled") - throttled);
	EXPECT_EQ(before.oom_kill, after.oom_kill);
	EXPECT_QUEUED(&self->stats, 500);
	fault(FAULT_OWN, 0);
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
}

/*
 * Who has a CPU for himself uses it to reclaim, however far workers are behind.
 * Now and then some thread of the kernel has something to do there, more often on a
 * busy machine: one quiet round is enough.
 */
TEST_F_TIMEOUT(swap_compress, who_is_alone_does_not_wait, 3 * TIMEOUT)
{
	struct vmstat before, after;
	unsigned long stalls, waits;
	unsigned int round;
	struct area area;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "needs two CPUs");
	if (!delay_workers())
		SKIP(return, "needs CONFIG_FAULT_INJECTION_DEBUG_FS, and debugfs");
	fault(FAULT_OWN, 100);
	run_on(0);
	/* Another one, where kswapd also finds it quieter */
	ASSERT_EQ(0, sys_write(WORKQUEUE "cpumask", "2"));
	/* Without the look at who is runnable, it waits as often as it reclaims. */
	for (round = 0; round < 3; round++) {
		waits = stat_get("throttled");
		overfill(&area, &before, &after);
		waits = stat_get("throttled") - waits;
		stalls = after.allocstall - before.allocstall;
		ksft_print_msg("%lu stalls, %lu waits\n", stalls, waits);
		EXPECT_EQ(0, area_verify(&area));
		area_unmap(&area);
		if (stalls + waits > 20 && stalls > 3 * waits)
			break;
	}
	EXPECT_ENOUGH(21, stalls + waits);
	if (stalls + waits > 20)
		EXPECT_GT(stalls, 3 * waits);
	EXPECT_QUEUED(&self->stats, 500);
	fault(FAULT_OWN, 0);
}

#define MEMORY_RECLAIM	"/sys/fs/cgroup/memory.reclaim"

/* Reclaim that somebody asked for, and does not wait for */
TEST_F_TIMEOUT(swap_compress, proactive_if_asked_for, TIMEOUT)
{
	struct area area;

	if (access(MEMORY_RECLAIM, W_OK))
		SKIP(return, "needs cgroup v2 and " MEMORY_RECLAIM);
	area_map(&area, AREA_PAGES / 2);
	area_fill(&area);
	/* Not by default */
	madvise(area.base, area.pages * PAGE_BYTES, MADV_PAGEOUT);
	EXPECT_GT(self->stats.queued + 500, stat_get("queued"));
	EXPECT_EQ(0, area_verify(&area));

	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "proactive", "1"));
	stats_read(&self->stats);
	madvise(area.base, area.pages * PAGE_BYTES, MADV_PAGEOUT);
	EXPECT_TRUE(idle_sums_are_right());
	EXPECT_QUEUED(&self->stats, 500);
	EXPECT_EQ(0, area_verify(&area));

	stats_read(&self->stats);
	/* That less could be freed, or was by then, is no error here. */
	sys_write(MEMORY_RECLAIM, "16M");
	EXPECT_TRUE(idle_sums_are_right());
	EXPECT_QUEUED(&self->stats, 500);
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
}

/* Its pages are not anonymous, and a fault on one waits for its store. */
TEST_F_TIMEOUT(swap_compress, shmem_if_asked_for, TIMEOUT)
{
	struct area area;

	area_map_shared(&area, AREA_PAGES);
	area_fill(&area);
	EXPECT_REASON(500, reclaim_until("inline_shmem", 500));
	/* Not by default; what the rest of the system had may be queued. */
	EXPECT_GT(self->stats.queued + 1000, stat_get("queued"));
	EXPECT_EQ(0, area_verify(&area));

	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "shmem", "1"));
	stats_read(&self->stats);
	EXPECT_ENOUGH(1000, reclaim());
	EXPECT_QUEUED(&self->stats, 500);
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
}

int main(int argc, char **argv)
{
	pressure_init(AREA_MIB);
	return test_harness_run(argc, argv);
}
