// SPDX-License-Identifier: GPL-2.0
/*
 * Let the number of workers and the bound of pages in flight follow CPUs that come and
 * go. A value that the administrator wrote stays.
 */

#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/cpumask.h>
#include <linux/init.h>
#include <linux/workqueue.h>
#include "swap_compress_internal.h"

/* What was set last. If a knob has another value, somebody wrote it. */
static struct {
	unsigned int nr_workers;
	unsigned int nr_bio_workers;
	unsigned long nr_pages;
} swap_compress_defaults;

static void swap_compress_follow(struct workqueue_struct *wq,
				 unsigned int *nr_default, unsigned int nr_workers)
{
	if (workqueue_max_active(wq) != *nr_default)
		return;
	workqueue_set_max_active(wq, nr_workers);
	*nr_default = nr_workers;
}

/* The lock of CPU hotplug is held. */
static void swap_compress_follow_cpus(unsigned int nr_cpus)
{
	const unsigned int nr_workers = swap_compress_nr_workers(nr_cpus);
	const unsigned long nr_pages = swap_compress_nr_pages(nr_cpus);
	struct scq *scq = swap_compress_scq;

	/* The CPUs that suspend takes are back before anything is swapped. */
	if (cpuhp_tasks_frozen)
		return;

	swap_compress_follow(scq->wq, &swap_compress_defaults.nr_workers, nr_workers);
	if (scq->bio_wq)
		swap_compress_follow(scq->bio_wq,
				     &swap_compress_defaults.nr_bio_workers, nr_workers);
	if (scq_max_inflight_pages(scq) == swap_compress_defaults.nr_pages &&
	    !scq_set_max_inflight_pages(scq, nr_pages))
		swap_compress_defaults.nr_pages = nr_pages;
}

static int swap_compress_cpu_online(unsigned int cpu)
{
	swap_compress_follow_cpus(num_online_cpus());
	return 0;
}

static int swap_compress_cpu_offline(unsigned int cpu)
{
	/* It still counts as online. */
	swap_compress_follow_cpus(num_online_cpus() - 1);
	return 0;
}

static int __init swap_compress_cpus_init(void)
{
	struct scq *scq = swap_compress_scq;
	int ret;

	if (!scq)
		return -ENOMEM;
	swap_compress_defaults.nr_workers = workqueue_max_active(scq->wq);
	if (scq->bio_wq)
		swap_compress_defaults.nr_bio_workers = workqueue_max_active(scq->bio_wq);
	swap_compress_defaults.nr_pages = scq_max_inflight_pages(scq);
	ret = cpuhp_setup_state_nocalls(CPUHP_AP_ONLINE_DYN, "mm/swap_compress:online",
					swap_compress_cpu_online,
					swap_compress_cpu_offline);
	return min(ret, 0);
}

/* After the initcalls that make the workqueues */
late_initcall_sync(swap_compress_cpus_init);
