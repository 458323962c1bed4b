// SPDX-License-Identifier: GPL-2.0
/* Memory under test and the pressure on it. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest.h"
#include "pressure.h"

#define SPARE_MIB	8UL		/* free beside a filled area */
#define LOW_MIB		3L		/* what wakes kswapd, over free now */
#define STEP_MIB	6L		/* from there to where it sleeps */
#define ENOUGH_PAGES	1024UL		/* for a test to mean something */
#define SETTLE_MS	180000
#define LOAD_MS		60000

#define MIX_FILE	"/data/mix"

struct mix mix;
char swap_device[128];

static void area_map_as(struct area *area, unsigned long pages, int flags)
{
	area->pages = pages;
	area->base = mmap(NULL, pages * PAGE_BYTES, PROT_READ | PROT_WRITE,
			  flags | MAP_ANONYMOUS, -1, 0);
	area->gen = calloc(pages, 1);
	if (area->base == MAP_FAILED || !area->gen)
		err(1, "memory for %lu pages", pages);
	madvise(area->base, pages * PAGE_BYTES, MADV_NOHUGEPAGE);
}

void area_map(struct area *area, unsigned long pages)
{
	area_map_as(area, pages, MAP_PRIVATE);
}

void area_map_shared(struct area *area, unsigned long pages)
{
	area_map_as(area, pages, MAP_SHARED);
}

void area_unmap(struct area *area)
{
	munmap(area->base, area->pages * PAGE_BYTES);
	free(area->gen);
}

void page_fill(struct area *area, unsigned long page)
{
	mix_write(&mix, area->base + page * PAGE_BYTES, page, area->gen[page]);
}

bool page_wrong(const struct area *area, unsigned long page)
{
	unsigned int wrong = mix_check(&mix, area->base + page * PAGE_BYTES,
				       page, area->gen[page]);

	if (wrong)
		ksft_print_msg("page %lu: %u bytes are wrong\n", page,
			       wrong);
	return wrong;
}

void area_fill(struct area *area)
{
	unsigned long page;

	for (page = 0; page < area->pages; page++)
		page_fill(area, page);
}

unsigned long area_verify(const struct area *area)
{
	unsigned long wrong = 0;
	unsigned long page;

	for (page = 0; page < area->pages; page++)
		wrong += page_wrong(area, page);
	return wrong;
}

unsigned long area_not_zero(const struct area *area)
{
	static const char zero[65536];
	unsigned long page, sum = 0;

	for (page = 0; page < area->pages; page++)
		sum += !!memcmp(area->base + page * PAGE_BYTES, zero, PAGE_BYTES);
	return sum;
}

void area_page_out(const struct area *area)
{
	madvise(area->base, area->pages * PAGE_BYTES, MADV_PAGEOUT);
}

unsigned long page_entry(const void *page)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry;

	if (fd < 0 || pread(fd, &entry, sizeof(entry), (unsigned long)page /
			    PAGE_BYTES * sizeof(entry)) != sizeof(entry))
		err(1, "/proc/self/pagemap");
	close(fd);
	return entry;
}

/* affinity_scope reads "default (cache)", and takes back only the first word. */
void settings_save(struct setting *setting, unsigned int nr)
{
	for (; nr; nr--, setting++) {
		setting->text[0] = '\0';	/* if there is no such file */
		sys_read(setting->path, setting->text, sizeof(setting->text));
		setting->text[strcspn(setting->text, " ")] = '\0';
	}
}

void settings_restore(const struct setting *setting, unsigned int nr)
{
	for (; nr; nr--, setting++) {
		if (setting->text[0])
			sys_write(setting->path, setting->text);
	}
}

void revive_kswapd(void)
{
	unsigned int node;
	char path[64];
	void *memory;
	size_t bytes;
	long spare;

	if (!zoneinfo_sum("node_unreclaimable:"))
		return;
	/* What it displaces has to go somewhere. */
	if (meminfo_kib("SwapFree") < 8 * 1024) {
		ksft_print_msg("swap is nearly full: kswapd stays asleep\n");
		return;
	}
	/* Not more: there may be no more to reclaim. */
	spare = free_kib() - sys_long(VM "min_free_kbytes");
	bytes = (spare > 0 ? spare : 0) * 1024 + 4 * MIB;
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (memory != MAP_FAILED)
		munmap(memory, bytes);
	/* Linux 7.1 wants that while enough is free, which is now. */
	for (node = 0; node < 2 && zoneinfo_sum("node_unreclaimable:"); node++) {
		snprintf(path, sizeof(path),
			 "/sys/devices/system/node/node%u/reclaim", node);
		sys_write(path, "1M");
	}
}

