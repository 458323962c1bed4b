// SPDX-License-Identifier: GPL-2.0
/*
 * Large folios through the queue: swapped out whole, faulted back in part, and
 * while they are on their way.
 *
 * Needs what swap_compress_test needs, and CONFIG_THP_SWAP.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/swap.h>

#include "kselftest_harness.h"
#include "pressure.h"

#define THP	"/sys/kernel/mm/transparent_hugepage/"

FIXTURE(large) {
	struct stats stats;
	char enabled[128], swpout[128], allocated[128];	/* paths */
	/* Of the one size that is not off by default, but as THP "enabled" is */
	char pmd_enabled[128];
};

FIXTURE_VARIANT(large) {
	unsigned int kib;
};

/* Stored whole by one worker, as a run of slices, and the largest there is. */
FIXTURE_VARIANT_ADD(large, of_64_kib) { .kib = 64 };
FIXTURE_VARIANT_ADD(large, of_256_kib) { .kib = 256 };
FIXTURE_VARIANT_ADD(large, of_2_mib) { .kib = 2048 };

FIXTURE_SETUP(large)
{
	const char *lacks = test_begin(&self->stats);

	if (lacks)
		SKIP(return test_end(), "%s", lacks);
#ifdef __aarch64__
	if (PAGE_BYTES != 4096)
		SKIP(return test_end(), "needs CONFIG_THP_SWAP, which arm64 has with pages of 4 KiB");
#endif
	snprintf(self->enabled, sizeof(self->enabled),
		 THP "hugepages-%ukB/enabled", variant->kib);
	snprintf(self->swpout, sizeof(self->swpout),
		 THP "hugepages-%ukB/stats/swpout", variant->kib);
	snprintf(self->allocated, sizeof(self->allocated),
		 THP "hugepages-%ukB/stats/anon_fault_alloc", variant->kib);
	snprintf(self->pmd_enabled, sizeof(self->pmd_enabled),
		 THP "hugepages-%ldkB/enabled", sys_long(THP "hpage_pmd_size") / 1024);
	if (sys_write(self->enabled, "madvise") || sys_long(self->swpout) < 0)
		SKIP(return test_end(),
		     "needs a kernel with huge pages of %u KiB", variant->kib);
	/* No larger ones than those that the test is about */
	if (strcmp(self->pmd_enabled, self->enabled))
		sys_write(self->pmd_enabled, "never");
	/* Earlier tests have left free memory in small pieces. */
	sys_write(VM "compact_memory", "1");
}

FIXTURE_TEARDOWN(large)
{
	sys_write(self->enabled, "never");
	sys_write(self->pmd_enabled, "inherit");
	test_end();
	EXPECT_TRUE(idle_sums_are_right());
	EXPECT_EQ(self->stats.failed, stat_get("failed"));
	REPORT_TOO_LITTLE();
}

static void large_map(struct area *area)
{
	area_map(area, AREA_PAGES);
	madvise(area->base, area->pages * PAGE_BYTES, MADV_HUGEPAGE);
}

TEST_F_TIMEOUT(large, reclaimed_memory_comes_back, TIMEOUT)
{
	long swpout = sys_long(self->swpout);
	struct area area;

	large_map(&area);
	area_fill(&area);
	EXPECT_ENOUGH(1000, reclaim());
	/* One of 2 MiB: no other fits while it is in flight */
	EXPECT_QUEUED(&self->stats, 512);
	EXPECT_ENOUGH(1, sys_long(self->swpout) - swpout);
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
}

/*
 * Reclaims four large folios, one at a time: there is room for each. With batches of
 * one page, only a large folio makes a batch of more. Returns how many were queued
 * whole, or more; not all of the area may be of large folios.
 */
static unsigned long hand_over(struct __test_metadata *_metadata,
			       struct area *area, unsigned long bytes)
{
	unsigned long batches, queued, first;
	unsigned int i;

	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "proactive", "1"));
	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "batch_pages", "1"));
	area_map(area, AREA_PAGES / 4);
	madvise(area->base, area->pages * PAGE_BYTES, MADV_HUGEPAGE);
	area_fill(area);
	EXPECT_TRUE(idle_sums_are_right());
	batches = stat_get("batches");
	queued = stat_get("queued");
	first = ((unsigned long)area->base + bytes - 1) / bytes * bytes;
	for (i = 0; i < 4; i++) {
		madvise((void *)(first + i * bytes), bytes, MADV_PAGEOUT);
		EXPECT_TRUE(idle_sums_are_right());
	}
	batches = stat_get("batches") - batches;
	queued = stat_get("queued") - queued;
	ksft_print_msg("%lu pages queued in %lu batches\n", queued, batches);
	return (queued - batches) / (bytes / PAGE_BYTES - 1);
}

