// SPDX-License-Identifier: GPL-2.0
/*
 * Does every byte come back when a workqueue compresses for kswapd? With the
 * feature on, off, switched, reconfigured and the swap device taken away, while
 * tasks use, share and drop the memory that is on its way.
 *
 * Needs root, SWAP_COMPRESS_WQ, synchronous swap (zram) that is on, and a
 * machine of its own: nearly all memory is locked away so that little is left
 * to reclaim.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "mix.h"
#include "sysfile.h"

#define TIMEOUT		180		/* seconds; emulated, with KASAN */
#define AREA_MIB	48UL
#define AREA_PAGES	(AREA_MIB * PAGES_PER_MIB)
#define SPARE_MIB	10UL		/* free beside a filled area */
#define LOW_MIB		3L		/* what wakes kswapd, over free now */
#define STEP_MIB	6L		/* from there to where it sleeps */
#define LOADERS		2
#define SETTLE_MS	60000

#define MIX_FILE	"/data/mix"
#define RAMDISK		"/dev/ram0"
#define CPU1_ONLINE	"/sys/devices/system/cpu/cpu1/online"

static struct mix mix;
static char swap_device[128];

/* Memory under test, and the generation each of its pages is in. */
struct area {
	unsigned char *base;
	unsigned char *gen;
	unsigned long pages;
};

