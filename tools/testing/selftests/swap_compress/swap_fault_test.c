// SPDX-License-Identifier: GPL-2.0
/*
 * Whatever fails on the way, every byte comes back: injected faults of the
 * feature's own and in allocations of its workers.
 *
 * Needs what swap_compress_test needs, FAULT_INJECTION_DEBUG_FS and debugfs at
 * /sys/kernel/debug.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "pressure.h"

static int fault_set_address(const char *attr, const char *name,
			     unsigned long value)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), FAULT_DIR "%s/%s", attr, name);
	snprintf(text, sizeof(text), "0x%lx", value);
	return sys_write(path, text);
}

FIXTURE(fault) {
	struct stats stats;
};

static void no_faults_elsewhere(void)
{
	fault("failslab", 0);
	fault("fail_page_alloc", 0);
}

FIXTURE_SETUP(fault)
{
	const char *lacks = test_begin(&self->stats);

	no_faults_elsewhere();
	if (lacks)
		SKIP(return test_end(), "%s", lacks);
	if (fault(FAULT_OWN, 0))
		SKIP(return test_end(), "needs CONFIG_FAULT_INJECTION_DEBUG_FS, and debugfs");
}

FIXTURE_TEARDOWN(fault)
{
	no_faults_elsewhere();
	test_end();
	EXPECT_TRUE(idle_sums_are_right());
	REPORT_TOO_LITTLE();
}

/* A load, and faults for as long as it takes to queue some pages, 4 s at least. */
static unsigned long load_with(unsigned int points, long percent)
{
	unsigned long queued = stat_get("queued");
	unsigned long failed = stat_get("failed");
	struct load load;

	fault_set(FAULT_OWN, "points", points);
	fault(FAULT_OWN, percent);
	load_start(&load, AREA_PAGES);
	sleep_ms(4000);
	load_until("queued", queued + 500);
	/* One of many folios whose bio fails is tried again alone, with success. */
	if (points & (FAULT_STORE | FAULT_BIO))
		load_until("failed", failed);
	fault(FAULT_OWN, 0);
	return load_stop(&load);
}

TEST_F_TIMEOUT(fault, failing_stores, TIMEOUT)
{
	EXPECT_EQ(0, load_with(FAULT_STORE, 10));
	EXPECT_ENOUGH(1, stat_get("failed") - self->stats.failed);
	EXPECT_QUEUED(&self->stats, 500);
}

TEST_F_TIMEOUT(fault, failing_writes, TIMEOUT)
{
	EXPECT_EQ(0, load_with(FAULT_BIO, 10));
	EXPECT_ENOUGH(1, stat_get("failed") - self->stats.failed);
	EXPECT_QUEUED(&self->stats, 500);
}

/* How many pages of an area are in memory, mapped or not */
static unsigned long area_present(const struct area *area)
{
	unsigned char *present = calloc(area->pages, 1);
	unsigned long page, sum = 0;

	if (!mincore(area->base, area->pages * PAGE_BYTES, present)) {
		for (page = 0; page < area->pages; page++)
			sum += present[page] & 1;
	}
	free(present);
	return sum;
}

/*
 * kswapd is credited for what it hands over. Where nothing of that can be freed it
 * has to notice, and to give up: until then tasks wait for it instead of reaching
 * the OOM killer.
 */
