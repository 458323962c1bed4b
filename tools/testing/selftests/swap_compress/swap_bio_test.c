// SPDX-License-Identifier: GPL-2.0
/*
 * Does every byte come back that was written to a zram device, if workers take part in
 * its writes (parallel_writes), also while others swap and while everything is
 * switched? Does the device fail, freeze, reset and go as without that?
 *
 * Needs what swap_compress_test needs, and makes a zram device of its own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "pressure.h"

#define ZRAM_CONTROL	"/sys/class/zram-control/"
#define DEVICE_MIB	8UL
#define DEVICE_SIZE	"8M"
#define DEVICE_PAGES	(DEVICE_MIB * PAGES_PER_MIB)
#define SLICE_PAGES	32UL		/* SCQ_SLICE_PAGES */

/* A zram device, and the generation each of its MiB is in */
struct device {
	long number;
	int direct;			/* file descriptors */
	int buffered;
	unsigned char gen[DEVICE_MIB];
	unsigned char *buffer;		/* of 1 MiB */
};

static int device_set(const struct device *device, const char *name,
		      const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/block/zram%ld/%s", device->number, name);
	return sys_write(path, value);
}

/*
 * Somebody who looks at new devices may have this one open for a moment. Not more
 * than a second of it is accepted, and none on a machine of one's own.
 */
static int device_remove(const struct device *device)
{
	unsigned int tries = 10;
	int err;

	while ((err = sys_write_long(ZRAM_CONTROL "hot_remove", device->number)) ==
	       -EBUSY && --tries)
		sleep_ms(100);
	return err;
}

static int device_reset(const struct device *device)
{
	unsigned int tries = 10;
	int err;

	while ((err = device_set(device, "reset", "1")) == -EBUSY && --tries)
		sleep_ms(100);
	return err;
}

static int device_open(struct device *device)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/zram%ld", device->number);
	device->direct = open(path, O_RDWR | O_DIRECT);
	device->buffered = open(path, O_RDWR);
	return device->direct < 0 || device->buffered < 0 ? -errno : 0;
}

static int device_setup(struct device *device)
{
	return device_set(device, "disksize", DEVICE_SIZE) ?:
	       device_set(device, "parallel_writes", "1") ?: device_open(device);
}

static void device_close(struct device *device)
{
	close(device->direct);
	close(device->buffered);
}

/* Fills 1 MiB with a new generation; 0 or -errno. */
static int device_write(struct device *device, int fd, unsigned int mib)
{
	unsigned char gen = device->gen[mib] + 1;
	unsigned long i;
	ssize_t len;

	for (i = 0; i < PAGES_PER_MIB; i++)
		mix_write(&mix, device->buffer + i * PAGE_BYTES,
			  mib * PAGES_PER_MIB + i, gen);
	device->gen[mib] = gen;
	len = pwrite(fd, device->buffer, MIB, mib * MIB);
	return len < 0 ? -errno : len == MIB ? 0 : -EIO;
}

/* Writeback by others begins, without waiting for it. */
static int device_flush(struct device *device)
{
	return sync_file_range(device->buffered, 0, 0, SYNC_FILE_RANGE_WRITE) ?
		       -errno : 0;
}

/* Pages of a MiB that hold a wrong byte, on the device, whatever is cached */
static unsigned long device_wrong(struct device *device, unsigned int mib)
{
	unsigned long i, wrong = 0;

	if (pread(device->direct, device->buffer, MIB, mib * MIB) != (ssize_t)MIB)
		return PAGES_PER_MIB;
	for (i = 0; i < PAGES_PER_MIB; i++)
		wrong += !!mix_check(&mix, device->buffer + i * PAGE_BYTES,
				     mib * PAGES_PER_MIB + i, device->gen[mib]);
	return wrong;
}

static unsigned long device_verify(struct device *device)
{
	unsigned long wrong = 0;
	unsigned int mib;

	for (mib = 0; mib < DEVICE_MIB; mib++)
		wrong += device_wrong(device, mib);
	return wrong;
}

/* Writes and checks at random until told to stop. */
struct writer {
	pthread_t thread;
	struct device *device;
	bool stop;
	unsigned long written;		/* MiB */
	unsigned long wrong;		/* pages */
	int err;
};