static void area_map(struct area *area, unsigned long pages)
{
	area->pages = pages;
	area->base = mmap(NULL, pages * PAGE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	area->gen = calloc(pages, 1);
	if (area->base == MAP_FAILED || !area->gen)
		err(1, "memory for %lu pages", pages);
	madvise(area->base, pages * PAGE_BYTES, MADV_NOHUGEPAGE);
}

static void area_unmap(struct area *area)
{
	munmap(area->base, area->pages * PAGE_BYTES);
	free(area->gen);
}

static void page_fill(struct area *area, unsigned long page)
{
	mix_write(&mix, area->base + page * PAGE_BYTES, page, area->gen[page]);
}

static bool page_wrong(const struct area *area, unsigned long page)
{
	unsigned int wrong = mix_check(&mix, area->base + page * PAGE_BYTES,
				       page, area->gen[page]);

	if (wrong)
		ksft_print_msg("page %lu: %u bytes are wrong\n", page,
			       wrong);
	return wrong;
}

static void area_fill(struct area *area)
{
	unsigned long page;

	for (page = 0; page < area->pages; page++)
		page_fill(area, page);
}

/* How many pages hold a wrong byte. */
static unsigned long area_verify(const struct area *area)
{
	unsigned long wrong = 0;
	unsigned long page;

	for (page = 0; page < area->pages; page++)
		wrong += page_wrong(area, page);
	return wrong;
}

/* A file's text, to be written back whatever a test does. */
struct setting {
	const char *path;
	char text[128];
};

/* affinity_scope reads "default (cache)", and takes back only the first word. */
static void settings_save(struct setting *setting, unsigned int nr)
{
	for (; nr; nr--, setting++) {
		sys_read(setting->path, setting->text, sizeof(setting->text));
		setting->text[strcspn(setting->text, " ")] = '\0';
	}
}

static void settings_restore(const struct setting *setting, unsigned int nr)
{
	for (; nr; nr--, setting++)
		sys_write(setting->path, setting->text);
}

/*
 * When there was nothing left to reclaim, kswapd has given up and stays asleep
 * until a task reclaims with success: let one allocate more than is free.
 */
static void revive_kswapd(void)
{
	size_t bytes = meminfo_kib("MemFree") * 1024 + 4 * MIB;
	void *memory;

	if (!zoneinfo_sum("node_unreclaimable:"))
		return;
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (memory != MAP_FAILED)
		munmap(memory, bytes);
}

/*
 * Wakes kswapd and lets it go on until about LOW_MIB + STEP_MIB more are free
 * than now. Whoever allocates later keeps it at work.
 */
static void reclaim_start(void)
{
	unsigned long total = meminfo_kib("MemTotal");
	long min;

	revive_kswapd();
	/* Free is also what the lists of CPUs may give back any time. */
	min = meminfo_kib("MemFree") + zoneinfo_sum("count:") * 4;
	/* low = min + step, high = low + step */
	min += (LOW_MIB - STEP_MIB) * 1024;
	if (sys_write_long(VM "min_free_kbytes", min < 1024 ? 1024 : min) ||
	    sys_write_long(VM "watermark_scale_factor",
			   STEP_MIB * 1024 * 10000 / total + 1))
		errx(1, "cannot set the watermarks");
	kswapd_wake();
}

static struct setting watermarks[] = {
	{ .path = VM "min_free_kbytes" },
	{ .path = VM "watermark_scale_factor" },
};

static void reclaim_stop(void)
{
	settings_restore(watermarks, ARRAY_SIZE(watermarks));
}

/* Lets kswapd reclaim part of what is there; returns the pages it freed. */
static unsigned long reclaim(void)
{
	struct vmstat before, after;
	unsigned long last;

	vmstat_read(&before);
	reclaim_start();
	if (!kswapd_wait(&after, &last, SETTLE_MS))
		errx(1, "kswapd does not come to rest");
	reclaim_stop();
	return after.pgsteal_kswapd - before.pgsteal_kswapd;
}

/*
 * Waits until nothing is in flight, and compares what went in with what came
 * out. All numbers are of this boot.
 */
static bool idle_sums_are_right(void)
{
	unsigned long queued, stored, failed, cancelled, freed, put_back, last;
	unsigned int waited;
	struct vmstat vm;

	if (!kswapd_wait(&vm, &last, SETTLE_MS))
		errx(1, "kswapd does not come to rest");
	for (waited = 0; sys_long(SWAP_COMPRESS "inflight_pages"); waited++) {
		if (waited == 500) {
			ksft_print_msg("inflight_pages is still %ld\n",
				       sys_long(SWAP_COMPRESS "inflight_pages"));
			return false;
		}
		sleep_ms(10);
	}
	queued = stat_get("queued");
	stored = stat_get("stored");
	failed = stat_get("failed");
	cancelled = stat_get("cancelled_refault") + stat_get("cancelled_freed");
	freed = stat_get("freed");
	put_back = stat_get("put_back");
	ksft_print_msg("queued %lu stored %lu failed %lu cancelled %lu freed %lu put_back %lu\n",
		       queued, stored, failed, cancelled, freed, put_back);
	return queued == stored + failed + cancelled &&
	       queued == freed + put_back;
}

/*
 * Threads that check and rewrite pages of an area of their own, at random in a
 * window that moves on: what lies behind it is cold, what lies ahead swapped.
 */
struct loader {
	pthread_t thread;
	struct area area;
	unsigned long random;
	unsigned long checked;
	unsigned long wrong;
};

struct load {
	struct loader loaders[LOADERS];
};

static bool load_stops;

static void *loader_run(void *arg)
{
	struct loader *loader = arg;
	struct area *area = &loader->area;
	unsigned long page;

	while (!__atomic_load_n(&load_stops, __ATOMIC_RELAXED)) {
		loader->random = loader->random * 6364136223846793005UL +
				 1442695040888963407UL;
		page = (loader->checked / 4 +
			(loader->random >> 33) % (area->pages / 4)) %
		       area->pages;
		loader->wrong += page_wrong(area, page);
		/* kswapd is to find cold pages, and a CPU to look for them. */
		if (++loader->checked % 16 == 0)
			sleep_ms(1);
		if (loader->random >> 63) {
			area->gen[page]++;
			page_fill(area, page);
		}
	}
	return NULL;
}

/* Fills memory, then keeps using it while the watermarks keep kswapd at work. */
static void load_start_with(struct load *load, unsigned long pages)
{
	struct loader *loader;

	load_stops = false;
	memset(load, 0, sizeof(*load));
	for (loader = load->loaders; loader < load->loaders + LOADERS; loader++) {
		area_map(&loader->area, pages / LOADERS);
		area_fill(&loader->area);
		loader->random = (unsigned long)loader ^ mix.seed;
	}
	reclaim_start();
	for (loader = load->loaders; loader < load->loaders + LOADERS; loader++) {
		if (pthread_create(&loader->thread, NULL, loader_run, loader))
			errx(1, "pthread_create");
	}
}

static void load_start(struct load *load)
{
	load_start_with(load, AREA_PAGES);
}

/* Ends the threads, checks everything once more: pages with a wrong byte. */
static unsigned long load_stop(struct load *load)
{
	struct loader *loader;
	unsigned long checked = 0;
	unsigned long wrong = 0;

	__atomic_store_n(&load_stops, true, __ATOMIC_RELAXED);
	for (loader = load->loaders; loader < load->loaders + LOADERS; loader++)
		pthread_join(loader->thread, NULL);
	reclaim_stop();
	for (loader = load->loaders; loader < load->loaders + LOADERS; loader++) {
		wrong += loader->wrong + area_verify(&loader->area);
		checked += loader->checked;
		area_unmap(&loader->area);
	}
	ksft_print_msg("%lu pages checked under load\n", checked);
	return wrong;
}

static struct setting knobs[] = {
	{ .path = SWAP_COMPRESS "max_inflight_pages" },
	{ .path = SWAP_COMPRESS "batch_pages" },
	{ .path = SWAP_COMPRESS "enabled" },
	{ .path = WORKQUEUE "max_active" },
	{ .path = WORKQUEUE "nice" },
	{ .path = WORKQUEUE "cpumask" },
	{ .path = WORKQUEUE "affinity_scope" },
	{ .path = WORKQUEUE "affinity_strict" },
};

FIXTURE(swap_compress) {
	unsigned long queued;		/* when the test began */
	unsigned long freed;
	unsigned long failed;
};

FIXTURE_SETUP(swap_compress)
{
	if (sys_long(SWAP_COMPRESS "enabled") < 0)
		SKIP(return, "needs a kernel with CONFIG_SWAP_COMPRESS_WQ");
	if (!swap_device[0])
		SKIP(return, "needs swap on a synchronous device (zram)");
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "needs more than one CPU");
	settings_save(knobs, ARRAY_SIZE(knobs));
	settings_save(watermarks, ARRAY_SIZE(watermarks));
	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "enabled", "1"));
	self->queued = stat_get("queued");
	self->freed = stat_get("freed");
	self->failed = stat_get("failed");
}