TEST_F_TIMEOUT(fault, no_write_succeeds, TIMEOUT)
{
	unsigned long present, start;
	struct area area;

	/* Only what is handed over fails: kswapd is to find room for all of it. */
	ASSERT_EQ(0, sys_write(WORKQUEUE "nice", "-20"));
	sys_write(SWAP_COMPRESS "max_inflight_pages", "1024");
	fault_set(FAULT_OWN, "points", FAULT_STORE);
	fault(FAULT_OWN, 100);
	/* Sixteen times all of it has to fail. */
	area_map(&area, AREA_PAGES / 8);
	area_fill(&area);
	revive_kswapd();
	EXPECT_EQ(0, zoneinfo_sum("node_unreclaimable:"));
	start = now_ns();
	EXPECT_ENOUGH(1, kswapd_gives_up(240));
	reclaim_stop();
	fault(FAULT_OWN, 0);
	present = area_present(&area);
	ksft_print_msg("after %lu ms, with %lu of %lu pages left, %lu failed\n",
		       (now_ns() - start) / 1000000, present, area.pages,
		       stat_get("failed") - self->stats.failed);
	EXPECT_ENOUGH(1, stat_get("failed") - self->stats.failed);
	EXPECT_ENOUGH(area.pages / 2, present);

	/* It goes on when a task could reclaim something. */
	EXPECT_ENOUGH(200, reclaim());
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
}

/*
 * With an area on its way, lets kswapd find too little memory. All of the area comes
 * before kswapd has waited for two seconds, and is enough.
 */
static void expect_no_kill(struct __test_metadata *_metadata, pid_t pid)
{
	unsigned long waits = stat_get("waits"), free = free_kib();
	unsigned int tries = 200;
	long in_time;

	/*
	 * Now low = 1.25 min is more than what is free, and than what ten batches
	 * will add, and high = 1.5 min.
	 */
	ASSERT_EQ(0, sys_write_long(VM "min_free_kbytes",
				    (free + 192 * PAGE_BYTES / 1024) * 4 / 5));
	while (stat_get("waits") == waits && --tries) {
		kswapd_wake();
		sleep_ms(5);
	}
	in_time = sys_long(SWAP_COMPRESS "inflight_pages");
	fault(FAULT_OWN, 0);
	/* Longer than it waits */
	sleep_ms(2500);
	EXPECT_ENOUGH(1, stat_get("waits") - waits);
	EXPECT_ENOUGH(512, in_time);
	if (stat_get("waits") > waits && in_time >= 512) {
		EXPECT_EQ(0, waitpid(pid, NULL, WNOHANG)) {
			TH_LOG("kswapd had it killed");
		}
	}
}

/*
 * If all memory was used within lru_gen's min_ttl_ms, kswapd has the OOM killer run.
 * Not if all that it wants is on its way. Pages of zeroes are stored at once.
 */
TEST_F_TIMEOUT(fault, kswapd_waits_before_it_kills, TIMEOUT)
{
	unsigned long rest;
	struct area area;
	char lru_gen[32];
	long nr_inflight;
	void *locked;
	pid_t pid;

	if (sys_read(LRU_GEN "enabled", lru_gen, sizeof(lru_gen)) ||
	    !strtoul(lru_gen, NULL, 16))
		SKIP(return, "needs MGLRU");
	revive_kswapd();
	EXPECT_EQ(0, zoneinfo_sum("node_unreclaimable:"));
	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "proactive", "1"));
	/*
	 * Each batch takes half a second, one after the other, until kswapd waits.
	 * Then most of the pages are still to come, on a slow machine too.
	 */
	ASSERT_EQ(0, sys_write(WORKQUEUE "max_active", "1"));
	ASSERT_TRUE(stick_workers(500));
	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "batch_pages", "16"));
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		volunteer();
		for (;;)
			pause();
	}
	area_map(&area, 900);
	memset(area.base, 0, area.pages * PAGE_BYTES);
	/* Little must be free: between the watermarks is a part of what is. */
	ASSERT_EQ(0, sys_write(VM "min_free_kbytes", "2048"));
	rest = free_kib() * 1024 - 1536 * PAGE_BYTES;
	locked = mmap(NULL, rest, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, locked);
	ASSERT_EQ(0, mlock(locked, rest));
	ASSERT_EQ(0, sys_write(LRU_GEN "min_ttl_ms", "1000000"));

	area_page_out(&area);
	nr_inflight = sys_long(SWAP_COMPRESS "inflight_pages");
	EXPECT_ENOUGH(800, nr_inflight);
	/* With less, kswapd would be right to have somebody killed. */
	if (nr_inflight >= 800)
		expect_no_kill(_metadata, pid);
	kill(pid, SIGKILL);
	child_status(pid);
	munmap(locked, rest);
	EXPECT_EQ(0, area_not_zero(&area));
	area_unmap(&area);
}

