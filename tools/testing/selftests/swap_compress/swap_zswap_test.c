// SPDX-License-Identifier: GPL-2.0
/*
 * zswap fed by workers: over the swap device that is on, over one that completes
 * its writes later, with its limits reached, and switched under load.
 *
 * Needs what swap_compress_test needs, and CONFIG_ZSWAP; for zswap_share.* also cgroup
 * v2, fault injection, and CONFIG_BLK_DEV_NULL_BLK with configfs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "pressure.h"

FIXTURE(zswap) {
	struct stats stats;
	unsigned long stored;		/* in zswap, when the test began */
};

FIXTURE_SETUP(zswap)
{
	const char *lacks = test_begin(&self->stats);

	if (lacks)
		SKIP(return test_end(), "%s", lacks);
	if (sys_write(ZSWAP "enabled", "1"))
		SKIP(return test_end(), "needs a kernel with CONFIG_ZSWAP");
	self->stored = stat_get("stored_zswap");
}

FIXTURE_TEARDOWN(zswap)
{
	test_end();
	EXPECT_TRUE(idle_sums_are_right());
	EXPECT_EQ(self->stats.failed, stat_get("failed"));
	REPORT_TOO_LITTLE();
}

TEST_F_TIMEOUT(zswap, reclaimed_memory_comes_back, TIMEOUT)
{
	struct area area;

	area_map(&area, AREA_PAGES);
	area_fill(&area);
	EXPECT_ENOUGH(1000, reclaim());
	EXPECT_ENOUGH(1000, stat_get("stored_zswap") - self->stored);
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
}

/*
 * A full pool, which one of no size always is, is seen before a folio is handed
 * over: kswapd goes on as ever.
 */
TEST_F_TIMEOUT(zswap, full_pool_means_no_hand_over, TIMEOUT)
{
	struct area area;

	ASSERT_EQ(0, sys_write(ZSWAP "max_pool_percent", "0"));
	/* What was handed over before that is counted by then. */
	EXPECT_TRUE(idle_sums_are_right());
	stats_read(&self->stats);
	area_map(&area, AREA_PAGES);
	area_fill(&area);
	EXPECT_REASON(1000, reclaim_until("inline_zswap", 1000));
	EXPECT_EQ(self->stats.queued, stat_get("queued"));
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
}

#define LIMIT_HIT	"/sys/kernel/debug/zswap/pool_limit_hit"

/* A page that finds the pool full hits the limit once, on whatever way it goes. */
TEST_F_TIMEOUT(zswap, full_pool_is_counted_once, TIMEOUT)
{
	unsigned long tried, hits;
	struct area area;

	if (sys_long(LIMIT_HIT) < 0)
		SKIP(return, "needs debugfs");
	ASSERT_EQ(0, sys_write(ZSWAP "max_pool_percent", "1"));
	area_map(&area, AREA_PAGES);
	area_fill(&area);
	tried = not_queued() + stat_get("queued");
	hits = sys_long(LIMIT_HIT);
	EXPECT_REASON(1000, reclaim_until("inline_zswap", 1000));
	hits = sys_long(LIMIT_HIT) - hits;
	tried = not_queued() + stat_get("queued") - tried;
	ksft_print_msg("%lu pages tried, %lu hits\n", tried, hits);
	EXPECT_LT(0, hits);
	EXPECT_GE(tried, hits);
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
}

TEST_F_TIMEOUT(zswap, toggled_under_load, TIMEOUT)
{
	struct load load;
	unsigned int i;

	load_start(&load, AREA_PAGES);
	for (i = 0; i < 12; i++) {
		sleep_ms(400);
		EXPECT_EQ(0, sys_write(ZSWAP "enabled", i % 2 ? "1" : "0"));
		EXPECT_EQ(0, sys_write(SWAP_COMPRESS "enabled",
				       i % 3 ? "1" : "0"));
	}
	EXPECT_EQ(0, sys_write(SWAP_COMPRESS "enabled", "1"));
	load_until("queued", self->stats.queued + 500);
	EXPECT_QUEUED(&self->stats, 500);
	EXPECT_ENOUGH(1, stat_get("stored_zswap") - self->stored);
	EXPECT_EQ(0, load_stop(&load));
}