static void *write_on(void *arg)
{
	struct writer *writer = arg;
	struct device *device = writer->device;
	unsigned long random = mix.seed;

	while (!__atomic_load_n(&writer->stop, __ATOMIC_RELAXED) && !writer->err) {
		unsigned int mib;

		random = random * 6364136223846793005UL + 1442695040888963407UL;
		mib = (random >> 33) % DEVICE_MIB;
		writer->err = device_write(device, random >> 63 ? device->direct :
					   device->buffered, mib);
		if (!writer->err && !(random >> 62 & 1))
			writer->err = device_flush(device);
		__atomic_add_fetch(&writer->written, 1, __ATOMIC_RELAXED);
		if (writer->written % 4 == 0)
			writer->wrong += device_wrong(device, mib);
	}
	return NULL;
}

static int writer_start(struct writer *writer, struct device *device)
{
	*writer = (struct writer){ .device = device };
	return pthread_create(&writer->thread, NULL, write_on, writer);
}

static unsigned long writer_wrote(struct writer *writer)
{
	return __atomic_load_n(&writer->written, __ATOMIC_RELAXED);
}

static void writer_stop(struct writer *writer)
{
	__atomic_store_n(&writer->stop, true, __ATOMIC_RELAXED);
	pthread_join(writer->thread, NULL);
}

FIXTURE(bio) {
	struct stats stats;		/* when the test began */
	struct device device;
	unsigned long pages;		/* given to workers until then */
};

FIXTURE_SETUP(bio)
{
	struct device *device = &self->device;
	const char *lacks = test_begin(&self->stats);
	unsigned int mib;

	if (lacks)
		SKIP(return test_end(), "%s", lacks);
	device->number = sys_long(ZRAM_CONTROL "hot_add");
	if (device->number < 0)
		SKIP(return test_end(), "needs " ZRAM_CONTROL "hot_add");
	if (device_set(device, "parallel_writes", "1") == -ENOENT) {
		device_remove(device);
		SKIP(return test_end(), "needs parallel_writes of zram, which this kernel does not have");
	}
	ASSERT_EQ(0, device_setup(device));
	ASSERT_EQ(0, posix_memalign((void **)&device->buffer, PAGE_BYTES, MIB));
	for (mib = 0; mib < DEVICE_MIB; mib++)
		ASSERT_EQ(0, device_write(device, device->direct, mib));
	self->pages = stat_get("bio_pages");
}

FIXTURE_TEARDOWN(bio)
{
	sys_write("/sys/power/pm_test", "none");
	device_close(&self->device);
	EXPECT_EQ(0, device_remove(&self->device));
	free(self->device.buffer);
	test_end();
	EXPECT_TRUE(idle_sums_are_right());
	EXPECT_EQ(self->stats.failed, stat_get("failed"));
	REPORT_TOO_LITTLE();
}

static unsigned long shared_since(unsigned long pages)
{
	return stat_get("bio_pages") - pages;
}

TEST_F_TIMEOUT(bio, direct_writes_come_back, TIMEOUT)
{
	unsigned int mib;

	for (mib = 0; mib < DEVICE_MIB; mib++)
		ASSERT_EQ(0, device_write(&self->device, self->device.direct, mib));
	EXPECT_EQ(0, device_verify(&self->device));
	EXPECT_ENOUGH(4 * SLICE_PAGES, shared_since(self->pages));
}

TEST_F_TIMEOUT(bio, buffered_writes_come_back, TIMEOUT)
{
	unsigned int mib;

	for (mib = 0; mib < DEVICE_MIB; mib++)
		ASSERT_EQ(0, device_write(&self->device, self->device.buffered,
					  mib));
	ASSERT_EQ(0, device_flush(&self->device));
	ASSERT_EQ(0, fsync(self->device.buffered));
	/* Block devices write page by page, under one plug. */
	EXPECT_ENOUGH(4 * SLICE_PAGES, shared_since(self->pages));
	EXPECT_EQ(0, device_verify(&self->device));
}

/* Writes the first MiB, so many pages at a time. */
static int write_in_steps(struct device *device, unsigned long step)
{
	const ssize_t bytes = step * PAGE_BYTES;
	unsigned long i, j;

	device->gen[0]++;
	for (i = 0; i < PAGES_PER_MIB; i += step) {
		for (j = 0; j < step; j++)
			mix_write(&mix, device->buffer + j * PAGE_BYTES, i + j,
				  device->gen[0]);
		if (pwrite(device->direct, device->buffer, bytes,
			   i * PAGE_BYTES) != bytes)
			return -EIO;
	}
	return 0;
}

