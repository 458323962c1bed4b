// SPDX-License-Identifier: GPL-2.0
/*
 * Does every byte come back when the machine changes under load: the feature
 * switched and reconfigured, the swap device, CPUs and memory taken away?
 *
 * Needs what swap_compress_test needs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "pressure.h"

#define MEMORY		"/sys/devices/system/memory/"

FIXTURE(change) {
	struct stats stats;		/* when the test began */
};

FIXTURE_SETUP(change)
{
	const char *lacks = test_begin(&self->stats);

	if (lacks)
		SKIP(return test_end(), "%s", lacks);
}

FIXTURE_TEARDOWN(change)
{
	test_end();
	EXPECT_TRUE(idle_sums_are_right());
	EXPECT_EQ(self->stats.failed, stat_get("failed"));
	REPORT_TOO_LITTLE();
}

TEST_F_TIMEOUT(change, toggled_under_load, TIMEOUT)
{
	struct load load;
	unsigned int i;

	load_start(&load, AREA_PAGES);
	for (i = 0; i < 12; i++) {
		sleep_ms(400);
		EXPECT_EQ(0, sys_write(SWAP_COMPRESS "enabled",
				       i % 2 ? "1" : "0"));
	}
	load_until("queued", self->stats.queued + 500);
	EXPECT_QUEUED(&self->stats, 500);
	EXPECT_EQ(0, load_stop(&load));
}

TEST_F_TIMEOUT(change, reconfigured_under_load, TIMEOUT)
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

	load_start(&load, AREA_PAGES);
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		sleep_ms(300);
		EXPECT_EQ(0, sys_write(steps[i].path, steps[i].value)) {
			TH_LOG("%s refused '%s'", steps[i].path,
			       steps[i].value);
		}
	}
	load_until("queued", self->stats.queued + 500);
	EXPECT_QUEUED(&self->stats, 500);
	EXPECT_EQ(0, load_stop(&load));
}

/*
 * All that is swapped has to fit, or swapoff fails or is killed: pressure ends
 * just before it, with the queue still busy. It may begin again when there is swap.
 */
static int swapoff_with_room(void)
{
	unsigned int tries = 20;
	int ret;

	reclaim_stop();
	while ((ret = swapoff(swap_device)) && errno == ENOMEM && --tries)
		sleep_ms(250);
	return ret;
}

TEST_F_TIMEOUT(change, swapoff_under_load, TIMEOUT)
{
	struct load load;
	unsigned int i;

	/* All of it has to fit when it comes back, beside what zram holds. */
	load_start(&load, AREA_PAGES / 2);
	for (i = 0; i < 3; i++) {
		load_until("queued", self->stats.queued + 200 * (i + 1));
		ASSERT_EQ(0, swapoff_with_room()) {
			TH_LOG("swapoff %s: %s", swap_device, strerror(errno));
		}
		ASSERT_EQ(0, swapon(swap_device, 0)) {
			TH_LOG("swapon %s: %s", swap_device, strerror(errno));
		}
		reclaim_start();
	}
	load_until("queued", self->stats.queued + 800);
	EXPECT_QUEUED(&self->stats, 500);
	EXPECT_EQ(0, load_stop(&load));
}

/* A file of the zram device that is the swap device */
static const char *zram_file(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "/sys/block/%s/%s",
		 strrchr(swap_device, '/') + 1, name);
	return path;
}

static int zram_reset(void)
{
	return sys_write(zram_file("reset"), "1");
}

/* SWAP_COMPRESS_ZRAM: where the module is */
static const char *zram_module(void)
{
	return getenv("SWAP_COMPRESS_ZRAM") ?: "";
}

static int zram_reload(void)
{
	int fd, ret = -1;

	if (syscall(__NR_delete_module, "zram", O_NONBLOCK))
		return -1;
	fd = open(zram_module(), O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		ret = syscall(__NR_finit_module, fd, "", 0);
		close(fd);
	}
	return ret;
}

