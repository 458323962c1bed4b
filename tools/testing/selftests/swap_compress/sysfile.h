/* SPDX-License-Identifier: GPL-2.0 */
/* What the programs read from and write to /proc and /sys. */
#ifndef SWAP_COMPRESS_SYSFILE_H
#define SWAP_COMPRESS_SYSFILE_H

#include <stdbool.h>
#include <stddef.h>

#define SWAP_COMPRESS	"/sys/kernel/mm/swap_compress/"
#define WORKQUEUE	"/sys/devices/virtual/workqueue/swap_compress/"
#define BIO_WORKQUEUE	"/sys/devices/virtual/workqueue/swap_compress_bio/"
#define VM		"/proc/sys/vm/"
#define CPU1_ONLINE	"/sys/devices/system/cpu/cpu1/online"
#define NS_PER_S	1000000000UL

/* Text of a small file without the newline; 0 or -errno. */
int sys_read(const char *path, char *text, size_t size);
/* 0 or -errno, as the kernel answered the write. */
int sys_write(const char *path, const char *text);
int sys_write_long(const char *path, long value);
/* The number in a file, or -errno. */
long sys_long(const char *path);
/* A statistic of the feature; ends the program when there is none. */
unsigned long stat_get(const char *name);
/* A field of /proc/meminfo in KiB; ends the program when there is none. */
unsigned long meminfo_kib(const char *name);

/*
 * What is free, in KiB, without the reserve for atomic allocations of several pages,
 * which watermarks do not count.
 */
unsigned long free_kib(void);

/*
 * Sum over all lines of /proc/zoneinfo "name value", or "name: value" if @name
 * has the colon.
 */
unsigned long zoneinfo_sum(const char *name);

/* Events of /proc/vmstat. Those a kernel does not have stay 0. */
struct vmstat {
	unsigned long nr_free_pages;
	unsigned long nr_isolated_anon;
	unsigned long nr_writeback;
	unsigned long pgsteal_kswapd;	/* including the feature's workers */
	unsigned long pgsteal_direct;
	unsigned long pgsteal_anon;
	unsigned long pgscan_kswapd;
	unsigned long pgscan_direct;
	unsigned long pswpin;
	unsigned long pswpout;
	unsigned long swpout_zero;	/* recorded as zero, never written */
	unsigned long zswpin;		/* read from zswap, not in pswpin */
	unsigned long zswpout;		/* stored in zswap instead */
	unsigned long zswpwb;		/* written from there; in pswpout too */
	unsigned long oom_kill;
	unsigned long allocstall;	/* of all zones */
};

void vmstat_read(struct vmstat *vm);

/* What threads had of the CPUs, and how often they were given one. */
struct cpu_use {
	unsigned long ns;
	unsigned long runs;
};

/* Adds that of the kernel threads whose name starts with @prefix. */
void cpu_use_add(struct cpu_use *use, const char *prefix);

/* How long CPUs had nothing to do, summed over all of them. */
double idle_seconds(void);

unsigned long now_ns(void);
void sleep_ms(unsigned int ms);

/*
 * Wakes kswapd, if memory is below the low watermark: raising the watermarks
 * does not, only an allocation does.
 */
void kswapd_wake(void);

/*
 * Waits until kswapd has scanned and freed nothing for 300 ms, or until @timeout_ms have
 * passed (false). @vm: the events then; @last_ns: when it last freed a page.
 */
bool kswapd_wait(struct vmstat *vm, unsigned long *last_ns,
		 unsigned int timeout_ms);

#endif /* SWAP_COMPRESS_SYSFILE_H */
