// SPDX-License-Identifier: GPL-2.0
/*
 * Folios of a memory cgroup on their way: with its limits, its share of zswap,
 * without leave to write to the device, and when it goes away meanwhile.
 *
 * Needs what swap_compress_test needs, cgroup v2 at /sys/fs/cgroup with the
 * memory controller, and CONFIG_ZSWAP for some.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "pressure.h"

#define ROOT	"/sys/fs/cgroup/"
#define GROUP	ROOT "swap_compress/"

/* Its processes have just ended: they may need a moment to be gone. */
static int group_remove(void)
{
	unsigned int tries = 200;
	int ret;

	while ((ret = rmdir(GROUP)) && errno == EBUSY && --tries)
		sleep_ms(10);
	return ret ? -errno : 0;
}

static int group_make(void)
{
	sys_write(ROOT "cgroup.subtree_control", "+memory");
	group_remove();		/* of a test that was killed, with its limits */
	if (mkdir(GROUP, 0755) && errno != EEXIST)
		return -errno;
	return sys_long(GROUP "memory.current") < 0 ? -ENOENT : 0;
}

/* A field of memory.stat or memory.events; -1: there is none. */
static long group_field(const char *file, const char *name)
{
	char path[128], line[128];
	long value = -1;
	FILE *fields;

	snprintf(path, sizeof(path), GROUP "%s", file);
	fields = fopen(path, "re");
	while (fields && fgets(line, sizeof(line), fields)) {
		if (!strncmp(line, name, strlen(name)) &&
		    line[strlen(name)] == ' ')
			value = strtol(line + strlen(name), NULL, 10);
	}
	if (fields)
		fclose(fields);
	return value;
}

FIXTURE(memcg) {
	struct stats stats;
};

FIXTURE_SETUP(memcg)
{
	const char *lacks = test_begin(&self->stats);

	if (lacks)
		SKIP(return test_end(), "%s", lacks);
	if (group_make())
		SKIP(return test_end(), "needs cgroup v2 at " ROOT " with the memory controller");
}

FIXTURE_TEARDOWN(memcg)
{
	group_remove();
	test_end();
	EXPECT_TRUE(idle_sums_are_right());
	EXPECT_EQ(self->stats.failed, stat_get("failed"));
	REPORT_TOO_LITTLE();
}

/* Runs a function in a process of the group; its exit status, -1 if killed. */
static int group_run(int (*function)(void))
{
	int status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		if (sys_write(GROUP "cgroup.procs", "0"))
			_exit(99);
		_exit(function());
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static int fill_reclaim_verify(void)
{
	struct area area;
	unsigned long wrong;

	area_map(&area, AREA_PAGES);
	area_fill(&area);
	reclaim();
	wrong = area_verify(&area);
	area_unmap(&area);
	return wrong ? 1 : 0;
}

TEST_F_TIMEOUT(memcg, stolen_pages_are_its_own, TIMEOUT)
{
	EXPECT_EQ(0, group_run(fill_reclaim_verify));
	EXPECT_QUEUED(&self->stats, 1000);
	EXPECT_ENOUGH(1000, group_field("memory.stat", "pgsteal_kswapd"));
}

/* Ends with pages in flight, or with 2 if none were seen. */
static int fill_and_leave(void)
{
	return fill_until_in_flight() ? 0 : 2;
}

TEST_F_TIMEOUT(memcg, removed_with_queued_folios, TIMEOUT)
{
	bool delayed = delay_workers();
	unsigned int round, seen = 0;

	for (round = 0; round < 8; round++) {
		seen += !group_run(fill_and_leave);
		EXPECT_EQ(0, group_remove());
		reclaim_stop();
		ASSERT_EQ(0, group_make());
	}
	if (delayed)
		EXPECT_ENOUGH(1, seen);
	EXPECT_QUEUED(&self->stats, 256);
}

static int load_for_a_while(void)
{
	struct load load;

	load_start(&load, AREA_PAGES);
	sleep_ms(4000);
	return load_stop(&load) ? 1 : 0;
}

/* Its own reclaim and kswapd's at the same folios; nothing is killed for it. */
TEST_F_TIMEOUT(memcg, tight_limit_under_load, TIMEOUT)
{
	ASSERT_EQ(0, sys_write_long(GROUP "memory.max",
				    AREA_PAGES * PAGE_BYTES / 2));
	EXPECT_EQ(0, group_run(load_for_a_while));
	EXPECT_QUEUED(&self->stats, 100);
	EXPECT_EQ(0, group_field("memory.events", "oom_kill"));
}

#define QUEUED_PAGES	384
#define LIMIT_PAGES	512

/*
 * All of it is handed over, and still charged, when as much again is to be
 * locked: there is nothing left to reclaim.
 */
static int lock_while_queued(void)
{
	const size_t bytes = QUEUED_PAGES * PAGE_BYTES;
	struct area area;
	void *locked;

	area_map(&area, QUEUED_PAGES);
	area_fill(&area);
	madvise(area.base, bytes, MADV_PAGEOUT);
	if (sys_long(SWAP_COMPRESS "inflight_pages") < QUEUED_PAGES / 2)
		return 2;
	locked = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (locked == MAP_FAILED || mlock(locked, bytes))
		return 3;
	munmap(locked, bytes);
	return area_verify(&area) ? 1 : 0;
}

TEST_F_TIMEOUT(memcg, limit_waits_for_what_is_queued, TIMEOUT)
{
	unsigned long waits;
	int status;

	if (!delay_workers())
		SKIP(return, "needs CONFIG_FAULT_INJECTION_DEBUG_FS, and debugfs");
	fault(FAULT_OWN, 100);
	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "proactive", "1"));
	ASSERT_EQ(0, sys_write_long(GROUP "memory.max",
				    LIMIT_PAGES * PAGE_BYTES));
	/* Some batch is to end soon. */
	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "batch_pages", "8"));
	waits = stat_get("waits");
	status = group_run(lock_while_queued);
	EXPECT_ENOUGH(1, status != 2);
	if (status != 2)
		EXPECT_EQ(0, status);
	EXPECT_ENOUGH(1, stat_get("waits") - waits);
	EXPECT_EQ(0, group_field("memory.events", "oom_kill"));
}

