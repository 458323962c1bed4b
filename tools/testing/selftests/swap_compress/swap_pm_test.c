// SPDX-License-Identifier: GPL-2.0
/*
 * Suspend and hibernation, as far as /sys/power/pm_test goes, under load: nothing
 * is on its way while tasks are frozen, and everything goes on afterwards.
 *
 * Needs what swap_compress_test needs, and PM_DEBUG with SUSPEND or HIBERNATION.
 * Memory is not locked here: an image takes as much as it describes.
 */
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kselftest_harness.h"
#include "pressure.h"

/* A quarter of what is free */
static unsigned long pages(void)
{
	return free_kib() / (PAGE_BYTES / 1024) / 4;
}

/* What is colder than the load, and not for the queue, goes first. */
static void wait_until_queued(const struct stats *stats)
{
	unsigned int tries;

	for (tries = 0; tries < 200; tries++) {
		if (stat_get("queued") > stats->queued + 200 &&
		    stat_get("freed") > stats->freed)
			break;
		sleep_ms(50);
		kswapd_wake();
	}
}

#define PM_TEST		"/sys/power/pm_test"
#define PM_STATE	"/sys/power/state"

/* The choice of /sys/power/disk before all tests, which the file shows in brackets */
static char disk[32];

static void save_disk(void)
{
	char text[128] = "";
	char *from, *to;

	sys_read("/sys/power/disk", text, sizeof(text));
	from = strchr(text, '[');
	to = from ? strchr(from, ']') : NULL;
	if (to)
		snprintf(disk, sizeof(disk), "%.*s", (int)(to - from - 1), from + 1);
}

FIXTURE(pm) {
	struct stats stats;
};

FIXTURE_SETUP(pm)
{
	const char *lacks = test_begin(&self->stats);

	/* Another pm_test was left there by a test that was killed. */
	sys_write(PM_TEST, "none");
	if (lacks)
		SKIP(return test_end(), "%s", lacks);
}

FIXTURE_TEARDOWN(pm)
{
	sys_write(PM_TEST, "none");
	if (disk[0])
		sys_write("/sys/power/disk", disk);
	test_end();
	EXPECT_TRUE(idle_sums_are_right());
	EXPECT_EQ(self->stats.failed, stat_get("failed"));
	REPORT_TOO_LITTLE();
}

#define NEEDS_FREEZER	"needs a kernel with CONFIG_SUSPEND and CONFIG_PM_DEBUG"

/*
 * Hands over pages to workers that take so long for a batch, before a suspend that
 * goes as far as the freezer. NULL, or what that needs.
 */
static const char *queue_stuck(struct area *area, unsigned long nr_pages, long ms)
{
	if (!stick_workers(ms))
		return "needs CONFIG_FAULT_INJECTION_DEBUG_FS, and debugfs";
	if (sys_write(PM_TEST, "freezer"))
		return NEEDS_FREEZER;
	if (sys_write(SWAP_COMPRESS "proactive", "1"))
		errx(1, "cannot write to proactive");
	area_map(area, nr_pages);
	area_fill(area);
	area_page_out(area);
	return NULL;
}

/*
 * Tasks are frozen, as suspend does it, for five seconds. A batch that takes eight is
 * finished before that.
 */
TEST_F_TIMEOUT(pm, nothing_is_in_flight_while_frozen, TIMEOUT)
{
	struct area area;
	const char *lacks = queue_stuck(&area, 32, 8000);

	if (lacks)
		SKIP(return, "%s", lacks);
	EXPECT_ENOUGH(1, sys_long(SWAP_COMPRESS "inflight_pages"));
	EXPECT_EQ(0, sys_write(PM_STATE, "freeze"));
	EXPECT_EQ(0, sys_long(SWAP_COMPRESS "inflight_pages"));
	fault(FAULT_OWN, 0);
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
}

/*
 * Freezes tasks as suspend does, and thaws them after some seconds. Afterwards pages
 * are queued as before.
 */
