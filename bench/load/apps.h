/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Applications on a phone, more than fit into memory: processes with content of
 * their own, one of which is used at a time.
 */
#ifndef SWAP_COMPRESS_APPS_H
#define SWAP_COMPRESS_APPS_H

#include <sys/types.h>

#include "mix.h"

#define APPS		8
#define APP_SWITCHES	16

struct app {
	pid_t pid;
	int to;			/* one byte: use your memory */
	int from;		/* struct use in return */
};

struct apps {
	struct app app[APPS];
	unsigned int nr_switches;
	unsigned long pages;		/* that were compared, all in all */
	unsigned long wrong;
	unsigned long ns;		/* of all switches */
	unsigned long switches[APP_SWITCHES];		/* ns */
	unsigned long worst_steps[APP_SWITCHES];	/* longest 64 KiB, ns */
};

/* Starts them, and lets each fill its memory in turn. */
void apps_start(struct apps *apps, const struct mix *mix);
/*
 * Turns to one after the other, never the same twice: each compares all its
 * pages, and changes every eighth.
 */
void apps_switch(struct apps *apps);
/* Turns to each once more, ends them all. */
void apps_stop(struct apps *apps);

#endif /* SWAP_COMPRESS_APPS_H */
