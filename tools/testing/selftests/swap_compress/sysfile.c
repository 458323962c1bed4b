// SPDX-License-Identifier: GPL-2.0
/* What the programs read from and write to /proc and /sys. */
#include <ctype.h>
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "mix.h"
#include "sysfile.h"

#define SAMPLE_MS	20
#define QUIET_NS	(300UL * 1000 * 1000)

int sys_read(const char *path, char *text, size_t size)
{
	ssize_t len;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = read(fd, text, size - 1);
	if (len < 0)
		len = -errno;
	close(fd);
	if (len < 0)
		return len;
	while (len && text[len - 1] == '\n')
		len--;
	text[len] = '\0';
	return 0;
}

int sys_write(const char *path, const char *text)
{
	int ret = 0;
	int fd;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

int sys_write_long(const char *path, long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", value);
	return sys_write(path, text);
}

long sys_long(const char *path)
{
	char text[64];
	int ret = sys_read(path, text, sizeof(text));

	return ret ? ret : strtol(text, NULL, 10);
}

unsigned long stat_get(const char *name)
{
	char path[PATH_MAX];
	long value;

	snprintf(path, sizeof(path), SWAP_COMPRESS "stats/%s", name);
	value = sys_long(path);
	if (value < 0)
		errx(1, "%s: %s", path, strerror(-value));
	return value;
}

unsigned long meminfo_kib(const char *name)
{
	char line[128];
	char field[64];
	unsigned long kib;
	FILE *file = fopen("/proc/meminfo", "re");

	if (!file)
		err(1, "/proc/meminfo");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%63[^:]: %lu", field, &kib) == 2 &&
		    !strcmp(field, name)) {
			fclose(file);
			return kib;
		}
	}
	errx(1, "/proc/meminfo: no %s", name);
}

/* None, if the kernel does not have this file */
static unsigned long reserved_free_pages(void)
{
	FILE *file = fopen("/proc/pagetypeinfo", "re");
	unsigned long pages = 0, nr;
	unsigned int node, order;
	char line[512];
	int at, length;

	while (file && fgets(line, sizeof(line), file)) {
		at = 0;
		if (sscanf(line, "Node %u, zone %*s type HighAtomic %n", &node,
			   &at) != 1 || !at)
			continue;
		for (order = 0; sscanf(line + at, "%lu %n", &nr, &length) == 1;
		     order++) {
			pages += nr << order;
			at += length;
		}
	}
	if (file)
		fclose(file);
	return pages;
}

unsigned long free_kib(void)
{
	unsigned long reserved = reserved_free_pages() *
				 (PAGE_BYTES / 1024);
	unsigned long free = meminfo_kib("MemFree");

	return free > reserved ? free - reserved : 0;
}

double idle_seconds(void)
{
	unsigned long idle, iowait;
	char text[256];
	int err = sys_read("/proc/stat", text, sizeof(text));

	/* What does not fit in the text is of single CPUs. */
	if (err || sscanf(text, "cpu %*u %*u %*u %lu %lu", &idle, &iowait) != 2)
		errx(1, "/proc/stat: no times of the CPUs");
	return (double)(idle + iowait) / sysconf(_SC_CLK_TCK);
}

unsigned long zoneinfo_sum(const char *name)
{
	unsigned long sum = 0;
	unsigned long value;
	char line[128];
	char word[64];
	FILE *file = fopen("/proc/zoneinfo", "re");

	if (!file)
		err(1, "/proc/zoneinfo");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, " %63s %lu", word, &value) == 2 &&
		    !strcmp(word, name))
			sum += value;
	}
	fclose(file);
	return sum;
}