/* The device is emptied under load, and made swap again. */
static void renew_zram(struct __test_metadata *_metadata,
		       const struct stats *stats, int (*empty)(void))
{
	struct load load;
	unsigned int i;
	char size[64];

	ASSERT_EQ(0, sys_read(zram_file("disksize"), size, sizeof(size)));
	load_start(&load, AREA_PAGES / 2);
	for (i = 0; i < 3; i++) {
		load_until("queued", stats->queued + 150 * (i + 1));
		/* Not while it is used, however little is on its way. */
		EXPECT_GT(0, empty());
		ASSERT_EQ(0, swapoff_with_room()) {
			TH_LOG("swapoff %s: %s", swap_device, strerror(errno));
		}
		ASSERT_EQ(0, empty()) {
			TH_LOG("not emptied: %s", strerror(errno));
		}
		ASSERT_EQ(0, sys_write(zram_file("disksize"), size));
		MAKE_SWAP(swap_device);
		ASSERT_EQ(0, swapon(swap_device, 0));
		reclaim_start();
	}
	load_until("queued", stats->queued + 600);
	EXPECT_QUEUED(stats, 300);
	EXPECT_EQ(0, load_stop(&load));
}

/* What giving it another size takes */
TEST_F_TIMEOUT(change, zram_reset_under_load, TIMEOUT)
{
	if (access(zram_file("reset"), W_OK))
		SKIP(return, "needs zram as swap");
	renew_zram(_metadata, &self->stats, zram_reset);
}

TEST_F_TIMEOUT(change, zram_reloaded_under_load, TIMEOUT)
{
	if (access("/sys/module/zram/initstate", R_OK) ||
	    access(zram_module(), R_OK))
		SKIP(return, "needs zram as a module, named in SWAP_COMPRESS_ZRAM");
	renew_zram(_metadata, &self->stats, zram_reload);
}

/* Compaction and migration meet folios that belong to the queue. */
TEST_F_TIMEOUT(change, compaction_under_load, TIMEOUT)
{
	struct load load;
	unsigned int i;

	if (access(VM "compact_memory", W_OK))
		SKIP(return, "needs a kernel with CONFIG_COMPACTION");
	load_start(&load, AREA_PAGES);
	/* Until enough was queued, for 100 s at most */
	for (i = 0; i < 20 || (i < 600 &&
			       stat_get("queued") < self->stats.queued + 500);
	     i++) {
		sleep_ms(150);
		kswapd_wake();
		EXPECT_EQ(0, sys_write(VM "compact_memory", "1"));
	}
	EXPECT_QUEUED(&self->stats, 500);
	EXPECT_EQ(0, load_stop(&load));
}

/* With one CPU left there is nothing to gain: kswapd stores for itself. */
TEST_F_TIMEOUT(change, cpu_offline_under_load, TIMEOUT)
{
	unsigned long alone;
	struct load load;
	unsigned int i;

	if (access(CPU1_ONLINE, W_OK) || sysconf(_SC_NPROCESSORS_ONLN) != 2)
		SKIP(return, "needs two CPUs, one that can be taken offline");
	load_start(&load, AREA_PAGES);
	for (i = 0; i < 3; i++) {
		sleep_ms(700);
		ASSERT_EQ(0, sys_write(CPU1_ONLINE, "0"));
		alone = stat_get("inline_uniprocessor");
		EXPECT_ENOUGH(1, load_until("inline_uniprocessor", alone));
		ASSERT_EQ(0, sys_write(CPU1_ONLINE, "1"));
	}
	load_until("queued", self->stats.queued + 500);
	EXPECT_QUEUED(&self->stats, 500);
	EXPECT_EQ(0, load_stop(&load));
}

/* Hands over all of a load's pages, time and again. */
static bool pageout_stops;

static void *pageout_run(void *arg)
{
	struct load *load = arg;
	struct loader *loader;

	while (!__atomic_load_n(&pageout_stops, __ATOMIC_RELAXED)) {
		for (loader = load->loaders; loader < load->loaders + LOADERS;
		     loader++)
			madvise(loader->area.base,
				loader->area.pages * PAGE_BYTES, MADV_PAGEOUT);
		sleep_ms(1);
	}
	return NULL;
}

/* The number of a memory block that was plugged in and is offline, or -1. */
static int spare_memory(void)
{
	char path[64], state[16];
	int block;

	for (block = 0; block < 1024; block++) {
		snprintf(path, sizeof(path), MEMORY "memory%d/state", block);
		if (!sys_read(path, state, sizeof(state)) &&
		    !strcmp(state, "offline"))
			return block;
	}
	return -1;
}

/* How many of some pages of a load are in a memory block */
static unsigned int pages_in_block(const struct load *load, unsigned long block)
{
	char text[32] = "";
	unsigned long pages, page, entry;
	unsigned int found = 0;

	sys_read(MEMORY "block_size_bytes", text, sizeof(text));
	pages = strtoul(text, NULL, 16) / PAGE_BYTES;
	for (page = 0; page < load->loaders->area.pages; page += 16) {
		entry = page_entry(load->loaders->area.base + page * PAGE_BYTES);
		found += (entry & PAGEMAP_PRESENT) &&
			 (entry & PAGEMAP_PFN) / pages == block;
	}
	return found;
}

