/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by swap_compress.c and the files beside it that store, wait, stop for suspend,
 * and offer knobs. swap_compress.h declares what the rest of mm uses.
 */
#ifndef _MM_SWAP_COMPRESS_INTERNAL_H
#define _MM_SWAP_COMPRESS_INTERNAL_H

#include <linux/types.h>
#include "swap_compress_wq.h"

struct folio;
struct mem_cgroup;
struct pglist_data;
struct task_struct;

/* NULL if it could not be set up */
extern struct scq *swap_compress_scq;

/* Knobs: also hand over shmem, and folios that a task reclaims proactively. */
extern bool swap_compress_shmem;
extern bool swap_compress_proactive;

/*
 * Defaults while so many CPUs are online: workers, and pages in flight on a node that
 * has enough memory
 */
unsigned int swap_compress_nr_workers(unsigned int nr_cpus);
unsigned long swap_compress_nr_pages(unsigned int nr_cpus);

unsigned long swap_compress_node_limit(struct pglist_data *pgdat);
long swap_compress_memcg_inflight(const struct mem_cgroup *memcg);
bool swap_compress_has_slot_users(struct folio *folio);

/* swap_compress_store.c, in the order in which a worker calls them */
void swap_compress_cancel(struct scq_job *job);
void swap_compress_store_memory(struct scq_job *job);
void swap_compress_submit_async(struct scq_job *job);
void swap_compress_store_device(struct scq_job *job);

#if IS_ENABLED(CONFIG_KUNIT)
void swap_compress_end_writeback(struct scq_job *job);
unsigned int swap_compress_alloc_flags(gfp_t gfp);
bool swap_compress_may_wait(int order, gfp_t gfp);
bool swap_compress_may_throttle(struct task_struct *task, int order, gfp_t gfp);
#endif

#endif /* _MM_SWAP_COMPRESS_INTERNAL_H */
