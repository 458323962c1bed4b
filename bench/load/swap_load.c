// SPDX-License-Identifier: GPL-2.0
/*
 * swap_load - the workload of the demo: what reclaim does, measured from outside
 *
 *   swap_load MIX PHASE...
 *
 * The phases run in the order given:
 *   fill[=MiB]   fills memory from the mix; without an amount until just above
 *                the high watermark, where kswapd still sleeps
 *   drain        raises the watermarks while the workload sleeps, so that kswapd
 *                reclaims alone, and measures that
 *   burst[=MiB]  fills more memory flat out, measuring each 64 KiB; without an
 *                amount two fifths of the memory, 160 MiB at most
 *   light[=MiB]  fills more memory so slowly that kswapd keeps up, with pauses;
 *                an amount as for burst
 *   storm        uses the filled memory in the order in which kswapd takes it,
 *                with raised watermarks: measures each fault
 *   pageout      reclaims the filled memory with MADV_PAGEOUT, and measures that
 *   retake       reclaims a few pages with MADV_PAGEOUT and writes to them at once,
 *                again and again: measures what a write fault takes
 *   limit        writes the filled memory to the unused LIMIT_DEVICE, by one CPU and
 *                by all of them: what reclaim could reach if it only compressed
 *   shmem        what is filled from now on is shared memory
 *   busy         starts a process on each CPU that computes until the end
 *   apps         switches between processes whose memory does not fit together,
 *                see apps.c; includes its own verify
 *   profile      forgets what the kernel's profiler counted (profile= on its
 *                command line)
 *   profiled     writes what it counted since to PROFILE: offset in the kernel's
 *                text, in hexadecimal, and ticks
 *   trace        has the kernel record the events that are switched on
 *   traced       ends that
 *   corrupt      damages one byte: a following verify must report it
 *   verify       compares every byte of fill and burst, gives the memory back
 *
 * Results are lines "phase.key value" on stdout. The exit status is 1 when
 * something could not be done and 2 when verify found a wrong byte.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "apps.h"
#include "busy.h"
#include "mix.h"
#include "sysfile.h"

#define PROFILE		"/tmp/profile"
#define LIMIT_DEVICE	"/dev/zram1"
#define LIMIT_ROUNDS	5
#define LIMIT_BYTES	(128UL << 10)	/* of a write */
#define STEP_PAGES	16UL		/* 64 KiB */
#define STEPS_PER_MIB	(PAGES_PER_MIB / STEP_PAGES)
#define DRAIN_SCALE	1000		/* high watermark at a fifth of memory */
#define COLD_MS		300
#define SETTLE_MS	60000
#define LIGHT_PAUSE_MS	6
#define STORM_FAULTS	40000UL
#define STORM_SECONDS	6UL
#define STORM_STEP	32	/* pages, then a moment for kswapd to be ahead */
#define STORM_PAUSE_US	200
#define RETAKE_PAGES	128UL	/* at a time; fewer than may be in flight */
#define RETAKE_ROUNDS	200UL
#define MIN_FILL_MIB	10UL
#define MAX_BURST_MIB	160UL
#define MAX_AREAS	8

/* Memory filled by one phase; its first page has number @index. */
struct area {
	unsigned char *base;
	unsigned long pages;
	unsigned long index;
};

static struct mix mix;
static struct area areas[MAX_AREAS];
static unsigned int nr_areas;
static unsigned long wrong_pages;
static bool shared;			/* areas to come are shmem */
static unsigned long mib;		/* of this phase; 0: none was given */

static struct busy busy;

/* Everything a phase is measured by, at one point in time. */
struct reading {
	struct vmstat vm;
	struct cpu_use kswapd;
	struct cpu_use workers;
	unsigned long busy_rounds;
	long throttled;
};

