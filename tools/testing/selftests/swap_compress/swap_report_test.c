// SPDX-License-Identifier: GPL-2.0
/*
 * Do statistics, /proc/vmstat and tracepoints say what happens? Most of it is
 * made to happen by MADV_PAGEOUT, which says when.
 *
 * Needs what swap_compress_test needs, and FAULT_INJECTION_DEBUG_FS, tracefs and
 * a disk to overwrite for some.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/swap.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "pressure.h"

#define PAGES	512UL

FIXTURE(report) {
	struct stats stats;
	struct area area;
};

FIXTURE_SETUP(report)
{
	const char *lacks = test_begin(&self->stats);

	if (lacks)
		SKIP(return test_end(), "%s", lacks);
	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "proactive", "1"));
	area_map(&self->area, PAGES);
	area_fill(&self->area);
}

FIXTURE_TEARDOWN(report)
{
	EXPECT_EQ(0, area_verify(&self->area));
	area_unmap(&self->area);
	test_end();
	EXPECT_TRUE(idle_sums_are_right());
	EXPECT_EQ(self->stats.failed, stat_get("failed"));
	REPORT_TOO_LITTLE();
}

/* Each batch 20 ms late, and one after the other */
static bool slow_workers(void)
{
	if (!delay_workers() || sys_write(WORKQUEUE "max_active", "1"))
		return false;
	fault(FAULT_OWN, 100);
	return true;
}

#define NEEDS_DELAY "needs CONFIG_FAULT_INJECTION_DEBUG_FS, and debugfs"

/* What a task reclaims for itself is not handed over, unless asked for. */
TEST_F_TIMEOUT(report, inline_not_kswapd, TIMEOUT)
{
	unsigned long refused = stat_get("inline_not_kswapd");

	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "proactive", "0"));
	area_page_out(&self->area);
	EXPECT_REASON(PAGES / 2, stat_get("inline_not_kswapd") - refused);
	EXPECT_EQ(self->stats.queued, stat_get("queued"));
}

/* No more is accepted than may be in flight. */
TEST_F_TIMEOUT(report, inline_inflight, TIMEOUT)
{
	unsigned long refused = stat_get("inline_inflight");
	long batch = sys_long(SWAP_COMPRESS "batch_pages");

	if (!slow_workers())
		SKIP(return, NEEDS_DELAY);
	ASSERT_EQ(0, sys_write_long(SWAP_COMPRESS "max_inflight_pages", batch));
	area_page_out(&self->area);
	EXPECT_GE(batch, sys_long(SWAP_COMPRESS "inflight_pages"));
	EXPECT_LT(refused, stat_get("inline_inflight"));
	EXPECT_ENOUGH(batch, stat_get("queued") - self->stats.queued);
}

/* A disk has its own way to write while others compute. */
TEST_F_TIMEOUT(report, inline_device, TIMEOUT)
{
	const char *disk = getenv("SWAP_COMPRESS_DISK");
	unsigned long refused = stat_get("inline_device");

	if (!disk)
		SKIP(return, "needs a disk to overwrite, named in SWAP_COMPRESS_DISK");
	MAKE_SWAP(disk);
	sys_write(ZSWAP "enabled", "0");
	ASSERT_EQ(0, swapoff(swap_device));
	ASSERT_EQ(0, swapon(disk, 0));
	stats_read(&self->stats);
	area_page_out(&self->area);
	EXPECT_REASON(PAGES / 2, stat_get("inline_device") - refused);
	EXPECT_EQ(self->stats.queued, stat_get("queued"));
	EXPECT_EQ(0, area_verify(&self->area));
	ASSERT_EQ(0, swap_back_from(disk));
}

static bool pager_stops;

static void *pager_run(void *arg)
{
	struct area *area = arg;

	while (!__atomic_load_n(&pager_stops, __ATOMIC_RELAXED)) {
		area_fill(area);
		area_page_out(area);
	}
	return NULL;
}

