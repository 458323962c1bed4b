// SPDX-License-Identifier: GPL-2.0
/*
 * Pages are on their way in ZONE_MOVABLE, while an allocation needs memory of
 * another zone that has none left. Locks all other memory away, and has the kernel
 * kill a process of its own.
 *
 * Needs what swap_wait_test needs, and ZONE_MOVABLE, which user memory goes to first
 * (boot parameter movablecore=).
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "pressure.h"

FIXTURE(zone) {
	struct stats stats;
};

/* Pages that ZONE_MOVABLE manages */
static unsigned long movable_pages(void)
{
	unsigned long pages, managed = 0;
	char line[128], zone[32] = "";
	FILE *zones = fopen("/proc/zoneinfo", "re");

	while (zones && fgets(line, sizeof(line), zones)) {
		if (sscanf(line, "Node %*u, zone %31s", zone) == 1)
			continue;
		if (!strcmp(zone, "Movable") &&
		    sscanf(line, " managed %lu", &pages) == 1)
			managed += pages;
	}
	if (zones)
		fclose(zones);
	return managed;
}

FIXTURE_SETUP(zone)
{
	const char *lacks = stuck_begin(&self->stats);

	if (lacks)
		SKIP(return test_end(), "%s", lacks);
	if (!movable_pages())
		SKIP(return test_end(), "needs ZONE_MOVABLE (movablecore=128M)");
}

FIXTURE_TEARDOWN(zone)
{
	test_end();
	EXPECT_TRUE(idle_sums_are_right());
	EXPECT_EQ(self->stats.failed, stat_get("failed"));
	REPORT_TOO_LITTLE();
}

/* Takes memory for pipe buffers, which may not be in ZONE_MOVABLE. */
static void fill_pipes(void)
{
	const struct rlimit files = { .rlim_cur = 16384, .rlim_max = 16384 };
	static char data[MAX_PAGE_BYTES];
	int ends[2];

	volunteer();
	/* Other resources must not run out first; a smaller pipe will do as well. */
	setrlimit(RLIMIT_NOFILE, &files);
	while (!pipe2(ends, O_NONBLOCK)) {
		fcntl(ends[1], F_SETPIPE_SZ, 4 * MIB);
		while (write(ends[1], data, sizeof(data)) > 0)
			;
	}
	_exit(1);
}

static bool pageout_stops;

static void *pageout_run(void *arg)
{
	struct area *area = arg;

	while (!__atomic_load_n(&pageout_stops, __ATOMIC_RELAXED)) {
		area_page_out(area);
		if (area_verify(area))
			return arg;
	}
	return NULL;
}

/*
 * Workers free pages all the time, in a zone that an allocation may not use: that
 * is no progress for it, and it is not to try for ever.
 */
TEST_F_TIMEOUT(zone, pages_of_another_zone_are_no_progress, TIMEOUT)
{
	pthread_t pageout;
	struct area area;
	unsigned int i;
	void *wrong;
	pid_t pid;

	area_map(&area, 2048);
	area_fill(&area);
	/*
	 * So that more than the reserve is in flight all the time: as long as so much
	 * may become free, the page allocator tries again.
	 */
	ASSERT_TRUE(stick_workers(100));
	pageout_stops = false;
	ASSERT_EQ(0, pthread_create(&pageout, NULL, pageout_run, &area));
	for (i = 0; i < 1000 && sys_long(SWAP_COMPRESS "inflight_pages") < 900; i++)
		sleep_ms(10);
	EXPECT_ENOUGH(900, sys_long(SWAP_COMPRESS "inflight_pages"));
	pid = fork();
	if (!pid)
		fill_pipes();
	EXPECT_EQ(128 + SIGKILL, child_status(pid));
	ksft_print_msg("%ld in flight\n", sys_long(SWAP_COMPRESS "inflight_pages"));
	__atomic_store_n(&pageout_stops, true, __ATOMIC_RELAXED);
	pthread_join(pageout, &wrong);
	EXPECT_EQ(NULL, wrong);
	fault(FAULT_OWN, 0);
	EXPECT_QUEUED(&self->stats, 1000);
	area_unmap(&area);
}

int main(int argc, char **argv)
{
	size_t bytes = movable_pages() * PAGE_BYTES;
	void *movable = mmap(NULL, bytes + 1, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	/* What is locked away goes elsewhere as long as ZONE_MOVABLE is full. */
	pressure_init(AREA_MIB);
	if (movable != MAP_FAILED)
		munmap(movable, bytes + 1);
	return test_harness_run(argc, argv);
}
