// SPDX-License-Identifier: GPL-2.0
/*
 * Folios of a memory cgroup of version 1 on their way.
 *
 * Needs what swap_compress_test needs, and CONFIG_MEMCG_V1. In a boot that uses the
 * memory controller in cgroup v2, as swap_memcg_test does, the tests are skipped.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "pressure.h"

#define ROOT	"/tmp/memcg_v1/"
#define GROUP	ROOT "swap_compress/"

#define END	"/tmp/memcg_v1.end"

FIXTURE(memcg_v1) {
	struct stats stats;
};

/* zram refuses what is more than that; "0" is no limit. Returns 0, or -1 without zram. */
static int set_mem_limit(const char *bytes)
{
	char path[160];

	if (!swap_device[0])
		return -1;
	snprintf(path, sizeof(path), "/sys/block/%s/mem_limit",
		 strrchr(swap_device, '/') + 1);
	return sys_write(path, bytes);
}

FIXTURE_SETUP(memcg_v1)
{
	const char *lacks = test_begin(&self->stats);

	mkdir(ROOT, 0755);
	if (!lacks && mount("memory", ROOT, "cgroup", 0, "memory"))
		lacks = "needs CONFIG_MEMCG_V1, without use of the controller in cgroup v2";
	if (lacks)
		SKIP(return test_end(), "%s", lacks);
	unlink(END);
	/* What a test that was killed has left */
	set_mem_limit("0");
	rmdir(GROUP);
	ASSERT_EQ(0, mkdir(GROUP, 0755));
}

FIXTURE_TEARDOWN(memcg_v1)
{
	unsigned int tries = 200;

	set_mem_limit("0");
	close(open(END, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	/* Its processes have just ended: they may need a moment to be gone. */
	while (rmdir(GROUP) && --tries)
		sleep_ms(10);
	EXPECT_LT(0, tries);
	EXPECT_EQ(0, umount(ROOT));
	test_end();
	EXPECT_TRUE(idle_sums_are_right());
	REPORT_TOO_LITTLE();
}

static long swapped_bytes(void)
{
	return sys_long(GROUP "memory.memsw.usage_in_bytes") -
	       sys_long(GROUP "memory.usage_in_bytes");
}

/* In the group: 0, or what was not as it should be. */
static int charge_moves_to_swap(void)
{
	long freed, bytes;
	struct area area;

	if (sys_write(GROUP "tasks", "0"))
		return 99;
	area_map(&area, AREA_PAGES);
	area_fill(&area);
	bytes = swapped_bytes();
	freed = reclaim() * PAGE_BYTES;
	if (!idle_sums_are_right())
		return 3;
	bytes = swapped_bytes() - bytes;
	ksft_print_msg("%ld bytes were freed, %ld are charged as swap\n",
		       freed, bytes);
	/* What was freed may also be others'. */
	if (bytes < freed / 2)
		return 2;
	return area_verify(&area) ? 1 : 0;
}

/*
 * cgroup v1 charges a page until it leaves the swap cache, and then its slot, to the
 * same group. Nothing stays charged.
 */
TEST_F_TIMEOUT(memcg_v1, charges_follow_to_swap, TIMEOUT)
{
	unsigned int tries = 100;
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(charge_moves_to_swap());
	status = child_status(pid);
	/* Two: too little of what was freed was the group's. */
	EXPECT_ENOUGH(1, status != 2);
	if (status != 2)
		EXPECT_EQ(0, status);
	EXPECT_QUEUED(&self->stats, 1000);
	EXPECT_EQ(self->stats.failed, stat_get("failed"));
	/* The last charges are given back in the background. */
	while (sys_long(GROUP "memory.memsw.usage_in_bytes") >= (long)MIB &&
	       --tries) {
		sys_write(GROUP "memory.force_empty", "0");
		sleep_ms(100);
	}
	EXPECT_GT(MIB, sys_long(GROUP "memory.memsw.usage_in_bytes"));
	EXPECT_GT(MIB, sys_long(GROUP "memory.usage_in_bytes"));
}

/* In the group: memory that is not used, and compared when END is there. */
static int hold_memory(void)
{
	struct area area;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || sys_write(GROUP "tasks", "0"))
		return 99;
	area_map(&area, AREA_PAGES / 8);
	area_fill(&area);
	while (access(END, F_OK))
		sleep_ms(20);
	return area_verify(&area) ? 1 : 0;
}

/*
 * kswapd also reclaims from groups that are over their soft limit. Where nothing of
 * that can be freed it has to give up all the same, see fault.no_write_succeeds.
 */
TEST_F_TIMEOUT(memcg_v1, soft_limit_without_progress, TIMEOUT)
{
	unsigned long start = now_ns();
	pid_t pid;

	if (set_mem_limit("0"))
		SKIP(return, "needs zram");
	/* MGLRU knows no soft limits. */
	if (!access(LRU_GEN "enabled", W_OK))
		ASSERT_EQ(0, sys_write(LRU_GEN "enabled", "0"));
	ASSERT_EQ(0, sys_write(GROUP "memory.soft_limit_in_bytes", "0"));
	pid = fork();
	if (!pid)
		_exit(hold_memory());
	while (sys_long(GROUP "memory.usage_in_bytes") <
		       (long)(AREA_PAGES / 8 * PAGE_BYTES) &&
	       now_ns() - start < 60 * NS_PER_S)
		sleep_ms(20);
	revive_kswapd();
	EXPECT_EQ(0, zoneinfo_sum("node_unreclaimable:"));
	/* No write succeeds any more, and few pages are kept from others. */
	ASSERT_EQ(0, set_mem_limit("1"));
	ASSERT_EQ(0, sys_write(VM "min_free_kbytes", "2048"));
	start = now_ns();
	EXPECT_ENOUGH(1, kswapd_gives_up(240));
	ksft_print_msg("after %lu ms, %lu failed\n", (now_ns() - start) / 1000000,
		       stat_get("failed") - self->stats.failed);
	EXPECT_ENOUGH(1, stat_get("failed") - self->stats.failed);
	EXPECT_EQ(0, set_mem_limit("0"));
	reclaim_stop();
	revive_kswapd();
	close(open(END, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	EXPECT_EQ(0, child_status(pid));
}

int main(int argc, char **argv)
{
	pressure_init(AREA_MIB);
	return test_harness_run(argc, argv);
}
