// SPDX-License-Identifier: GPL-2.0
/*
 * Large folios through the queue: swapped out whole, faulted back in part, and
 * while they are on their way.
 *
 * Needs what swap_compress_test needs, and CONFIG_TRANSPARENT_HUGEPAGE.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "pressure.h"

#define THP	"/sys/kernel/mm/transparent_hugepage/"

FIXTURE(large) {
	struct stats stats;
	char enabled[128], swpout[128];	/* paths */
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
		SKIP(return, "%s", lacks);
	snprintf(self->enabled, sizeof(self->enabled),
		 THP "hugepages-%ukB/enabled", variant->kib);
	snprintf(self->swpout, sizeof(self->swpout),
		 THP "hugepages-%ukB/stats/swpout", variant->kib);
	if (sys_write(self->enabled, "madvise") || sys_long(self->swpout) < 0)
		SKIP(return, "needs a kernel with huge pages of %u KiB",
		     variant->kib);
}

FIXTURE_TEARDOWN(large)
{
	sys_write(self->enabled, "never");
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
	EXPECT_QUEUED(&self->stats, 1000);
	EXPECT_ENOUGH(1, sys_long(self->swpout) - swpout);
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
}

/* With batches of one page, only a large folio makes a batch of more. */
TEST_F_TIMEOUT(large, is_handed_over_whole, TIMEOUT)
{
	const unsigned long bytes = variant->kib * 1024UL;
	unsigned long written = sys_long(self->swpout);
	unsigned long batches = stat_get("batches");
	unsigned long queued, first;
	struct area area;
	unsigned int i;

	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "sources", "2"));
	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "batch_pages", "1"));
	area_map(&area, AREA_PAGES / 4);
	madvise(area.base, area.pages * PAGE_BYTES, MADV_HUGEPAGE);
	area_fill(&area);
	first = ((unsigned long)area.base + bytes - 1) / bytes * bytes;
	/* One at a time: there is room for each. */
	for (i = 0; i < 4; i++) {
		madvise((void *)(first + i * bytes), bytes, MADV_PAGEOUT);
		EXPECT_TRUE(idle_sums_are_right());
	}
	written = sys_long(self->swpout) - written;
	batches = stat_get("batches") - batches;
	queued = stat_get("queued") - self->stats.queued;
	EXPECT_ENOUGH(1, written);
	if (written)
		EXPECT_LE(batches + bytes / PAGE_BYTES - 1, queued);
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
}

/* A part of one is enough to have it back, and the rest must be right too. */
TEST_F_TIMEOUT(large, used_in_parts_while_reclaimed, TIMEOUT)
{
	unsigned long page, i;
	struct area area;

	large_map(&area);
	area_fill(&area);
	reclaim_start();
	for (i = 0; i < 200; i++) {
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
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
}

/* What is left of a large folio when parts of it are given back */
TEST_F_TIMEOUT(large, parts_dropped_while_reclaimed, TIMEOUT)
{
	unsigned long wrong = 0;
	struct area area;
	unsigned long i;

	large_map(&area);
	area_fill(&area);
	reclaim_start();
	/* While kswapd is at it */
	for (i = 0; i < 100; i++) {
		if (stat_get("queued") > self->stats.queued)
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
	area_unmap(&area);
}

int main(int argc, char **argv)
{
	pressure_init(true);
	return test_harness_run(argc, argv);
}