TEST_F_TIMEOUT(large, is_handed_over_whole, TIMEOUT)
{
	unsigned long written = sys_long(self->swpout);
	unsigned long whole;
	struct area area;

	whole = hand_over(_metadata, &area, variant->kib * 1024UL);
	written = sys_long(self->swpout) - written;
	EXPECT_ENOUGH(1, written);
	EXPECT_LE(written, whole);
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
}

/* What zswap does not take goes to the device behind, which does not wait either. */
TEST_F_TIMEOUT(large, goes_to_zswap, TIMEOUT)
{
	unsigned long refused = stat_get("inline_device");
	unsigned long stored = stat_get("stored") + stat_get("stored_zswap");
	struct area area;

	if (sys_write(ZSWAP "enabled", "1"))
		SKIP(return, "needs a kernel with CONFIG_ZSWAP");
	EXPECT_ENOUGH(1, hand_over(_metadata, &area, variant->kib * 1024UL));
	EXPECT_LE(stored + variant->kib / (PAGE_BYTES / 1024),
		  stat_get("stored") + stat_get("stored_zswap"));
	EXPECT_EQ(refused, stat_get("inline_device"));
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
}

/* With a disk behind zswap a worker might have to wait for the disk. */
TEST_F_TIMEOUT(large, is_not_handed_over_with_a_disk, TIMEOUT)
{
	const char *disk = getenv("SWAP_COMPRESS_DISK");
	unsigned long refused = stat_get("inline_device");
	long allocated = sys_long(self->allocated);
	struct area area;

	if (!disk)
		SKIP(return, "needs a disk to overwrite, named in SWAP_COMPRESS_DISK");
	if (sys_write(ZSWAP "enabled", "1"))
		SKIP(return, "needs a kernel with CONFIG_ZSWAP");
	MAKE_SWAP(disk);
	ASSERT_EQ(0, swapoff(swap_device));
	ASSERT_EQ(0, swapon(disk, 0));
	EXPECT_EQ(0, hand_over(_metadata, &area, variant->kib * 1024UL));
	allocated = sys_long(self->allocated) - allocated;
	EXPECT_ENOUGH(1, allocated);
	if (allocated) {
		EXPECT_REASON(variant->kib / (PAGE_BYTES / 1024),
			      stat_get("inline_device") - refused);
	}
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
	ASSERT_EQ(0, swap_back_from(disk));
}

/* A part of one is enough to have it back, and the rest must be right too. */
TEST_F_TIMEOUT(large, used_in_parts_while_reclaimed, TIMEOUT)
{
	long swpout = sys_long(self->swpout);
	unsigned long page, i;
	struct area area;

	large_map(&area);
	area_fill(&area);
	reclaim_start();
	/* Until enough was queued, which takes long with KCSAN. */
	for (i = 0; i < 1000; i++) {
		/* Some parts of some, here and there; kswapd goes on. */
		for (page = i % 61; page < area.pages; page += 61) {
			EXPECT_FALSE(page_wrong(&area, page));
			if (page % 3 == 0) {
				area.gen[page]++;
				page_fill(&area, page);
			}
		}
		sleep_ms(10);
		if (i % 16 == 0 &&
		    stat_get("queued") > self->stats.queued + 2000)
			break;
		kswapd_wake();
	}
	EXPECT_QUEUED(&self->stats, 500);
	EXPECT_ENOUGH(1, sys_long(self->swpout) - swpout);
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
}

/* What is left of a large folio when parts of it are given back */
TEST_F_TIMEOUT(large, parts_dropped_while_reclaimed, TIMEOUT)
{
	long swpout = sys_long(self->swpout);
	unsigned long wrong = 0;
	struct area area;
	unsigned long i;

	large_map(&area);
	area_fill(&area);
	reclaim_start();
	/* While kswapd is at it */
	for (i = 0; i < 1000; i++) {
		if (sys_long(self->swpout) > swpout)
			break;
		sleep_ms(10);
		kswapd_wake();
	}
	for (i = 5; i < area.pages; i += 16)
		madvise(area.base + i * PAGE_BYTES, 3 * PAGE_BYTES,
			MADV_DONTNEED);
	EXPECT_ENOUGH(1, stat_get("queued") - self->stats.queued);
	for (i = 0; i < area.pages; i++) {
		unsigned char *byte = area.base + i * PAGE_BYTES;
		unsigned long n = 0;

		if (i % 16 < 5 || i % 16 > 7) {
			wrong += page_wrong(&area, i);
			continue;
		}
		while (n < PAGE_BYTES && !byte[n])
			n++;
		wrong += n < PAGE_BYTES;
	}
	EXPECT_EQ(0, wrong);
	EXPECT_ENOUGH(1, sys_long(self->swpout) - swpout);
	area_unmap(&area);
}

int main(int argc, char **argv)
{
	/* What the kernel keeps, once khugepaged runs */
	pressure_init(AREA_MIB + 20);
	return test_harness_run(argc, argv);
}
