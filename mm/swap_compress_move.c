// SPDX-License-Identifier: GPL-2.0
/*
 * Moving a page with UFFDIO_MOVE that a fault mapped while swap_compress had it queued:
 * it is mapped as if it were shared, and has to be made exclusive first.
 */

#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/swap.h>
#include "swap.h"
#include "swap_compress_internal.h"

/**
 * __swap_compress_move_error() - find out why a page that is not exclusive cannot move
 * @folio: folio that is mapped, not as exclusive; its page table is locked
 *
 * do_swap_page() maps a queued folio as if it were shared, so that a write copies it.
 *
 * Context: any.
 * Return: -ENOTUNIQ if no other page table maps the folio or has its swap entry, so
 * that it can be made exclusive. -EBUSY if one does; a large folio counts as shared.
 * -ENOLCK if somebody holds the folio lock: look again later.
 */
int __swap_compress_move_error(struct folio *folio)
{
	bool shared;

	if (!folio_test_anon(folio) || folio_test_ksm(folio) ||
	    folio_test_large(folio))
		return -EBUSY;
	/* Reclaim or a fault may be exchanging another mapping and its swap entry. */
	if (!folio_trylock(folio))
		return -ENOLCK;
	shared = folio_mapcount(folio) != 1 ||
		 (folio_test_swapcache(folio) &&
		  swap_compress_has_slot_users(folio));
	folio_unlock(folio);
	return shared ? -EBUSY : -ENOTUNIQ;
}

/**
 * __swap_compress_swap_shared() - is a swap entry shared?
 * @entry: swap entry in a page table, which is locked: this pins the slot
 *
 * Context: any.
 * Return: true if another page table has it too.
 */
bool __swap_compress_swap_shared(swp_entry_t entry)
{
	return __swap_count(entry) != 1;
}

/**
 * __swap_compress_unshare() - make a page exclusive that is not shared
 * @mm: the address space of the page
 * @addr: address of the page
 * @err: -ENOTUNIQ, or -ENOLCK to let some time pass instead
 *
 * Does what GUP does, whatever protection keys the task has. If a worker still reads
 * the page, the fault copies it. The page may be gone meanwhile: a fault must not wait
 * for userfaultfd, whose task we may be.
 *
 * Context: may sleep; neither the mmap lock nor a VMA is locked.
 * Return: 0 to try again, or an error if the page cannot be made exclusive.
 */
int __swap_compress_unshare(struct mm_struct *mm, unsigned long addr, int err)
{
	struct vm_area_struct *vma;
	vm_fault_t fault = 0;

	if (err == -ENOLCK) {
		schedule_timeout_killable(1);
		return fatal_signal_pending(current) ? -EINTR : 0;
	}
	if (fatal_signal_pending(current) || mmap_read_lock_killable(mm))
		return -EINTR;
	vma = vma_lookup(mm, addr);
	if (vma && vma_is_anonymous(vma))
		fault = handle_mm_fault(vma, addr,
					FAULT_FLAG_UNSHARE | FAULT_FLAG_REMOTE |
					FAULT_FLAG_ALLOW_RETRY |
					FAULT_FLAG_RETRY_NOWAIT, NULL);
	mmap_read_unlock(mm);
	if (fault & VM_FAULT_RETRY)	/* somebody holds the folio lock */
		schedule_timeout_killable(1);
	return fault & VM_FAULT_ERROR ? vm_fault_to_errno(fault, 0) : 0;
}