bool kswapd_gives_up(unsigned int seconds)
{
	unsigned long start = now_ns();

	if (sys_write(VM "watermark_scale_factor", "3000"))
		errx(1, "cannot set the watermarks");
	do {
		kswapd_wake();
		sleep_ms(100);
	} while (!zoneinfo_sum("node_unreclaimable:") &&
		 now_ns() - start < seconds * NS_PER_S);
	return zoneinfo_sum("node_unreclaimable:");
}

void reclaim_start(void)
{
	unsigned long total = meminfo_kib("MemTotal");
	long min;

	revive_kswapd();
	/* Free is also what the lists of CPUs may give back any time. */
	min = free_kib() + zoneinfo_sum("count:") * (PAGE_BYTES / 1024);
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

void reclaim_stop(void)
{
	settings_restore(watermarks, ARRAY_SIZE(watermarks));
}

unsigned long reclaim(void)
{
	struct vmstat before, after;
	unsigned int tries = 6;
	unsigned long freed;
	unsigned long last;

	vmstat_read(&before);
	/* Memory that was just used has to age first, which takes its time. */
	do {
		reclaim_start();
		if (!kswapd_wait(&after, &last, SETTLE_MS)) {
			ksft_print_msg("kswapd does not come to rest\n");
			reclaim_stop();
			return 0;
		}
		freed = after.pgsteal_kswapd - before.pgsteal_kswapd;
	} while (freed < ENOUGH_PAGES && --tries);
	reclaim_stop();
	return freed;
}

unsigned long reclaim_until(const char *name, unsigned long growth)
{
	unsigned long before = stat_get(name);
	unsigned int tries = 6;

	do {
		reclaim();
	} while (stat_get(name) < before + growth && --tries);
	return stat_get(name) - before;
}

static const char * const inline_reasons[] = {
	"inline_not_kswapd", "inline_shmem", "inline_isolated", "inline_device",
	"inline_zswap", "inline_uniprocessor", "inline_stopped",
	"inline_inflight", "inline_pool",
};

unsigned long not_queued(void)
{
	unsigned long pages = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(inline_reasons); i++)
		pages += stat_get(inline_reasons[i]);
	return pages;
}

/* Why pages were not handed over, of this boot. */
static void print_inline(void)
{
	char line[256] = "";
	size_t used = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(inline_reasons); i++)
		used += snprintf(line + used, sizeof(line) - used, " %s %lu",
				 inline_reasons[i], stat_get(inline_reasons[i]));
	ksft_print_msg("not queued:%s\n", line);
}

/*
 * What is in flight is isolated from the LRU, and at rest nothing is. The kernel may
 * not be at rest: kcompactd isolates whole pageblocks, and on a slow machine holds
 * them for more than a second. A sum that falls below zero ends on the console.
 */
static bool nothing_is_isolated(void)
{
	struct vmstat vm;
	unsigned int waited;

	for (waited = 0; waited < SETTLE_MS / 10; waited++) {
		sys_write(VM "stat_refresh", "1");
		vmstat_read(&vm);
		if (!vm.nr_isolated_anon)
			return true;
		sleep_ms(10);
	}
	ksft_print_msg("nr_isolated_anon is still %lu\n", vm.nr_isolated_anon);
	return false;
}

bool idle_sums_are_right(void)
{
	unsigned long queued, stored, failed, cancelled, freed, put_back, last;
	unsigned int waited;
	struct vmstat vm;

	if (!kswapd_wait(&vm, &last, SETTLE_MS)) {
		ksft_print_msg("kswapd does not come to rest\n");
		return false;
	}
	for (waited = 0; sys_long(SWAP_COMPRESS "inflight_pages"); waited++) {
		if (waited == SETTLE_MS / 10) {
			ksft_print_msg("inflight_pages is still %ld\n",
				       sys_long(SWAP_COMPRESS "inflight_pages"));
			return false;
		}
		sleep_ms(10);
	}
	queued = stat_get("queued");
	stored = stat_get("stored") + stat_get("stored_zswap") +
		 stat_get("stored_zero") + stat_get("submitted");
	failed = stat_get("failed");
	cancelled = stat_get("cancelled_refault") + stat_get("cancelled_freed");
	freed = stat_get("freed");
	put_back = stat_get("put_back");
	ksft_print_msg("queued %lu stored %lu failed %lu cancelled %lu freed %lu put_back %lu\n",
		       queued, stored, failed, cancelled, freed, put_back);
	print_inline();
	return queued == stored + failed + cancelled &&
	       queued == freed + put_back && nothing_is_isolated();
}

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

void load_start(struct load *load, unsigned long pages)
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

