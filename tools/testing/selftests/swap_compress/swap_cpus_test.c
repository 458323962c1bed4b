// SPDX-License-Identifier: GPL-2.0
/*
 * A machine that boots with one CPU and gets the others later, and loses them
 * again. Boot it with maxcpus=1.
 *
 * Needs what swap_compress_test needs, and three CPUs.
 */
#include <stdio.h>
#include <sys/param.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "pressure.h"

#define MOST_CPUS	64
#define MOST_WORKERS	8
#define WORKER_PAGES	512
#define MOST_PAGES	1024

static int cpu_online(unsigned int cpu, bool online)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online", cpu);
	return sys_write(path, online ? "1" : "0");
}

static unsigned int count_cpus(void)
{
	unsigned int nr = 1;
	char path[64];

	for (; nr < MOST_CPUS; nr++) {
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online",
			 nr);
		if (access(path, W_OK))
			break;
	}
	return nr;
}

static long default_workers(unsigned int nr_cpus)
{
	return nr_cpus < 2 ? 1 : MIN(nr_cpus - 1, MOST_WORKERS);
}

static long default_pages(unsigned int nr_cpus)
{
	long limit = meminfo_kib("MemTotal") * 1024 / PAGE_BYTES / 64;

	return MIN(MIN(default_workers(nr_cpus) * WORKER_PAGES, MOST_PAGES), limit);
}

#define EXPECT_DEFAULTS(nr_cpus) do {					\
	const unsigned int __nr = (nr_cpus);				\
									\
	EXPECT_EQ(default_workers(__nr), sys_long(WORKQUEUE "max_active")); \
	EXPECT_EQ(default_workers(__nr), sys_long(BIO_WORKQUEUE "max_active")); \
	EXPECT_EQ(default_pages(__nr),					\
		  sys_long(SWAP_COMPRESS "max_inflight_pages"));	\
} while (0)

FIXTURE(cpus) {
	struct stats stats;
	unsigned int nr;
};

FIXTURE_SETUP(cpus)
{
	const char *lacks = test_begin(&self->stats);
	unsigned int cpu;

	if (lacks)
		SKIP(return test_end(), "%s", lacks);
	self->nr = count_cpus();
	if (self->nr < 3 || sysconf(_SC_NPROCESSORS_ONLN) != 1)
		SKIP(return test_end(), "needs three CPUs, one of them online (maxcpus=1)");
	EXPECT_DEFAULTS(1);
	for (cpu = 1; cpu < self->nr; cpu++) {
		ASSERT_EQ(0, cpu_online(cpu, true));
		EXPECT_DEFAULTS(cpu + 1);
	}
}

/* As it began, for the next test */
FIXTURE_TEARDOWN(cpus)
{
	unsigned int cpu;

	for (cpu = self->nr - 1; cpu; cpu--)
		EXPECT_EQ(0, cpu_online(cpu, false));
	test_end();
	EXPECT_TRUE(idle_sums_are_right());
	EXPECT_EQ(self->stats.failed, stat_get("failed"));
	REPORT_TOO_LITTLE();
}

/* One CPU goes after the other, then all come back. */
TEST_F_TIMEOUT(cpus, defaults_follow_cpus, TIMEOUT)
{
	unsigned int cpu;

	/* Else nothing would follow. */
	ASSERT_LT(default_workers(1), default_workers(self->nr));
	ASSERT_LT(default_pages(1), default_pages(self->nr));
	for (cpu = self->nr - 1; cpu; cpu--) {
		ASSERT_EQ(0, cpu_online(cpu, false));
		EXPECT_DEFAULTS(cpu);
	}
	for (cpu = 1; cpu < self->nr; cpu++) {
		ASSERT_EQ(0, cpu_online(cpu, true));
		EXPECT_DEFAULTS(cpu + 1);
	}
}

/* What was written does not follow, until it is the default again. */
TEST_F_TIMEOUT(cpus, written_values_stay, TIMEOUT)
{
	const unsigned int last = self->nr - 1;

	ASSERT_EQ(0, sys_write(WORKQUEUE "max_active", "11"));
	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "max_inflight_pages", "300"));
	ASSERT_EQ(0, cpu_online(last, false));
	EXPECT_EQ(11, sys_long(WORKQUEUE "max_active"));
	EXPECT_EQ(300, sys_long(SWAP_COMPRESS "max_inflight_pages"));
	/* That one is another workqueue's. */
	EXPECT_EQ(default_workers(last), sys_long(BIO_WORKQUEUE "max_active"));
	ASSERT_EQ(0, cpu_online(last, true));
	EXPECT_EQ(11, sys_long(WORKQUEUE "max_active"));
	EXPECT_EQ(300, sys_long(SWAP_COMPRESS "max_inflight_pages"));

	ASSERT_EQ(0, sys_write_long(WORKQUEUE "max_active",
				    default_workers(self->nr)));
	ASSERT_EQ(0, sys_write_long(SWAP_COMPRESS "max_inflight_pages",
				    default_pages(self->nr)));
	ASSERT_EQ(0, cpu_online(last, false));
	EXPECT_DEFAULTS(last);
	ASSERT_EQ(0, cpu_online(last, true));
	EXPECT_DEFAULTS(self->nr);
}

TEST_F_TIMEOUT(cpus, cpus_come_and_go_under_load, TIMEOUT)
{
	unsigned int i, cpu;
	struct load load;

	load_start(&load, AREA_PAGES);
	for (i = 0; i < 2; i++) {
		for (cpu = 1; cpu < self->nr; cpu++) {
			sleep_ms(300);
			ASSERT_EQ(0, cpu_online(cpu, false));
		}
		for (cpu = 1; cpu < self->nr; cpu++) {
			sleep_ms(300);
			ASSERT_EQ(0, cpu_online(cpu, true));
		}
	}
	load_until("queued", self->stats.queued + 500);
	EXPECT_QUEUED(&self->stats, 500);
	EXPECT_EQ(0, load_stop(&load));
}

int main(int argc, char **argv)
{
	pressure_init(AREA_MIB);
	return test_harness_run(argc, argv);
}
