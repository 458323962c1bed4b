/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory under test, pressure that makes kswapd reclaim it, and what must be
 * true of the feature's statistics afterwards. Shared by the tests.
 */
#ifndef SWAP_COMPRESS_PRESSURE_H
#define SWAP_COMPRESS_PRESSURE_H

#include <pthread.h>
#include <stdbool.h>

#include "mix.h"
#include "sysfile.h"

#define TIMEOUT		480		/* seconds; emulated, with KASAN */
#define AREA_MIB	24UL
#define AREA_PAGES	(AREA_MIB * PAGES_PER_MIB)
#define LOADERS		2

#define ZSWAP		"/sys/module/zswap/parameters/"
#define LRU_GEN		"/sys/kernel/mm/lru_gen/"

extern struct mix mix;
/*
 * The first of /proc/swaps that is zram or a ram disk, or is named in SWAP_COMPRESS_SWAP
 */
extern char swap_device[128];

/*
 * To be called first by main(): finds the swap device, opens the content, and
 * unless @left_mib is 0 locks away all memory but that and a little more. Does
 * nothing without swap or the feature, so that the tests can be skipped.
 */
void pressure_init(unsigned long left_mib);

/* Memory under test, and the generation each of its pages is in. */
struct area {
	unsigned char *base;
	unsigned char *gen;
	unsigned long pages;
};

void area_map(struct area *area, unsigned long pages);
void area_map_shared(struct area *area, unsigned long pages);	/* shmem */
void area_unmap(struct area *area);
void area_fill(struct area *area);
/* How many pages hold a wrong byte. */
unsigned long area_verify(const struct area *area);
/* MADV_PAGEOUT: this task reclaims all of it. */
void area_page_out(const struct area *area);
/* How many pages hold something else than zeroes. */
unsigned long area_not_zero(const struct area *area);
void page_fill(struct area *area, unsigned long page);
bool page_wrong(const struct area *area, unsigned long page);

/* What /proc/self/pagemap says about a page. */
#define PAGEMAP_PRESENT		0x8000000000000000UL
#define PAGEMAP_SWAPPED		0x4000000000000000UL
#define PAGEMAP_PFN		0x007fffffffffffffUL
unsigned long page_entry(const void *page);

/* A file's text, to be written back whatever a test does. */
struct setting {
	const char *path;
	char text[128];
};

void settings_save(struct setting *setting, unsigned int nr);
void settings_restore(const struct setting *setting, unsigned int nr);

/*
 * Wakes kswapd and lets it go on until about some MiB more are free than now.
 * Whoever allocates later keeps it at work.
 */
void reclaim_start(void);
void reclaim_stop(void);
/* Lets kswapd reclaim part of what is there; returns the pages it freed. */
unsigned long reclaim(void);
/* The same, until a statistic has grown by so much; returns by how much. */
unsigned long reclaim_until(const char *name, unsigned long growth);
/*
 * When there was nothing left to reclaim, kswapd has given up and stays asleep
 * until a task reclaims with success: let one allocate so much that it has to.
 */
void revive_kswapd(void);
/*
 * Wants more of kswapd than there is, while others get what they need: does it give up
 * in that time, because nothing can be freed? reclaim_stop() ends it.
 */
bool kswapd_gives_up(unsigned int seconds);

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

/* Fills memory, then keeps using it while the watermarks keep kswapd at work. */
void load_start(struct load *load, unsigned long pages);
/*
 * Waits until a statistic is over a value, while a load is running. After a minute it
 * gives up, and returns false.
 */
bool load_until(const char *name, unsigned long value);
/* Ends the threads, checks everything once more: pages with a wrong byte. */
unsigned long load_stop(struct load *load);

/* Fills memory until some of it is on its way; true if that was seen. */
bool fill_until_in_flight(void);

#define FAULT_DIR	"/sys/kernel/debug/"
#define FAULT_OWN	"fail_swap_compress"

/* Bits of its "points", see enum scq_fault in mm/swap_compress_wq.h */
#define FAULT_STORE	0x1
#define FAULT_POOL	0x2
#define FAULT_BIO	0x4
#define FAULT_DELAY	0x8