static void reading_take(struct reading *reading)
{
	memset(reading, 0, sizeof(*reading));
	vmstat_read(&reading->vm);
	cpu_use_add(&reading->kswapd, "kswapd");
	/* The unbound workers, and the rescuer in case memory was that short. */
	cpu_use_add(&reading->workers, "kworker/u");
	cpu_use_add(&reading->workers, "kworker/R-swap");
	/* Threads of the benchmark's other designs. */
	cpu_use_add(&reading->workers, "swap_compress");
	reading->busy_rounds = busy_rounds(&busy);
	/* Not on a kernel without the feature */
	reading->throttled = sys_long(SWAP_COMPRESS "stats/throttled");
	if (reading->throttled < 0)
		reading->throttled = 0;
}

/* Pages whose content was stored, wherever; what moves on later counts once. */
static unsigned long written(const struct vmstat *vm)
{
	return vm->pswpout + vm->swpout_zero + vm->zswpout - vm->zswpwb;
}

static void print_reclaim(const char *phase, const struct reading *from,
			  const struct reading *to, unsigned long ns,
			  unsigned long freed)
{
	unsigned long kswapd = to->vm.pgsteal_kswapd - from->vm.pgsteal_kswapd;
	unsigned long direct = to->vm.pgsteal_direct - from->vm.pgsteal_direct;
	unsigned long anon = to->vm.pgsteal_anon - from->vm.pgsteal_anon;
	unsigned long stored = written(&to->vm) - written(&from->vm);
	unsigned long scanned = to->vm.pgscan_kswapd - from->vm.pgscan_kswapd +
				to->vm.pgscan_direct - from->vm.pgscan_direct;

	printf("%s.seconds %.4f\n", phase, ns / 1e9);
	printf("%s.freed_kswapd %lu\n", phase, kswapd);
	printf("%s.freed_direct %lu\n", phase, direct);
	printf("%s.freed_anon %lu\n", phase, anon);
	printf("%s.written %lu\n", phase, stored);
	printf("%s.scanned %lu\n", phase, scanned);
	printf("%s.swapped_in %lu\n", phase, to->vm.pswpin - from->vm.pswpin);
	printf("%s.freed_per_second %.1f\n", phase, ns ? freed * 1e9 / ns : 0.0);
	printf("%s.written_per_freed %.4f\n", phase,
	       anon ? (double)stored / anon : 0.0);
	printf("%s.stalls %lu\n", phase,
	       to->vm.allocstall - from->vm.allocstall);
	printf("%s.waits %lu\n", phase, to->throttled - from->throttled);
	printf("%s.direct_share %.4f\n", phase,
	       kswapd + direct ? (double)direct / (kswapd + direct) : 0.0);
	printf("%s.kswapd_cpu_seconds %.4f\n", phase,
	       (to->kswapd.ns - from->kswapd.ns) / 1e9);
	printf("%s.workers_cpu_seconds %.4f\n", phase,
	       (to->workers.ns - from->workers.ns) / 1e9);
	printf("%s.workers_runs %lu\n", phase,
	       to->workers.runs - from->workers.runs);
	if (busy.nr)
		printf("%s.busy_rounds_per_second %.1f\n", phase,
		       ns ? (to->busy_rounds - from->busy_rounds) * 1e9 / ns :
		       0.0);
}

static void do_shmem(void)
{
	shared = true;
}

/* What the call hands over is still on its way when it returns. */
static void do_pageout(void)
{
	struct area *area = &areas[0];
	unsigned long start, returned, done;
	struct vmstat from, to;

	if (!nr_areas)
		errx(1, "pageout: nothing has been filled");
	vmstat_read(&from);
	start = now_ns();
	if (madvise(area->base, area->pages * PAGE_BYTES, MADV_PAGEOUT))
		err(1, "pageout: MADV_PAGEOUT");
	returned = now_ns();
	while (sys_long(SWAP_COMPRESS "inflight_pages") > 0)
		sleep_ms(1);
	done = now_ns();
	vmstat_read(&to);
	if (to.nr_free_pages <= from.nr_free_pages)
		errx(1, "pageout: nothing was freed");
	printf("pageout.seconds %.4f\n", (done - start) / 1e9);
	printf("pageout.call_seconds %.4f\n", (returned - start) / 1e9);
	printf("pageout.stored_per_second %.1f\n",
	       (written(&to) - written(&from)) * 1e9 / (done - start));
}