FIXTURE_TEARDOWN(swap_compress)
{
	settings_restore(knobs, ARRAY_SIZE(knobs));
	reclaim_stop();
	EXPECT_TRUE(idle_sums_are_right());
	EXPECT_EQ(self->failed, stat_get("failed"));
}

/* A test in which nothing went through the queue has shown nothing. */
#define EXPECT_QUEUED(least) do {					\
	EXPECT_LE(self->queued + (least), stat_get("queued"));		\
	EXPECT_LT(self->freed, stat_get("freed"));			\
} while (0)

TEST_F(swap_compress, knobs_refuse_bad_values)
{
	static const struct {
		const char *knob;
		const char *value;
	} bad[] = {
		{ "enabled", "2" },
		{ "enabled", "-1" },
		{ "enabled", "maybe" },
		{ "batch_pages", "0" },
		{ "batch_pages", "-1" },
		{ "batch_pages", "1000000" },
		{ "batch_pages", "many" },
		{ "batch_pages", "8 8" },
		{ "max_inflight_pages", "0" },
		{ "max_inflight_pages", "-1" },
		{ "max_inflight_pages", "many" },
	};
	char before[64], after[64], path[128];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(path, sizeof(path), SWAP_COMPRESS "%s", bad[i].knob);
		ASSERT_EQ(0, sys_read(path, before, sizeof(before)));
		EXPECT_EQ(-EINVAL, sys_write(path, bad[i].value)) {
			TH_LOG("%s took '%s'", bad[i].knob, bad[i].value);
		}
		ASSERT_EQ(0, sys_read(path, after, sizeof(after)));
		EXPECT_STREQ(before, after);
	}
}