int fault_set(const char *attr, const char *name, long value);
/* @percent of the calls fail; 0 ends it. */
int fault(const char *attr, long percent);
/*
 * Lets every third batch wait before it is stored, and as much wait as on a machine
 * with many CPUs, so that a test which is after queued folios finds some on any.
 * False if this kernel cannot do that.
 */
bool delay_workers(void);
/* How a child ended: its exit status, or 128 and the signal that killed it. */
int child_status(pid_t pid);
/* Makes this process the one to be killed if memory runs out. */
void volunteer(void);
/* Keeps this thread on one CPU. */
void run_on(unsigned int cpu);

/* Statistics when a test began. */
struct stats {
	unsigned long queued;
	unsigned long freed;
	unsigned long failed;
};

/* NULL, or what a test needs and does not have. Switches the feature on. */
const char *test_begin(struct stats *stats);
/* Puts all knobs back. No teardown is run after a SKIP() in a setup. */
void test_end(void);
void stats_read(struct stats *stats);

/* test_begin() for tests in which workers stand still, and MADV_PAGEOUT queues */
const char *stuck_begin(struct stats *stats);
/* Each batch waits so long before it is stored, and as many may wait as possible. */
bool stick_workers(long ms);

/*
 * Waits until nothing is in flight, and compares what went in with what came
 * out. Nothing may stay isolated. All numbers are of this boot.
 */
bool idle_sums_are_right(void);
/* Pages of this boot that reclaim looked at and did not hand over */
unsigned long not_queued(void);

/*
 * On a machine that is slow or busy, less may happen than a test needs to have
 * shown something. Such a test fails, but as "too little" if nothing else is wrong
 * with it: it may be run again, twice. For how much happened, and not for how much
 * must not.
 */
#define TOO_LITTLE	5	/* exit code; the harness takes it for a failure */

#define EXPECT_ENOUGH(least, counted)	__EXPECT_ENOUGH(least, counted, #counted)
#define __EXPECT_ENOUGH(least, counted, text) do {			\
	const long __least = (least);				\
	const long __counted = (counted);			\
									\
	if (__counted < __least) {					\
		ksft_print_msg("too little: %s is %ld, at least %ld are needed\n", \
			       text, __counted, __least);		\
		if (_metadata->exit_code == KSFT_PASS)			\
			_metadata->exit_code = TOO_LITTLE;		\
	}								\
} while (0)

/* Of what says why something happened, there must be some. */
#define EXPECT_REASON(least, counted) do {				\
	const long __some = (counted);					\
									\
	EXPECT_LT(0, __some);						\
	__EXPECT_ENOUGH(least, __some, #counted);			\
} while (0)

/* A test in which nothing went through the queue has shown nothing. */
#define EXPECT_QUEUED(since, least) do {				\
	const struct stats *__since = (since);				\
									\
	EXPECT_ENOUGH(least, stat_get("queued") - __since->queued);	\
	EXPECT_ENOUGH(1, stat_get("freed") - __since->freed);		\
} while (0)

/* Last in each teardown: makes "too little" part of the line "not ok". */
#define REPORT_TOO_LITTLE() do {					\
	if (_metadata->exit_code == TOO_LITTLE)				\
		snprintf(_metadata->results->reason,			\
			 sizeof(_metadata->results->reason),		\
			 "too little happened");			\
} while (0)

/*
 * What mkswap writes, on a device to overwrite. NULL, or why not: it is
 * in use, or its first MiB holds something that is not from here.
 */
const char *make_swap(const char *device);
/* Leaves the device that make_swap() prepared; 0, or -1 and errno. */
int swap_back_from(const char *device);
#define MAKE_SWAP(device) do {						\
	const char *__device = (device), *__lacks = make_swap(__device); \
									\
	ASSERT_EQ(NULL, __lacks) {					\
		TH_LOG("%s is not overwritten: %s", __device, __lacks);	\
	}								\
} while (0)

#endif /* SWAP_COMPRESS_PRESSURE_H */