/* The content stays as it is, but each access is a write. */
static void do_retake(void)
{
	unsigned char *base, *byte;
	unsigned long start, faults = 0, all = now_ns();
	unsigned int round, page;
	struct vmstat from, to;

	if (!nr_areas || areas[0].pages < RETAKE_PAGES)
		errx(1, "retake: too little has been filled");
	base = areas[0].base;
	vmstat_read(&from);
	for (round = 0; round < RETAKE_ROUNDS; round++) {
		if (madvise(base, RETAKE_PAGES * PAGE_BYTES, MADV_PAGEOUT))
			err(1, "retake: MADV_PAGEOUT");
		start = now_ns();
		/* The last one first: it was handed over last. */
		for (page = RETAKE_PAGES; page--;) {
			byte = base + page * PAGE_BYTES;
			__atomic_fetch_add(byte, 0, __ATOMIC_RELAXED);
		}
		faults += now_ns() - start;
	}
	all = now_ns() - all;
	vmstat_read(&to);
	printf("retake.fault_us %.2f\n",
	       faults / 1e3 / RETAKE_ROUNDS / RETAKE_PAGES);
	printf("retake.round_us_per_page %.2f\n",
	       all / 1e3 / RETAKE_ROUNDS / RETAKE_PAGES);
	printf("retake.stored %lu\n", written(&to) - written(&from));
}