TEST_F(swap_compress, inflight_bound_holds_a_batch)
{
	long batch = sys_long(SWAP_COMPRESS "batch_pages");
	long bound = sys_long(SWAP_COMPRESS "max_inflight_pages");

	ASSERT_LT(1, batch);
	EXPECT_EQ(-EINVAL, sys_write_long(SWAP_COMPRESS "max_inflight_pages",
					  batch - 1));
	EXPECT_EQ(bound, sys_long(SWAP_COMPRESS "max_inflight_pages"));
	EXPECT_EQ(0, sys_write_long(SWAP_COMPRESS "max_inflight_pages", batch));
	EXPECT_EQ(batch, sys_long(SWAP_COMPRESS "max_inflight_pages"));
	EXPECT_EQ(-EINVAL, sys_write_long(SWAP_COMPRESS "batch_pages",
					  batch + 1));
	EXPECT_EQ(batch, sys_long(SWAP_COMPRESS "batch_pages"));
}

TEST_F(swap_compress, enabled_takes_every_spelling)
{
	static const char * const on[] = { "1", "y", "on" };
	static const char * const off[] = { "0", "n", "off" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(on); i++) {
		EXPECT_EQ(0, sys_write(SWAP_COMPRESS "enabled", off[i]));
		EXPECT_EQ(0, sys_long(SWAP_COMPRESS "enabled"));
		EXPECT_EQ(0, sys_write(SWAP_COMPRESS "enabled", on[i]));
		EXPECT_EQ(1, sys_long(SWAP_COMPRESS "enabled"));
	}
}

TEST_F_TIMEOUT(swap_compress, verify_sees_a_wrong_byte, TIMEOUT)
{
	struct area area;

	area_map(&area, 64);
	area_fill(&area);
	EXPECT_EQ(0, area_verify(&area));
	area.base[31 * PAGE_BYTES + 1234] ^= 0x40;
	EXPECT_EQ(1, area_verify(&area));
	page_fill(&area, 31);
	/* A stale page, and a page in the place of another. */
	area.gen[7]++;
	memcpy(area.base + 9 * PAGE_BYTES, area.base + 8 * PAGE_BYTES,
	       PAGE_BYTES);
	EXPECT_EQ(2, area_verify(&area));
	area_unmap(&area);
}

TEST_F_TIMEOUT(swap_compress, reclaimed_memory_comes_back, TIMEOUT)
{
	struct area area;

	area_map(&area, AREA_PAGES);
	area_fill(&area);
	EXPECT_LT(1000, reclaim());
	EXPECT_QUEUED(1000);
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
}

TEST_F_TIMEOUT(swap_compress, off_queues_nothing, TIMEOUT)
{
	struct area area;

	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "enabled", "0"));
	area_map(&area, AREA_PAGES);
	area_fill(&area);
	EXPECT_LT(1000, reclaim());
	EXPECT_EQ(self->queued, stat_get("queued"));
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
}

/* A page of one repeated word is stored at once, without a worker. */
TEST_F_TIMEOUT(swap_compress, same_filled_pages_are_not_queued, TIMEOUT)
{
	unsigned long inline_before = stat_get("inline_same_filled");
	unsigned long *word, *end;
	unsigned long wrong = 0;
	struct area area;

	area_map(&area, AREA_PAGES);
	word = (unsigned long *)area.base;
	end = (unsigned long *)(area.base + AREA_PAGES * PAGE_BYTES);
	/* Also zeroes, which not even the device sees. */
	for (; word < end; word++)
		*word = ((unsigned char *)word - area.base) / PAGE_BYTES % 16;
	EXPECT_LT(1000, reclaim());
	EXPECT_LT(inline_before + 1000, stat_get("inline_same_filled"));
	/* What the rest of the system had to give may have been queued. */
	EXPECT_GT(self->queued + 1000, stat_get("queued"));
	for (word = (unsigned long *)area.base; word < end; word++)
		wrong += *word != ((unsigned char *)word - area.base) /
				  PAGE_BYTES % 16;
	EXPECT_EQ(0, wrong);
	area_unmap(&area);
}