TEST_F_TIMEOUT(pm, freezer_under_load, TIMEOUT)
{
	unsigned long stopped = stat_get("inline_stopped");
	struct load load;

	if (sys_write(PM_TEST, "freezer"))
		SKIP(return, NEEDS_FREEZER);
	load_start(&load, pages());
	wait_until_queued(&self->stats);
	EXPECT_QUEUED(&self->stats, 100);
	EXPECT_EQ(0, sys_write(PM_STATE, "freeze"));
	stats_read(&self->stats);
	revive_kswapd();
	wait_until_queued(&self->stats);
	EXPECT_QUEUED(&self->stats, 100);
	EXPECT_EQ(0, load_stop(&load));
	ksft_print_msg("refused meanwhile: %lu\n",
		       stat_get("inline_stopped") - stopped);
	EXPECT_EQ(0, sys_write(PM_TEST, "none"));

	/* Off before, off afterwards */
	EXPECT_EQ(0, sys_write(SWAP_COMPRESS "enabled", "0"));
	EXPECT_EQ(0, sys_write(PM_TEST, "freezer"));
	EXPECT_EQ(0, sys_write(PM_STATE, "freeze"));
	EXPECT_EQ(0, sys_write(PM_TEST, "none"));
	EXPECT_EQ(0, sys_long(SWAP_COMPRESS "enabled"));
}

/*
 * Up to where the image would be made: memory for it is reclaimed, tasks and
 * devices are stopped, and all of it is undone after some seconds.
 */
TEST_F_TIMEOUT(pm, hibernation_under_load, TIMEOUT)
{
	struct load load;
	int error;

	if (sys_write(PM_TEST, "core") ||
	    sys_write("/sys/power/disk", "shutdown"))
		SKIP(return, "needs a kernel with CONFIG_HIBERNATION and CONFIG_PM_DEBUG");
	load_start(&load, pages());
	wait_until_queued(&self->stats);
	EXPECT_QUEUED(&self->stats, 100);
	/* What keeps kswapd at it would keep the image from being allocated. */
	reclaim_stop();
	/* As small an image as can be, so that reclaim has to do for it */
	sys_write("/sys/power/image_size", "0");
	error = sys_write(PM_STATE, "disk");
	/* Too little memory is no excuse if it is enough without the feature. */
	if (error == -ENOMEM && !sys_write(SWAP_COMPRESS "enabled", "0") &&
	    sys_write(PM_STATE, "disk") == -ENOMEM) {
		EXPECT_EQ(0, load_stop(&load));
		/* A skip would hide failures. */
		if (_metadata->exit_code == KSFT_PASS)
			SKIP(return, "needs more memory for an image, see dmesg");
		return;
	}
	EXPECT_EQ(0, error) {
		TH_LOG("hibernation: %s", strerror(-error));
	}
	/* As before, it is queued again. */
	stats_read(&self->stats);
	reclaim_start();
	wait_until_queued(&self->stats);
	EXPECT_QUEUED(&self->stats, 100);
	EXPECT_EQ(0, load_stop(&load));
	EXPECT_EQ(0, sys_write(PM_TEST, "none"));
	EXPECT_EQ(1, sys_long(SWAP_COMPRESS "enabled"));
}

/*
 * A store that does not end would keep kswapd from freezing. Suspend is refused
 * then, and everything is as before.
 */
TEST_F_TIMEOUT(pm, stuck_store_refuses_suspend, TIMEOUT)
{
	struct area area;
	const char *lacks = queue_stuck(&area, 64, 25000);
	long in_time;

	if (lacks)
		SKIP(return, "%s", lacks);
	in_time = sys_long(SWAP_COMPRESS "inflight_pages");
	EXPECT_ENOUGH(1, in_time);
	if (in_time > 0) {
		EXPECT_EQ(-EBUSY, sys_write(PM_STATE, "freeze"));
		EXPECT_LT(0, sys_long(SWAP_COMPRESS "inflight_pages"));
	}
	fault(FAULT_OWN, 0);
	fault_set(FAULT_OWN, "delay_ms", 20);
	/* Those that were there are stored some time, others at once. */
	EXPECT_EQ(0, area_verify(&area));
	while (sys_long(SWAP_COMPRESS "inflight_pages") > 0)
		sleep_ms(100);
	stats_read(&self->stats);
	area_fill(&area);
	area_page_out(&area);
	EXPECT_TRUE(idle_sums_are_right());
	EXPECT_QUEUED(&self->stats, 32);
	EXPECT_EQ(0, sys_write(PM_STATE, "freeze"));
	EXPECT_EQ(0, sys_write(PM_TEST, "none"));
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
}

int main(int argc, char **argv)
{
	save_disk();
	pressure_init(0);
	return test_harness_run(argc, argv);
}