/*
 * Switching it off waits until all that was accepted is finished, and nothing
 * more is accepted meanwhile, though somebody goes on reclaiming.
 */
TEST_F_TIMEOUT(report, off_leaves_nothing_in_flight, TIMEOUT)
{
	unsigned long stopped = stat_get("inline_stopped");
	unsigned int round, wait, seen = 0;
	struct area other;
	pthread_t pager;

	if (!slow_workers())
		SKIP(return, NEEDS_DELAY);
	area_map(&other, PAGES / 8);
	ASSERT_EQ(0, pthread_create(&pager, NULL, pager_run, &other));
	for (round = 0; round < 4; round++) {
		area_fill(&self->area);
		area_page_out(&self->area);
		seen += sys_long(SWAP_COMPRESS "inflight_pages") > 0;
		EXPECT_EQ(0, sys_write(SWAP_COMPRESS "enabled", "0"));
		EXPECT_EQ(stat_get("queued"),
			  stat_get("freed") + stat_get("put_back"));
		/* The pager may just be finding out that it is off. */
		for (wait = 0; wait < 5000 &&
		     sys_long(SWAP_COMPRESS "inflight_pages"); wait++)
			sleep_ms(1);
		EXPECT_EQ(0, sys_long(SWAP_COMPRESS "inflight_pages"));
		EXPECT_EQ(0, sys_write(SWAP_COMPRESS "enabled", "1"));
	}
	__atomic_store_n(&pager_stops, true, __ATOMIC_RELAXED);
	pthread_join(pager, NULL);
	EXPECT_ENOUGH(4, seen);
	EXPECT_ENOUGH(1, stat_get("inline_stopped") - stopped);
	EXPECT_QUEUED(&self->stats, 100);
	EXPECT_EQ(0, area_verify(&other));
	area_unmap(&other);
}

/*
 * What is queued is isolated from the LRU, and under writeback. It counts as stolen
 * once it is freed.
 */
TEST_F_TIMEOUT(report, vmstat_counts_what_is_queued, TIMEOUT)
{
	long batch = sys_long(SWAP_COMPRESS "batch_pages");
	unsigned long freed, stolen;
	unsigned int seen = 0;
	struct vmstat vm;
	long in_flight;

	if (!slow_workers())
		SKIP(return, NEEDS_DELAY);
	EXPECT_TRUE(idle_sums_are_right());
	freed = stat_get("freed");
	vmstat_read(&vm);
	stolen = vm.pgsteal_kswapd;
	area_page_out(&self->area);
	do {
		/* What a CPU has counted for itself counts, too. */
		sys_write(VM "stat_refresh", "1");
		vmstat_read(&vm);
		in_flight = sys_long(SWAP_COMPRESS "inflight_pages");
		if (in_flight < 2 * batch)
			break;
		/* One batch may be just about to be finished. */
		EXPECT_LE(in_flight - batch, (long)vm.nr_isolated_anon);
		EXPECT_LE(in_flight - batch, (long)vm.nr_writeback);
		EXPECT_GE(stat_get("freed") - freed + batch,
			  vm.pgsteal_kswapd - stolen);
		seen++;
		sleep_ms(10);
	} while (1);
	EXPECT_ENOUGH(1, seen);
	EXPECT_QUEUED(&self->stats, 100);
	EXPECT_TRUE(idle_sums_are_right());
	vmstat_read(&vm);
	EXPECT_LE(stat_get("freed") - freed, vm.pgsteal_kswapd - stolen);
}

/* Microseconds in which some task waited for memory, or reclaimed it */
static long pressure_us(void)
{
	char line[128], *total;
	FILE *file = fopen("/proc/pressure/memory", "re");
	long us = -1;

	if (!file)
		return -1;
	if (fgets(line, sizeof(line), file) && !strncmp(line, "some ", 5)) {
		total = strstr(line, "total=");
		us = total ? strtol(total + 6, NULL, 10) : -1;
	}
	fclose(file);
	return us;
}

