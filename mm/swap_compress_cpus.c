// SPDX-License-Identifier: GPL-2.0
/*
 * Let the number of workers and the bound of pages in flight follow CPUs that come and
 * go, as long as they have their default.
 */

#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/cpumask.h>
#include <linux/init.h>
#include <linux/minmax.h>
#include <linux/workqueue.h>
#include "swap_compress_internal.h"

/* What was set last. If a knob has another value, the administrator wrote it. */
static struct {
	unsigned int nr_workers;
	unsigned int nr_bio_workers;
	unsigned long nr_pages;
} scq_defaults;

static void scq_follow(struct workqueue_struct *wq, unsigned int *nr_default,
		       unsigned int nr_workers)
{
	if (workqueue_max_active(wq) != *nr_default)
		return;
	workqueue_set_max_active(wq, nr_workers);
	/* That has lowered what each node may have, and never raises it again. */
	workqueue_set_min_active(wq, nr_workers);
	*nr_default = nr_workers;
}

/*
 * Called under the lock of CPU hotplug. A value that is written to a knob at the same
 * moment may be lost.
 */
static void scq_follow_cpus(unsigned int nr_cpus)
{
	const unsigned int nr_workers = swap_compress_nr_workers(nr_cpus);
	struct scq *scq = swap_compress_scq;
	const unsigned long nr_pages = min(swap_compress_nr_pages(nr_cpus),
					   scq->limit_pages);

	/* The CPUs that suspend takes come back before anything is swapped. */
	if (cpuhp_tasks_frozen)
		return;

	scq_follow(scq->wq, &scq_defaults.nr_workers, nr_workers);
	if (scq->bio_wq)
		scq_follow(scq->bio_wq, &scq_defaults.nr_bio_workers, nr_workers);
	if (scq_max_inflight_pages(scq) == scq_defaults.nr_pages &&
	    !scq_set_max_inflight_pages(scq, nr_pages))
		scq_defaults.nr_pages = nr_pages;
}

static int scq_cpu_online(unsigned int cpu)
{
	scq_follow_cpus(num_online_cpus());
	return 0;
}

static int scq_cpu_offline(unsigned int cpu)
{
	/* It still counts as online. */
	scq_follow_cpus(num_online_cpus() - 1);
	return 0;
}

static int __init scq_cpus_init(void)
{
	struct scq *scq = swap_compress_scq;
	int ret;

	if (!scq)
		return -ENOMEM;
	scq_defaults.nr_workers = workqueue_max_active(scq->wq);
	if (scq->bio_wq)
		scq_defaults.nr_bio_workers = workqueue_max_active(scq->bio_wq);
	scq_defaults.nr_pages = scq_max_inflight_pages(scq);
	ret = cpuhp_setup_state_nocalls(CPUHP_AP_ONLINE_DYN, "mm/swap_compress:online",
					scq_cpu_online, scq_cpu_offline);
	return min(ret, 0);
}

/* After the initcalls that make the workqueues */
late_initcall_sync(scq_cpus_init);