/* The same pages that kswapd is taking are used, in the same order. */
TEST_F_TIMEOUT(swap_compress, refault_while_reclaimed, TIMEOUT)
{
	unsigned long cancelled = stat_get("cancelled_refault");
	unsigned long page, i;
	struct area area;

	area_map(&area, AREA_PAGES);
	area_fill(&area);
	reclaim_start();
	for (i = 0; i < 10 * area.pages; i++) {
		page = i % area.pages;
		EXPECT_FALSE(page_wrong(&area, page));
		if (i % 4 == 0) {
			area.gen[page]++;
			page_fill(&area, page);
		}
		/* kswapd is to have a CPU, and reason to go on. */
		if (i % 16 == 0)
			sleep_ms(1);
		if (i % 512)
			continue;
		if (stat_get("queued") > self->queued + 2000)
			break;
		kswapd_wake();
	}
	EXPECT_QUEUED(1000);
	EXPECT_LT(cancelled, stat_get("cancelled_refault"));
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
}

static unsigned long rewrite_share(struct area *area, unsigned int from,
				   unsigned int gen)
{
	unsigned long wrong = area_verify(area);
	unsigned long page;

	for (page = from; page < area->pages; page += 4) {
		area->gen[page] = gen;
		page_fill(area, page);
	}
	return wrong + area_verify(area);
}

TEST_F_TIMEOUT(swap_compress, fork_and_copy_on_write, TIMEOUT)
{
	struct area area;
	int status;
	pid_t pid;

	area_map(&area, AREA_PAGES);
	area_fill(&area);
	EXPECT_LT(500, reclaim());
	pid = fork();
	ASSERT_LE(0, pid);
	/* Each rewrites other quarters of what they share: more than fits. */
	if (!pid)
		_exit(rewrite_share(&area, 0, 1) ? 1 : 0);
	EXPECT_EQ(0, rewrite_share(&area, 1, 2));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_QUEUED(500);
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
}

/* Exits in the middle of it, with pages in flight; 1: none were seen. */
static void fill_and_exit(void)
{
	unsigned long enough = stat_get("queued") + 256;
	unsigned int waited;
	struct area area;

	area_map(&area, AREA_PAGES);
	area_fill(&area);
	reclaim_start();
	for (waited = 0; waited < 2000; waited++) {
		if (stat_get("queued") > enough &&
		    sys_long(SWAP_COMPRESS "inflight_pages") > 0)
			_exit(0);
		sched_yield();
	}
	_exit(1);
}

TEST_F_TIMEOUT(swap_compress, exit_with_queued_pages, TIMEOUT)
{
	unsigned long cancelled = stat_get("cancelled_freed");
	unsigned long swap_free = meminfo_kib("SwapFree");
	unsigned int seen = 0;
	unsigned int round;
	int status;
	pid_t pid;

	for (round = 0; round < 8; round++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			fill_and_exit();
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_TRUE(WIFEXITED(status));
		seen += !WEXITSTATUS(status);
		reclaim_stop();
	}
	EXPECT_LT(0, seen);
	EXPECT_QUEUED(256);
	EXPECT_LT(cancelled, stat_get("cancelled_freed"));
	EXPECT_TRUE(idle_sums_are_right());
	/* No slot stays behind, but for a few that are cached for reuse. */
	EXPECT_LE(swap_free, meminfo_kib("SwapFree") + 2048);
}

TEST_F_TIMEOUT(swap_compress, toggled_under_load, TIMEOUT)
{
	struct load load;
	unsigned int i;

	load_start(&load);
	for (i = 0; i < 12; i++) {
		sleep_ms(400);
		EXPECT_EQ(0, sys_write(SWAP_COMPRESS "enabled",
				       i % 2 ? "1" : "0"));
	}
	sleep_ms(400);
	EXPECT_QUEUED(500);
	EXPECT_EQ(0, load_stop(&load));
}