#define OTHER_PAGES	1400UL
#define OWN_PAGES	64UL
#define MARGIN_PAGES	16UL

/*
 * Few pages of the group are queued behind many others. Locks pages until the group is
 * at its limit and has to wait; 2 if that did not happen in time.
 */
static int lock_behind_others(void)
{
	unsigned long page, waits;
	struct area others, own;
	unsigned char *locked;
	bool waited = false;
	long queued;

	/* Zeroes, which are stored at once on a slow machine, too */
	area_map(&others, OTHER_PAGES);
	memset(others.base, 0, OTHER_PAGES * PAGE_BYTES);
	if (sys_write(GROUP "cgroup.procs", "0"))
		return 99;
	area_map(&own, OWN_PAGES);
	area_fill(&own);
	locked = mmap(NULL, 2 * LIMIT_PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (locked == MAP_FAILED)
		return 3;
	madvise(others.base, OTHER_PAGES * PAGE_BYTES, MADV_PAGEOUT);
	madvise(own.base, OWN_PAGES * PAGE_BYTES, MADV_PAGEOUT);
	queued = sys_long(SWAP_COMPRESS "inflight_pages");
	if (queued < (long)OTHER_PAGES * 9 / 10)
		return 2;
	/* While the first batch still waits: nearly all that the limit allows */
	page = LIMIT_PAGES - MARGIN_PAGES -
	       sys_long(GROUP "memory.current") / PAGE_BYTES;
	if (page > LIMIT_PAGES || mlock(locked, page * PAGE_BYTES))
		return 3;
	fault_set(FAULT_OWN, "delay_ms", 40);
	while (sys_long(SWAP_COMPRESS "inflight_pages") >= queued)
		sleep_ms(1);
	waits = stat_get("waits");
	for (; page < LIMIT_PAGES && !waited; page += MARGIN_PAGES) {
		if (sys_long(SWAP_COMPRESS "inflight_pages") <
		    queued - (long)OTHER_PAGES / 5)
			return 2;
		if (mlock(locked + page * PAGE_BYTES, MARGIN_PAGES * PAGE_BYTES))
			return 3;
		waited = stat_get("waits") > waits;
	}
	munmap(locked, 2 * LIMIT_PAGES * PAGE_BYTES);
	return area_not_zero(&others) || area_verify(&own);
}

/* What is finished of others is no reason to give up. */
TEST_F_TIMEOUT(memcg, limit_waits_behind_others, TIMEOUT)
{
	char lru_gen[32];
	int status;
	pid_t pid;

	if (sys_read(LRU_GEN "enabled", lru_gen, sizeof(lru_gen)) ||
	    !strtoul(lru_gen, NULL, 16))
		SKIP(return, "needs MGLRU, which bounds less what is in flight");
	if (!stick_workers(3000))
		SKIP(return, "needs CONFIG_FAULT_INJECTION_DEBUG_FS, and debugfs");
	if (sys_write_long(SWAP_COMPRESS "max_inflight_pages",
			   OTHER_PAGES + 2 * OWN_PAGES))
		SKIP(return, "needs 400 MiB of memory");
	/* The more run at a time, the sooner it is its turn. */
	ASSERT_EQ(0, sys_write(WORKQUEUE "max_active", "1"));
	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "proactive", "1"));
	ASSERT_EQ(0, sys_write_long(GROUP "memory.max",
				    LIMIT_PAGES * PAGE_BYTES));
	pid = fork();
	if (!pid)
		_exit(lock_behind_others());
	status = child_status(pid);
	EXPECT_ENOUGH(1, status != 2);
	if (status != 2) {
		EXPECT_EQ(0, status);
		EXPECT_LT(0, group_field("memory.events", "max"));
	}
	EXPECT_EQ(0, group_field("memory.events", "oom_kill"));
}

