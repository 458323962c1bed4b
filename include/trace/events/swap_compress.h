/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM swap_compress

#if !defined(_TRACE_SWAP_COMPRESS_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_SWAP_COMPRESS_H

#include <linux/mm_types.h>
#include <linux/tracepoint.h>

DECLARE_EVENT_CLASS(swap_compress_folio,
		    TP_PROTO(struct folio *folio, const char *result),
		    TP_ARGS(folio, result),
		    TP_STRUCT__entry(__field(unsigned long, pfn)
				     __field(unsigned int, nr_pages)
				     __string(result, result)
		    ),
		    TP_fast_assign(__entry->pfn = folio_pfn(folio);
				   __entry->nr_pages = folio_nr_pages(folio);
				   __assign_str(result);
		    ),
		    TP_printk("pfn=0x%lx nr_pages=%u result=%s",
			      __entry->pfn, __entry->nr_pages,
			      __get_str(result))
);

/**
 * swap_compress_queue - a folio was offered to the workqueue
 * @folio:	the folio, in the swap cache
 * @result:	"queued", or why the reclaiming task writes it itself: the name of
 *		the counter in /sys/kernel/mm/swap_compress/stats
 */
DEFINE_EVENT(swap_compress_folio, swap_compress_queue,
	     TP_PROTO(struct folio *folio, const char *result),
	     TP_ARGS(folio, result)
);

/**
 * swap_compress_store - a worker is done with the write of a folio
 * @folio:	the folio; under writeback, unless @result is "submitted"
 * @result:	"stored" and the like, "failed" or why it was cancelled: the
 *		counter's name
 */
DEFINE_EVENT(swap_compress_folio, swap_compress_store,
	     TP_PROTO(struct folio *folio, const char *result),
	     TP_ARGS(folio, result)
);

/**
 * swap_compress_batch_start - a worker takes a batch
 * @nr_pages:	its size
 * @waited_ns:	since it was full; for a partial plug, since its first folio came
 */
TRACE_EVENT(swap_compress_batch_start,
	    TP_PROTO(unsigned int nr_pages, u64 waited_ns),
	    TP_ARGS(nr_pages, waited_ns),
	    TP_STRUCT__entry(__field(unsigned int, nr_pages)
			     __field(u64, waited_ns)
	    ),
	    TP_fast_assign(__entry->nr_pages = nr_pages;
			   __entry->waited_ns = waited_ns;
	    ),
	    TP_printk("nr_pages=%u waited_ns=%llu",
		      __entry->nr_pages, __entry->waited_ns)
);

/**
 * swap_compress_batch_end - a worker has finished a batch
 * @nr_pages:	its size
 * @nr_freed:	pages of it that were freed; the others are back on the LRU
 */
TRACE_EVENT(swap_compress_batch_end,
	    TP_PROTO(unsigned int nr_pages, unsigned long nr_freed),
	    TP_ARGS(nr_pages, nr_freed),
	    TP_STRUCT__entry(__field(unsigned int, nr_pages)
			     __field(unsigned long, nr_freed)
	    ),
	    TP_fast_assign(__entry->nr_pages = nr_pages;
			   __entry->nr_freed = nr_freed;
	    ),
	    TP_printk("nr_pages=%u nr_freed=%lu",
		      __entry->nr_pages, __entry->nr_freed)
);

#endif /* _TRACE_SWAP_COMPRESS_H */

#include <trace/define_trace.h>