/*
 * A device that is done with a write when it says so, not when it was given it.
 * The shrinker writes back what lies in zswap meanwhile.
 */
static void load_over(struct __test_metadata *_metadata, const char *disk)
{
	unsigned long stored = stat_get("stored_zswap");
	unsigned long written;
	unsigned int tries;
	struct vmstat vm;
	struct load load;

	ASSERT_EQ(0, swapoff(swap_device));
	ASSERT_EQ(0, swapon(disk, 0));
	EXPECT_EQ(0, sys_write(ZSWAP "shrinker_enabled", "1"));
	load_start(&load, AREA_PAGES);
	sleep_ms(2000);
	load_until("stored_zswap", stored);
	EXPECT_ENOUGH(1, stat_get("stored_zswap") - stored);
	/* No room: the rest goes to the disk, by kswapd and from zswap. */
	vmstat_read(&vm);
	written = vm.pswpout;
	EXPECT_EQ(0, sys_write(ZSWAP "max_pool_percent", "1"));
	for (tries = 0; tries < 600 && (tries < 20 || vm.pswpout == written);
	     tries++) {
		sleep_ms(100);
		kswapd_wake();
		vmstat_read(&vm);
	}
	EXPECT_ENOUGH(1, vm.pswpout - written);
	EXPECT_EQ(0, load_stop(&load));
	ASSERT_EQ(0, swap_back_from(disk)) {
		TH_LOG("back from %s: %s", disk, strerror(errno));
	}
}

TEST_F_TIMEOUT(zswap, disk_under_load, TIMEOUT)
{
	const char *disk = getenv("SWAP_COMPRESS_DISK");

	if (!disk)
		SKIP(return, "needs a disk to overwrite, named in SWAP_COMPRESS_DISK");
	MAKE_SWAP(disk);
	load_over(_metadata, disk);
}

/* One that says so in a timer, some time later */
TEST_F_TIMEOUT(zswap, timer_disk_under_load, TIMEOUT)
{
	const char *disk = getenv("SWAP_COMPRESS_NULL_BLK");

	if (!disk)
		SKIP(return, "needs a null_blk with irqmode=2 and memory_backed=1, named in SWAP_COMPRESS_NULL_BLK");
	MAKE_SWAP(disk);
	load_over(_metadata, disk);
}

#define CGROUPS		"/sys/fs/cgroup/"
#define GROUP		CGROUPS "swap_zswap/"
#define NULL_BLK	"/sys/kernel/config/nullb/swap_compress_slow/"
#define SLOW_DISK	"/dev/swap_compress_slow"
#define SLOW_MIB	4

/* Also one that is left of a test that failed */
static void remove_slow_disk(void)
{
	swapoff(SLOW_DISK);
	swapon(swap_device, 0);
	sys_write(NULL_BLK "power", "0");
	rmdir(NULL_BLK);
}

/* A disk of memory that takes a tenth of a second for each request, one at a time */
static bool make_slow_disk(void)
{
	static const char * const settings[][2] = {
		{ NULL_BLK "size", "4" },
		{ NULL_BLK "queue_mode", "2" },
		{ NULL_BLK "irqmode", "2" },
		{ NULL_BLK "completion_nsec", "100000000" },
		{ NULL_BLK "hw_queue_depth", "1" },
		{ NULL_BLK "memory_backed", "1" },
		{ NULL_BLK "power", "1" },
	};
	static char zeroes[MIB];
	unsigned int i;
	bool ok = true;
	int disk;

	remove_slow_disk();
	if (mkdir(NULL_BLK, 0755))
		return false;
	for (i = 0; i < ARRAY_SIZE(settings); i++)
		ok &= !sys_write(settings[i][0], settings[i][1]);
	disk = open(SLOW_DISK, O_WRONLY | O_CLOEXEC);
	/* It allocates on first write: now rather than while memory is reclaimed. */
	for (i = 0; i < SLOW_MIB; i++)
		ok &= write(disk, zeroes, MIB) == MIB;
	ok &= !fsync(disk);
	close(disk);
	return ok;
}