/* A memory block can be emptied while its pages are queued. */
TEST_F_TIMEOUT(change, memory_offline_under_load, TIMEOUT)
{
	int block = spare_memory();
	unsigned long queued, meanwhile = 0;
	pthread_t pageout;
	struct load load;
	char state[64];
	unsigned int i, tries;

	if (block < 0)
		SKIP(return, "needs CONFIG_MEMORY_HOTREMOVE and a memory block that is offline");
	snprintf(state, sizeof(state), MEMORY "memory%d/state", block);
	delay_workers();
	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "proactive", "1"));
	/* What is in the block has to fit elsewhere, under no watermark. */
	load_start(&load, AREA_PAGES / 4 * 3);
	reclaim_stop();
	ASSERT_EQ(0, pthread_create(&pageout, NULL, pageout_run, &load));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, sys_write(state, "online_movable"));
		/* What is used again is allocated there. */
		for (tries = 600; tries && !pages_in_block(&load, block); tries--)
			sleep_ms(100);
		EXPECT_ENOUGH(1, tries);
		queued = stat_get("queued");
		ASSERT_EQ(0, sys_write(state, "offline"));
		meanwhile += stat_get("queued") - queued;
		EXPECT_EQ(0, pages_in_block(&load, block));
	}
	EXPECT_ENOUGH(1, meanwhile);
	__atomic_store_n(&pageout_stops, true, __ATOMIC_RELAXED);
	pthread_join(pageout, NULL);
	EXPECT_QUEUED(&self->stats, 500);
	EXPECT_EQ(0, load_stop(&load));
}

/*
 * Memory offlining isolates the pageblocks of its range, and waits for pages of the
 * range that are on their way: no more of them are handed over meanwhile.
 */
TEST_F_TIMEOUT(change, isolated_pages_are_not_handed_over, TIMEOUT)
{
	const unsigned long stuck_pages = 64;
	unsigned long refused, waits;
	int block = spare_memory();
	siginfo_t ended = {};
	struct area area, rest;
	unsigned int tries;
	char state[64];
	pid_t pid;

	if (block < 0 || fault(FAULT_OWN, 0))
		SKIP(return, "needs CONFIG_MEMORY_HOTREMOVE, an offline memory block, and fault injection");
	snprintf(state, sizeof(state), MEMORY "memory%d/state", block);
	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "proactive", "1"));
	ASSERT_EQ(0, sys_write(state, "online_movable"));
	area_map(&area, 8 * stuck_pages);
	area_fill(&area);
	ASSERT_TRUE(stick_workers(4000));
	madvise(area.base, stuck_pages * PAGE_BYTES, MADV_PAGEOUT);
	waits = stat_get("waits");
	/* MADV_PAGEOUT leaves alone what a child shares. */
	madvise(area.base, area.pages * PAGE_BYTES, MADV_DONTFORK);
	pid = fork();
	if (!pid)
		_exit(sys_write(state, "offline") ? 1 : 0);
	for (tries = 2000; tries && stat_get("waits") == waits; tries--)
		sleep_ms(5);
	EXPECT_ENOUGH(1, tries);
	refused = stat_get("inline_isolated");
	rest = area;
	rest.base += stuck_pages * PAGE_BYTES;
	rest.pages -= stuck_pages;
	area_page_out(&rest);
	waitid(P_PID, pid, &ended, WEXITED | WNOHANG | WNOWAIT);
	EXPECT_ENOUGH(1, !ended.si_pid);
	if (tries && !ended.si_pid)
		EXPECT_ENOUGH(rest.pages / 4,
			      stat_get("inline_isolated") - refused);
	EXPECT_EQ(0, fault(FAULT_OWN, 0));
	EXPECT_EQ(0, child_status(pid));
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
}

static int write_byte(const char *device, off_t offset, char byte)
{
	int fd = open(device, O_WRONLY | O_CLOEXEC);
	int ret = -1;

	if (fd < 0)
		return -1;
	if (pwrite(fd, &byte, 1, offset) == 1)
		ret = fsync(fd);
	close(fd);
	return ret;
}