/* A worker would store them no sooner than the task, which waits. */
TEST_F_TIMEOUT(bio, small_synchronous_writes_are_not_shared, TIMEOUT)
{
	unsigned long step;

	for (step = 1; step <= SLICE_PAGES && step <= PAGES_PER_MIB; step *= 2) {
		ASSERT_EQ(0, write_in_steps(&self->device, step));
		EXPECT_EQ(0, device_wrong(&self->device, 0));
	}
	EXPECT_EQ(0, shared_since(self->pages));
}

TEST_F_TIMEOUT(bio, off_means_that_the_submitter_writes, TIMEOUT)
{
	unsigned long pages;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, device_set(&self->device, "parallel_writes",
					i ? "1" : "0"));
		ASSERT_EQ(0, sys_write(SWAP_COMPRESS "enabled", i ? "0" : "1"));
		pages = stat_get("bio_pages");
		ASSERT_EQ(0, device_write(&self->device, self->device.direct, i));
		EXPECT_EQ(0, shared_since(pages));
	}
	EXPECT_EQ(0, device_verify(&self->device));
}

TEST_F_TIMEOUT(bio, written_beside_swap, TIMEOUT)
{
	unsigned int rounds, tries;
	struct writer writer;
	struct load load;

	load_start(&load, AREA_PAGES);
	ASSERT_EQ(0, writer_start(&writer, &self->device));
	load_until("queued", self->stats.queued + 1000);
	/* What is swapped goes first, and is to leave workers some time. */
	for (rounds = 0; rounds < 10 && shared_since(self->pages) < SLICE_PAGES;
	     rounds++) {
		reclaim_stop();
		for (tries = 0; tries < 100 &&
		     shared_since(self->pages) < SLICE_PAGES; tries++)
			sleep_ms(50);
		reclaim_start();
	}
	for (tries = 0; tries < 600 && writer_wrote(&writer) < DEVICE_MIB; tries++)
		sleep_ms(100);
	writer_stop(&writer);
	EXPECT_EQ(0, writer.err);
	EXPECT_EQ(0, writer.wrong);
	EXPECT_ENOUGH(DEVICE_MIB, writer.written);
	EXPECT_EQ(0, load_stop(&load));
	EXPECT_QUEUED(&self->stats, 1000);
	EXPECT_EQ(0, device_verify(&self->device));
	EXPECT_ENOUGH(SLICE_PAGES, shared_since(self->pages));
}

TEST_F_TIMEOUT(bio, switched_while_written, TIMEOUT)
{
	static const struct {
		const char *path;	/* of the device, if not of sysfs */
		const char *values[4];
	} all[] = {
		{ "parallel_writes", { "0", "1", "1", "1" } },
		{ SWAP_COMPRESS "enabled", { "0", "1", "1", "1" } },
		{ WORKQUEUE "max_active", { "1", "2", "4", "16" } },
		{ CPU1_ONLINE, { "0", "1", "1", "1" } },
	};
	unsigned long random = mix.seed;
	struct writer writer;
	unsigned int round;

	ASSERT_EQ(0, writer_start(&writer, &self->device));
	/* Longer on a machine that is slow */
	for (round = 0; round < 200 ||
	     (round < 2000 && shared_since(self->pages) < SLICE_PAGES); round++) {
		unsigned int i;

		random = random * 6364136223846793005UL + 1442695040888963407UL;
		i = (random >> 33) % ARRAY_SIZE(all);
		if (all[i].path[0] == '/')
			sys_write(all[i].path, all[i].values[random >> 62]);
		else
			device_set(&self->device, all[i].path,
				   all[i].values[random >> 62]);
		sleep_ms(50);
	}
	sys_write(CPU1_ONLINE, "1");
	writer_stop(&writer);
	EXPECT_EQ(0, writer.err);
	EXPECT_EQ(0, writer.wrong);
	EXPECT_EQ(0, device_verify(&self->device));
	EXPECT_ENOUGH(SLICE_PAGES, shared_since(self->pages));
}

static void wait_until_shared(unsigned long pages)
{
	unsigned int tries = 200;

	while (shared_since(pages) < SLICE_PAGES && --tries)
		sleep_ms(50);
}