TEST_F_TIMEOUT(fault, empty_pool, TIMEOUT)
{
	unsigned long refused = stat_get("inline_pool");

	EXPECT_EQ(0, load_with(FAULT_POOL, 50));
	EXPECT_ENOUGH(1, stat_get("inline_pool") - refused);
	EXPECT_QUEUED(&self->stats, 100);
}

#define LATE_PAGES	16
#define LATE_MS		20

/* How long it takes to page out an area, until nothing is in flight */
static unsigned long page_out_ms(struct area *area)
{
	unsigned long start;

	area_fill(area);
	start = now_ns();
	area_page_out(area);
	while (sys_long(SWAP_COMPRESS "inflight_pages") > 0)
		sleep_ms(1);
	return (now_ns() - start) / 1000000;
}

/* Each batch is late, and only then anything of it is freed. */
static void expect_delay(struct __test_metadata *_metadata)
{
	unsigned long freed = stat_get("freed"), ms, without;
	unsigned int tries = 5;
	struct area area;

	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "proactive", "1"));
	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "batch_pages", "1"));
	ASSERT_EQ(0, sys_write(WORKQUEUE "max_active", "1"));
	fault_set(FAULT_OWN, "points", FAULT_DELAY);
	fault(FAULT_OWN, 100);
	area_map(&area, LATE_PAGES);
	ms = page_out_ms(&area);
	freed = stat_get("freed") - freed;
	ksft_print_msg("%lu pages freed in %lu ms\n", freed, ms);
	EXPECT_ENOUGH(LATE_PAGES / 2, freed);
	EXPECT_LE(freed * LATE_MS, ms);
	/* It is the delay that takes so long, not the machine. */
	fault(FAULT_OWN, 0);
	do {
		without = page_out_ms(&area);
	} while (without >= ms && --tries);
	if (freed >= LATE_PAGES / 2)
		EXPECT_GT(ms, without);
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
}

TEST_F_TIMEOUT(fault, late_workers, TIMEOUT)
{
	expect_delay(_metadata);
	test_end();
	ASSERT_EQ(NULL, test_begin(&self->stats));
	EXPECT_EQ(0, load_with(FAULT_DELAY, 50));
	EXPECT_QUEUED(&self->stats, 500);
}

TEST_F_TIMEOUT(fault, everything_at_once, TIMEOUT)
{
	EXPECT_EQ(0, load_with(FAULT_STORE | FAULT_POOL | FAULT_BIO | FAULT_DELAY, 5));
	EXPECT_ENOUGH(1, stat_get("failed") - self->stats.failed);
	EXPECT_QUEUED(&self->stats, 200);
}

/*
 * Where the functions of mm/swap_compress_wq.c are that a worker is in when it
 * allocates. Helpers that store slices are not among them.
 */
static int find_workers(unsigned long *start, unsigned long *end)
{
	unsigned long first = 0, last = 0;
	char line[256], name[128];
	unsigned long address;
	bool inside = false;
	FILE *symbols;
	char type;

	symbols = fopen("/proc/kallsyms", "re");
	if (!symbols)
		return -1;
	while (fgets(line, sizeof(line), symbols)) {
		if (sscanf(line, "%lx %c %127s", &address, &type, name) != 3)
			continue;
		if (type != 't' && type != 'T')
			continue;
		if (inside)
			last = address;
		inside = !strcmp(name, "scq_batch_work") ||
			 !strcmp(name, "scq_plug_work");
		if (inside && !first)
			first = address;
	}
	fclose(symbols);
	*start = first;
	*end = last;
	return first && last ? 0 : -1;
}