TEST_F_TIMEOUT(swap_compress, reconfigured_under_load, TIMEOUT)
{
	static const struct {
		const char *path;
		const char *value;
	} steps[] = {
		{ WORKQUEUE "max_active", "1" },
		{ WORKQUEUE "cpumask", "1" },
		{ WORKQUEUE "affinity_scope", "cpu" },
		{ SWAP_COMPRESS "batch_pages", "1" },
		{ WORKQUEUE "max_active", "16" },
		{ WORKQUEUE "cpumask", "2" },
		{ WORKQUEUE "affinity_scope", "system" },
		{ WORKQUEUE "affinity_strict", "1" },
		{ SWAP_COMPRESS "batch_pages", "8" },
		{ SWAP_COMPRESS "max_inflight_pages", "16" },
		{ WORKQUEUE "cpumask", "3" },
		{ WORKQUEUE "affinity_scope", "smt" },
		{ WORKQUEUE "nice", "-10" },
		{ WORKQUEUE "max_active", "2" },
		{ WORKQUEUE "affinity_scope", "cache" },
		{ WORKQUEUE "nice", "10" },
	};
	struct load load;
	unsigned int i;

	load_start(&load);
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		sleep_ms(300);
		EXPECT_EQ(0, sys_write(steps[i].path, steps[i].value)) {
			TH_LOG("%s refused '%s'", steps[i].path,
			       steps[i].value);
		}
	}
	sleep_ms(300);
	EXPECT_QUEUED(500);
	EXPECT_EQ(0, load_stop(&load));
}

/*
 * All that is swapped has to fit, or swapoff fails or is killed: pressure ends
 * just before it, with the queue still busy, and begins again after it.
 */
static int swapoff_with_room(void)
{
	unsigned int tries = 20;
	int ret, error;

	reclaim_stop();
	while ((ret = swapoff(swap_device)) && errno == ENOMEM && --tries)
		sleep_ms(250);
	error = errno;
	reclaim_start();
	errno = error;
	return ret;
}

TEST_F_TIMEOUT(swap_compress, swapoff_under_load, TIMEOUT)
{
	struct load load;
	unsigned int i;

	/* All of it has to fit when it comes back, beside what zram holds. */
	load_start_with(&load, AREA_PAGES / 2);
	for (i = 0; i < 3; i++) {
		sleep_ms(1000);
		ASSERT_EQ(0, swapoff_with_room()) {
			TH_LOG("swapoff %s: %s", swap_device, strerror(errno));
		}
		ASSERT_EQ(0, swapon(swap_device, 0)) {
			TH_LOG("swapon %s: %s", swap_device, strerror(errno));
		}
		revive_kswapd();
	}
	sleep_ms(1000);
	EXPECT_QUEUED(500);
	EXPECT_EQ(0, load_stop(&load));
}

/*
 * Freezes tasks as suspend does, and thaws them after some seconds. From the
 * preparation on nothing is queued, and afterwards it is again.
 */
TEST_F_TIMEOUT(swap_compress, freezer_under_load, TIMEOUT)
{
	unsigned long stopped = stat_get("inline_stopped");
	struct load load;

	if (sys_write("/sys/power/pm_test", "freezer"))
		SKIP(return, "needs a kernel with CONFIG_SUSPEND and CONFIG_PM_DEBUG");
	load_start(&load);
	sleep_ms(1000);
	EXPECT_QUEUED(100);
	EXPECT_EQ(0, sys_write("/sys/power/state", "freeze"));
	self->queued = stat_get("queued");
	self->freed = stat_get("freed");
	revive_kswapd();
	sleep_ms(2000);
	EXPECT_QUEUED(100);
	EXPECT_EQ(0, load_stop(&load));
	ksft_print_msg("refused meanwhile: %lu\n",
		       stat_get("inline_stopped") - stopped);
	EXPECT_EQ(0, sys_write("/sys/power/pm_test", "none"));

	/* Off before, off afterwards */
	EXPECT_EQ(0, sys_write(SWAP_COMPRESS "enabled", "0"));
	EXPECT_EQ(0, sys_write("/sys/power/pm_test", "freezer"));
	EXPECT_EQ(0, sys_write("/sys/power/state", "freeze"));
	EXPECT_EQ(0, sys_write("/sys/power/pm_test", "none"));
	EXPECT_EQ(0, sys_long(SWAP_COMPRESS "enabled"));
}

