// SPDX-License-Identifier: GPL-2.0
/*
 * How swap_compress is switched, tuned and observed: the boot parameter,
 * /sys/kernel/mm/swap_compress, and fault injection in debugfs.
 *
 * Documentation/admin-guide/mm/swap_compress.rst describes the files.
 */

#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/kobject.h>
#include <linux/kstrtox.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/swap.h>
#include <linux/sysfs.h>
#include "swap.h"
#include "swap_compress_internal.h"

/*********************************
 * enabled
 **********************************/

static bool swap_compress_boot_on __initdata =
	IS_ENABLED(CONFIG_SWAP_COMPRESS_WQ_DEFAULT_ON);

/* The kernel reports a value that is neither on nor off as a malformed option. */
static int __init swap_compress_setup(char *str)
{
	return kstrtobool(str, &swap_compress_boot_on);
}

early_param("swap_compress", swap_compress_setup);

/* Returns 0, or an error if the task is killed while it waits. */
static int swap_compress_set_enabled(bool on)
{
	static DEFINE_MUTEX(lock);
	int err;

	err = mutex_lock_killable(&lock);
	if (err)
		return err;

	/* The key stays on while anything is queued: see swap_compress_owns(). */
	if (on == static_key_enabled(&swap_compress_enabled)) {
		err = 0;
	} else if (on) {
		static_branch_enable(&swap_compress_enabled);
		scq_start(swap_compress_scq);
	} else {
		err = scq_stop(swap_compress_scq, MAX_SCHEDULE_TIMEOUT);
		if (!err)
			static_branch_disable(&swap_compress_enabled);
	}
	mutex_unlock(&lock);
	return err;
}

static ssize_t enabled_show(struct kobject *kobj, struct kobj_attribute *attr,
			    char *buf)
{
	return sysfs_emit(buf, "%d\n",
			  static_key_enabled(&swap_compress_enabled));
}

static ssize_t enabled_store(struct kobject *kobj, struct kobj_attribute *attr,
			     const char *buf, size_t count)
{
	bool on;
	int err = kstrtobool(buf, &on);

	return err ?: swap_compress_set_enabled(on) ?: count;
}

static struct kobj_attribute enabled_attr = __ATTR_RW(enabled);

/*********************************
 * knobs
 **********************************/

static ssize_t batch_pages_show(struct kobject *kobj,
				struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", scq_batch_pages(swap_compress_scq));
}

static ssize_t batch_pages_store(struct kobject *kobj,
				 struct kobj_attribute *attr,
				 const char *buf, size_t count)
{
	unsigned long nr_pages;
	int err = kstrtoul(buf, 0, &nr_pages);

	return err ?: scq_set_batch_pages(swap_compress_scq, nr_pages) ?: count;
}

static struct kobj_attribute batch_pages_attr = __ATTR_RW(batch_pages);

static ssize_t max_inflight_pages_show(struct kobject *kobj,
				       struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%lu\n",
			  scq_max_inflight_pages(swap_compress_scq));
}

static ssize_t max_inflight_pages_store(struct kobject *kobj,
					struct kobj_attribute *attr,
					const char *buf, size_t count)
{
	unsigned long nr_pages;
	int err = kstrtoul(buf, 0, &nr_pages);

	return err ?: scq_set_max_inflight_pages(swap_compress_scq, nr_pages) ?:
		      count;
}

static struct kobj_attribute max_inflight_pages_attr =
	__ATTR_RW(max_inflight_pages);

static ssize_t swap_compress_store_bool(bool *knob, const char *buf, size_t count)
{
	bool value;
	int err = kstrtobool(buf, &value);

	if (err)
		return err;
	WRITE_ONCE(*knob, value);
	return count;
}

static ssize_t shmem_show(struct kobject *kobj, struct kobj_attribute *attr,
			  char *buf)
{
	return sysfs_emit(buf, "%d\n", READ_ONCE(swap_compress_shmem));
}

static ssize_t shmem_store(struct kobject *kobj, struct kobj_attribute *attr,
			   const char *buf, size_t count)
{
	return swap_compress_store_bool(&swap_compress_shmem, buf, count);
}

static struct kobj_attribute shmem_attr = __ATTR_RW(shmem);

static ssize_t proactive_show(struct kobject *kobj, struct kobj_attribute *attr,
			      char *buf)
{
	return sysfs_emit(buf, "%d\n", READ_ONCE(swap_compress_proactive));
}

static ssize_t proactive_store(struct kobject *kobj, struct kobj_attribute *attr,
			       const char *buf, size_t count)
{
	return swap_compress_store_bool(&swap_compress_proactive, buf, count);
}

static struct kobj_attribute proactive_attr = __ATTR_RW(proactive);

/*********************************
 * state and counters
 **********************************/

static ssize_t inflight_pages_show(struct kobject *kobj,
				   struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%ld\n", scq_inflight(swap_compress_scq));
}

static struct kobj_attribute inflight_pages_attr = __ATTR_RO(inflight_pages);

static struct attribute *swap_compress_attrs[] = {
	&enabled_attr.attr,
	&batch_pages_attr.attr,
	&max_inflight_pages_attr.attr,
	&shmem_attr.attr,
	&proactive_attr.attr,
	&inflight_pages_attr.attr,
	NULL
};

static const struct attribute_group swap_compress_group = {
	.attrs = swap_compress_attrs,
};

static struct kobj_attribute swap_compress_stat_attrs[NR_SCQ_STATS];
static struct attribute *swap_compress_stats_attrs[NR_SCQ_STATS + 1];

static ssize_t swap_compress_stat_show(struct kobject *kobj,
				       struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%lu\n",
			  scq_read_stat(swap_compress_scq,
					attr - swap_compress_stat_attrs));
}

static const struct attribute_group swap_compress_stats_group = {
	.name = "stats",
	.attrs = swap_compress_stats_attrs,
};

/*********************************
 * init
 **********************************/

static int __init swap_compress_create_files(void)
{
	struct kobject *kobj;
	unsigned int i;
	int err;

	for (i = 0; i < NR_SCQ_STATS; i++) {
		struct kobj_attribute *attr = &swap_compress_stat_attrs[i];

		sysfs_attr_init(&attr->attr);
		attr->attr.name = scq_stat_name(i);
		attr->attr.mode = 0444;
		attr->show = swap_compress_stat_show;
		swap_compress_stats_attrs[i] = &attr->attr;
	}

	kobj = kobject_create_and_add("swap_compress", mm_kobj);
	if (!kobj)
		return -ENOMEM;
	err = sysfs_create_group(kobj, &swap_compress_group) ?:
	      sysfs_create_group(kobj, &swap_compress_stats_group);
	if (err)
		kobject_put(kobj);
	return err;
}

static void __init swap_compress_create_debugfs(void)
{
#ifdef CONFIG_FAULT_INJECTION_DEBUG_FS
	struct dentry *dir;

	dir = fault_create_debugfs_attr("fail_swap_compress", NULL,
					&scq_fault_attr);
	debugfs_create_u32("points", 0600, dir, &scq_fault_points);
	debugfs_create_u32("delay_ms", 0600, dir, &scq_fault_delay_ms);
#endif
}

static int __init swap_compress_sysfs_init(void)
{
	int err;

	if (!swap_compress_scq)
		return -ENOMEM;
	err = swap_compress_create_files();
	if (err)
		return err;
	swap_compress_create_debugfs();
	return swap_compress_boot_on ? swap_compress_set_enabled(true) : 0;
}
late_initcall(swap_compress_sysfs_init);