#define MANY_TIMES	1000000

/* Allocations that fail below the feature's workers, and nowhere else */
static unsigned long load_without_memory(struct __test_metadata *_metadata,
					 const char *attr)
{
	unsigned long queued = stat_get("queued");
	unsigned long start, end;
	struct load load;
	char times[128];
	long nr_failed;

	ASSERT_EQ(0, find_workers(&start, &end));
	ASSERT_EQ(0, fault_set_address(attr, "require-start", start));
	ASSERT_EQ(0, fault_set_address(attr, "require-end", end));
	ASSERT_EQ(0, fault_set(attr, "stacktrace-depth", 32));
	ASSERT_EQ(0, fault(attr, 10));
	/* Counts down with each allocation that fails. */
	ASSERT_EQ(0, fault_set(attr, "times", MANY_TIMES));
	load_start(&load, AREA_PAGES);
	sleep_ms(4000);
	load_until("queued", queued + 500);
	snprintf(times, sizeof(times), FAULT_DIR "%s/times", attr);
	nr_failed = MANY_TIMES - sys_long(times);
	ksft_print_msg("%ld allocations failed\n", nr_failed);
	EXPECT_ENOUGH(1, nr_failed);
	fault(attr, 0);
	return load_stop(&load);
}

TEST_F_TIMEOUT(fault, failing_slab_in_workers, TIMEOUT)
{
	if (fault_set("failslab", "ignore-gfp-wait", 0) ||
	    fault_set("failslab", "require-start", 0))
		SKIP(return, "needs CONFIG_FAILSLAB and CONFIG_FAULT_INJECTION_STACKTRACE_FILTER");
	sys_write(ZSWAP "enabled", "1");
	EXPECT_EQ(0, load_without_memory(_metadata, "failslab"));
	EXPECT_QUEUED(&self->stats, 500);
}

/*
 * A folio that was handed over for zswap, and does not get in, goes to a device
 * that is done with a write only when it says so: the worker does not wait for it.
 */
TEST_F_TIMEOUT(fault, failing_slab_sends_folios_to_the_disk, TIMEOUT)
{
	const char *disk = getenv("SWAP_COMPRESS_DISK");
	unsigned long submitted = stat_get("submitted");

	if (fault_set("failslab", "ignore-gfp-wait", 0) ||
	    fault_set("failslab", "require-start", 0))
		SKIP(return, "needs CONFIG_FAILSLAB and CONFIG_FAULT_INJECTION_STACKTRACE_FILTER");
	if (sys_write(ZSWAP "enabled", "1"))
		SKIP(return, "needs CONFIG_ZSWAP");
	if (!disk)
		SKIP(return, "needs a disk to overwrite, named in SWAP_COMPRESS_DISK");
	MAKE_SWAP(disk);
	ASSERT_EQ(0, swapoff(swap_device));
	ASSERT_EQ(0, swapon(disk, 0));
	EXPECT_EQ(0, load_without_memory(_metadata, "failslab"));
	EXPECT_ENOUGH(1, stat_get("submitted") - submitted);
	ASSERT_EQ(0, swap_back_from(disk));
}

TEST_F_TIMEOUT(fault, failing_pages_in_workers, TIMEOUT)
{
	/* zsmalloc's pages may be of high memory. */
	if (fault_set("fail_page_alloc", "ignore-gfp-wait", 0) ||
	    fault_set("fail_page_alloc", "ignore-gfp-highmem", 0) ||
	    fault_set("fail_page_alloc", "min-order", 0) ||
	    fault_set("fail_page_alloc", "require-start", 0))
		SKIP(return, "needs CONFIG_FAIL_PAGE_ALLOC and CONFIG_FAULT_INJECTION_STACKTRACE_FILTER");
	EXPECT_EQ(0, load_without_memory(_metadata, "fail_page_alloc"));
	EXPECT_QUEUED(&self->stats, 500);
}