/* With one CPU left there is nothing to gain: kswapd stores for itself. */
TEST_F_TIMEOUT(swap_compress, cpu_offline_under_load, TIMEOUT)
{
	unsigned long alone;
	struct load load;
	unsigned int i;

	if (access(CPU1_ONLINE, W_OK) || sysconf(_SC_NPROCESSORS_ONLN) != 2)
		SKIP(return, "needs two CPUs, one that can be taken offline");
	load_start(&load);
	for (i = 0; i < 3; i++) {
		sleep_ms(700);
		ASSERT_EQ(0, sys_write(CPU1_ONLINE, "0"));
		alone = stat_get("inline_uniprocessor");
		sleep_ms(700);
		EXPECT_LT(alone, stat_get("inline_uniprocessor"));
		ASSERT_EQ(0, sys_write(CPU1_ONLINE, "1"));
	}
	sleep_ms(700);
	EXPECT_QUEUED(500);
	EXPECT_EQ(0, load_stop(&load));
}

/* What mkswap writes; the rest of the page is zero. */
static int make_swap(const char *device)
{
	static unsigned int page[PAGE_BYTES / sizeof(int)];
	int fd = open(device, O_RDWR | O_CLOEXEC);
	off_t bytes;
	int ret = -1;

	if (fd < 0)
		return -1;
	bytes = lseek(fd, 0, SEEK_END);
	page[256] = 1;				/* version */
	page[257] = bytes / PAGE_BYTES - 1;	/* last page */
	memcpy((char *)page + PAGE_BYTES - 10, "SWAPSPACE2", 10);
	if (bytes >= (off_t)(16 * MIB) &&
	    pwrite(fd, page, PAGE_BYTES, 0) == (ssize_t)PAGE_BYTES)
		ret = fsync(fd);
	close(fd);
	return ret;
}

/* brd is synchronous too, but copies instead of compressing. */
TEST_F_TIMEOUT(swap_compress, ram_disk_comes_back, TIMEOUT)
{
	struct area area;

	if (make_swap(RAMDISK))
		SKIP(return, "needs " RAMDISK " of 16 MiB or more, ramdisk_size=16384");
	ASSERT_EQ(0, swapoff(swap_device));
	ASSERT_EQ(0, swapon(RAMDISK, 0));
	area_map(&area, AREA_PAGES);
	area_fill(&area);
	EXPECT_LT(500, reclaim());
	EXPECT_QUEUED(500);
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
	ASSERT_EQ(0, swapoff(RAMDISK));
	ASSERT_EQ(0, swapon(swap_device, 0));
	revive_kswapd();
}

/* The first device of /proc/swaps. */
static void find_swap(void)
{
	char line[256];
	FILE *swaps = fopen("/proc/swaps", "re");

	if (!swaps)
		return;
	if (fgets(line, sizeof(line), swaps) &&
	    fgets(line, sizeof(line), swaps))
		sscanf(line, "%127s", swap_device);
	fclose(swaps);
}

/* Locks away all memory but what an area and a little more need. */
static void take_memory(void)
{
	unsigned long keep = (AREA_MIB + SPARE_MIB) * 1024;
	unsigned long free;
	unsigned int round;
	size_t bytes;
	void *memory;

	/*
	 * Each CPU hides up to an eighth of memory in a list of free pages, from
	 * which it comes back in the middle of a test. Shorten the lists, and
	 * wait until that has had effect.
	 */
	sys_write_long(VM "percpu_pagelist_high_fraction", 1000);
	for (round = 0; round < 100; round++) {
		if (zoneinfo_sum("count:") < 4 * PAGES_PER_MIB)
			break;
		sleep_ms(100);
	}

	free = meminfo_kib("MemFree");
	if (free <= keep)
		ksft_exit_fail_msg("too little memory: %lu KiB are free, %lu are needed\n",
				   free, keep);
	bytes = (free - keep) * 1024;
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED || mlock(memory, bytes))
		ksft_exit_fail_perror("locking memory");
	/* The tests are children: they need not carry its page tables. */
	madvise(memory, bytes, MADV_DONTFORK);
	ksft_print_msg("left %lu of %lu KiB, %lu pages are in lists of CPUs\n",
		       meminfo_kib("MemFree"), free, zoneinfo_sum("count:"));
}

int main(int argc, char **argv)
{
	const char *file = getenv("SWAP_COMPRESS_MIX") ?: MIX_FILE;

	find_swap();
	if (swap_device[0] && sys_long(SWAP_COMPRESS "enabled") >= 0) {
		mix_open(&mix, file);
		take_memory();
	}
	return test_harness_run(argc, argv);
}
