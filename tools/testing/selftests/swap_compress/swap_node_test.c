// SPDX-License-Identifier: GPL-2.0
/*
 * A machine with two memory nodes: each has a kswapd, all share the queue. The
 * guest makes two of one with numa=fake=2.
 *
 * Needs what swap_compress_test needs, CONFIG_NUMA, and CONFIG_CPUSETS with
 * cgroup v2 at /sys/fs/cgroup for one.
 */
#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "pressure.h"

#define NODES	2

#define CGROUPS	"/sys/fs/cgroup/"
#define GROUP	CGROUPS "swap_node/"

/* 0, or -1 if there is no such node. */
static int use_nodes(int policy, unsigned long nodes)
{
	return syscall(SYS_set_mempolicy, policy, nodes ? &nodes : NULL,
		       nodes ? 8 * sizeof(nodes) : 0);
}

/* Sum over the zones of a node, in pages; as zoneinfo_sum() for all nodes. */
static unsigned long node_sum(unsigned int node, const char *name)
{
	FILE *zones = fopen("/proc/zoneinfo", "re");
	unsigned long value, sum = 0;
	char line[128], word[32];
	unsigned int at = NODES;

	if (!zones)
		return 0;
	while (fgets(line, sizeof(line), zones)) {
		char *field = line;

		if (sscanf(line, "Node %u,", &at) == 1)
			continue;
		if (!strncmp(line, "  pages ", 8))
			field += 8;
		if (at == node && sscanf(field, " %31s %lu", word, &value) == 2 &&
		    !strcmp(word, name))
			sum += value;
	}
	fclose(zones);
	return sum;
}

static bool lock_pages(unsigned long pages)
{
	void *memory = mmap(NULL, pages * PAGE_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory != MAP_FAILED && !mlock(memory, pages * PAGE_BYTES);
}

/*
 * Leaves so many free pages above the high watermark of the node that this task
 * is bound to.
 */
static bool node_take(unsigned int node, unsigned long leave)
{
	unsigned long free;

	leave += node_sum(node, "high");
	/* In parts: lists of CPUs hide some of it. */
	while ((free = node_sum(node, "free")) > leave) {
		if (!lock_pages(free - leave < PAGES_PER_MIB ? free - leave :
				PAGES_PER_MIB))
			return false;
	}
	return true;
}

FIXTURE(node) {
	struct stats stats;
	struct vmstat vm;
};

FIXTURE_SETUP(node)
{
	const char *lacks = test_begin(&self->stats);

	if (lacks)
		SKIP(return test_end(), "%s", lacks);
	if (use_nodes(MPOL_BIND, 1UL << (NODES - 1)))
		SKIP(return test_end(), "needs two memory nodes (numa=fake=2)");
	use_nodes(MPOL_DEFAULT, 0);
	/* Little of what is free shall be in lists of CPUs. */
	sys_write_long(VM "percpu_pagelist_high_fraction", 1000);
	vmstat_read(&self->vm);
}

FIXTURE_TEARDOWN(node)
{
	struct vmstat vm;

	use_nodes(MPOL_DEFAULT, 0);
	test_end();
	EXPECT_TRUE(idle_sums_are_right());
	EXPECT_EQ(self->stats.failed, stat_get("failed"));
	vmstat_read(&vm);
	EXPECT_EQ(self->vm.oom_kill, vm.oom_kill);
	REPORT_TOO_LITTLE();
}

/* Both kswapds hand over to the plugs of the CPU they happen to be on. */
TEST_F_TIMEOUT(node, nodes_under_load, TIMEOUT)
{
	struct cpu_use before[NODES] = {}, after[NODES] = {};
	const char * const kswapd[NODES] = { "kswapd0", "kswapd1" };
	unsigned int node, round;
	struct load load;

	for (node = 0; node < NODES; node++) {
		ASSERT_EQ(0, use_nodes(MPOL_BIND, 1UL << node));
		ASSERT_TRUE(node_take(node, AREA_PAGES / NODES));
		cpu_use_add(&before[node], kswapd[node]);
	}
	ASSERT_EQ(0, use_nodes(MPOL_INTERLEAVE, (1UL << NODES) - 1));
	load_start(&load, AREA_PAGES);
	for (round = 0; round < 40; round++) {
		/* Else one node helps out before the other's kswapd wakes. */
		for (node = 0; node < NODES; node++) {
			ASSERT_EQ(0, use_nodes(MPOL_BIND, 1UL << node));
			kswapd_wake();
		}
		sleep_ms(100);
	}
	EXPECT_EQ(0, load_stop(&load));
	EXPECT_QUEUED(&self->stats, 1000);
	for (node = 0; node < NODES; node++) {
		cpu_use_add(&after[node], kswapd[node]);
		EXPECT_ENOUGH(10000000, after[node].ns - before[node].ns);
	}
}

#define QUEUED_PAGES	896
#define LOCKED_PAGES	384	/* zsmalloc may take the rest from that node */

/*
 * All that can be reclaimed on the last node is on its way when a process that
 * may only have memory of that node needs it.
 */
static int lock_while_queued(void)
{
	const unsigned int node = NODES - 1;
	struct area area;
	long queued;

	area_map(&area, QUEUED_PAGES);
	area_fill(&area);
	if (!node_take(node, 64))
		return 4;
	madvise(area.base, QUEUED_PAGES * PAGE_BYTES, MADV_PAGEOUT);
	queued = sys_long(SWAP_COMPRESS "inflight_pages");
	if (queued < QUEUED_PAGES * 9 / 10)
		return 3;
	/* From now on they come one batch after the other. */
	fault_set(FAULT_OWN, "delay_ms", 40);
	while (sys_long(SWAP_COMPRESS "inflight_pages") >= queued)
		sleep_ms(1);
	if (!lock_pages(64 + node_sum(node, "high") - node_sum(node, "min") +
			LOCKED_PAGES))
		return 2;
	munlockall();
	return area_verify(&area) ? 1 : 0;
}

static int bound_by_policy(void)
{
	if (use_nodes(MPOL_BIND, 1UL << (NODES - 1)))
		return 5;
	return lock_while_queued();
}

/* The page allocator does not pass on to reclaim what a cpuset allows. */
static int bound_by_cpuset(void)
{
	if (sys_write(GROUP "cgroup.procs", "0"))
		return 5;
	return lock_while_queued();
}

static void expect_it_waits(struct __test_metadata *_metadata,
			    int (*bound)(void))
{
	unsigned long waits;
	int status;
	pid_t pid;

	ASSERT_TRUE(stick_workers(3000));
	ASSERT_LE(QUEUED_PAGES, sys_long(SWAP_COMPRESS "max_inflight_pages"));
	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "proactive", "1"));
	/* More of them than times that the OOM killer is put off */
	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "batch_pages", "16"));
	waits = stat_get("waits") + stat_get("throttled");
	pid = fork();
	if (!pid)
		_exit(bound());
	status = child_status(pid);
	/* Three: too little was in flight when it was needed. */
	EXPECT_ENOUGH(1, status != 3);
	if (status != 3)
		EXPECT_EQ(0, status);
	EXPECT_ENOUGH(1, stat_get("waits") + stat_get("throttled") - waits);
}

