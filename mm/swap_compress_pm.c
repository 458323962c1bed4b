// SPDX-License-Identifier: GPL-2.0
/*
 * Stop swap_compress before suspend and hibernation, and start it again afterwards.
 */

#define pr_fmt(fmt) "swap_compress: " fmt

#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/notifier.h>
#include <linux/suspend.h>
#include "swap_compress_internal.h"

/* Suspend is refused if no store ends for that long. */
#define SWAP_COMPRESS_PM_WAIT	(10 * HZ)

/*
 * Nothing is accepted until after resume, so that nothing is in flight while the
 * image is made. kswapd is frozen later, and until then stores its folios itself. On a
 * device that is stuck, kswapd would hang in such a store, and could not be frozen.
 */
static int swap_compress_pm(struct notifier_block *nb, unsigned long event,
			    void *unused)
{
	int err;

	switch (event) {
	case PM_HIBERNATION_PREPARE:
	case PM_RESTORE_PREPARE:
	case PM_SUSPEND_PREPARE:
		err = scq_stop(swap_compress_scq, SWAP_COMPRESS_PM_WAIT);
		if (!err)
			break;
		if (err == -ETIMEDOUT)
			pr_warn("%ld pages are still being stored: suspend is refused. Is the swap device stuck?\n",
				scq_inflight(swap_compress_scq));
		return notifier_from_errno(-EBUSY);
	case PM_POST_HIBERNATION:
	case PM_POST_RESTORE:
	case PM_POST_SUSPEND:
		scq_start(swap_compress_scq);
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block swap_compress_pm_nb = {
	.notifier_call = swap_compress_pm,
};

static int __init swap_compress_pm_init(void)
{
	return swap_compress_scq ? register_pm_notifier(&swap_compress_pm_nb) :
				   -ENOMEM;
}
late_initcall(swap_compress_pm_init);