/* As suspend does it, with whatever workers have in hand. */
TEST_F_TIMEOUT(bio, frozen_while_written, TIMEOUT)
{
	struct writer writer;
	unsigned long pages;

	if (sys_write("/sys/power/pm_test", "freezer"))
		SKIP(return, "needs a kernel with CONFIG_SUSPEND and CONFIG_PM_DEBUG");
	ASSERT_EQ(0, writer_start(&writer, &self->device));
	wait_until_shared(self->pages);
	EXPECT_ENOUGH(SLICE_PAGES, shared_since(self->pages));
	EXPECT_EQ(0, sys_write("/sys/power/state", "freeze"));
	pages = stat_get("bio_pages");
	wait_until_shared(pages);
	EXPECT_ENOUGH(SLICE_PAGES, shared_since(pages));
	writer_stop(&writer);
	EXPECT_EQ(0, writer.err);
	EXPECT_EQ(0, writer.wrong);
	EXPECT_EQ(0, device_verify(&self->device));
}

/* What was reported as written is there, and what could not be is reported. */
TEST_F_TIMEOUT(bio, full_device_fails_writes, TIMEOUT)
{
	struct device *device = &self->device;
	unsigned long pages;
	unsigned int mib, failures = 0;

	ASSERT_EQ(0, device_set(device, "mem_limit", "1M"));
	pages = stat_get("bio_pages");
	for (mib = 0; mib < DEVICE_MIB; mib++) {
		int err = device_write(device, device->direct, mib);

		if (err) {
			EXPECT_EQ(-EIO, err);
			failures++;
		} else {
			EXPECT_EQ(0, device_wrong(device, mib));
		}
	}
	EXPECT_LT(0, failures);
	EXPECT_ENOUGH(SLICE_PAGES, shared_since(pages));

	ASSERT_EQ(0, device_set(device, "mem_limit", "0"));
	for (mib = 0; mib < DEVICE_MIB; mib++)
		ASSERT_EQ(0, device_write(device, device->direct, mib));
	EXPECT_EQ(0, device_verify(device));
}

/* The last close waits for what is written, but not for what workers do then. */
TEST_F_TIMEOUT(bio, reset_as_soon_as_it_is_closed, TIMEOUT)
{
	struct device *device = &self->device;
	unsigned int i, mib;

	for (i = 0; i < 20; i++) {
		EXPECT_EQ(-EBUSY, device_set(device, "reset", "1"));
		for (mib = 0; mib < 2; mib++)
			ASSERT_EQ(0, device_write(device, device->buffered, mib));
		ASSERT_EQ(0, device_flush(device));
		device_close(device);
		ASSERT_EQ(0, device_reset(device));
		ASSERT_EQ(0, device_setup(device));
	}
	EXPECT_ENOUGH(SLICE_PAGES, shared_since(self->pages));
	/* A reset switches it off. */
	device_close(device);
	ASSERT_EQ(0, device_reset(device));
	ASSERT_EQ(0, device_set(device, "disksize", DEVICE_SIZE));
	ASSERT_EQ(0, device_open(device));
	self->pages = stat_get("bio_pages");
	for (mib = 0; mib < DEVICE_MIB; mib++)
		ASSERT_EQ(0, device_write(device, device->direct, mib));
	EXPECT_EQ(0, shared_since(self->pages));
	EXPECT_EQ(0, device_verify(device));
}

/* A worker ends the last bio, and the device is freed while it is not done with it. */
TEST_F_TIMEOUT(bio, removed_as_soon_as_it_is_closed, TIMEOUT)
{
	struct device device = { .buffer = self->device.buffer };
	unsigned int i, mib;

	for (i = 0; i < 20; i++) {
		device.number = sys_long(ZRAM_CONTROL "hot_add");
		ASSERT_LE(0, device.number);
		ASSERT_EQ(0, device_setup(&device));
		for (mib = 0; mib < 2; mib++)
			ASSERT_EQ(0, device_write(&device, device.direct, mib));
		device_close(&device);
		ASSERT_EQ(0, device_remove(&device));
	}
	EXPECT_ENOUGH(SLICE_PAGES, shared_since(self->pages));
}

int main(int argc, char **argv)
{
	pressure_init(AREA_MIB);
	return test_harness_run(argc, argv);
}
