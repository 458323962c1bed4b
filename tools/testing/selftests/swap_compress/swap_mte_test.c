// SPDX-License-Identifier: GPL-2.0
/*
 * Memory tags of arm64 (MTE) are content: they must come back with the data they belong
 * to, also if both change while kswapd reclaims the pages.
 *
 * Needs what swap_compress_test needs, and a CPU and a kernel with MTE.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/mount.h>

#include "kselftest_harness.h"
#include "pressure.h"

#ifndef PROT_MTE
#define PROT_MTE	0x20
#endif
#ifndef HWCAP2_MTE
#define HWCAP2_MTE	0x40000UL
#endif

#define GRANULE		16UL
#define TAG_SHIFT	56
#define TAGS		16U
/* Threads that change tags and data */
#define WRITERS		2

#ifdef __aarch64__
static bool have_mte(void)
{
	return getauxval(AT_HWCAP2) & HWCAP2_MTE;
}

static void tag_set(unsigned char *granule, unsigned long tag)
{
	unsigned long address = (unsigned long)granule | tag << TAG_SHIFT;

	asm volatile(".arch armv8.5-a+memtag\n\tstg %0, [%0]"
		     : : "r" (address) : "memory");
}

static unsigned int tag_get(const unsigned char *granule)
{
	unsigned long address = (unsigned long)granule;

	asm volatile(".arch armv8.5-a+memtag\n\tldg %0, [%0]"
		     : "+r" (address) : : "memory");
	return address >> TAG_SHIFT & (TAGS - 1);
}
#else
static bool have_mte(void)
{
	return false;
}

static void tag_set(unsigned char *granule, unsigned long tag)
{
	(void)granule;
	(void)tag;
}

static unsigned int tag_get(const unsigned char *granule)
{
	(void)granule;
	return 0;
}
#endif

/* No two neighbours, pages or generations have the same tags. */
static unsigned int tag_of(const struct area *area, unsigned long page,
			   unsigned long granule)
{
	return (page * 5 + granule * 3 + area->gen[page] * 7 + granule / TAGS) %
	       TAGS;
}

/* Data and tags of the page's generation */
static void tagged_fill(struct area *area, unsigned long page)
{
	unsigned char *base = area->base + page * PAGE_BYTES;
	unsigned long i;

	page_fill(area, page);
	for (i = 0; i < PAGE_BYTES / GRANULE; i++)
		tag_set(base + i * GRANULE, tag_of(area, page, i));
}

static bool tagged_wrong(const struct area *area, unsigned long page)
{
	const unsigned char *base = area->base + page * PAGE_BYTES;
	unsigned long i;

	for (i = 0; i < PAGE_BYTES / GRANULE; i++) {
		if (tag_get(base + i * GRANULE) != tag_of(area, page, i))
			return true;
	}
	return page_wrong(area, page);
}

static unsigned long tagged_verify(const struct area *area)
{
	unsigned long page, wrong = 0;

	for (page = 0; page < area->pages; page++)
		wrong += tagged_wrong(area, page);
	return wrong;
}

static int tagged_map(struct area *area, unsigned long pages)
{
	unsigned long page;

	area_map(area, pages);
	if (mprotect(area->base, pages * PAGE_BYTES,
		     PROT_READ | PROT_WRITE | PROT_MTE))
		return -1;
	for (page = 0; page < pages; page++)
		tagged_fill(area, page);
	return 0;
}

FIXTURE(mte) {
	struct stats stats;
};

FIXTURE_SETUP(mte)
{
	const char *lacks = test_begin(&self->stats);

	if (!have_mte())
		lacks = "needs an arm64 CPU and kernel with MTE";
	if (lacks)
		SKIP(return test_end(), "%s", lacks);
}

FIXTURE_TEARDOWN(mte)
{
	test_end();
	EXPECT_TRUE(idle_sums_are_right());
	EXPECT_EQ(self->stats.failed, stat_get("failed"));
	REPORT_TOO_LITTLE();
}

TEST_F_TIMEOUT(mte, a_wrong_tag_is_seen, TIMEOUT)
{
	struct area area;

	ASSERT_EQ(0, tagged_map(&area, 16));
	EXPECT_EQ(0, tagged_verify(&area));
	tag_set(area.base + 3 * PAGE_BYTES + 5 * GRANULE,
		(tag_of(&area, 3, 5) + 1) % TAGS);
	EXPECT_EQ(1, tagged_verify(&area));
	area.base[9 * PAGE_BYTES + 1000] ^= 1;
	EXPECT_EQ(2, tagged_verify(&area));
	area_unmap(&area);
}

TEST_F_TIMEOUT(mte, tags_come_back, TIMEOUT)
{
	struct area area;

	ASSERT_EQ(0, tagged_map(&area, AREA_PAGES));
	EXPECT_ENOUGH(1000, reclaim());
	EXPECT_QUEUED(&self->stats, 1000);
	EXPECT_EQ(0, tagged_verify(&area));
	area_unmap(&area);
}

#define TRACEFS		"/sys/kernel/tracing/"
#define FLUSHES		"swap_compress_flushes"
#define FLUSHES_ENABLE	TRACEFS "events/kprobes/" FLUSHES "/enable"