bool load_until(const char *name, unsigned long value)
{
	unsigned int waited;

	for (waited = 0; waited < LOAD_MS / 100; waited++) {
		if (stat_get(name) > value)
			return true;
		/* It may have given up before the load got going. */
		if (waited % 50 == 49)
			revive_kswapd();
		sleep_ms(100);
		kswapd_wake();
	}
	return false;
}

unsigned long load_stop(struct load *load)
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

bool fill_until_in_flight(void)
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
			return true;
		sched_yield();
	}
	return false;
}

int fault_set(const char *attr, const char *name, long value)
{
	char path[128];

	snprintf(path, sizeof(path), FAULT_DIR "%s/%s", attr, name);
	return sys_write_long(path, value);
}

int fault(const char *attr, long percent)
{
	return fault_set(attr, "probability", 0) ?:
	       fault_set(attr, "times", -1) ?:
	       fault_set(attr, "verbose", 0) ?:
	       fault_set(attr, "probability", percent);
}

bool delay_workers(void)
{
	/* Refused where it is too much for the memory */
	sys_write(SWAP_COMPRESS "max_inflight_pages", "1024");
	return !fault_set(FAULT_OWN, "points", FAULT_DELAY) &&
	       !fault(FAULT_OWN, 33);
}

const char *stuck_begin(struct stats *stats)
{
	const char *lacks = test_begin(stats);

	if (lacks)
		return lacks;
	if (fault(FAULT_OWN, 0))
		return "needs CONFIG_FAULT_INJECTION_DEBUG_FS, and debugfs";
	if (sys_write(SWAP_COMPRESS "proactive", "1"))
		errx(1, "cannot write to proactive");
	return NULL;
}

bool stick_workers(long ms)
{
	return delay_workers() && !fault_set(FAULT_OWN, "delay_ms", ms) &&
	       !fault(FAULT_OWN, 100);
}

int child_status(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) :
				     WEXITSTATUS(status);
}

static void set_oom_adj(const char *adj)
{
	sys_write("/proc/self/oom_score_adj", adj);
}

void volunteer(void)
{
	set_oom_adj("1000");
}