static int load_until_refused(void)
{
	unsigned long refused = stat_get("inline_zswap");
	struct load load;

	load_start(&load, AREA_PAGES);
	load_until("inline_zswap", refused);
	sleep_ms(1000);
	return load_stop(&load) ? 1 : 0;
}

/* What it may not have in zswap is kswapd's to decide about. */
TEST_F_TIMEOUT(memcg, zswap_share_under_load, TIMEOUT)
{
	unsigned long refused = stat_get("inline_zswap");

	if (sys_write(ZSWAP "enabled", "1"))
		SKIP(return, "needs a kernel with CONFIG_ZSWAP");
	ASSERT_EQ(0, sys_write_long(GROUP "memory.zswap.max", MIB));
	EXPECT_EQ(0, group_run(load_until_refused));
	EXPECT_ENOUGH(1, stat_get("inline_zswap") - refused);
	EXPECT_EQ(0, group_field("memory.events", "oom_kill"));
}

/* Requests written to the swap device */
static unsigned long device_writes(void)
{
	unsigned long writes = 0;
	char path[160], text[256];

	snprintf(path, sizeof(path), "/sys/block/%s/stat",
		 strrchr(swap_device, '/') + 1);
	if (sys_read(path, text, sizeof(text)) ||
	    sscanf(text, "%*u %*u %*u %*u %lu", &writes) != 1)
		errx(1, "cannot read %s", path);
	return writes;
}

/* Where nothing can be reclaimed, kswapd may go on for minutes: until it has tried. */
static int fill_try_verify(void)
{
	unsigned long tried = stat_get("inline_zswap") + 4000;
	unsigned long start = now_ns();
	struct area area;
	unsigned long wrong;

	area_map(&area, AREA_PAGES);
	area_fill(&area);
	reclaim_start();
	while (stat_get("inline_zswap") < tried && now_ns() < start + 60 * NS_PER_S)
		sleep_ms(20);
	reclaim_stop();
	wrong = area_verify(&area);
	area_unmap(&area);
	return wrong ? 1 : 0;
}

TEST_F_TIMEOUT(memcg, without_leave_nothing_reaches_the_device, TIMEOUT)
{
	unsigned long stored = stat_get("stored_zswap");
	unsigned long writes, tried;

	if (sys_write(ZSWAP "enabled", "1"))
		SKIP(return, "needs a kernel with CONFIG_ZSWAP");
	ASSERT_EQ(0, sys_write(GROUP "memory.zswap.writeback", "0"));
	writes = device_writes();
	EXPECT_EQ(0, group_run(fill_reclaim_verify));
	EXPECT_ENOUGH(1000, stat_get("stored_zswap") - stored);

	/* Nor when there is no room in zswap: it stays in memory, then. */
	ASSERT_EQ(0, sys_write_long(GROUP "memory.zswap.max", MIB));
	tried = stat_get("inline_zswap");
	EXPECT_EQ(0, group_run(fill_try_verify));
	EXPECT_ENOUGH(1000, stat_get("inline_zswap") - tried);
	/* The rest of the system may, a little. */
	EXPECT_GT(writes + 256, device_writes());
	EXPECT_EQ(0, group_field("memory.events", "oom_kill"));
	/* What was in flight when its share was used up */
	self->stats.failed = stat_get("failed");
}

int main(int argc, char **argv)
{
	pressure_init(AREA_MIB);
	return test_harness_run(argc, argv);
}
