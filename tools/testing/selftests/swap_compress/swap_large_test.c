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
	EXPECT_LT(1000, reclaim());
	EXPECT_QUEUED(&self->stats, 1000);
	EXPECT_LT(swpout, sys_long(self->swpout));
	EXPECT_EQ(0, area_verify(&area));
	area_unmap(&area);
}

/* With batches of one page, only a large folio makes a batch of more. */
TEST_F_TIMEOUT(large, is_handed_over_whole, TIMEOUT)
{
	const unsigned long large = variant->kib / 4;
	unsigned long written = sys_long(self->swpout);
	unsigned long kept = stat_get("inline_inflight");
	unsigned long batches = stat_get("batches");
	unsigned long queued;
	struct area area;

	ASSERT_EQ(0, sys_write(SWAP_COMPRESS "batch_pages", "1"));
	/* Refused where it is too much for the memory */
	sys_write(SWAP_COMPRESS "max_inflight_pages", "1024");
	large_map(&area);
	area_fill(&area);
	EXPECT_LT(1000, reclaim());
	EXPECT_TRUE(idle_sums_are_right());
	written = sys_long(self->swpout) - written;
	batches = stat_get("batches") - batches;
	queued = stat_get("queued") - self->stats.queued;
	/* By kswapd, for lack of room; more was written whole if workers did. */
	kept = stat_get("inline_inflight") - kept;
	EXPECT_LT(kept, written * large);
	if (kept < written * large)
		EXPECT_LE(batches + large - 1, queued);
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
	EXPECT_LT(self->stats.queued, stat_get("queued"));
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