static void flushes_stop(void)
{
	sys_write(FLUSHES_ENABLE, "0");
	sys_write(TRACEFS "kprobe_events", "-:" FLUSHES);
}

/* From now on the kernel counts the calls of try_to_unmap_flush_dirty(). */
static int flushes_start(void)
{
	mount("tracefs", TRACEFS, "tracefs", 0, NULL);
	flushes_stop();		/* if a test was killed */
	return sys_write(TRACEFS "kprobe_events",
			 "p:" FLUSHES " try_to_unmap_flush_dirty") ?:
	       sys_write(FLUSHES_ENABLE, "1");
}

static unsigned long flushes(void)
{
	char text[256] = "";
	unsigned long hits;

	sys_read(TRACEFS "kprobe_profile", text, sizeof(text));
	if (sscanf(text, " " FLUSHES " %lu", &hits) != 1)
		return 0;
	return hits;
}

FIXTURE(flush) {
	struct stats stats;
};

FIXTURE_VARIANT(flush) {
	bool tagged;
};

FIXTURE_VARIANT_ADD(flush, tagged) { .tagged = true };
FIXTURE_VARIANT_ADD(flush, untagged) { .tagged = false };

FIXTURE_SETUP(flush)
{
	const char *lacks = test_begin(&self->stats);

	if (!have_mte())
		lacks = "needs an arm64 CPU and kernel with MTE";
	else if (!lacks && flushes_start())
		lacks = "needs CONFIG_KPROBE_EVENTS, and tracefs";
	if (lacks)
		SKIP(return test_end(), "%s", lacks);
}

FIXTURE_TEARDOWN(flush)
{
	flushes_stop();
	test_end();
	EXPECT_TRUE(idle_sums_are_right());
	REPORT_TOO_LITTLE();
}

/* Tags are saved before the pass's flush, so a page with tags needs one of its own. */
TEST_F_TIMEOUT(flush, of_each_page_if_it_has_tags, TIMEOUT)
{
	unsigned long others = not_queued();
	unsigned long queued, nr;
	struct area area;

	if (variant->tagged) {
		ASSERT_EQ(0, tagged_map(&area, AREA_PAGES));
	} else {
		area_map(&area, AREA_PAGES);
		area_fill(&area);
	}
	nr = flushes();
	EXPECT_ENOUGH(1000, reclaim());
	EXPECT_QUEUED(&self->stats, 1000);
	nr = flushes() - nr;
	queued = stat_get("queued") - self->stats.queued;
	others = not_queued() - others;
	ksft_print_msg("%lu calls to flush for %lu queued and %lu other pages\n",
		       nr, queued, others);
	if (variant->tagged)
		EXPECT_LE(queued + others, nr);
	if (!variant->tagged)
		EXPECT_LE(nr, others + queued / 8);
	area_unmap(&area);
}

/* A writer changes every other page from its own first one on. */
struct writer {
	pthread_t thread;
	struct area *area;
	unsigned long first;
	unsigned long wrong;
	bool *stop;
};

static void *write_tags(void *arg)
{
	struct writer *writer = arg;
	unsigned long page = writer->first;

	while (!__atomic_load_n(writer->stop, __ATOMIC_RELAXED)) {
		writer->wrong += tagged_wrong(writer->area, page);
		writer->area->gen[page]++;
		tagged_fill(writer->area, page);
		page += WRITERS;
		if (page >= writer->area->pages)
			page = writer->first;
		/* kswapd is to have a CPU, and reason to go on. */
		if (page / WRITERS % 8 == 0)
			sleep_ms(1);
	}
	return NULL;
}

/* Faults on queued pages among them: each third batch begins late. */
TEST_F_TIMEOUT(mte, tags_change_while_reclaimed, TIMEOUT)
{
	unsigned long cancelled = stat_get("cancelled_refault");
	struct writer writers[WRITERS];
	bool delayed = delay_workers();
	bool stop = false;
	struct area area;
	unsigned int i;

	ASSERT_EQ(0, tagged_map(&area, AREA_PAGES));
	for (i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){
			.area = &area, .first = i, .stop = &stop,
		};
		ASSERT_EQ(0, pthread_create(&writers[i].thread, NULL,
					    write_tags, &writers[i]));
	}
	reclaim_start();
	for (i = 0; i < 300; i++) {
		sleep_ms(100);
		kswapd_wake();
		if (stat_get("queued") > self->stats.queued + 5000 &&
		    stat_get("cancelled_refault") > cancelled)
			break;
	}
	reclaim_stop();
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < WRITERS; i++) {
		pthread_join(writers[i].thread, NULL);
		EXPECT_EQ(0, writers[i].wrong);
	}
	EXPECT_QUEUED(&self->stats, 1000);
	if (delayed)
		EXPECT_ENOUGH(1, stat_get("cancelled_refault") - cancelled);
	EXPECT_EQ(0, tagged_verify(&area));
	area_unmap(&area);
}

int main(int argc, char **argv)
{
	pressure_init(AREA_MIB);
	return test_harness_run(argc, argv);
}
