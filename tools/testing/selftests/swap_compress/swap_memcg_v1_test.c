// SPDX-License-Identifier: GPL-2.0
/*
 * Folios of a memory cgroup of version 1 on their way.
 *
 * Needs what swap_compress_test needs, and CONFIG_MEMCG_V1. In a boot that uses the
 * memory controller in cgroup v2, as swap_memcg_test does, the tests are skipped.
 */
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "pressure.h"

#define ROOT	"/tmp/memcg_v1/"
#define GROUP	ROOT "swap_compress/"

FIXTURE(memcg_v1) {
	struct stats stats;
};

FIXTURE_SETUP(memcg_v1)
{
	const char *lacks = test_begin(&self->stats);

	mkdir(ROOT, 0755);
	if (!lacks && mount("memory", ROOT, "cgroup", 0, "memory"))
		lacks = "needs CONFIG_MEMCG_V1, without use of the controller in cgroup v2";
	if (lacks)
		SKIP(return, "%s", lacks);
	ASSERT_EQ(0, mkdir(GROUP, 0755));
}

FIXTURE_TEARDOWN(memcg_v1)
{
	unsigned int tries = 200;

	/* Its processes have just ended: they may need a moment to be gone. */
	while (rmdir(GROUP) && --tries)
		sleep_ms(10);
	EXPECT_LT(0, tries);
	EXPECT_EQ(0, umount(ROOT));
	test_end();
	EXPECT_TRUE(idle_sums_are_right());
	EXPECT_EQ(self->stats.failed, stat_get("failed"));
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

	if (!pid)
		_exit(charge_moves_to_swap());
	EXPECT_EQ(0, child_status(pid));
	EXPECT_QUEUED(&self->stats, 1000);
	/* The last charges are given back in the background. */
	while (sys_long(GROUP "memory.memsw.usage_in_bytes") >= (long)MIB &&
	       --tries) {
		sys_write(GROUP "memory.force_empty", "0");
		sleep_ms(100);
	}
	EXPECT_GT(MIB, sys_long(GROUP "memory.memsw.usage_in_bytes"));
	EXPECT_GT(MIB, sys_long(GROUP "memory.usage_in_bytes"));
}

int main(int argc, char **argv)
{
	pressure_init(true);
	return test_harness_run(argc, argv);
}