/* In the group: 0, or what was not as it should be. */
static int page_out_in_group(void)
{
	struct area area;

	if (sys_write(GROUP "cgroup.procs", "0"))
		return 99;
	area_map(&area, 64);
	area_fill(&area);
	area_page_out(&area);
	while (sys_long(SWAP_COMPRESS "inflight_pages"))
		sleep_ms(5);
	return area_verify(&area) ? 1 : 0;
}

static bool is_running(pid_t pid)
{
	siginfo_t info = {};

	return !waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) &&
	       !info.si_pid;
}

FIXTURE(zswap_share) {
	struct stats stats;
};

FIXTURE_SETUP(zswap_share)
{
	const char *lacks = stuck_begin(&self->stats);

	if (lacks)
		SKIP(return test_end(), "%s", lacks);
	if (sys_write(ZSWAP "enabled", "1"))
		SKIP(return test_end(), "needs a kernel with CONFIG_ZSWAP");
	sys_write(CGROUPS "cgroup.subtree_control", "+memory");
	if (mkdir(GROUP, 0755) && errno != EEXIST)
		SKIP(return test_end(), "needs cgroup v2 at " CGROUPS);
	if (sys_write(GROUP "memory.zswap.max", "32K"))
		SKIP(return test_end(), "needs cgroup v2 with the memory controller");
	if (!make_slow_disk()) {
		remove_slow_disk();
		rmdir(GROUP);
		SKIP(return test_end(), "needs CONFIG_BLK_DEV_NULL_BLK, and configfs at /sys/kernel/config");
	}
}

FIXTURE_TEARDOWN(zswap_share)
{
	fault(FAULT_OWN, 0);
	remove_slow_disk();
	rmdir(GROUP);
	test_end();
	EXPECT_TRUE(idle_sums_are_right());
	EXPECT_EQ(self->stats.failed, stat_get("failed"));
	REPORT_TOO_LITTLE();
}

/*
 * A cgroup has used up its share of zswap: to store a page, a worker first writes older
 * ones to the disk, and waits for it. Pages that are stored do not wait for that.
 */
TEST_F_TIMEOUT(zswap_share, stored_pages_do_not_wait_for_a_disk, TIMEOUT)
{
	unsigned long stored, freed;
	struct vmstat before, after;
	long now, most = 0;
	struct area rest;
	pid_t pid;

	MAKE_SWAP(SLOW_DISK);
	/* With the classic LRU, a sixteenth of what is inactive may be in flight. */
	area_map(&rest, 2048);
	area_fill(&rest);
	ASSERT_EQ(0, swapoff(swap_device));
	ASSERT_EQ(0, swapon(SLOW_DISK, 0));
	ASSERT_EQ(0, sys_write(WORKQUEUE "max_active", "1"));
	/* Or the rest would find the share used up, and not be handed over. */
	ASSERT_TRUE(stick_workers(20));
	stored = stat_get("stored_zswap");
	freed = stat_get("freed");
	vmstat_read(&before);
	pid = fork();
	if (!pid)
		_exit(page_out_in_group());
	while (is_running(pid)) {
		now = stat_get("stored_zswap") - stored;
		now -= stat_get("freed") - freed;
		most = now > most ? now : most;
		sleep_ms(2);
	}
	EXPECT_EQ(0, child_status(pid));
	vmstat_read(&after);
	stored = stat_get("stored_zswap") - stored;
	ksft_print_msg("%lu pages stored, at most %ld of them not freed, %lu written from zswap\n",
		       stored, most, after.zswpwb - before.zswpwb);
	EXPECT_GT(8, most);
	EXPECT_ENOUGH(24, stored);
	EXPECT_ENOUGH(8, after.zswpwb - before.zswpwb);
	EXPECT_EQ(0, area_verify(&rest));
	area_unmap(&rest);
	fault(FAULT_OWN, 0);
	ASSERT_EQ(0, swap_back_from(SLOW_DISK));
}

int main(int argc, char **argv)
{
	pressure_init(AREA_MIB);
	return test_harness_run(argc, argv);
}
