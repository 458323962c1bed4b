// SPDX-License-Identifier: GPL-2.0
/*
 * file_load - what files and writes to a block device take
 *
 *   file_load MIX writeback|faults|buffered|direct|single PATH [KEY]
 *
 *   writeback  writes a file, and measures the fsync() that follows; PATH is the file
 *   faults     swaps memory out, and measures the faults on it while a process writes
 *              the file PATH again and again
 *   buffered   writes to the block device PATH, and measures the fsync() that follows
 *   direct     measures write() to it with O_DIRECT, 1 MiB at a time
 *   single     the same, a page at a time: a page is written before the next
 *
 * What write() takes without O_DIRECT is not measured: under emulation the copy from
 * user space takes several times as long as everything else.
 *
 * Every byte is compared afterwards, as the device has it. Results are lines
 * "KEY.value number". The exit status is 1 when something could not be done and 2
 * when a byte is wrong.
 */
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mix.h"
#include "sysfile.h"

#define FILE_MIB	48UL
#define FILE_PAGES	(FILE_MIB * PAGES_PER_MIB)
#define SINGLE_PAGES	4096UL
#define SWAPPED_PAGES	(32 * PAGES_PER_MIB)
#define FAULTS		8000UL

static struct mix mix;
static const char *path, *key;
static unsigned char *content;		/* FILE_PAGES of them */

static int open_file(int flags)
{
	int fd = open(path, O_RDWR | flags, 0600);

	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

static void *map(unsigned long pages)
{
	void *base = mmap(NULL, pages * PAGE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (base == MAP_FAILED)
		err(1, "no memory for %lu pages", pages);
	return base;
}

/* In advance: what it costs to make is not what is measured. */
static void make_content(void)
{
	unsigned long i;

	content = map(FILE_PAGES);
	for (i = 0; i < FILE_PAGES; i++)
		mix_write(&mix, content + i * PAGE_BYTES, i, 1);
}

static void write_all(int fd, unsigned long bytes, unsigned long step)
{
	unsigned long at;

	for (at = 0; at < bytes; at += step) {
		if (pwrite(fd, content + at, step, at) != (ssize_t)step)
			err(1, "cannot write to %s", path);
	}
}

static void flush(int fd)
{
	if (fsync(fd))
		err(1, "fsync %s", path);
}

static void verify(unsigned long pages)
{
	unsigned char *buffer = map(PAGES_PER_MIB);
	int fd = open_file(O_DIRECT);
	unsigned long i;

	for (i = 0; i < pages; i++) {
		unsigned long in = i % PAGES_PER_MIB;

		if (!in && pread(fd, buffer, MIB, i * PAGE_BYTES) != (ssize_t)MIB)
			err(1, "cannot read %s", path);
		if (mix_check(&mix, buffer + in * PAGE_BYTES, i, 1))
			errx(2, "page %lu of %s is wrong", i, path);
	}
	close(fd);
}

/* The time, and that of all CPUs */
struct reading {
	unsigned long ns;
	double idle;
};

static void begin(struct reading *reading)
{
	reading->idle = idle_seconds();
	reading->ns = now_ns();
}

static void end(const struct reading *from, unsigned long pages)
{
	double seconds = (now_ns() - from->ns) / 1e9;
	double cpus = sysconf(_SC_NPROCESSORS_ONLN);

	printf("%s.pages_per_second %.0f\n", key, pages / seconds);
	printf("%s.cpu_us_per_page %.2f\n", key,
	       (cpus * seconds - (idle_seconds() - from->idle)) * 1e6 / pages);
}

static void measure_flush(int flags)
{
	int fd = open_file(flags);
	struct reading from;

	write_all(fd, FILE_PAGES * PAGE_BYTES, MIB);
	begin(&from);
	flush(fd);
	end(&from, FILE_PAGES);
	close(fd);
	verify(FILE_PAGES);
}

static void measure_direct(unsigned long pages, unsigned long step)
{
	int fd = open_file(O_DIRECT);
	struct reading from;

	begin(&from);
	write_all(fd, pages * PAGE_BYTES, step);
	end(&from, pages);
	close(fd);
	verify(pages);
}

static int compare(const void *a, const void *b)
{
	const unsigned long *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void write_for_ever(void)
{
	int fd = open_file(O_CREAT | O_DIRECT);

	for (;;)
		write_all(fd, FILE_PAGES * PAGE_BYTES, MIB);
}

static void do_faults(void)
{
	unsigned char *area = map(SWAPPED_PAGES);
	unsigned long *took = map(FAULTS * sizeof(*took) / PAGE_BYTES + 1);
	unsigned long i, before, random = 1;
	pid_t writer;

	for (i = 0; i < SWAPPED_PAGES; i++)
		mix_write(&mix, area + i * PAGE_BYTES, i, 2);
	if (madvise(area, SWAPPED_PAGES * PAGE_BYTES, MADV_PAGEOUT))
		err(1, "MADV_PAGEOUT");
	writer = fork();
	if (writer < 0)
		err(1, "fork");
	if (!writer)
		write_for_ever();
	sleep_ms(300);
	for (i = 0; i < FAULTS; i++) {
		unsigned char *page;

		random = random * 6364136223846793005UL + 1442695040888963407UL;
		page = area + (random >> 33) % SWAPPED_PAGES * PAGE_BYTES;
		/* Not there, whether or not it was there before */
		madvise(page, PAGE_BYTES, MADV_PAGEOUT);
		before = now_ns();
		*(volatile unsigned char *)page;
		took[i] = now_ns() - before;
	}
	if (waitpid(writer, NULL, WNOHANG))
		errx(1, "whoever was to write has ended");
	kill(writer, SIGKILL);
	waitpid(writer, NULL, 0);
	for (i = 0; i < SWAPPED_PAGES; i++) {
		if (mix_check(&mix, area + i * PAGE_BYTES, i, 2))
			errx(2, "page %lu of the memory is wrong", i);
	}
	qsort(took, FAULTS, sizeof(*took), compare);
	printf("%s.p50_us %.1f\n", key, took[FAULTS / 2] / 1e3);
	printf("%s.p99_us %.1f\n", key, took[FAULTS * 99 / 100] / 1e3);
	printf("%s.max_us %.1f\n", key, took[FAULTS - 1] / 1e3);
}

int main(int argc, char **argv)
{
	const char *what = argc > 3 ? argv[2] : "";

	if (argc < 4 || argc > 5)
		errx(1, "usage: file_load MIX writeback|faults|buffered|direct|single PATH [KEY]");
	path = argv[3];
	key = argc > 4 ? argv[4] : what;
	mix_open(&mix, argv[1]);
	mix.seed = 1;
	make_content();
	if (!strcmp(what, "writeback"))
		measure_flush(O_CREAT);
	else if (!strcmp(what, "faults"))
		do_faults();
	else if (!strcmp(what, "buffered"))
		measure_flush(0);
	else if (!strcmp(what, "direct"))
		measure_direct(FILE_PAGES, MIB);
	else if (!strcmp(what, "single"))
		measure_direct(SINGLE_PAGES, PAGE_BYTES);
	else
		errx(1, "no such phase: %s", what);
	return 0;
}