static const struct {
	const char *name;
	size_t offset;
} vmstat_fields[] = {
#define FIELD(name) { #name, offsetof(struct vmstat, name) }
	FIELD(nr_free_pages),
	FIELD(nr_isolated_anon),
	FIELD(nr_writeback),
	FIELD(pgsteal_kswapd),
	FIELD(pgsteal_direct),
	FIELD(pgsteal_anon),
	FIELD(pgscan_kswapd),
	FIELD(pgscan_direct),
	FIELD(pswpin),
	FIELD(pswpout),
	FIELD(swpout_zero),
	FIELD(zswpin),
	FIELD(zswpout),
	FIELD(zswpwb),
	FIELD(oom_kill),
#undef FIELD
};

static void vmstat_set(struct vmstat *vm, const char *name, unsigned long value)
{
	unsigned int i;

	if (!strncmp(name, "allocstall_", strlen("allocstall_"))) {
		vm->allocstall += value;
		return;
	}
	for (i = 0; i < ARRAY_SIZE(vmstat_fields); i++) {
		if (strcmp(name, vmstat_fields[i].name))
			continue;
		memcpy((char *)vm + vmstat_fields[i].offset, &value,
		       sizeof(value));
		return;
	}
}

void vmstat_read(struct vmstat *vm)
{
	static char text[32768];
	char *line, *next, *space;
	ssize_t len, got;
	int fd;

	fd = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		err(1, "/proc/vmstat");
	for (len = 0; len < (ssize_t)sizeof(text) - 1; len += got) {
		got = read(fd, text + len, sizeof(text) - 1 - len);
		if (got < 0)
			err(1, "/proc/vmstat");
		if (!got)
			break;
	}
	close(fd);
	text[len] = '\0';

	memset(vm, 0, sizeof(*vm));
	for (line = text; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		space = strchr(line, ' ');
		if (!space)
			continue;
		*space = '\0';
		vmstat_set(vm, line, strtoul(space + 1, NULL, 10));
	}
}

void cpu_use_add(struct cpu_use *use, const char *prefix)
{
	unsigned long ns, waited, runs;
	char path[PATH_MAX];
	char text[128];
	struct dirent *entry;
	DIR *proc = opendir("/proc");

	if (!proc)
		err(1, "/proc");
	while ((entry = readdir(proc))) {
		if (!isdigit(entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		if (sys_read(path, text, sizeof(text)) ||
		    strncmp(text, prefix, strlen(prefix)))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/schedstat",
			 entry->d_name);
		if (sys_read(path, text, sizeof(text)) ||
		    sscanf(text, "%lu %lu %lu", &ns, &waited, &runs) != 3)
			continue;
		use->ns += ns;
		use->runs += runs;
	}
	closedir(proc);
}

unsigned long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

void sleep_ms(unsigned int ms)
{
	struct timespec left = {
		.tv_sec = ms / 1000,
		.tv_nsec = ms % 1000 * 1000000L,
	};

	while (nanosleep(&left, &left) && errno == EINTR)
		;
}

void kswapd_wake(void)
{
	const size_t bytes = 64 * PAGE_BYTES;
	void *pages;

	pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (pages == MAP_FAILED)
		err(1, "mmap");
	munmap(pages, bytes);
}

bool kswapd_wait(struct vmstat *vm, unsigned long *last_ns,
		 unsigned int timeout_ms)
{
	unsigned long start = now_ns();
	unsigned long now = start, active = start;
	unsigned long stolen, scanned;

	vmstat_read(vm);
	*last_ns = start;
	do {
		stolen = vm->pgsteal_kswapd;
		scanned = vm->pgscan_kswapd;
		sleep_ms(SAMPLE_MS);
		vmstat_read(vm);
		now = now_ns();
		if (vm->pgsteal_kswapd != stolen)
			*last_ns = now;
		/* The classic LRU first passes over pages that look young. */
		if (vm->pgsteal_kswapd != stolen || vm->pgscan_kswapd != scanned)
			active = now;
		if (now - active > QUIET_NS)
			return true;
	} while (now - start < timeout_ms * 1000000UL);
	return false;
}