static sigjmp_buf after_sigbus;

static void on_sigbus(int signal)
{
	siglongjmp(after_sigbus, signal);
}

/* Does reading it raise SIGBUS? */
static bool page_is_lost(const unsigned char *page)
{
	if (sigsetjmp(after_sigbus, 1))
		return true;
	__atomic_load_n(page, __ATOMIC_RELAXED);
	return false;
}

#define POISON	FAULT_DIR "hwpoison/corrupt-pfn"

/*
 * Memory goes bad while it waits, in the last page of an area, which ends with a folio
 * of @pages pages. Returns how many such folios were not stored, of some tries. They
 * are all that is lost.
 */
static unsigned int poison_queued(struct __test_metadata *_metadata,
				  unsigned long pages)
{
	unsigned long bytes = pages * PAGE_BYTES, pfn, last, failed;
	unsigned int round, caught = 0;
	struct area area;

	stick_workers(500);
	signal(SIGBUS, on_sigbus);
	for (round = 0; round < 4; round++) {
		area_map(&area, 64 + pages - 1);
		if (pages > 1)
			madvise(area.base, area.pages * PAGE_BYTES, MADV_HUGEPAGE);
		area_fill(&area);
		last = ((unsigned long)area.base + area.pages * PAGE_BYTES) /
		       bytes * bytes;
		last = (last - (unsigned long)area.base) / PAGE_BYTES - 1;
		pfn = page_entry(area.base + last * PAGE_BYTES) & PAGEMAP_PFN;
		failed = stat_get("failed");
		madvise(area.base, area.pages * PAGE_BYTES, MADV_PAGEOUT);
		/* An error just says that nothing more can be done about it. */
		if (sys_long(SWAP_COMPRESS "inflight_pages") > 0)
			sys_write_long(POISON, pfn);
		EXPECT_TRUE(idle_sums_are_right());
		if (stat_get("failed") >= failed + pages) {
			caught++;
			EXPECT_TRUE(page_is_lost(area.base + last * PAGE_BYTES));
		}
		area.pages = last;
		EXPECT_EQ(0, area_verify(&area));
		area.pages = 64 + pages - 1;
		area_unmap(&area);
		/* It is free again if it is part of a large folio. */
		sys_write_long(FAULT_DIR "hwpoison/unpoison-pfn", pfn);
	}
	ksft_print_msg("%u of %u were queued\n", caught, round);
	return caught;
}

TEST_F_TIMEOUT(fault, poisoned_while_queued, TIMEOUT)
{
	if (access(POISON, W_OK))
		SKIP(return, "needs CONFIG_HWPOISON_INJECT");
	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "proactive", "1"));
	EXPECT_ENOUGH(1, poison_queued(_metadata, 1));
}

#define LARGE	"/sys/kernel/mm/transparent_hugepage/hugepages-64kB/"

/* A large folio whose last page goes bad */
TEST_F_TIMEOUT(fault, poisoned_in_part_while_queued, TIMEOUT)
{
	unsigned long written = sys_long(LARGE "stats/swpout");

	if (access(POISON, W_OK))
		SKIP(return, "needs CONFIG_HWPOISON_INJECT");
	if (PAGE_BYTES != 4096 || sys_write(LARGE "enabled", "madvise"))
		SKIP(return, "needs CONFIG_THP_SWAP, and huge pages of 64 KiB");
	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "proactive", "1"));
	/* Earlier tests have left free memory in small pieces. */
	sys_write(VM "compact_memory", "1");
	EXPECT_ENOUGH(1, poison_queued(_metadata, 64 * 1024 / PAGE_BYTES));
	EXPECT_ENOUGH(1, sys_long(LARGE "stats/swpout") - written);
	sys_write(LARGE "enabled", "never");
}

int main(int argc, char **argv)
{
	pressure_init(AREA_MIB);
	return test_harness_run(argc, argv);
}