/* What workers do is pressure on memory, as it is when kswapd does it. */
TEST_F_TIMEOUT(report, workers_count_as_pressure, TIMEOUT)
{
	unsigned long batches;
	long us;

	if (!slow_workers())
		SKIP(return, NEEDS_DELAY);
	if (pressure_us() < 0)
		SKIP(return, "needs CONFIG_PSI");
	EXPECT_TRUE(idle_sums_are_right());
	batches = stat_get("batches");
	us = pressure_us();
	area_page_out(&self->area);
	EXPECT_TRUE(idle_sums_are_right());
	us = pressure_us() - us;
	batches = stat_get("batches") - batches;
	ksft_print_msg("%ld us for %lu batches\n", us, batches);
	EXPECT_ENOUGH(4, batches);
	/* Each of them slept for 20 ms, one after the other. */
	EXPECT_LE((long)batches * 10000, us);
	EXPECT_QUEUED(&self->stats, 100);
}

#define TRACEFS	"/sys/kernel/tracing/"
#define EVENTS	TRACEFS "events/swap_compress/"

#define STATS	SWAP_COMPRESS "stats/"
#define RESULTS	32

/* Pages of a result, as statistics and as tracepoints have it */
struct result {
	char name[32];
	bool is_store;		/* of swap_compress_store */
	unsigned long before;
	unsigned long traced;
};

struct trace {
	struct result results[RESULTS];
	unsigned int nr_results;
	unsigned long pfns_queued;	/* exclusive or */
	unsigned long pfns_stored;
	unsigned long started, started_pages;
	unsigned long ended, ended_pages, ended_freed;
	unsigned long longest_wait;
	unsigned long unknown;
};

/* Each statistic that is also the result in an event of a folio */
static void find_results(struct trace *trace)
{
	struct result *result = trace->results;
	struct dirent *entry;
	DIR *dir = opendir(STATS);

	while (dir && (entry = readdir(dir)) && trace->nr_results < RESULTS) {
		result->is_store = !strncmp(entry->d_name, "stored", 6) ||
				   !strncmp(entry->d_name, "cancelled", 9) ||
				   !strcmp(entry->d_name, "submitted") ||
				   !strcmp(entry->d_name, "failed");
		if (!result->is_store && strcmp(entry->d_name, "queued") &&
		    strncmp(entry->d_name, "inline", 6))
			continue;
		snprintf(result->name, sizeof(result->name), "%.31s",
			 entry->d_name);
		result->before = stat_get(result->name);
		trace->nr_results++;
		result++;
	}
	if (dir)
		closedir(dir);
}

/* The text of an event in a line of the trace, or NULL */
static const char *event_text(const char *line, const char *event)
{
	const char *at = strstr(line, event);

	at = at ? at + strlen(event) : NULL;
	return at && at[0] == ':' && at[1] == ' ' ? at + 2 : NULL;
}

static bool trace_folio(struct trace *trace, const char *text, bool is_store)
{
	unsigned long pfn, nr_pages;
	char result[32];
	unsigned int i;

	if (sscanf(text, "pfn=0x%lx nr_pages=%lu result=%31s", &pfn, &nr_pages,
		   result) != 3)
		return false;
	for (i = 0; i < trace->nr_results; i++) {
		if (trace->results[i].is_store == is_store &&
		    !strcmp(trace->results[i].name, result))
			break;
	}
	if (i == trace->nr_results)
		return false;
	trace->results[i].traced += nr_pages;
	if (is_store)
		trace->pfns_stored ^= pfn;
	else if (!strcmp(result, "queued"))
		trace->pfns_queued ^= pfn;
	return true;
}

