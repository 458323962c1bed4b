// SPDX-License-Identifier: GPL-2.0
/* Pages with content that can be told apart, see mix.h. */
#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "mix.h"

#define STAMP_BYTES	sizeof(unsigned long)

/* Odd and far from small: spreads the kinds of content over neighbours. */
#define PAGE_STRIDE	7919UL
#define GEN_STRIDE	104729UL

static const unsigned char zeroes[MAX_PAGE_BYTES];

void mix_open(struct mix *mix, const char *path)
{
	struct timespec now;
	struct stat st;
	unsigned long i;
	int fd;

	if (PAGE_BYTES > MAX_PAGE_BYTES)
		errx(1, "pages of %lu bytes: up to %d are handled", PAGE_BYTES,
		     MAX_PAGE_BYTES);

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		err(1, "%s", path);
	mix->pages = st.st_size / PAGE_BYTES;
	if (mix->pages < 2)
		errx(1, "%s: too small to be content", path);

	mix->data = mmap(NULL, mix->pages * PAGE_BYTES, PROT_READ, MAP_SHARED,
			 fd, 0);
	if (mix->data == MAP_FAILED)
		err(1, "mmap %s", path);
	/* It is the yardstick: it must not be reclaimed and take part. */
	if (mlock(mix->data, mix->pages * PAGE_BYTES))
		err(1, "mlock %s", path);
	close(fd);

	mix->zero = calloc(mix->pages, sizeof(*mix->zero));
	if (!mix->zero)
		err(1, "calloc");
	for (i = 0; i < mix->pages; i++)
		mix->zero[i] = !memcmp(mix->data + i * PAGE_BYTES, zeroes,
				       PAGE_BYTES);

	clock_gettime(CLOCK_REALTIME, &now);
	mix->seed = now.tv_nsec * 0x9e3779b97f4a7c15UL ^ getpid();
}

static unsigned long mix_piece(const struct mix *mix, unsigned long index,
			       unsigned long gen)
{
	return (index * PAGE_STRIDE + gen * GEN_STRIDE) % mix->pages;
}

static unsigned long mix_stamp(const struct mix *mix, unsigned long index,
			       unsigned long gen)
{
	return (index << 24 | gen) ^ mix->seed;
}

void mix_write(const struct mix *mix, void *page, unsigned long index,
	       unsigned long gen)
{
	unsigned long piece = mix_piece(mix, index, gen);
	unsigned long stamp = mix_stamp(mix, index, gen);

	memcpy(page, mix->data + piece * PAGE_BYTES, PAGE_BYTES);
	if (!mix->zero[piece])
		memcpy(page, &stamp, STAMP_BYTES);
}

unsigned int mix_check(const struct mix *mix, const void *page,
		       unsigned long index, unsigned long gen)
{
	unsigned char want[MAX_PAGE_BYTES];
	const unsigned char *seen = page;
	unsigned int wrong = 0;
	unsigned int i;

	mix_write(mix, want, index, gen);
	if (!memcmp(seen, want, PAGE_BYTES))
		return 0;
	for (i = 0; i < PAGE_BYTES; i++)
		wrong += seen[i] != want[i];
	return wrong;
}