void run_on(unsigned int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

static struct setting knobs[] = {
	{ .path = VM "compaction_proactiveness" },
	{ .path = VM "swappiness" },
	{ .path = LRU_GEN "enabled" },
	{ .path = LRU_GEN "min_ttl_ms" },
	{ .path = SWAP_COMPRESS "max_inflight_pages" },
	{ .path = SWAP_COMPRESS "batch_pages" },
	{ .path = SWAP_COMPRESS "shmem" },
	{ .path = SWAP_COMPRESS "proactive" },
	{ .path = SWAP_COMPRESS "enabled" },
	{ .path = WORKQUEUE "max_active" },
	{ .path = WORKQUEUE "nice" },
	{ .path = WORKQUEUE "cpumask" },
	{ .path = WORKQUEUE "affinity_scope" },
	{ .path = WORKQUEUE "affinity_strict" },
	{ .path = CPU1_ONLINE },
	{ .path = "/sys/power/image_size" },
	{ .path = ZSWAP "enabled" },
	{ .path = ZSWAP "compressor" },
	{ .path = ZSWAP "max_pool_percent" },
	{ .path = ZSWAP "shrinker_enabled" },
};

void stats_read(struct stats *stats)
{
	stats->queued = stat_get("queued");
	stats->freed = stat_get("freed");
	stats->failed = stat_get("failed");
}

void test_end(void)
{
	fault(FAULT_OWN, 0);
	fault_set(FAULT_OWN, "delay_ms", 20);
	settings_restore(knobs, ARRAY_SIZE(knobs));
	reclaim_stop();
}

/* Disks that tests swap to, if they are named there */
static const char * const disks[] = {
	"SWAP_COMPRESS_DISK", "SWAP_COMPRESS_RAM_DISK", "SWAP_COMPRESS_NULL_BLK",
};

/* What a test of this program that was killed before its own end has left behind */
static void clean_up(void)
{
	unsigned int i;

	test_end();
	for (i = 0; i < ARRAY_SIZE(disks); i++) {
		if (getenv(disks[i]) && !swapoff(getenv(disks[i])))
			swapon(swap_device, 0);
	}
}

const char *test_begin(struct stats *stats)
{
	if (sys_long(SWAP_COMPRESS "enabled") < 0)
		return "needs a kernel with CONFIG_SWAP_COMPRESS_WQ";
	if (!swap_device[0])
		return "needs swap on a synchronous device (zram)";
	if (access(FAULT_DIR FAULT_OWN, F_OK) && !access(FAULT_DIR "failslab", F_OK))
		errx(1, "others can inject faults, but there is no " FAULT_OWN);
	clean_up();
	/*
	 * While compaction waits for isolated pages, nothing is handed over. Tests of
	 * that begin one themselves.
	 */
	sys_write(VM "compaction_proactiveness", "0");
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return "needs more than one CPU";
	set_oom_adj("0");	/* not what take_memory() set */
	if (sys_write(SWAP_COMPRESS "enabled", "1"))
		return "needs to be root";
	stats_read(stats);
	return NULL;
}

#define FIRST_BYTES	MIB	/* of file systems and partition tables too */

/* Nothing, or what make_swap() has written, with what was swapped behind it */
static bool may_be_overwritten(const unsigned char *first, const void *header)
{
	size_t i;

	if (!memcmp(first, header, PAGE_BYTES))
		return true;
	for (i = 0; i < FIRST_BYTES; i++) {
		if (first[i])
			return false;
	}
	return true;
}

const char *make_swap(const char *device)
{
	static unsigned int header[MAX_PAGE_BYTES / sizeof(int)];
	static unsigned char first[FIRST_BYTES];
	const char *error = NULL;
	struct stat stat;
	off_t bytes;
	int fd;

	/* Not a mounted one, nor one that is swap or part of something else */
	fd = open(device, O_RDWR | O_EXCL | O_CLOEXEC);
	if (fd < 0)
		return strerror(errno);
	bytes = lseek(fd, 0, SEEK_END);
	memset(header, 0, sizeof(header));
	header[256] = 1;			/* version */
	header[257] = bytes / PAGE_BYTES - 1;	/* last page */
	memcpy(&header[263], "swap_compress", 13);	/* label */
	memcpy((char *)header + PAGE_BYTES - 10, "SWAPSPACE2", 10);
	if (fstat(fd, &stat) || !S_ISBLK(stat.st_mode))
		error = "no block device";
	else if (bytes < (off_t)(4 * MIB))
		error = "less than 4 MiB";
	else if (pread(fd, first, FIRST_BYTES, 0) != (ssize_t)FIRST_BYTES)
		error = "not to be read";
	else if (!may_be_overwritten(first, header))
		error = "its first MiB is not zero";
	else if (pwrite(fd, header, PAGE_BYTES, 0) != (ssize_t)PAGE_BYTES ||
		 fsync(fd))
		error = "not to be written";
	close(fd);
	return error;
}

/*
 * All that was swapped comes back, also what the rest of the system had long ago.
 * It is colder than what a test fills, and partly shmem: out with it again, else
 * the next test would find nothing else reclaimed.
 */
int swap_back_from(const char *device)
{
	struct area area;

	if (swapoff(device) || swapon(swap_device, 0))
		return -1;
	revive_kswapd();
	area_map(&area, AREA_PAGES);
	area_fill(&area);
	reclaim_until("queued", 500);
	area_unmap(&area);
	return 0;
}

static bool is_synchronous(const char *device)
{
	const char *named = getenv("SWAP_COMPRESS_SWAP");

	if (named)
		return !strcmp(device, named);
	return !strncmp(device, "/dev/zram", 9) || !strncmp(device, "/dev/ram", 8);
}

/* A ram disk that a test overwrites is not what others swap to. */
static void find_swap(void)
{
	const char *ram_disk = getenv("SWAP_COMPRESS_RAM_DISK") ?: "";
	FILE *swaps = fopen("/proc/swaps", "re");
	char line[256], device[128];

	while (swaps && !swap_device[0] && fgets(line, sizeof(line), swaps)) {
		if (sscanf(line, "%127s", device) == 1 &&
		    is_synchronous(device) && strcmp(device, ram_disk))
			strcpy(swap_device, device);
	}
	if (swaps)
		fclose(swaps);
}

/* Locks away all memory but what is asked for, and a little more. */
static void take_memory(unsigned long left_mib)
{
	/* What the kernel itself keeps is of no use. */
	unsigned long keep = (left_mib + SPARE_MIB) * 1024 +
			     sys_long(VM "min_free_kbytes");
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

	free = free_kib();
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
	/* If memory runs out, it is a test that fails, not all that follow it. */
	set_oom_adj("-1000");
	ksft_print_msg("left %lu of %lu KiB, %lu pages are in lists of CPUs\n",
		       free_kib(), free, zoneinfo_sum("count:"));
}

void pressure_init(unsigned long left_mib)
{
	find_swap();
	if (!swap_device[0] || sys_long(SWAP_COMPRESS "enabled") < 0)
		return;
	settings_save(knobs, ARRAY_SIZE(knobs));
	settings_save(watermarks, ARRAY_SIZE(watermarks));
	mix_open(&mix, getenv("SWAP_COMPRESS_MIX") ?: MIX_FILE);
	/* The watermarks are to be what a test sets, whatever is fragmented. */
	sys_write_long(VM "watermark_boost_factor", 0);
	if (left_mib)
		take_memory(left_mib);
}