static bool trace_line(struct trace *trace, const char *line)
{
	unsigned long nr_pages, number;
	const char *text;

	text = event_text(line, "swap_compress_queue");
	if (text)
		return trace_folio(trace, text, false);
	text = event_text(line, "swap_compress_store");
	if (text)
		return trace_folio(trace, text, true);
	text = event_text(line, "swap_compress_batch_start");
	if (text) {
		if (sscanf(text, "nr_pages=%lu waited_ns=%lu", &nr_pages,
			   &number) != 2)
			return false;
		trace->started++;
		trace->started_pages += nr_pages;
		if (trace->longest_wait < number)
			trace->longest_wait = number;
		return true;
	}
	text = event_text(line, "swap_compress_batch_end");
	if (!text || sscanf(text, "nr_pages=%lu nr_freed=%lu", &nr_pages,
			    &number) != 2)
		return false;
	trace->ended++;
	trace->ended_pages += nr_pages;
	trace->ended_freed += number;
	return true;
}

static int trace_read(struct trace *trace)
{
	FILE *file = fopen(TRACEFS "trace", "re");
	char line[512];

	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file)) {
		if (line[0] == '#')
			continue;
		if (!trace_line(trace, line) && !trace->unknown++)
			ksft_print_msg("unknown: %s", line);
	}
	fclose(file);
	return 0;
}

TEST_F_TIMEOUT(report, tracepoints_agree_with_statistics, TIMEOUT)
{
	struct trace trace = {};
	struct result *result;
	unsigned long batches, start;

	if (access(TRACEFS "trace", F_OK))
		mount("tracefs", TRACEFS, "tracefs", 0, NULL);
	if (access(TRACEFS "events/enable", W_OK))
		SKIP(return, "needs CONFIG_FTRACE with event tracing, and tracefs");
	ASSERT_EQ(0, sys_write(EVENTS "enable", "0"));
	/* The rest of the system gives back, which reaches the queue, too. */
	sys_write(TRACEFS "buffer_size_kb", "1024");
	EXPECT_TRUE(idle_sums_are_right());
	stats_read(&self->stats);
	batches = stat_get("batches");
	find_results(&trace);
	ASSERT_LT(8, trace.nr_results);
	/* More than is accepted at once, some of it zero */
	memset(self->area.base, 0, 64 * PAGE_BYTES);
	sys_write(SWAP_COMPRESS "max_inflight_pages", "256");
	sys_write(TRACEFS "trace", "");
	ASSERT_EQ(0, sys_write(EVENTS "enable", "1"));
	start = now_ns();
	area_page_out(&self->area);
	EXPECT_TRUE(idle_sums_are_right());
	start = now_ns() - start;
	ASSERT_EQ(0, sys_write(EVENTS "enable", "0"));
	ASSERT_EQ(0, trace_read(&trace));
	sys_write(TRACEFS "trace", "");

	EXPECT_EQ(0, trace.unknown);
	for (result = trace.results;
	     result < trace.results + trace.nr_results; result++) {
		EXPECT_EQ(stat_get(result->name) - result->before,
			  result->traced) {
			TH_LOG("of %s", result->name);
		}
	}
	EXPECT_QUEUED(&self->stats, 100);
	/* Those that were accepted are those that were stored. */
	EXPECT_EQ(trace.pfns_queued, trace.pfns_stored);
	EXPECT_EQ(stat_get("queued") - self->stats.queued, trace.started_pages);
	EXPECT_EQ(trace.started_pages, trace.ended_pages);
	EXPECT_EQ(stat_get("batches") - batches, trace.started);
	EXPECT_EQ(stat_get("batches") - batches, trace.ended);
	EXPECT_EQ(stat_get("freed") - self->stats.freed, trace.ended_freed);
	EXPECT_ENOUGH(1, trace.longest_wait);
	EXPECT_GT(start, trace.longest_wait);
	area_fill(&self->area);
}

int main(int argc, char **argv)
{
	pressure_init(AREA_MIB);
	return test_harness_run(argc, argv);
}
