// SPDX-License-Identifier: GPL-2.0
/*
 * CPUs that come and go. With maxcpus=1 all but one come when the test begins.
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

/* The knobs that follow */
struct values {
	long workers;
	long bio_workers;
	long pages;
};

static unsigned int nr_cpus;
static struct values with_one;		/* while one CPU was online, before any test */

static struct values values_read(void)
{
	return (struct values) {
		.workers = sys_long(WORKQUEUE "max_active"),
		.bio_workers = sys_long(BIO_WORKQUEUE "max_active"),
		.pages = sys_long(SWAP_COMPRESS "max_inflight_pages"),
	};
}

static bool are_defaults(const struct values *values, unsigned int nr)
{
	const long workers = default_workers(nr), pages = default_pages(nr);

	if (values->workers == workers && values->bio_workers == workers &&
	    values->pages == pages)
		return true;
	printf("# with %u CPUs %ld and %ld workers, %ld pages, not %ld and %ld\n",
	       nr, values->workers, values->bio_workers, values->pages, workers,
	       pages);
	return false;
}

static bool has_defaults(unsigned int nr)
{
	const struct values values = values_read();

	return are_defaults(&values, nr);
}

FIXTURE(cpus) {
	struct stats stats;
};

FIXTURE_SETUP(cpus)
{
	const char *lacks = test_begin(&self->stats);

	if (lacks)
		SKIP(return test_end(), "%s", lacks);
	if (nr_cpus < 3)
		SKIP(return test_end(), "needs three CPUs that can be taken offline");
}

FIXTURE_TEARDOWN(cpus)
{
	unsigned int cpu;

	for (cpu = 1; cpu < nr_cpus; cpu++)
		EXPECT_EQ(0, cpu_online(cpu, true));
	test_end();
	EXPECT_TRUE(idle_sums_are_right());
	EXPECT_EQ(self->stats.failed, stat_get("failed"));
	REPORT_TOO_LITTLE();
}

/* One CPU goes after the other, then all come back. */
TEST_F_TIMEOUT(cpus, defaults_follow_cpus, TIMEOUT)
{
	unsigned int cpu;

	EXPECT_TRUE(are_defaults(&with_one, 1));
	EXPECT_TRUE(has_defaults(nr_cpus));
	/* Else nothing would follow. */
	ASSERT_LT(default_workers(1), default_workers(nr_cpus));
	ASSERT_LT(default_pages(1), default_pages(nr_cpus));
	for (cpu = nr_cpus - 1; cpu; cpu--) {
		ASSERT_EQ(0, cpu_online(cpu, false));
		EXPECT_TRUE(has_defaults(cpu));
	}
	for (cpu = 1; cpu < nr_cpus; cpu++) {
		ASSERT_EQ(0, cpu_online(cpu, true));
		EXPECT_TRUE(has_defaults(cpu + 1));
	}
}

/* What was written does not follow, until it is again what was set last. */
TEST_F_TIMEOUT(cpus, written_values_stay, TIMEOUT)
{
	const unsigned int last = nr_cpus - 1;

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
				    default_workers(nr_cpus)));
	ASSERT_EQ(0, sys_write_long(SWAP_COMPRESS "max_inflight_pages",
				    default_pages(nr_cpus)));
	ASSERT_EQ(0, cpu_online(last, false));
	EXPECT_TRUE(has_defaults(last));
	ASSERT_EQ(0, cpu_online(last, true));
	EXPECT_TRUE(has_defaults(nr_cpus));
}

TEST_F_TIMEOUT(cpus, cpus_come_and_go_under_load, TIMEOUT)
{
	unsigned int i, cpu;
	struct load load;

	load_start(&load, AREA_PAGES);
	for (i = 0; i < 2; i++) {
		for (cpu = 1; cpu < nr_cpus; cpu++) {
			sleep_ms(300);
			ASSERT_EQ(0, cpu_online(cpu, false));
		}
		for (cpu = 1; cpu < nr_cpus; cpu++) {
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
	unsigned int cpu;

	printf("# %ld CPUs were online\n", sysconf(_SC_NPROCESSORS_ONLN));
	nr_cpus = count_cpus();
	for (cpu = nr_cpus - 1; cpu; cpu--)
		cpu_online(cpu, false);
	with_one = values_read();
	for (cpu = 1; cpu < nr_cpus; cpu++)
		cpu_online(cpu, true);
	pressure_init(AREA_MIB);
	return test_harness_run(argc, argv);
}