TEST_F_TIMEOUT(node, bound_by_policy_waits_for_what_is_queued, TIMEOUT)
{
	if (!delay_workers())
		SKIP(return, "needs CONFIG_FAULT_INJECTION_DEBUG_FS, and debugfs");
	expect_it_waits(_metadata, bound_by_policy);
}

TEST_F_TIMEOUT(node, bound_by_cpuset_waits_for_what_is_queued, TIMEOUT)
{
	char last[8];

	if (!delay_workers())
		SKIP(return, "needs CONFIG_FAULT_INJECTION_DEBUG_FS, and debugfs");
	snprintf(last, sizeof(last), "%d", NODES - 1);
	sys_write(CGROUPS "cgroup.subtree_control", "+cpuset");
	mkdir(GROUP, 0755);
	if (sys_write(GROUP "cpuset.mems", last))
		SKIP(return, "needs cgroup v2 at " CGROUPS " with the cpuset controller");
	expect_it_waits(_metadata, bound_by_cpuset);
	rmdir(GROUP);
}

/*
 * Pages of another node are of no use to a task that is bound to one where nothing
 * can be reclaimed: it is killed without having waited for them.
 */
TEST_F_TIMEOUT(node, pages_of_another_node_are_not_waited_for, TIMEOUT)
{
	struct setting swappiness = { .path = VM "swappiness" };
	unsigned long waits;
	struct area area;
	long in_time;
	int status;
	pid_t pid;

	if (!delay_workers())
		SKIP(return, "needs CONFIG_FAULT_INJECTION_DEBUG_FS, and debugfs");
	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "proactive", "1"));
	fault_set(FAULT_OWN, "delay_ms", 2000);
	fault(FAULT_OWN, 100);
	ASSERT_EQ(0, use_nodes(MPOL_BIND, 1));
	area_map(&area, QUEUED_PAGES / 2);
	area_fill(&area);
	area_page_out(&area);
	EXPECT_ENOUGH(1, sys_long(SWAP_COMPRESS "inflight_pages"));
	/* From here on kswapd hands over nothing of the other node. */
	settings_save(&swappiness, 1);
	ASSERT_EQ(0, sys_write_long(VM "swappiness", 0));
	waits = stat_get("waits");
	pid = fork();
	if (!pid) {
		sys_write("/proc/self/oom_score_adj", "1000");
		if (use_nodes(MPOL_BIND, 1UL << (NODES - 1)))
			_exit(2);
		while (lock_pages(PAGES_PER_MIB))
			;
		_exit(1);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	in_time = sys_long(SWAP_COMPRESS "inflight_pages");
	EXPECT_ENOUGH(1, in_time);
	if (in_time)
		EXPECT_EQ(waits, stat_get("waits"));
	settings_restore(&swappiness, 1);
	self->vm.oom_kill++;
	fault(FAULT_OWN, 0);
	fault_set(FAULT_OWN, "delay_ms", 20);
	ASSERT_EQ(0, use_nodes(MPOL_DEFAULT, 0));
	revive_kswapd();
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
}

int main(int argc, char **argv)
{
	pressure_init(0);
	return test_harness_run(argc, argv);
}
