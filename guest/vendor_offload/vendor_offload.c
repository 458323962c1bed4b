// SPDX-License-Identifier: GPL-2.0
/*
 * A swap device in memory with a thread of its own for what kswapd writes, as vendors of
 * phones have in their zram: the hook android_vh_swap_writepage lets kswapd's writes be
 * asynchronous, and the device completes them in the thread. All other writes and all
 * reads are done by whoever submits them. For tests of Android kernels only.
 */
#include <linux/bio.h>
#include <linux/bitmap.h>
#include <linux/blkdev.h>
#include <linux/highmem.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/swap.h>
#include <linux/vmalloc.h>
#include <trace/hooks/mm.h>

static unsigned int mib = 64;
module_param(mib, uint, 0444);
MODULE_PARM_DESC(mib, "Size of the device, /dev/offload, in MiB");

static atomic_long_t offloaded, direct, twice;

static int count_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%ld\n", atomic_long_read(kp->arg));
}

static const struct kernel_param_ops count_ops = { .get = count_get };

module_param_cb(offloaded, &count_ops, &offloaded, 0444);
MODULE_PARM_DESC(offloaded, "Pages that kswapd wrote and the thread stored");
module_param_cb(direct, &count_ops, &direct, 0444);
MODULE_PARM_DESC(direct, "Pages that were stored by the task that wrote them");
module_param_cb(twice, &count_ops, &twice, 0444);
MODULE_PARM_DESC(twice, "Writes to a page of which another write was not done");

static struct {
	struct gendisk *disk;
	struct task_struct *thread;
	wait_queue_head_t wait;
	spinlock_t lock;	/* of waiting */
	struct bio_list waiting;
	unsigned long *in_flight;	/* a bit for each page */
	char *data;
} dev;

static unsigned long first_page(const struct bio *bio)
{
	return bio->bi_iter.bi_sector >> PAGE_SECTORS_SHIFT;
}

static unsigned int nr_pages(const struct bio *bio)
{
	return bio->bi_iter.bi_size >> PAGE_SHIFT;
}

static void transfer(struct bio *bio)
{
	char *data = dev.data + ((loff_t)bio->bi_iter.bi_sector << SECTOR_SHIFT);
	struct bvec_iter iter;
	struct bio_vec bvec;

	bio_for_each_segment(bvec, bio, iter) {
		if (op_is_write(bio_op(bio)))
			memcpy_from_bvec(data, &bvec);
		else
			memcpy_to_bvec(&bvec, data);
		data += bvec.bv_len;
	}
}

static void finish(struct bio *bio)
{
	unsigned long page = first_page(bio);
	unsigned int i, nr = nr_pages(bio);

	transfer(bio);
	if (op_is_write(bio_op(bio))) {
		for (i = 0; i < nr; i++)
			clear_bit(page + i, dev.in_flight);
	}
	bio_endio(bio);
}

static void submit(struct bio *bio)
{
	bool offload = current_is_kswapd();
	unsigned int i;

	if (op_is_write(bio_op(bio))) {
		for (i = 0; i < nr_pages(bio); i++) {
			if (test_and_set_bit(first_page(bio) + i, dev.in_flight))
				atomic_long_inc(&twice);
		}
		atomic_long_add(nr_pages(bio), offload ? &offloaded : &direct);
		if (offload) {
			spin_lock(&dev.lock);
			bio_list_add(&dev.waiting, bio);
			spin_unlock(&dev.lock);
			wake_up(&dev.wait);
			return;
		}
	}
	finish(bio);
}

static struct bio *next_waiting(void)
{
	struct bio *bio;

	spin_lock(&dev.lock);
	bio = bio_list_pop(&dev.waiting);
	spin_unlock(&dev.lock);
	return bio;
}

static int thread_run(void *unused)
{
	struct bio *bio;

	/* What it allocates must not wait for what it stores. */
	current->flags |= PF_MEMALLOC;
	while (!kthread_should_stop()) {
		wait_event_idle(dev.wait, !bio_list_empty(&dev.waiting) ||
				kthread_should_stop());
		while ((bio = next_waiting()))
			finish(bio);
	}
	return 0;
}

static const struct block_device_operations fops = {
	.owner = THIS_MODULE,
	.submit_bio = submit,
};

static void on_swap_writepage(void *unused, unsigned long *sis_flags,
			      struct page *page)
{
	if (current_is_kswapd())
		*sis_flags &= ~__SWP_WRITE_SYNCHRONOUS_IO;
}

/* The device says that it is synchronous; swapped pages may be, too. */
static void on_adjust_swap_info_flags(void *unused, unsigned long *flags)
{
	*flags |= SWP_SYNCHRONOUS_IO;
}

static int __init vendor_offload_init(void)
{
	struct queue_limits lim = {
		.physical_block_size = PAGE_SIZE,
		.logical_block_size = PAGE_SIZE,
		.features = BLK_FEAT_SYNCHRONOUS,
	};
	size_t bytes = (size_t)mib << 20;
	int ret = -ENOMEM;

	spin_lock_init(&dev.lock);
	init_waitqueue_head(&dev.wait);
	dev.data = vzalloc(bytes);
	dev.in_flight = bitmap_zalloc(bytes >> PAGE_SHIFT, GFP_KERNEL);
	if (!dev.data || !dev.in_flight)
		goto out_free;
	dev.thread = kthread_run(thread_run, NULL, "vendor_offload");
	if (IS_ERR(dev.thread)) {
		ret = PTR_ERR(dev.thread);
		goto out_free;
	}
	dev.disk = blk_alloc_disk(&lim, NUMA_NO_NODE);
	if (IS_ERR(dev.disk)) {
		ret = PTR_ERR(dev.disk);
		goto out_stop;
	}
	strscpy(dev.disk->disk_name, "offload", DISK_NAME_LEN);
	dev.disk->fops = &fops;
	set_capacity(dev.disk, bytes >> SECTOR_SHIFT);
	ret = register_trace_android_vh_swap_writepage(on_swap_writepage, NULL);
	if (ret)
		goto out_disk;
	ret = register_trace_android_vh_adjust_swap_info_flags(on_adjust_swap_info_flags, NULL);
	if (ret)
		goto out_unregister;
	ret = add_disk(dev.disk);
	if (!ret)
		return 0;

	unregister_trace_android_vh_adjust_swap_info_flags(on_adjust_swap_info_flags, NULL);
out_unregister:
	unregister_trace_android_vh_swap_writepage(on_swap_writepage, NULL);
out_disk:
	put_disk(dev.disk);
out_stop:
	kthread_stop(dev.thread);
out_free:
	bitmap_free(dev.in_flight);
	vfree(dev.data);
	return ret;
}
module_init(vendor_offload_init);

MODULE_DESCRIPTION("A swap device that lets a thread store what kswapd writes");
MODULE_LICENSE("GPL");
