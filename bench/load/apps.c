// SPDX-License-Identifier: GPL-2.0
/* Processes that are switched between like applications on a phone. */
#include <err.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apps.h"
#include "sysfile.h"

#define STEP_PAGES	16UL	/* 64 KiB */
#define CHANGE_EVERY	8UL
/* All together hold this many eighths of the memory. */
#define EIGHTHS		11UL

/* What an application answers when it has used its memory. */
struct use {
	unsigned long pages;
	unsigned long wrong;
	unsigned long worst_step;	/* ns */
};

static void app_use(const struct mix *mix, unsigned char *base,
		    unsigned long *gen, unsigned long pages,
		    unsigned long index, struct use *use)
{
	unsigned long before = now_ns();
	unsigned long page, took;
	void *at;

	memset(use, 0, sizeof(*use));
	use->pages = pages;
	for (page = 0; page < pages; page++) {
		at = base + page * PAGE_BYTES;
		use->wrong += !!mix_check(mix, at, index + page,
					  gen[page / CHANGE_EVERY] *
					  !(page % CHANGE_EVERY));
		if (page % CHANGE_EVERY == 0)
			mix_write(mix, at, index + page,
				  ++gen[page / CHANGE_EVERY]);
		if (page % STEP_PAGES == STEP_PAGES - 1) {
			took = now_ns() - before;
			if (took > use->worst_step)
				use->worst_step = took;
			before += took;
		}
	}
}

static void app_run(const struct mix *mix, unsigned int number, int in, int out)
{
	unsigned long pages = meminfo_kib("MemTotal") / (PAGE_BYTES / 1024) * EIGHTHS / 8 / APPS;
	unsigned long index = number * pages;
	unsigned long *gen = calloc(pages / CHANGE_EVERY + 1, sizeof(*gen));
	struct use use = {};
	unsigned char *base;
	unsigned long page;
	char command;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!gen || mlockall(MCL_CURRENT))
		err(1, "app: memory for generations");
	base = mmap(NULL, pages * PAGE_BYTES, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		err(1, "app: mmap of %lu pages", pages);
	madvise(base, pages * PAGE_BYTES, MADV_NOHUGEPAGE);
	for (page = 0; page < pages; page++)
		mix_write(mix, base + page * PAGE_BYTES, index + page, 0);

	while (write(out, &use, sizeof(use)) == sizeof(use) &&
	       read(in, &command, 1) == 1)
		app_use(mix, base, gen, pages, index, &use);
	_exit(0);
}

static void app_answer(const struct app *app, struct use *use)
{
	if (read(app->from, use, sizeof(*use)) != sizeof(*use))
		errx(1, "apps: one of them has died: killed for want of memory?");
}

void apps_start(struct apps *apps, const struct mix *mix)
{
	unsigned int i;
	struct use use;

	memset(apps, 0, sizeof(*apps));
	for (i = 0; i < APPS; i++) {
		struct app *app = &apps->app[i];
		int to[2], from[2];

		if (pipe(to) || pipe(from))
			err(1, "apps: pipe");
		app->pid = fork();
		if (app->pid < 0)
			err(1, "apps: fork");
		if (!app->pid) {
			close(to[1]);
			app_run(mix, i, to[0], from[1]);
		}
		close(to[0]);
		close(from[1]);
		app->to = to[1];
		app->from = from[0];
		app_answer(app, &use);
	}
}

static void app_turn_to(struct apps *apps, unsigned int number, struct use *use)
{
	const struct app *app = &apps->app[number];

	if (write(app->to, "", 1) != 1)
		err(1, "apps: write");
	app_answer(app, use);
	apps->pages += use->pages;
	apps->wrong += use->wrong;
}

void apps_switch(struct apps *apps)
{
	unsigned int current = APPS - 1;
	unsigned long before, start = now_ns();
	unsigned int i;
	struct use use;

	srandom(1);	/* the same order in each run */
	for (i = 0; i < APP_SWITCHES; i++) {
		current = (current + 1 + random() % (APPS - 1)) % APPS;
		before = now_ns();
		app_turn_to(apps, current, &use);
		apps->switches[i] = now_ns() - before;
		apps->worst_steps[i] = use.worst_step;
	}
	apps->nr_switches = APP_SWITCHES;
	apps->ns = now_ns() - start;
}

void apps_stop(struct apps *apps)
{
	unsigned int i;
	struct use use;

	for (i = 0; i < APPS; i++) {
		app_turn_to(apps, i, &use);
		/* It would not see an end of file: later ones have its pipe. */
		kill(apps->app[i].pid, SIGKILL);
		waitpid(apps->app[i].pid, NULL, 0);
		close(apps->app[i].to);
		close(apps->app[i].from);
	}
}
