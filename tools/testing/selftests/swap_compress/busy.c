// SPDX-License-Identifier: GPL-2.0
#include <err.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "busy.h"

static void compute(unsigned long *rounds)
{
	unsigned int work;

	for (;;) {
		for (work = 0; work < 10000; work++)
			__asm__ volatile("");
		__atomic_fetch_add(rounds, 1, __ATOMIC_RELAXED);
	}
}

void busy_start(struct busy *busy)
{
	unsigned int i;

	busy->nr = sysconf(_SC_NPROCESSORS_ONLN);
	busy->group = 0;
	busy->rounds = mmap(NULL, busy->nr * sizeof(*busy->rounds),
			    PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
	if (busy->rounds == MAP_FAILED)
		err(1, "busy: mmap");
	for (i = 0; i < busy->nr; i++) {
		pid_t pid = fork();

		if (pid < 0)
			err(1, "busy: fork");
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			compute(&busy->rounds[i]);
		}
		busy->group = busy->group ?: pid;
		setpgid(pid, busy->group);
	}
}

unsigned long busy_rounds(const struct busy *busy)
{
	unsigned long sum = 0;
	unsigned int i;

	for (i = 0; i < busy->nr; i++)
		sum += __atomic_load_n(&busy->rounds[i], __ATOMIC_RELAXED);
	return sum;
}

void busy_stop(struct busy *busy)
{
	kill(-busy->group, SIGKILL);
	while (waitpid(-busy->group, NULL, 0) > 0)
		;
	munmap(busy->rounds, busy->nr * sizeof(*busy->rounds));
	memset(busy, 0, sizeof(*busy));
}