/* These tests may be run on a machine with something to lose. */
TEST_F_TIMEOUT(change, only_free_devices_are_overwritten, TIMEOUT)
{
	const char *disk = getenv("SWAP_COMPRESS_RAM_DISK");

	EXPECT_STREQ(strerror(EBUSY), make_swap(swap_device) ?: "overwritten");
	EXPECT_NE(NULL, make_swap("/dev/null"));
	if (!disk) {
		/* A skip would hide failures. */
		if (_metadata->exit_code == KSFT_PASS)
			SKIP(return, "needs a ram disk to overwrite, named in SWAP_COMPRESS_RAM_DISK");
		return;
	}
	MAKE_SWAP(disk);
	/* Its own, once more */
	MAKE_SWAP(disk);
	ASSERT_EQ(0, write_byte(disk, 100, 1));
	EXPECT_NE(NULL, make_swap(disk));
	ASSERT_EQ(0, write_byte(disk, 100, 0));
	MAKE_SWAP(disk);
}

/* brd is synchronous too, but copies instead of compressing. */
TEST_F_TIMEOUT(change, ram_disk_comes_back, TIMEOUT)
{
	const char *disk = getenv("SWAP_COMPRESS_RAM_DISK");
	struct area area;
	unsigned int tries;

	if (!disk)
		SKIP(return, "needs a ram disk to overwrite, named in SWAP_COMPRESS_RAM_DISK");
	MAKE_SWAP(disk);
	ASSERT_EQ(0, swapoff(swap_device));
	ASSERT_EQ(0, swapon(disk, 0));
	area_map(&area, AREA_PAGES);
	area_fill(&area);
	/* What came back from zram is colder, and partly shmem. */
	for (tries = 5; tries; tries--) {
		EXPECT_ENOUGH(1, reclaim());
		if (stat_get("queued") > self->stats.queued + 500)
			break;
	}
	EXPECT_QUEUED(&self->stats, 300);
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
	ASSERT_EQ(0, swap_back_from(disk));
}

/* Everything that can be changed, at once and at random */
static void turn_a_knob(unsigned long random)
{
	static const struct {
		const char *path;
		const char *values[4];
	} all[] = {
		{ SWAP_COMPRESS "enabled", { "0", "1", "1", "1" } },
		{ SWAP_COMPRESS "batch_pages", { "1", "8", "32", "64" } },
		{ SWAP_COMPRESS "shmem", { "0", "1", "0", "1" } },
		{ SWAP_COMPRESS "proactive", { "0", "1", "0", "1" } },
		{ SWAP_COMPRESS "max_inflight_pages",
		  { "64", "128", "512", "256" } },
		{ WORKQUEUE "max_active", { "1", "2", "4", "16" } },
		{ WORKQUEUE "cpumask", { "1", "2", "3", "3" } },
		{ WORKQUEUE "nice", { "-10", "0", "10", "19" } },
		{ WORKQUEUE "affinity_scope",
		  { "cpu", "cache", "system", "smt" } },
		{ ZSWAP "enabled", { "0", "1", "0", "1" } },
		{ ZSWAP "max_pool_percent", { "1", "5", "20", "40" } },
		{ CPU1_ONLINE, { "0", "1", "1", "1" } },
	};
	unsigned int i = (random >> 33) % ARRAY_SIZE(all);

	/* A combination that is refused changes nothing, which is fine. */
	sys_write(all[i].path, all[i].values[random >> 62]);
}

/* SWAP_COMPRESS_SECONDS: how long, 10 by default */
TEST_F_TIMEOUT(change, everything_at_once, 86400)
{
	const char *seconds = getenv("SWAP_COMPRESS_SECONDS") ?: "10";
	unsigned long end = now_ns() + strtoul(seconds, NULL, 10) * NS_PER_S;
	unsigned long random = mix.seed;
	struct load load;

	load_start(&load, AREA_PAGES);
	while (now_ns() < end) {
		random = random * 6364136223846793005UL + 1442695040888963407UL;
		turn_a_knob(random);
		sleep_ms(50);
	}
	sys_write(CPU1_ONLINE, "1");
	EXPECT_EQ(0, sys_write(SWAP_COMPRESS "enabled", "1"));
	revive_kswapd();
	load_until("queued", self->stats.queued + 100);
	EXPECT_QUEUED(&self->stats, 100);
	EXPECT_EQ(0, load_stop(&load));
}

int main(int argc, char **argv)
{
	pressure_init(AREA_MIB);
	return test_harness_run(argc, argv);
}