static int compare_ns(const void *a, const void *b)
{
	const unsigned long *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double percentile_us(const unsigned long *sorted, unsigned long count,
			    double share)
{
	unsigned long at = share * count;

	return sorted[at < count ? at : count - 1] / 1e3;
}

/* Sorts them. */
static void print_latencies(const char *phase, unsigned long *took,
			    unsigned long count)
{
	qsort(took, count, sizeof(*took), compare_ns);
	printf("%s.latency_p50_us %.1f\n", phase,
	       percentile_us(took, count, 0.5));
	printf("%s.latency_p99_us %.1f\n", phase,
	       percentile_us(took, count, 0.99));
	printf("%s.latency_p999_us %.1f\n", phase,
	       percentile_us(took, count, 0.999));
	printf("%s.latency_max_us %.1f\n", phase, took[count - 1] / 1e3);
}

static void print_verified(unsigned long pages, unsigned long wrong,
			   const struct vmstat *from)
{
	struct vmstat to;

	vmstat_read(&to);
	printf("verify.pages %lu\n", pages);
	printf("verify.swapped_in %lu\n",
	       to.pswpin + to.zswpin - from->pswpin - from->zswpin);
	printf("verify.wrong_pages %lu\n", wrong);
	wrong_pages += wrong;
}

static struct area *area_add(unsigned long pages)
{
	struct area *area = &areas[nr_areas];

	if (nr_areas == MAX_AREAS)
		errx(1, "more than %d times fill and burst", MAX_AREAS);
	if (nr_areas)
		area->index = area[-1].index + area[-1].pages;
	area->base = mmap(NULL, pages * PAGE_BYTES, PROT_READ | PROT_WRITE,
			  (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS |
			  MAP_NORESERVE, -1, 0);
	if (area->base == MAP_FAILED)
		err(1, "mmap of %lu pages", pages);
	/* Fails where the kernel has no huge pages, which is as well. */
	madvise(area->base, pages * PAGE_BYTES, MADV_NOHUGEPAGE);
	nr_areas++;
	return area;
}

static void area_step(struct area *area)
{
	unsigned int i;

	for (i = 0; i < STEP_PAGES; i++, area->pages++)
		mix_write(&mix, area->base + area->pages * PAGE_BYTES,
			  area->index + area->pages, 0);
}

static void do_fill(void)
{
	unsigned long most = meminfo_kib("MemTotal") / 1024;
	unsigned long stop = zoneinfo_sum("high") + 2 * PAGES_PER_MIB;
	struct area *area = area_add(most * PAGES_PER_MIB);
	unsigned long done, step;
	struct vmstat from, vm;

	vmstat_read(&from);
	vm = from;
	for (done = 0; done < (mib ?: most); done++) {
		vmstat_read(&vm);
		if (!mib && vm.nr_free_pages < stop)
			break;
		for (step = 0; step < STEPS_PER_MIB; step++)
			area_step(area);
	}
	printf("fill.mib %lu\n", done);
	printf("fill.freed_kswapd %lu\n",
	       vm.pgsteal_kswapd - from.pgsteal_kswapd);
}

static void do_drain(void)
{
	struct reading from, to;
	long scale = sys_long(VM "watermark_scale_factor");
	unsigned long start, last;

	/* What the fill has set off must have ended. */
	sleep_ms(COLD_MS);
	if (!kswapd_wait(&from.vm, &last, SETTLE_MS))
		errx(1, "drain: kswapd does not come to rest");

	reading_take(&from);
	start = now_ns();
	if (scale < 0 || sys_write_long(VM "watermark_scale_factor", DRAIN_SCALE))
		errx(1, "drain: cannot raise the watermarks");
	kswapd_wake();
	if (!kswapd_wait(&to.vm, &last, SETTLE_MS))
		errx(1, "drain: not done after %d s", SETTLE_MS / 1000);
	reading_take(&to);
	sys_write_long(VM "watermark_scale_factor", scale);

	print_reclaim("drain", &from, &to, last - start,
		      to.vm.pgsteal_kswapd - from.vm.pgsteal_kswapd);
	if (to.vm.pgsteal_kswapd == from.vm.pgsteal_kswapd)
		errx(1, "drain: kswapd freed nothing: was memory full, is there swap?");
}

/* What a CPU writes to the device, at the place that it has in memory */
struct stream {
	pthread_t thread;
	const unsigned char *base;
	size_t from, to;
	unsigned int cpu;
	int device;
};

static void *stream_run(void *arg)
{
	struct stream *stream = arg;
	cpu_set_t cpus;
	size_t at, bytes;

	CPU_ZERO(&cpus);
	CPU_SET(stream->cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		err(1, "limit: CPU %u", stream->cpu);
	for (at = stream->from; at < stream->to; at += bytes) {
		bytes = stream->to - at < LIMIT_BYTES ? stream->to - at :
							LIMIT_BYTES;
		if (pwrite(stream->device, stream->base + at, bytes, at) !=
		    (ssize_t)bytes)
			err(1, "limit: " LIMIT_DEVICE);
	}
	return NULL;
}

/* Writes all of an area to the device, which is empty before. Returns pages per second. */
static double write_with(unsigned int cpus, int device, const struct area *area)
{
	unsigned long long all[2] = { 0, area->pages * PAGE_BYTES };
	struct stream *streams = calloc(cpus, sizeof(*streams));
	unsigned long start;
	unsigned int i;

	if (!streams || ioctl(device, BLKDISCARD, all))
		err(1, "limit: " LIMIT_DEVICE);
	start = now_ns();
	for (i = 0; i < cpus; i++) {
		streams[i] = (struct stream){
			.base	= area->base,
			.from	= area->pages * i / cpus * PAGE_BYTES,
			.to	= area->pages * (i + 1) / cpus * PAGE_BYTES,
			.cpu	= i,
			.device	= device,
		};
		if (pthread_create(&streams[i].thread, NULL, stream_run,
				   &streams[i]))
			errx(1, "limit: no thread");
	}
	for (i = 0; i < cpus; i++)
		pthread_join(streams[i].thread, NULL);
	start = now_ns() - start;
	free(streams);
	return area->pages * 1e9 / start;
}

static int compare_doubles(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void do_limit(void)
{
	const unsigned int cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int device = open(LIMIT_DEVICE, O_WRONLY | O_DIRECT | O_CLOEXEC);
	double one[LIMIT_ROUNDS], all[LIMIT_ROUNDS];
	unsigned int i;

	if (device < 0)
		err(1, "limit: " LIMIT_DEVICE);
	if (!nr_areas)
		errx(1, "limit: nothing has been filled");
	for (i = 0; i < LIMIT_ROUNDS; i++) {
		one[i] = write_with(1, device, &areas[0]);
		all[i] = write_with(cpus, device, &areas[0]);
	}
	qsort(one, LIMIT_ROUNDS, sizeof(*one), compare_doubles);
	qsort(all, LIMIT_ROUNDS, sizeof(*all), compare_doubles);
	printf("limit.one_cpu_per_second %.1f\n", one[LIMIT_ROUNDS / 2]);
	printf("limit.pages_per_second %.1f\n", all[LIMIT_ROUNDS / 2]);
	close(device);
}

/* What the mix really compresses to: the device's own figures, while full. */
static void print_zram(void)
{
	unsigned long orig, compressed, used, limit, peak, same;
	char text[256];

	if (sys_read("/sys/block/zram0/mm_stat", text, sizeof(text)))
		return;
	if (sscanf(text, "%lu %lu %lu %lu %lu %lu", &orig, &compressed, &used,
		   &limit, &peak, &same) != 6)
		return;
	printf("zram.stored_bytes %lu\n", orig);
	printf("zram.compressed_bytes %lu\n", compressed);
	printf("zram.same_filled_pages %lu\n", same);
}

static unsigned long default_burst_mib(void)
{
	unsigned long share = meminfo_kib("MemTotal") / 1024 * 2 / 5;

	return share < MAX_BURST_MIB ? share : MAX_BURST_MIB;
}

/* One more area, step by step: @pause_ms after each, not counted as latency. */
static void fill_measured(const char *phase, unsigned int pause_ms)
{
	unsigned long steps = (mib ?: default_burst_mib()) * STEPS_PER_MIB;
	struct area *area = area_add(steps * STEP_PAGES);
	struct reading from, at_end, settled;
	unsigned long start, before, i;
	unsigned long *took;
	double idle;

	took = calloc(steps, sizeof(*took));
	if (!took || mlock(took, steps * sizeof(*took)))
		err(1, "%s: memory for %lu latencies", phase, steps);

	reading_take(&from);
	idle = idle_seconds();
	start = now_ns();
	for (i = 0, before = start; i < steps; i++) {
		area_step(area);
		took[i] = now_ns() - before;
		before += took[i];
		if (pause_ms) {
			sleep_ms(pause_ms);
			before = now_ns();
		}
	}
	start = before - start;
	idle = idle_seconds() - idle;
	vmstat_read(&at_end.vm);
	/* Pages in flight at the end are written but not freed yet. */
	if (!kswapd_wait(&settled.vm, &before, SETTLE_MS))
		errx(1, "%s: kswapd does not come to rest", phase);
	reading_take(&settled);

	print_reclaim(phase, &from, &settled, start,
		      at_end.vm.pgsteal_kswapd - from.vm.pgsteal_kswapd);
	printf("%s.idle_share %.4f\n", phase,
	       idle * 1e9 / start / sysconf(_SC_NPROCESSORS_ONLN));
	printf("%s.mib %lu\n", phase, steps / STEPS_PER_MIB);
	print_latencies(phase, took, steps);
	free(took);
	print_zram();
}

static void do_burst(void)
{
	fill_measured("burst", 0);
}

static void do_light(void)
{
	fill_measured("light", LIGHT_PAUSE_MS);
}

static void do_busy(void)
{
	if (busy.nr)
		errx(1, "busy: more than once");
	busy_start(&busy);
}

static void do_apps(void)
{
	struct reading from, to;
	struct apps apps;

	apps_start(&apps, &mix);
	reading_take(&from);
	apps_switch(&apps);
	reading_take(&to);
	print_reclaim("apps", &from, &to, apps.ns,
		      to.vm.pgsteal_kswapd - from.vm.pgsteal_kswapd);
	print_latencies("apps", apps.switches, apps.nr_switches);
	print_latencies("apps_step", apps.worst_steps, apps.nr_switches);
	apps_stop(&apps);
	print_verified(apps.pages, apps.wrong, &from.vm);
}

static unsigned long faults_so_far(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

/* Faults on folios that are just being reclaimed: off, their lock is held. */
static void do_storm(void)
{
	struct area *area = &areas[0];
	long scale = sys_long(VM "watermark_scale_factor");
	unsigned long faults, before, start, end, page, i;
	unsigned long *took, count = 0;
	struct reading from, to;

	if (!nr_areas)
		errx(1, "storm: nothing has been filled");
	took = malloc(STORM_FAULTS * sizeof(*took));
	if (!took || mlock(took, STORM_FAULTS * sizeof(*took)))
		err(1, "storm: memory for %lu latencies", STORM_FAULTS);

	if (scale < 0 || sys_write_long(VM "watermark_scale_factor", DRAIN_SCALE))
		errx(1, "storm: cannot raise the watermarks");
	reading_take(&from);
	start = now_ns();
	end = start + STORM_SECONDS * 1000000000UL;
	faults = faults_so_far();
	for (i = 0; count < STORM_FAULTS && now_ns() < end; i++) {
		if (i % STORM_STEP == 0)
			usleep(STORM_PAUSE_US);
		/* A fault from the swap cache does not wake it. */
		if (i % (64 * STORM_STEP) == 0)
			kswapd_wake();
		page = i % area->pages;
		before = now_ns();
		__atomic_load_n(area->base + page * PAGE_BYTES,
				__ATOMIC_RELAXED);
		took[count] = now_ns() - before;
		if (faults_so_far() != faults) {
			faults = faults_so_far();
			count++;
		}
	}
	start = now_ns() - start;
	reading_take(&to);
	sys_write_long(VM "watermark_scale_factor", scale);
	if (!count)
		errx(1, "storm: no fault: is there swap?");

	print_reclaim("storm", &from, &to, start,
		      to.vm.pgsteal_kswapd - from.vm.pgsteal_kswapd);
	printf("storm.faults %lu\n", count);
	print_latencies("storm", took, count);
	free(took);
}

static void do_corrupt(void)
{
	struct area *area = &areas[0];

	if (!nr_areas)
		errx(1, "corrupt: nothing has been filled");
	area->base[area->pages / 2 * PAGE_BYTES + 1234] ^= 0x40;
}

static unsigned long verify_area(const struct area *area)
{
	unsigned long wrong_here = 0;
	unsigned long page;
	unsigned char *at;
	unsigned int wrong;

	for (page = 0; page < area->pages; page++) {
		at = area->base + page * PAGE_BYTES;
		wrong = mix_check(&mix, at, area->index + page, 0);
		if (wrong && wrong_here++ < 4)
			warnx("verify: page %lu: %u bytes are wrong",
			      area->index + page, wrong);
		/* What has been compared makes room for what has not. */
		if (page % PAGES_PER_MIB == PAGES_PER_MIB - 1)
			madvise(at - (PAGES_PER_MIB - 1) * PAGE_BYTES, MIB,
				shared ? MADV_REMOVE : MADV_DONTNEED);
	}
	munmap(area->base, area->pages * PAGE_BYTES);
	return wrong_here;
}

static void do_verify(void)
{
	unsigned long start = now_ns();
	unsigned long pages = 0;
	unsigned long wrong = 0;
	struct vmstat from;
	unsigned int i;

	vmstat_read(&from);
	for (i = 0; i < nr_areas; i++) {
		pages += areas[i].pages;
		wrong += verify_area(&areas[i]);
	}
	nr_areas = 0;
	printf("verify.seconds %.4f\n", (now_ns() - start) / 1e9);
	print_verified(pages, wrong, &from);
}

static void do_profile(void)
{
	/* A text of the size of an int would set the profiler's rate. */
	if (sys_write("/proc/profile", "forget"))
		errx(1, "profile: needs CONFIG_PROFILING, and profile=4 on the command line");
}

static void do_profiled(void)
{
	FILE *from = fopen("/proc/profile", "re");
	FILE *to = fopen(PROFILE, "we");
	unsigned int step, ticks;
	unsigned long offset;

	if (!from || !to || fread(&step, sizeof(step), 1, from) != 1)
		err(1, "profiled: from /proc/profile to " PROFILE);
	for (offset = 0; fread(&ticks, sizeof(ticks), 1, from) == 1;
	     offset += step) {
		if (ticks)
			fprintf(to, "%06lx %u\n", offset, ticks);
	}
	fclose(from);
	if (fclose(to))
		err(1, "profiled: " PROFILE);
}

static void tracing(const char *on)
{
	if (sys_write("/sys/kernel/tracing/tracing_on", on))
		err(1, "trace: /sys/kernel/tracing/tracing_on");
}

static void do_trace(void)
{
	tracing("1");
}

static void do_traced(void)
{
	tracing("0");
}

/* Ends with a clear message now rather than with the OOM killer later. */
static void check_machine(void)
{
	unsigned long swap = meminfo_kib("SwapFree") / 1024;
	unsigned long total = meminfo_kib("MemTotal") / 1024;
	unsigned long free = meminfo_kib("MemFree") / 1024;
	unsigned long least = MIN_FILL_MIB + zoneinfo_sum("high") / PAGES_PER_MIB +
			      total / 5;

	if (!swap)
		errx(1, "there is no swap");
	if (free < least)
		errx(1, "too little memory: %lu of %lu MiB are free, the workload needs %lu",
		     free, total, least);
	printf("memory.total_mib %lu\n", total);
	printf("memory.free_mib %lu\n", free);
	printf("memory.swap_mib %lu\n", swap);
}

static const struct {
	const char *name;
	void (*run)(void);
} phases[] = {
	{ "fill", do_fill },
	{ "drain", do_drain },
	{ "burst", do_burst },
	{ "light", do_light },
	{ "storm", do_storm },
	{ "pageout", do_pageout },
	{ "retake", do_retake },
	{ "limit", do_limit },
	{ "shmem", do_shmem },
	{ "busy", do_busy },
	{ "apps", do_apps },
	{ "profile", do_profile },
	{ "profiled", do_profiled },
	{ "trace", do_trace },
	{ "traced", do_traced },
	{ "corrupt", do_corrupt },
	{ "verify", do_verify },
};

static void run_phase(const char *arg)
{
	size_t length = strcspn(arg, "=");
	unsigned int i;

	mib = arg[length] == '=' ? strtoul(arg + length + 1, NULL, 10) : 0;
	fprintf(stderr, "swap_load: %s\n", arg);
	for (i = 0; i < ARRAY_SIZE(phases); i++) {
		if (strlen(phases[i].name) == length &&
		    !strncmp(phases[i].name, arg, length)) {
			phases[i].run();
			return;
		}
	}
	errx(1, "no such phase: %s", arg);
}

int main(int argc, char **argv)
{
	int i;

	if (argc < 3)
		errx(1, "usage: swap_load MIX PHASE..., see the head of swap_load.c");
	setvbuf(stdout, NULL, _IOLBF, 0);
	/* The program itself must not be what is reclaimed. */
	if (mlockall(MCL_CURRENT))
		err(1, "mlockall");
	mix_open(&mix, argv[1]);
	printf("mix.pages %lu\n", mix.pages);
	check_machine();

	for (i = 2; i < argc; i++)
		run_phase(argv[i]);
	return wrong_pages ? 2 : 0;
}
