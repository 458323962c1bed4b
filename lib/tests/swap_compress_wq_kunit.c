// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit test of the queue in mm/swap_compress_wq.c, its slices and its waits, and of
 * which tasks mm/swap_compress_wait.c lets wait.
 *
 * The queue gets a workqueue and a backend of the test's own. The backend writes
 * down what it was given, can be made to fail, to give folios back, and to stand
 * still. Cases that mean nothing with one CPU, or one node, are skipped there.
 *
 * A timer or a time-out must not heal what is broken. Timers of plugs are set to
 * NEVER unless a case is about them, waits end after LONG, and a case that took
 * LONG has failed: see swap_compress_wq_exit(), which also checks what must be
 * true after each case.
 */

#include <kunit/test.h>

#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/iopoll.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/smp.h>
#include <linux/swap.h>

#include "../../mm/internal.h"
#include "../../mm/swap_compress_internal.h"

#define NR_BATCHES	16
#define LIMIT_PAGES	4096
#define NR_SUBMITTERS	4
#define NEVER		(600 * HZ)	/* longer than any test may take */
#define LONG		(20 * HZ)	/* no case takes so long, on any machine */
#define SOON_US		(10 * USEC_PER_SEC) /* for what must happen; half of LONG */
#define SLICED_ORDER	8
#define SLICED_PAGES	BIT(SLICED_ORDER)

/* One folio of the test; found by folio->index in the backend */
struct item {
	struct folio *folio;
	unsigned int finished;	/* times */
	bool shed;		/* the first store leaves it to the second */
	bool fail;		/* no store takes it */
	bool slice_fails;	/* one of its slices is not stored */
	bool submit;		/* the first store does not wait for its write */
	bool slow;		/* the second store first has the others finished */
	bool cancel;		/* it needs none: nobody wants its content */
	bool refault;		/* it gets none: it is in use again */
	bool put_back;		/* its finish does not free it */
	bool dirtied;		/* while under writeback, as it must be */
	bool bad;		/* seen in a state it must not be in */
	struct task_struct *slicer; /* whose slices others may store */
	unsigned int slices;	/* being stored */
};

/* One test runs at a time. */
static struct backend {
	struct scq *scq;
	struct item *items;
	unsigned int nr_items;
	spinlock_t lock;		/* what follows */
	unsigned int nr_stored;
	unsigned int nr_finished;
	unsigned int nr_runs;		/* of store */
	pgoff_t *stored;		/* indices in the order of storing */
	pgoff_t *finished;		/* indices in the order of finishing */
	unsigned int slice_fails;	/* number of the slice that does, from 1 */
	unsigned int nr_slices;
	unsigned int slice_pages[SLICED_PAGES];	/* times each was stored */
	unsigned int sliced_pages;	/* what is stored of a large folio */
	bool await_helper;		/* before the slicer stores a slice */
	unsigned int helped;		/* slices that others stored */
	struct completion helper;	/* came */
	unsigned int most_slices;	/* being stored at a time */
	unsigned int finished_early;	/* before the second store began */
	unsigned int nr_shed;		/* by the first store */
	pgoff_t *shed;			/* indices in the order of shedding */
	unsigned int largest;		/* pages seen in one run */
	bool bad_context;
	bool early;			/* room was given back before finish */
	bool open;			/* store proceeds */
	atomic_t passes;		/* runs of store that proceed nevertheless */
	wait_queue_head_t gate;
} be;

struct fixture {
	struct scq scq;
	struct workqueue_struct *wq;
	unsigned int nr_batches;
	unsigned long start;		/* of the case, jiffies */
	unsigned long taint;		/* of the kernel, then */
	struct work_struct opener;	/* of the gate, once somebody waits */
	struct work_struct waiter;
	const struct test_need *waiting; /* what it waits for */
	bool waited;			/* it had enough then */
	unsigned int finished;		/* folios, when throttle() returned */
};

static void test_store(struct scq_job *job)
{
	struct folio *folio, *next;
	unsigned int nr_pages = 0;

	wait_event(be.gate, READ_ONCE(be.open) ||
		   atomic_dec_if_positive(&be.passes) >= 0);

	spin_lock(&be.lock);
	be.nr_runs++;
	if (!(current->flags & PF_MEMALLOC) || current_is_kswapd())
		be.bad_context = true;
	list_for_each_entry_safe(folio, next, &job->folios, lru) {
		struct item *item = &be.items[folio->index];

		nr_pages += folio_nr_pages(folio);
		be.stored[be.nr_stored++] = folio->index;
		if (!folio_test_writeback(folio) || folio_test_locked(folio))
			item->bad = true;
		if (item->refault)
			scq_settle(job, folio, SCQ_CANCELLED_REFAULT);
		else if (item->cancel)
			scq_settle(job, folio, SCQ_CANCELLED_FREED);
		else if (item->submit)
			scq_settle(job, folio, SCQ_SUBMITTED);
		else if (!item->fail && !item->shed)
			scq_settle(job, folio, SCQ_STORED_ZSWAP);
	}
	be.largest = max(be.largest, nr_pages);
	spin_unlock(&be.lock);
}

static bool test_store_slice(void *private, unsigned int first,
			     unsigned int nr_pages)
{
	struct item *item = private;
	const bool helps = current != item->slicer;
	bool fails;

	if (helps)
		complete_all(&be.helper);
	else if (be.await_helper)
		wait_for_completion_timeout(&be.helper, LONG / 2);

	spin_lock(&be.lock);
	if (!(current->flags & PF_MEMALLOC))
		be.bad_context = true;
	fails = ++be.nr_slices == be.slice_fails;
	be.most_slices = max(be.most_slices, ++item->slices);
	be.helped += helps;
	while (nr_pages--)
		be.slice_pages[first++]++;
	spin_unlock(&be.lock);

	if (helps && be.await_helper)
		msleep(50);		/* the slicer runs out of slices */
	else
		usleep_range(100, 200);	/* let others have a share */

	spin_lock(&be.lock);
	item->slices--;
	spin_unlock(&be.lock);
	return !fails;
}

static unsigned int nr_finished(void)
{
	unsigned int nr;

	spin_lock(&be.lock);
	nr = be.nr_finished;
	spin_unlock(&be.lock);
	return nr;
}

/* It gets what the first one left, and is the last: what it leaves has failed. */
static void test_second_store(struct scq_job *job)
{
	struct folio *folio, *next;

	list_for_each_entry(folio, &job->folios, lru) {
		if (!be.items[folio->index].slow)
			continue;
		scq_finish_settled(job);
		be.finished_early = nr_finished();
		break;
	}

	spin_lock(&be.lock);
	list_for_each_entry_safe(folio, next, &job->folios, lru) {
		struct item *item = &be.items[folio->index];

		be.shed[be.nr_shed++] = folio->index;
		if (!folio_test_writeback(folio))
			item->bad = true;
		if (!item->fail && folio_nr_pages(folio) <= SCQ_SLICE_PAGES)
			scq_settle(job, folio, SCQ_STORED);
	}
	spin_unlock(&be.lock);

	list_for_each_entry_safe(folio, next, &job->folios, lru) {
		struct item *item = &be.items[folio->index];

		if (folio_nr_pages(folio) <= SCQ_SLICE_PAGES)
			continue;
		item->slicer = current;
		if (scq_store_slices(job->scq, be.sliced_pages,
				     test_store_slice, item))
			scq_settle(job, folio, SCQ_STORED);
		if (READ_ONCE(item->slices))
			item->bad = true;
	}
}

static bool failed(const struct item *item)
{
	return item->refault ||
	       ((item->fail || item->slice_fails) && !item->cancel);
}

static unsigned long test_finish(int nid, struct list_head *folios)
{
	unsigned long nr_freed = 0, nr_pages = 0;
	struct folio *folio, *next;

	spin_lock(&be.lock);
	if (!(current->flags & PF_MEMALLOC) || current_is_kswapd())
		be.bad_context = true;
	list_for_each_entry_safe(folio, next, folios, lru) {
		struct item *item = &be.items[folio->index];

		list_del_init(&folio->lru);
		item->finished++;
		be.finished[be.nr_finished++] = folio->index;
		nr_pages += folio_nr_pages(folio);
		if (folio_nid(folio) != nid ||
		    folio_test_writeback(folio) != item->submit ||
		    folio_test_dirty(folio) != failed(item) ||
		    item->dirtied != failed(item))
			item->bad = true;
		if (!failed(item) && !item->put_back && !item->submit)
			nr_freed += folio_nr_pages(folio);
	}
	/* Whoever waits may rely on it: no room, nothing left to do. */
	if (scq_node_inflight(be.scq, nid) < nr_pages)
		be.early = true;
	spin_unlock(&be.lock);
	return nr_freed;
}

/* Called by folio_mark_dirty() */
static bool test_dirty_folio(struct address_space *mapping, struct folio *folio)
{
	if (folio_test_writeback(folio))
		be.items[folio->index].dirtied = true;
	return noop_dirty_folio(mapping, folio);
}

static const struct address_space_operations test_aops = {
	.dirty_folio	= test_dirty_folio,
};

static struct address_space test_mapping = {
	.a_ops	= &test_aops,
	.flags	= BIT(AS_NO_WRITEBACK_TAGS),
};

static const struct scq_ops test_ops = {
	.stores	= { test_store, test_second_store },
	.end_writeback = swap_compress_end_writeback,
	.finish	= test_finish,
};

static void open_gate(void)
{
	WRITE_ONCE(be.open, true);
	wake_up_all(&be.gate);
}

static bool somebody_is_at_the_gate(void)
{
	bool waits;

	read_poll_timeout(wq_has_sleeper, waits, waits, USEC_PER_MSEC, SOON_US,
			  false, &be.gate);
	return waits;
}

static bool finished_in_time(unsigned int wanted)
{
	unsigned int nr;

	read_poll_timeout(nr_finished, nr, nr >= wanted, USEC_PER_MSEC, SOON_US,
			  false);
	return nr == wanted;
}

static bool becomes(atomic_t *value, int wanted)
{
	int now;

	return !read_poll_timeout(atomic_read, now, now == wanted,
				  USEC_PER_MSEC, SOON_US, false, value);
}

/* As many runs of the store proceed, the rest still wait. */
static void let_batches_pass(int nr)
{
	atomic_set(&be.passes, nr);
	wake_up_all(&be.gate);
}

static bool somebody_waits(struct fixture *f)
{
	bool waits;

	read_poll_timeout(wq_has_sleeper, waits, waits || READ_ONCE(be.open),
			  USEC_PER_MSEC, SOON_US, false, &f->scq.progress);
	return waits;
}

static void free_items(void *unused)
{
	unsigned int i;

	for (i = 0; i < be.nr_items; i++) {
		be.items[i].folio->mapping = NULL;
		folio_put(be.items[i].folio);
	}
	be.nr_items = 0;
}

static void expect_items(struct kunit *test, unsigned int nr)
{
	be.items = kunit_kcalloc(test, nr, sizeof(*be.items), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, be.items);
	be.stored = kunit_kcalloc(test, nr, sizeof(*be.stored), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, be.stored);
	be.shed = kunit_kcalloc(test, nr, sizeof(*be.shed), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, be.shed);
	be.finished = kunit_kcalloc(test, nr, sizeof(*be.finished), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, be.finished);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_items, NULL));
}

static void add_item(struct kunit *test, unsigned int order, int nid)
{
	struct folio *folio = __folio_alloc_node(GFP_KERNEL | __GFP_THISNODE,
						 order, nid);

	KUNIT_ASSERT_NOT_NULL(test, folio);
	folio->index = be.nr_items;
	folio->mapping = &test_mapping;
	be.items[be.nr_items++].folio = folio;
}

static void make_items(struct kunit *test, unsigned int nr, unsigned int order)
{
	expect_items(test, nr);
	while (be.nr_items < nr)
		add_item(test, order, numa_mem_id());
}

/* As __swap_compress_queue() does it. */
static enum scq_stat queue_item(struct scq *scq, struct item *item,
				struct list_head *folios)
{
	unsigned int nr_pages = folio_nr_pages(item->folio);
	enum scq_stat result = scq_reserve(scq, folio_nid(item->folio), nr_pages,
					 ULONG_MAX);

	scq_count(scq, result, nr_pages);
	if (result != SCQ_QUEUED)
		return result;

	folio_lock(item->folio);
	folio_set_reclaim(item->folio);
	folio_start_writeback(item->folio);
	folio_unlock(item->folio);
	list_add_tail(&item->folio->lru, folios);
	return result;
}

/* Also waits until the batches are back in the pool. */
static void finish_all(struct kunit *test)
{
	struct fixture *f = test->priv;
	int err = scq_stop(&f->scq, LONG);

	KUNIT_EXPECT_EQ(test, 0, err);
	if (!err)
		scq_start(&f->scq);
	flush_workqueue(f->wq);
}

/* Hand over items [@first, @first + @nr) in one pass, all of which must fit. */
static void submit(struct kunit *test, unsigned int first, unsigned int nr)
{
	struct fixture *f = test->priv;
	LIST_HEAD(folios);
	unsigned int i;

	for (i = first; i < first + nr; i++)
		KUNIT_EXPECT_EQ(test, SCQ_QUEUED,
				queue_item(&f->scq, &be.items[i], &folios));
	scq_plug(&f->scq, &folios);
	KUNIT_EXPECT_TRUE(test, list_empty(&folios));
}

/* One that must not fit. Should it, it goes its way, so that nothing hangs. */
static void expect_refused(struct kunit *test, unsigned int i, enum scq_stat why)
{
	struct fixture *f = test->priv;
	long finished = scq_finished(&f->scq);
	LIST_HEAD(folios);

	KUNIT_EXPECT_EQ(test, why, queue_item(&f->scq, &be.items[i], &folios));
	if (why == SCQ_INLINE_STOPPED)
		KUNIT_EXPECT_EQ(test, finished, scq_finished(&f->scq));
	scq_plug(&f->scq, &folios);
}

static void expect_all_finished_once(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int i;

	KUNIT_EXPECT_EQ(test, be.nr_items, nr_finished());
	for (i = 0; i < be.nr_items; i++) {
		KUNIT_EXPECT_EQ(test, 1, be.items[i].finished);
		KUNIT_EXPECT_FALSE(test, be.items[i].bad);
	}
	KUNIT_EXPECT_EQ(test, 0, scq_inflight(&f->scq));
}

static int setup(struct kunit *test, unsigned int nr_batches)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	int err;

	KUNIT_ASSERT_NOT_NULL(test, f);
	memset(&be, 0, sizeof(be));
	spin_lock_init(&be.lock);
	init_waitqueue_head(&be.gate);
	init_completion(&be.helper);
	be.open = true;
	be.scq = &f->scq;
	be.sliced_pages = SLICED_PAGES;

	f->nr_batches = nr_batches;
	f->start = jiffies;
	f->taint = get_taint();

	f->wq = alloc_workqueue("scq_kunit", WQ_UNBOUND | WQ_MEM_RECLAIM,
				NR_BATCHES);
	KUNIT_ASSERT_NOT_NULL(test, f->wq);
	err = scq_init(&f->scq, &test_ops, f->wq, nr_batches, LIMIT_PAGES);
	if (err) {
		destroy_workqueue(f->wq);
		return err;
	}
	/* Nothing happens by itself unless a test asks for it. */
	f->scq.push_delay = NEVER;
	scq_start(&f->scq);
	test->priv = f;
	return 0;
}

static int swap_compress_wq_init(struct kunit *test)
{
	return setup(test, NR_BATCHES);
}

/* Folios were lost: their room never comes back, and destroying would hang. */
static void give_up(struct scq *scq)
{
	int nid;

	for_each_online_node(nid)
		scq_unreserve(scq, nid, scq_node_inflight(scq, nid));
}

/* What must be true after each case, whatever it was about */
static void expect_nothing_left(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct scq *scq = &f->scq;
	unsigned long settled = 0;
	enum scq_stat item;

	/* Otherwise a timer, or a time-out, has healed something. */
	KUNIT_EXPECT_LT(test, jiffies - f->start, LONG);
	finish_all(test);

	KUNIT_EXPECT_EQ(test, 0, scq_inflight(scq));
	KUNIT_EXPECT_EQ(test, f->nr_batches, scq->nr_pool);
	KUNIT_EXPECT_TRUE(test, cpumask_empty(scq->plugged));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&scq->stopped));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&scq->nr_throttled));
	KUNIT_EXPECT_FALSE(test, wq_has_sleeper(&scq->progress));
	KUNIT_EXPECT_FALSE(test, be.bad_context);
	KUNIT_EXPECT_FALSE(test, be.early);

	for (item = SCQ_STORED; item <= SCQ_CANCELLED_FREED; item++)
		settled += scq_read_stat(scq, item);
	KUNIT_EXPECT_EQ(test, scq_read_stat(scq, SCQ_QUEUED), settled);
	KUNIT_EXPECT_EQ(test, scq_read_stat(scq, SCQ_QUEUED),
			scq_read_stat(scq, SCQ_FREED) +
			scq_read_stat(scq, SCQ_PUT_BACK));
	/* Somebody warned: DEBUG_OBJECTS of a timer, say. */
	KUNIT_EXPECT_EQ(test, f->taint, get_taint());
}

static void swap_compress_wq_exit(struct kunit *test)
{
	struct fixture *f = test->priv;

	if (!f)
		return;
	open_gate();
	expect_nothing_left(test);
	give_up(&f->scq);
	scq_destroy(&f->scq);
	destroy_workqueue(f->wq);
}

/* The same fixture, made anew with a pool of another size */
static struct scq *use_pool_of(struct kunit *test, unsigned int nr_batches)
{
	swap_compress_wq_exit(test);
	test->priv = NULL;
	KUNIT_ASSERT_EQ(test, 0, setup(test, nr_batches));
	return &((struct fixture *)test->priv)->scq;
}

static void skip_without_cpus(struct kunit *test)
{
	if (num_online_cpus() < 2)
		kunit_skip(test, "needs more than one CPU");
}

/*
 * Threads: joined before the test goes on.
 */
struct submitter {
	struct kunit *test;
	void (*fn)(struct submitter *self);
	unsigned int first, nr;		/* its items */
	unsigned int accepted;
	int cpu;			/* the one it ran on */
	long ret;			/* of what was called */
	struct completion *start;	/* or NULL */
	struct completion done;
};

static int submitter_thread(void *data)
{
	struct submitter *self = data;

	if (self->start)
		wait_for_completion(self->start);
	self->cpu = raw_smp_processor_id();
	self->fn(self);
	complete(&self->done);
	return 0;
}

/* The thread waits for @start, and runs on @cpu; NULL and -1: it does not. */
static struct submitter *spawn_on(struct kunit *test,
				  void (*fn)(struct submitter *self),
				  unsigned int first, unsigned int nr,
				  struct completion *start, int cpu)
{
	struct submitter *self = kunit_kzalloc(test, sizeof(*self), GFP_KERNEL);
	struct task_struct *task;

	KUNIT_ASSERT_NOT_NULL(test, self);
	self->test = test;
	self->fn = fn;
	self->first = first;
	self->nr = nr;
	self->start = start;
	init_completion(&self->done);
	task = kthread_create(submitter_thread, self, "scq_kunit/%u", first);
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	if (cpu >= 0)
		kthread_bind(task, cpu);
	wake_up_process(task);
	return self;
}

static struct submitter *spawn(struct kunit *test,
			       void (*fn)(struct submitter *self),
			       unsigned int first, unsigned int nr)
{
	return spawn_on(test, fn, first, nr, NULL, -1);
}

static void join(struct submitter *self)
{
	wait_for_completion(&self->done);
}

/*
 * Each of NR_SUBMITTERS threads gets its share of the items. They begin together
 * and run on all CPUs.
 */
static unsigned int run_submitters(struct kunit *test,
				   void (*fn)(struct submitter *self))
{
	const unsigned int share = be.nr_items / NR_SUBMITTERS;
	struct submitter *threads[NR_SUBMITTERS];
	DECLARE_COMPLETION_ONSTACK(start);
	unsigned int i, accepted = 0;
	int cpu = -1;

	for (i = 0; i < NR_SUBMITTERS; i++) {
		cpu = cpumask_next(cpu, cpu_online_mask);
		if (cpu >= nr_cpu_ids)
			cpu = cpumask_first(cpu_online_mask);
		threads[i] = spawn_on(test, fn, i * share, share, &start, cpu);
	}
	complete_all(&start);
	for (i = 0; i < NR_SUBMITTERS; i++) {
		join(threads[i]);
		accepted += threads[i]->accepted;
	}
	if (num_online_cpus() > 1)
		KUNIT_EXPECT_NE(test, threads[0]->cpu, threads[1]->cpu);
	return accepted;
}

/* Run @fn on @cpu; @arg is its index of an item, or whatever it wants. */
struct call {
	struct kunit *test;
	unsigned int arg;
};

static void call_on(struct kunit *test, int cpu, int (*fn)(void *call),
		    unsigned int arg)
{
	struct call call = { .test = test, .arg = arg };

	KUNIT_EXPECT_EQ(test, 0, smp_call_on_cpu(cpu, fn, &call, false));
}

/* From now on this thread is being killed: its killable waits end. */
static void get_killed(void)
{
	allow_kernel_signal(SIGKILL);
	send_sig(SIGKILL, current, 1);
}

static void order_is_kept_within_a_batch(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int i;

	make_items(test, 24, 0);
	KUNIT_ASSERT_EQ(test, 0, scq_set_batch_pages(&f->scq, 24));
	/* Three passes on one CPU, so that they share its plug */
	migrate_disable();
	for (i = 0; i < 24; i += 8)
		submit(test, i, 8);
	migrate_enable();
	finish_all(test);

	KUNIT_EXPECT_EQ(test, 1, be.nr_runs);
	for (i = 0; i < 24; i++) {
		KUNIT_EXPECT_EQ(test, i, be.stored[i]);
		/* What goes back to the LRU has its order there. */
		KUNIT_EXPECT_EQ(test, i, be.finished[i]);
	}
	expect_all_finished_once(test);
}

static void full_plug_makes_a_batch(struct kunit *test)
{
	struct fixture *f = test->priv;

	make_items(test, 7, 0);
	scq_set_batch_pages(&f->scq, 4);
	submit(test, 0, 7);
	flush_workqueue(f->wq);

	/* Four are through, three wait for company or a push. */
	KUNIT_EXPECT_EQ(test, 4, nr_finished());
	KUNIT_EXPECT_EQ(test, 1, scq_read_stat(&f->scq, SCQ_BATCHES));
	KUNIT_EXPECT_EQ(test, 3, scq_inflight(&f->scq));
}

static void one_pass_can_fill_several_batches(struct kunit *test)
{
	struct fixture *f = test->priv;

	make_items(test, 32, 0);
	scq_set_batch_pages(&f->scq, 4);
	submit(test, 0, 32);
	flush_workqueue(f->wq);

	KUNIT_EXPECT_EQ(test, 8, be.nr_runs);
	KUNIT_EXPECT_EQ(test, 4, be.largest);
	expect_all_finished_once(test);
}

static void large_folio_counts_its_pages(struct kunit *test)
{
	struct fixture *f = test->priv;

	make_items(test, 3, 2);
	scq_set_batch_pages(&f->scq, 8);
	KUNIT_ASSERT_EQ(test, 0, scq_set_max_inflight_pages(&f->scq, 11));

	submit(test, 0, 2);
	flush_workqueue(f->wq);
	KUNIT_EXPECT_EQ(test, 1, be.nr_runs);
	KUNIT_EXPECT_EQ(test, 8, be.largest);

	WRITE_ONCE(be.open, false);
	be.nr_stored = 0;
	be.nr_finished = 0;
	submit(test, 0, 2);
	expect_refused(test, 2, SCQ_INLINE_INFLIGHT);
	open_gate();
	finish_all(test);
	KUNIT_EXPECT_EQ(test, 2, nr_finished());
}

static void folio_larger_than_a_batch_goes_alone(struct kunit *test)
{
	struct fixture *f = test->priv;

	make_items(test, 4, 2);
	scq_set_batch_pages(&f->scq, 2);
	submit(test, 0, 4);
	flush_workqueue(f->wq);

	KUNIT_EXPECT_EQ(test, 4, be.nr_runs);
	expect_all_finished_once(test);
}

/* Folios of 4, 1, 1, 1 and 2 pages: the last does not fit in a batch of 8. */
static void rest_of_a_cut_stays_in_the_plug(struct kunit *test)
{
	static const unsigned int orders[] = { 2, 0, 0, 0, 1, 1, 2 };
	struct fixture *f = test->priv;
	unsigned int i;

	expect_items(test, ARRAY_SIZE(orders));
	for (i = 0; i < ARRAY_SIZE(orders); i++)
		add_item(test, orders[i], numa_mem_id());
	scq_set_batch_pages(&f->scq, 8);

	migrate_disable();
	submit(test, 0, 5);
	flush_workqueue(f->wq);
	KUNIT_EXPECT_EQ(test, 4, nr_finished());
	KUNIT_EXPECT_EQ(test, 2, scq_inflight(&f->scq));
	KUNIT_EXPECT_FALSE(test, cpumask_empty(f->scq.plugged));

	/* With 2 and 4 more it is a batch, neither sooner nor later. */
	submit(test, 5, 1);
	flush_workqueue(f->wq);
	KUNIT_EXPECT_EQ(test, 4, nr_finished());
	submit(test, 6, 1);
	migrate_enable();
	flush_workqueue(f->wq);
	expect_all_finished_once(test);
	KUNIT_EXPECT_EQ(test, 8, be.largest);
}

/* After a cut the plug may hold a batch's worth still. */
static void rest_of_a_cut_is_pushed_if_full(struct kunit *test)
{
	static const unsigned int orders[] = { 0, 0, 0, 3 };
	struct fixture *f = test->priv;
	unsigned int i;

	expect_items(test, ARRAY_SIZE(orders));
	for (i = 0; i < ARRAY_SIZE(orders); i++)
		add_item(test, orders[i], numa_mem_id());
	scq_set_batch_pages(&f->scq, 8);
	submit(test, 0, 4);
	KUNIT_EXPECT_TRUE(test, finished_in_time(4));
	KUNIT_EXPECT_EQ(test, 8, be.largest);
}

/* A push finds what a cut left. */
static void push_sends_the_rest_of_a_cut(struct kunit *test)
{
	static const unsigned int orders[] = { 2, 1, 0, 1 };
	struct fixture *f = test->priv;
	unsigned int i;

	expect_items(test, ARRAY_SIZE(orders));
	for (i = 0; i < ARRAY_SIZE(orders); i++)
		add_item(test, orders[i], numa_mem_id());
	scq_set_batch_pages(&f->scq, 8);
	submit(test, 0, 4);
	flush_workqueue(f->wq);
	KUNIT_EXPECT_EQ(test, 3, nr_finished());
	scq_push(&f->scq);
	KUNIT_EXPECT_TRUE(test, finished_in_time(4));
}

static int submit_here(void *arg)
{
	struct call *call = arg;

	submit(call->test, call->arg, 3);
	return 0;
}

/* Two CPUs with three folios each do not make a batch of four. */
static void each_cpu_has_a_plug(struct kunit *test)
{
	struct fixture *f = test->priv;
	int first, second;

	skip_without_cpus(test);
	first = cpumask_first(cpu_online_mask);
	second = cpumask_next(first, cpu_online_mask);
	make_items(test, 6, 0);
	scq_set_batch_pages(&f->scq, 4);
	call_on(test, first, submit_here, 0);
	call_on(test, second, submit_here, 3);
	flush_workqueue(f->wq);
	KUNIT_EXPECT_EQ(test, 0, nr_finished());
	KUNIT_EXPECT_EQ(test, 2, cpumask_weight(f->scq.plugged));

	scq_push(&f->scq);	/* of all CPUs, from whatever CPU */
	KUNIT_EXPECT_TRUE(test, finished_in_time(6));
}

static void slices_cover_a_large_folio(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int i;

	make_items(test, 1, SLICED_ORDER);
	be.items[0].shed = true;
	submit(test, 0, 1);
	finish_all(test);

	KUNIT_EXPECT_EQ(test, SLICED_PAGES / SCQ_SLICE_PAGES, be.nr_slices);
	for (i = 0; i < SLICED_PAGES; i++)
		KUNIT_EXPECT_EQ(test, 1, be.slice_pages[i]);
	KUNIT_EXPECT_EQ(test, SLICED_PAGES, scq_read_stat(&f->scq, SCQ_STORED));
	KUNIT_EXPECT_FALSE(test, be.bad_context);
	expect_all_finished_once(test);
}

/* Not all sizes are a multiple of a slice's. */
static void last_slice_may_be_smaller(struct kunit *test)
{
	unsigned int i;

	make_items(test, 1, SLICED_ORDER);
	be.items[0].shed = true;
	be.sliced_pages = SLICED_PAGES - 5;
	submit(test, 0, 1);
	finish_all(test);
	for (i = 0; i < SLICED_PAGES; i++)
		KUNIT_EXPECT_EQ(test, i < SLICED_PAGES - 5, be.slice_pages[i]);
	expect_all_finished_once(test);
}

/* There is one for each CPU but the folio's own worker's, and it is waited for. */
static void helpers_store_slices(struct kunit *test)
{
	skip_without_cpus(test);
	make_items(test, 1, SLICED_ORDER);
	be.items[0].shed = true;
	be.await_helper = true;
	submit(test, 0, 1);
	finish_all(test);

	KUNIT_EXPECT_GT(test, be.helped, 0);
	KUNIT_EXPECT_EQ(test, SLICED_PAGES / SCQ_SLICE_PAGES, be.nr_slices);
	expect_all_finished_once(test);
}

static void helpers_are_no_more_than_cpus(struct kunit *test)
{
	const unsigned int nr = min(num_online_cpus(),
				    SLICED_PAGES / SCQ_SLICE_PAGES);

	make_items(test, 1, SLICED_ORDER);
	be.items[0].shed = true;
	submit(test, 0, 1);
	finish_all(test);
	KUNIT_EXPECT_LE(test, be.most_slices, nr);
	expect_all_finished_once(test);
}

static void slices_need_no_helper(struct kunit *test)
{
	struct fixture *f = test->priv;

	workqueue_set_max_active(f->wq, 1);	/* the folio's own worker */
	make_items(test, 1, SLICED_ORDER);
	be.items[0].shed = true;
	submit(test, 0, 1);
	finish_all(test);
	KUNIT_EXPECT_EQ(test, SLICED_PAGES / SCQ_SLICE_PAGES, be.nr_slices);
	KUNIT_EXPECT_EQ(test, 0, be.helped);
	expect_all_finished_once(test);
}

static void failed_slice_fails_the_folio(struct kunit *test)
{
	struct fixture *f = test->priv;

	make_items(test, 1, SLICED_ORDER);
	be.items[0].shed = true;
	be.slice_fails = 3;
	be.items[0].slice_fails = true;
	submit(test, 0, 1);
	finish_all(test);

	KUNIT_EXPECT_EQ(test, SLICED_PAGES, scq_read_stat(&f->scq, SCQ_FAILED));
	KUNIT_EXPECT_TRUE(test, folio_test_dirty(be.items[0].folio));
	/* The rest is left. Helpers may have begun more before they see it. */
	if (num_online_cpus() == 1)
		KUNIT_EXPECT_EQ(test, 3, be.nr_slices);
	expect_all_finished_once(test);
}

static void push_sends_a_partial_plug(struct kunit *test)
{
	struct fixture *f = test->priv;

	make_items(test, 3, 0);
	submit(test, 0, 3);
	flush_workqueue(f->wq);
	KUNIT_EXPECT_EQ(test, 0, nr_finished());

	scq_push(&f->scq);
	flush_workqueue(f->wq);
	expect_all_finished_once(test);
}

static void partial_plug_goes_by_itself_after_the_delay(struct kunit *test)
{
	struct fixture *f = test->priv;

	make_items(test, 3, 0);
	f->scq.push_delay = 1;
	submit(test, 0, 3);
	KUNIT_EXPECT_TRUE(test, finished_in_time(3));
}

/*
 * The only worker is busy, so that what was pushed is pending when more comes.
 * The plug's timer begins anew only if nothing is.
 */
static void push_is_not_undone_by_a_submit(struct kunit *test)
{
	struct fixture *f = test->priv;

	workqueue_set_max_active(f->wq, 1);
	make_items(test, 8, 0);
	scq_set_batch_pages(&f->scq, 4);
	WRITE_ONCE(be.open, false);
	migrate_disable();
	submit(test, 0, 4);
	submit(test, 4, 2);
	scq_push(&f->scq);
	submit(test, 6, 1);
	migrate_enable();
	open_gate();
	KUNIT_EXPECT_TRUE(test, finished_in_time(7));
	submit(test, 7, 1);
}

/* Nor does a plug that filled leave a timer that a later push would need. */
static void push_works_again_and_again(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int i;

	make_items(test, 16, 0);
	scq_set_batch_pages(&f->scq, 4);
	for (i = 0; i < 16; i++) {
		submit(test, i, 1);
		if (i % 3 == 0) {
			scq_push(&f->scq);
			KUNIT_EXPECT_TRUE(test, finished_in_time(i + 1));
		}
	}
}

static void push_does_not_wait(struct kunit *test)
{
	struct fixture *f = test->priv;

	make_items(test, 3, 0);
	WRITE_ONCE(be.open, false);
	submit(test, 0, 3);
	scq_push(&f->scq);	/* would hang here */
	KUNIT_EXPECT_EQ(test, 0, nr_finished());

	open_gate();
	finish_all(test);
	expect_all_finished_once(test);
}

static void call_finish_all(struct submitter *self)
{
	finish_all(self->test);
	self->accepted = nr_finished();
}

static void stop_waits_for_all(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct submitter *stopper;

	make_items(test, 11, 0);
	scq_set_batch_pages(&f->scq, 4);
	WRITE_ONCE(be.open, false);
	submit(test, 0, 11);	/* two batches and a partial plug */

	stopper = spawn(test, call_finish_all, 0, 0);
	KUNIT_EXPECT_EQ(test, 0,
			wait_for_completion_timeout(&stopper->done, HZ / 20));
	open_gate();
	join(stopper);
	KUNIT_EXPECT_EQ(test, 11, stopper->accepted);
	expect_all_finished_once(test);
}

static void empty_pool_means_refusal(struct kunit *test)
{
	struct scq *scq = use_pool_of(test, 2);

	make_items(test, 5, 0);
	scq_set_batch_pages(scq, 2);
	WRITE_ONCE(be.open, false);
	submit(test, 0, 4);	/* takes both batches */
	expect_refused(test, 4, SCQ_INLINE_POOL);

	open_gate();
	finish_all(test);
	submit(test, 4, 1);
	finish_all(test);
	expect_all_finished_once(test);
}

static void accepted_folios_need_no_batch(struct kunit *test)
{
	struct scq *scq = use_pool_of(test, 1);

	/* One batch for 64 folios: the plug's own work takes the rest. */
	make_items(test, 64, 0);
	scq_set_batch_pages(scq, 2);
	WRITE_ONCE(be.open, false);
	submit(test, 0, 64);
	open_gate();
	KUNIT_EXPECT_TRUE(test, finished_in_time(64));
	KUNIT_EXPECT_EQ(test, 2, be.largest);
}

static void bound_in_flight_is_exact(struct kunit *test)
{
	struct fixture *f = test->priv;

	make_items(test, 11, 0);
	scq_set_batch_pages(&f->scq, 4);
	KUNIT_ASSERT_EQ(test, 0, scq_set_max_inflight_pages(&f->scq, 10));
	WRITE_ONCE(be.open, false);
	submit(test, 0, 10);
	KUNIT_EXPECT_EQ(test, 10, scq_inflight(&f->scq));
	expect_refused(test, 10, SCQ_INLINE_INFLIGHT);

	open_gate();
	finish_all(test);
	submit(test, 10, 1);
	finish_all(test);
	expect_all_finished_once(test);
}

/* Offer each item once, in passes of eight. */
static void offer_once(struct submitter *self)
{
	struct fixture *f = self->test->priv;
	LIST_HEAD(folios);
	unsigned int i;

	for (i = self->first; i < self->first + self->nr; i++) {
		if (queue_item(&f->scq, &be.items[i], &folios) == SCQ_QUEUED)
			self->accepted++;
		if (i % 8 == 7) {
			scq_plug(&f->scq, &folios);
			cond_resched();
		}
	}
	scq_plug(&f->scq, &folios);
}

static void bound_is_exact_with_many_submitters(struct kunit *test)
{
	const unsigned int bound = 100;
	struct fixture *f = test->priv;

	skip_without_cpus(test);

	make_items(test, NR_SUBMITTERS * 64, 0);
	scq_set_batch_pages(&f->scq, 8);
	KUNIT_ASSERT_EQ(test, 0, scq_set_max_inflight_pages(&f->scq, bound));
	WRITE_ONCE(be.open, false);
	KUNIT_EXPECT_EQ(test, bound, run_submitters(test, offer_once));
	KUNIT_EXPECT_EQ(test, bound, scq_inflight(&f->scq));

	open_gate();
	finish_all(test);
	KUNIT_EXPECT_EQ(test, bound, nr_finished());
	KUNIT_EXPECT_EQ(test, 0, scq_inflight(&f->scq));
}

/* Take the last page of room, many times. */
static void take_a_page(struct submitter *self)
{
	struct scq *scq = be.scq;
	unsigned int i;

	for (i = 0; i < 20000; i++) {
		if (scq_reserve(scq, 0, 1, 1) == SCQ_QUEUED) {
			if (scq_node_inflight(scq, 0) != 1)
				self->ret = true;
			scq_unreserve(scq, 0, 1);
			self->accepted++;
		}
		if (i % 256 == 0)
			cond_resched();
	}
	if (self->ret)
		WRITE_ONCE(be.early, true);
}

static void last_page_of_room_is_given_once(struct kunit *test)
{
	skip_without_cpus(test);
	KUNIT_EXPECT_GT(test, run_submitters(test, take_a_page), 0);
}

/* Offer each item until it is accepted, in passes of changing length. */
static void offer_until_accepted(struct submitter *self)
{
	struct fixture *f = self->test->priv;
	LIST_HEAD(folios);
	unsigned int i;

	for (i = self->first; i < self->first + self->nr; i++) {
		while (queue_item(&f->scq, &be.items[i], &folios) != SCQ_QUEUED) {
			/* What we hold may be what fills the bound. */
			scq_plug(&f->scq, &folios);
			schedule_timeout_uninterruptible(1);
		}
		self->accepted++;
		if (i % 13 == 0) {
			scq_plug(&f->scq, &folios);
			cond_resched();
		}
		if (i % 101 == 0)
			scq_push(&f->scq);
	}
	scq_plug(&f->scq, &folios);
}

static void every_folio_is_finished_once(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int round;

	make_items(test, NR_SUBMITTERS * 512, 0);
	scq_set_batch_pages(&f->scq, 7);
	KUNIT_ASSERT_EQ(test, 0, scq_set_max_inflight_pages(&f->scq, 200));
	f->scq.push_delay = 1;

	for (round = 0; round < 4; round++) {
		unsigned int i;

		f->start = jiffies;
		be.nr_stored = 0;
		be.nr_finished = 0;
		for (i = 0; i < be.nr_items; i++)
			be.items[i].finished = 0;
		KUNIT_EXPECT_EQ(test, be.nr_items,
				run_submitters(test, offer_until_accepted));
		/* Without help: a lost wake-up must not be healed by a flush. */
		KUNIT_EXPECT_TRUE(test, finished_in_time(be.nr_items));
		finish_all(test);
		expect_all_finished_once(test);
	}
	KUNIT_EXPECT_LE(test, be.largest, 7);
}

static void refused_folio_goes_to_the_next_store(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int i;

	make_items(test, 12, 0);
	for (i = 0; i < 12; i += 3)
		be.items[i].shed = true;
	submit(test, 0, 12);
	finish_all(test);

	/* Those only, and in their order */
	KUNIT_EXPECT_EQ(test, 4, be.nr_shed);
	for (i = 0; i < be.nr_shed; i++)
		KUNIT_EXPECT_EQ(test, 3 * i, be.shed[i]);
	KUNIT_EXPECT_EQ(test, 8, scq_read_stat(&f->scq, SCQ_STORED_ZSWAP));
	KUNIT_EXPECT_EQ(test, 4, scq_read_stat(&f->scq, SCQ_STORED));
	KUNIT_EXPECT_EQ(test, 0, scq_read_stat(&f->scq, SCQ_FAILED));
	expect_all_finished_once(test);
}

static void cancelled_folio_is_not_stored(struct kunit *test)
{
	struct fixture *f = test->priv;

	make_items(test, 4, 0);
	be.items[1].cancel = true;
	submit(test, 0, 4);
	finish_all(test);

	KUNIT_EXPECT_EQ(test, 0, be.nr_shed);
	KUNIT_EXPECT_EQ(test, 1, scq_read_stat(&f->scq, SCQ_CANCELLED_FREED));
	KUNIT_EXPECT_EQ(test, 3, scq_read_stat(&f->scq, SCQ_STORED_ZSWAP));
	/* Nobody wants it: it is freed like the rest, and not dirty. */
	KUNIT_EXPECT_EQ(test, 4, scq_read_stat(&f->scq, SCQ_FREED));
	expect_all_finished_once(test);
}

/* It is in use, and its slot has no content: it must be written again. */
static void refaulted_folio_is_dirty(struct kunit *test)
{
	struct fixture *f = test->priv;

	make_items(test, 4, 0);
	be.items[1].refault = true;
	submit(test, 0, 4);
	finish_all(test);

	KUNIT_EXPECT_EQ(test, 0, be.nr_shed);
	KUNIT_EXPECT_EQ(test, 1, scq_read_stat(&f->scq, SCQ_CANCELLED_REFAULT));
	KUNIT_EXPECT_EQ(test, 3, scq_read_stat(&f->scq, SCQ_STORED_ZSWAP));
	KUNIT_EXPECT_EQ(test, 1, scq_read_stat(&f->scq, SCQ_PUT_BACK));
	KUNIT_EXPECT_TRUE(test, folio_test_dirty(be.items[1].folio));
	expect_all_finished_once(test);
}

static void failed_store_is_dirty_before_writeback_ends(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int i;

	make_items(test, 64, 0);
	for (i = 0; i < 64; i++)
		be.items[i].fail = true;
	submit(test, 0, 64);
	finish_all(test);

	KUNIT_EXPECT_EQ(test, 64, scq_read_stat(&f->scq, SCQ_FAILED));
	for (i = 0; i < 64; i++)
		KUNIT_EXPECT_TRUE(test, be.items[i].dirtied);
	expect_all_finished_once(test);
}

static void one_failure_spares_the_rest(struct kunit *test)
{
	struct fixture *f = test->priv;

	make_items(test, 8, 0);
	be.items[3].fail = true;
	submit(test, 0, 8);
	finish_all(test);

	KUNIT_EXPECT_EQ(test, 1, scq_read_stat(&f->scq, SCQ_FAILED));
	KUNIT_EXPECT_EQ(test, 7, scq_read_stat(&f->scq, SCQ_FREED));
	KUNIT_EXPECT_FALSE(test, folio_test_dirty(be.items[2].folio));
	KUNIT_EXPECT_TRUE(test, folio_test_dirty(be.items[3].folio));
	expect_all_finished_once(test);
}

static void submitted_folio_stays_under_writeback(struct kunit *test)
{
	struct fixture *f = test->priv;

	make_items(test, 4, 0);
	be.items[2].submit = true;
	submit(test, 0, 4);
	finish_all(test);

	KUNIT_EXPECT_EQ(test, 1, scq_read_stat(&f->scq, SCQ_SUBMITTED));
	KUNIT_EXPECT_EQ(test, 3, scq_read_stat(&f->scq, SCQ_STORED_ZSWAP));
	KUNIT_EXPECT_EQ(test, 1, scq_read_stat(&f->scq, SCQ_PUT_BACK));
	expect_all_finished_once(test);
	folio_end_writeback(be.items[2].folio);
}

/* Nor do folios wait that are stored, or have failed, already. */
static void settled_folios_are_finished_before_a_slow_store(struct kunit *test)
{
	struct fixture *f = test->priv;

	make_items(test, 8, 0);
	be.items[1].submit = true;
	be.items[3].refault = true;
	be.items[5].shed = true;
	be.items[5].slow = true;
	be.items[6].shed = true;
	submit(test, 0, 8);
	finish_all(test);

	KUNIT_EXPECT_EQ(test, 6, be.finished_early);
	KUNIT_EXPECT_EQ(test, 2, scq_read_stat(&f->scq, SCQ_STORED));
	KUNIT_EXPECT_EQ(test, 4, scq_read_stat(&f->scq, SCQ_STORED_ZSWAP));
	KUNIT_EXPECT_EQ(test, 1, scq_read_stat(&f->scq, SCQ_BATCHES));
	expect_all_finished_once(test);
	folio_end_writeback(be.items[1].folio);
}

static void stop_drains(struct kunit *test)
{
	struct fixture *f = test->priv;

	make_items(test, 13, 0);
	scq_set_batch_pages(&f->scq, 4);
	submit(test, 0, 11);
	KUNIT_EXPECT_EQ(test, 0, scq_stop(&f->scq, LONG));
	KUNIT_EXPECT_EQ(test, 11, nr_finished());

	expect_refused(test, 11, SCQ_INLINE_STOPPED);
	KUNIT_EXPECT_EQ(test, 0, scq_inflight(&f->scq));

	scq_start(&f->scq);
	submit(test, 12, 1);
}

/* Set while the stopper knows that nothing is in flight. */
static bool all_stopped;
static int nr_stops;

static void stop_and_start(struct submitter *self)
{
	while (!READ_ONCE(self->nr)) {
		self->ret = self->ret ?: scq_stop(be.scq, LONG);
		WRITE_ONCE(all_stopped, true);
		cpu_relax();
		WRITE_ONCE(all_stopped, false);
		scq_start(be.scq);
		WRITE_ONCE(nr_stops, nr_stops + 1);
		usleep_range(20, 50);	/* for something to be accepted */
	}
}

/* What is accepted is in flight, and a stop waits for that. */
static void queue_and_unqueue(struct submitter *self)
{
	const unsigned long end = jiffies + LONG / 2;
	unsigned int i;

	/* On a busy machine the stopper may begin late. */
	for (i = 0; time_before(jiffies, end) &&
	     (self->accepted < 20000 || READ_ONCE(nr_stops) < 16); i++) {
		if (scq_reserve(be.scq, 0, 1, ULONG_MAX) == SCQ_QUEUED) {
			if (READ_ONCE(all_stopped))
				self->ret = true;
			scq_unreserve(be.scq, 0, 1);
			self->accepted++;
		}
		if (i % 256 == 0)
			cond_resched();
	}
}

static void nothing_is_accepted_behind_a_stop(struct kunit *test)
{
	struct submitter *stopper, *submitter;
	int cpu = cpumask_first(cpu_online_mask);

	skip_without_cpus(test);
	nr_stops = 0;
	stopper = spawn_on(test, stop_and_start, 0, 0, NULL, cpu);
	cpu = cpumask_next(cpu, cpu_online_mask);
	submitter = spawn_on(test, queue_and_unqueue, 1, 0, NULL, cpu);
	join(submitter);
	WRITE_ONCE(stopper->nr, 1);
	join(stopper);
	KUNIT_EXPECT_FALSE(test, submitter->ret);
	KUNIT_EXPECT_EQ(test, 0, stopper->ret);
	KUNIT_EXPECT_GT(test, submitter->accepted, 0);
	KUNIT_EXPECT_GT(test, nr_stops, 0);
}

static void call_stop(struct submitter *self)
{
	struct fixture *f = self->test->priv;

	self->ret = scq_stop(&f->scq, LONG);
	self->accepted = nr_finished();
}

static void stop_waits_for_a_pass_under_way(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct submitter *stopper;
	LIST_HEAD(folios);

	make_items(test, 1, 0);
	f->scq.push_delay = 1;
	KUNIT_ASSERT_EQ(test, SCQ_QUEUED,
			queue_item(&f->scq, &be.items[0], &folios));
	stopper = spawn(test, call_stop, 0, 0);
	KUNIT_EXPECT_EQ(test, 0,
			wait_for_completion_timeout(&stopper->done, HZ / 20));
	scq_plug(&f->scq, &folios);
	join(stopper);
	KUNIT_EXPECT_EQ(test, 1, stopper->accepted);
	KUNIT_EXPECT_EQ(test, 0, stopper->ret);
	scq_start(&f->scq);
}

/* One that cannot stop in time leaves the queue as it was. */
static void stop_is_bounded(struct kunit *test)
{
	struct fixture *f = test->priv;

	make_items(test, 2, 0);
	WRITE_ONCE(be.open, false);
	submit(test, 0, 1);
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, scq_stop(&f->scq, HZ / 50));
	KUNIT_EXPECT_EQ(test, 0, nr_finished());
	submit(test, 1, 1);
	open_gate();
	finish_all(test);
	expect_all_finished_once(test);
}

static void stop_killed(struct submitter *self)
{
	get_killed();
	self->ret = scq_stop(be.scq, LONG);
}

/* So does one whose caller is being killed. */
static void stop_ends_when_killed(struct kunit *test)
{
	struct submitter *stopper;

	make_items(test, 2, 0);
	WRITE_ONCE(be.open, false);
	submit(test, 0, 1);
	stopper = spawn(test, stop_killed, 0, 0);
	join(stopper);
	KUNIT_EXPECT_EQ(test, -ERESTARTSYS, stopper->ret);
	submit(test, 1, 1);
	open_gate();
	finish_all(test);
	expect_all_finished_once(test);
}

static void stops_nest(struct kunit *test)
{
	struct fixture *f = test->priv;

	make_items(test, 1, 0);
	KUNIT_EXPECT_EQ(test, 0, scq_stop(&f->scq, LONG));
	KUNIT_EXPECT_EQ(test, 0, scq_stop(&f->scq, LONG));
	scq_start(&f->scq);
	expect_refused(test, 0, SCQ_INLINE_STOPPED);
	scq_start(&f->scq);
	submit(test, 0, 1);
	finish_all(test);
	expect_all_finished_once(test);
}

/* Nothing is accepted while somebody waits for all, and everything afterwards. */
static void stop_accepts_nothing(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct submitter *stopper;

	make_items(test, 2, 0);
	WRITE_ONCE(be.open, false);
	submit(test, 0, 1);
	stopper = spawn(test, call_finish_all, 0, 0);
	KUNIT_EXPECT_TRUE(test, becomes(&f->scq.stopped, 1));
	expect_refused(test, 1, SCQ_INLINE_STOPPED);
	open_gate();
	join(stopper);
	submit(test, 1, 1);
	finish_all(test);
	expect_all_finished_once(test);
}

/* How often another task than before has asked whether there is enough */
struct asked {
	struct task_struct *task;
	atomic_t nr;
};

/* What a test's task waits for: @nr folios to be finished, while @pending. */
struct test_need {
	struct scq_need need;
	unsigned int nr;
	bool pending;
	struct asked *asked;		/* or NULL */
};

static bool test_enough(const struct scq_need *need)
{
	const struct test_need *self = container_of_const(need, struct test_need,
							  need);

	if (self->asked && xchg(&self->asked->task, current) != current)
		atomic_inc(&self->asked->nr);
	return nr_finished() >= self->nr;
}

static long test_inflight(const struct scq_need *need, long *finished)
{
	const struct test_need *self = container_of_const(need, struct test_need,
							  need);

	*finished = scq_finished(be.scq);
	return READ_ONCE(self->pending) ? scq_inflight(be.scq) : 0;
}

#define TEST_NEED(nr_folios) {						\
	.need = { .enough = test_enough, .nr_inflight = test_inflight },	\
	.nr = (nr_folios),						\
	.pending = true,						\
}

static bool wait_for(struct fixture *f, const struct test_need *need,
		     long timeout)
{
	return scq_wait(&f->scq, &need->need, timeout);
}

static bool throttle_for(struct fixture *f, const struct test_need *need,
			 long timeout)
{
	return scq_throttle(&f->scq, &need->need, timeout);
}

static void wait_in_work(struct work_struct *work)
{
	struct fixture *f = container_of(work, struct fixture, waiter);

	f->waited = wait_for(f, f->waiting, LONG);
}

static void wait_sees_progress(struct kunit *test)
{
	const struct test_need need = TEST_NEED(3);
	struct fixture *f = test->priv;

	make_items(test, 3, 0);
	submit(test, 0, 3);
	/* It pushes: nobody else would. */
	KUNIT_EXPECT_TRUE(test, wait_for(f, &need, LONG));
	KUNIT_EXPECT_EQ(test, 3, nr_finished());
	KUNIT_EXPECT_EQ(test, 1, scq_read_stat(&f->scq, SCQ_WAITS));
}

/* After one that had success */
static void wait_can_be_repeated(struct kunit *test)
{
	const struct test_need one = TEST_NEED(1), two = TEST_NEED(2);
	struct fixture *f = test->priv;

	make_items(test, 2, 0);
	submit(test, 0, 1);
	KUNIT_EXPECT_TRUE(test, wait_for(f, &one, LONG));
	submit(test, 1, 1);
	KUNIT_EXPECT_TRUE(test, wait_for(f, &two, LONG));
	KUNIT_EXPECT_EQ(test, 2, scq_read_stat(&f->scq, SCQ_WAITS));
}

static void call_wait(struct submitter *self)
{
	struct fixture *f = self->test->priv;

	self->ret = wait_for(f, f->waiting, LONG);
}

static void call_throttle(struct submitter *self)
{
	struct fixture *f = self->test->priv;

	self->ret = throttle_for(f, f->waiting, LONG);
}

static unsigned long nr_waits(struct scq *scq)
{
	return scq_read_stat(scq, SCQ_WAITS) + scq_read_stat(scq, SCQ_THROTTLED);
}

/* Two batches of four that stand still, and @nr tasks that wait for them */
static void begin_waits(struct kunit *test, struct submitter **threads,
			unsigned int nr, void (*fn)(struct submitter *self),
			const struct test_need *need)
{
	struct fixture *f = test->priv;
	unsigned long waits;
	unsigned int i;

	make_items(test, 8, 0);
	scq_set_batch_pages(&f->scq, 4);
	WRITE_ONCE(be.open, false);
	submit(test, 0, 8);
	f->waiting = need;
	for (i = 0; i < nr; i++) {
		threads[i] = spawn(test, fn, i, 0);
		KUNIT_EXPECT_EQ(test, 0,
				read_poll_timeout(nr_waits, waits, waits == i + 1,
						  USEC_PER_MSEC, SOON_US, false,
						  &f->scq));
	}
	msleep(20);			/* for the last of them to sleep */
}

/* Nobody waits for the second batch who has enough after the first. */
static void wait_ends_with_enough(struct kunit *test)
{
	const struct test_need four = TEST_NEED(4);
	struct submitter *threads[3];
	unsigned int i;

	begin_waits(test, threads, ARRAY_SIZE(threads), call_wait, &four);
	let_batches_pass(1);
	for (i = 0; i < ARRAY_SIZE(threads); i++) {
		join(threads[i]);
		KUNIT_EXPECT_TRUE(test, threads[i]->ret);
	}
	KUNIT_EXPECT_EQ(test, 4, nr_finished());
}

static void wait_ends_when_nothing_is_pending(struct kunit *test)
{
	struct test_need need = TEST_NEED(100);
	struct submitter *waiter;

	begin_waits(test, &waiter, 1, call_wait, &need);
	WRITE_ONCE(need.pending, false);
	let_batches_pass(1);
	join(waiter);
	KUNIT_EXPECT_FALSE(test, waiter->ret);
	KUNIT_EXPECT_EQ(test, 4, nr_finished());
}

static void wait_killed(struct submitter *self)
{
	get_killed();
	call_wait(self);
}

/* That says nothing about workers: others may wait. */
static void wait_ends_when_killed(struct kunit *test)
{
	const struct test_need need = TEST_NEED(8);
	struct submitter *killed, *waiter;

	begin_waits(test, &killed, 1, wait_killed, &need);
	join(killed);
	KUNIT_EXPECT_FALSE(test, killed->ret);
	waiter = spawn(test, call_wait, 1, 0);
	KUNIT_EXPECT_TRUE(test, somebody_waits(test->priv));
	open_gate();
	join(waiter);
	KUNIT_EXPECT_TRUE(test, waiter->ret);
}

/* Others' progress is none: something is freed, but not what the task can use. */
static void wait_without_enough_fails(struct kunit *test)
{
	const struct test_need need = TEST_NEED(4);
	struct fixture *f = test->priv;
	const unsigned long start = jiffies;

	make_items(test, 3, 0);
	submit(test, 0, 3);
	KUNIT_EXPECT_FALSE(test, wait_for(f, &need, LONG));
	expect_all_finished_once(test);
	/* It ends when what was in flight is finished. */
	KUNIT_EXPECT_TRUE(test, time_before(jiffies, start + LONG));
}

/* Nor does it wait for what others hand over meanwhile. */
static void wait_is_for_what_is_in_flight(struct kunit *test)
{
	const struct test_need need = TEST_NEED(100);
	struct fixture *f = test->priv;
	const unsigned long start = jiffies;

	make_items(test, 8, 0);
	scq_set_batch_pages(&f->scq, 4);
	WRITE_ONCE(be.open, false);
	submit(test, 0, 4);
	f->waiting = &need;
	INIT_WORK(&f->waiter, wait_in_work);
	schedule_work(&f->waiter);
	KUNIT_EXPECT_TRUE(test, somebody_waits(f));
	submit(test, 4, 4);
	let_batches_pass(1);
	flush_work(&f->waiter);
	KUNIT_EXPECT_TRUE(test, time_before(jiffies, start + LONG));
	KUNIT_EXPECT_EQ(test, 4, nr_finished());
	open_gate();
	finish_all(test);
	expect_all_finished_once(test);
}

static void wait_is_bounded(struct kunit *test)
{
	const struct test_need need = TEST_NEED(1);
	struct fixture *f = test->priv;

	make_items(test, 3, 0);
	WRITE_ONCE(be.open, false);
	submit(test, 0, 3);
	KUNIT_EXPECT_FALSE(test, wait_for(f, &need, HZ / 50));
	KUNIT_EXPECT_EQ(test, 0, nr_finished());
}

static void nothing_pending_means_no_wait(struct kunit *test)
{
	struct test_need need = TEST_NEED(1);
	struct fixture *f = test->priv;
	const unsigned long start = jiffies;

	make_items(test, 1, 0);
	WRITE_ONCE(be.open, false);
	submit(test, 0, 1);
	need.pending = false;	/* what is in flight is of no use */
	KUNIT_EXPECT_FALSE(test, wait_for(f, &need, LONG));
	KUNIT_EXPECT_EQ(test, 0, scq_read_stat(&f->scq, SCQ_WAITS));
	KUNIT_EXPECT_FALSE(test, throttle_for(f, &need, LONG));
	KUNIT_EXPECT_TRUE(test, time_before(jiffies, start + LONG));
}

static void wait_is_for_tasks_that_lack_memory(struct kunit *test)
{
	const struct test_need none = TEST_NEED(0);
	struct fixture *f = test->priv;

	make_items(test, 1, 0);
	submit(test, 0, 1);
	KUNIT_EXPECT_FALSE(test, wait_for(f, &none, LONG));
	KUNIT_EXPECT_EQ(test, 0, scq_read_stat(&f->scq, SCQ_WAITS));
	KUNIT_EXPECT_EQ(test, 0, nr_finished());
}

/* A time-out says that workers get nowhere, until something is finished. */
static void time_out_ends_waiting(struct kunit *test)
{
	const struct test_need one = TEST_NEED(1), six = TEST_NEED(6);
	struct fixture *f = test->priv;
	unsigned long start;

	make_items(test, 8, 0);
	scq_set_batch_pages(&f->scq, 4);
	WRITE_ONCE(be.open, false);
	submit(test, 0, 8);
	KUNIT_EXPECT_FALSE(test, throttle_for(f, &one, HZ / 50));
	/* That was too short to say anything to a task in greater need. */
	KUNIT_EXPECT_FALSE(test, wait_for(f, &one, HZ / 50));
	KUNIT_EXPECT_EQ(test, 2, nr_waits(&f->scq));
	start = jiffies;
	KUNIT_EXPECT_FALSE(test, throttle_for(f, &one, LONG));
	KUNIT_EXPECT_FALSE(test, wait_for(f, &one, LONG));
	KUNIT_EXPECT_TRUE(test, time_before(jiffies, start + LONG));
	KUNIT_EXPECT_EQ(test, 2, nr_waits(&f->scq));
	/* Nor does a time-out say anything to a task that waits longer than others. */
	KUNIT_EXPECT_FALSE(test, scq_wait_longer(&f->scq, &one.need, HZ / 50));
	KUNIT_EXPECT_EQ(test, 3, nr_waits(&f->scq));
	KUNIT_EXPECT_FALSE(test, scq_wait_longer(&f->scq, &one.need, LONG));
	KUNIT_EXPECT_EQ(test, 3, nr_waits(&f->scq));

	let_batches_pass(1);
	KUNIT_EXPECT_TRUE(test, finished_in_time(4));
	f->waiting = &six;
	INIT_WORK(&f->waiter, wait_in_work);
	schedule_work(&f->waiter);
	KUNIT_EXPECT_TRUE(test, somebody_waits(f));
	open_gate();
	flush_work(&f->waiter);
	KUNIT_EXPECT_TRUE(test, f->waited);
	finish_all(test);
	expect_all_finished_once(test);
}

static void let_batch_pass_for_waiter(struct work_struct *work)
{
	struct fixture *f = container_of(work, struct fixture, opener);

	somebody_waits(f);
	let_batches_pass(1);
}

/* A time-out says so only if nothing was finished meanwhile. */
static void time_out_after_progress_ends_nothing(struct kunit *test)
{
	const struct test_need eight = TEST_NEED(8);
	struct fixture *f = test->priv;

	make_items(test, 8, 0);
	scq_set_batch_pages(&f->scq, 4);
	WRITE_ONCE(be.open, false);
	submit(test, 0, 8);
	/* The first batch ends while the task waits, the second one does not. */
	INIT_WORK(&f->opener, let_batch_pass_for_waiter);
	schedule_work(&f->opener);
	KUNIT_EXPECT_FALSE(test, wait_for(f, &eight, 5 * HZ));
	flush_work(&f->opener);
	KUNIT_EXPECT_EQ(test, 4, nr_finished());
	KUNIT_EXPECT_FALSE(test, wait_for(f, &eight, HZ / 50));
	KUNIT_EXPECT_EQ(test, 2, scq_read_stat(&f->scq, SCQ_WAITS));
	open_gate();
	finish_all(test);
	expect_all_finished_once(test);
}

static void open_gate_for_waiter(struct work_struct *work)
{
	struct fixture *f = container_of(work, struct fixture, opener);

	somebody_waits(f);
	open_gate();
}

/*
 * What scq_throttle() says to a task that needs @nr folios to be finished, of a
 * batch of four that ends only once somebody waits for it. A task that does not
 * wait finds none of them finished.
 */
static bool throttle(struct kunit *test, unsigned int nr)
{
	const struct test_need need = TEST_NEED(nr);
	struct fixture *f = test->priv;
	bool ret;

	make_items(test, 4, 0);
	scq_set_batch_pages(&f->scq, 4);
	WRITE_ONCE(be.open, false);
	submit(test, 0, 4);
	INIT_WORK(&f->opener, open_gate_for_waiter);
	schedule_work(&f->opener);
	ret = throttle_for(f, &need, LONG);
	f->finished = nr_finished();
	open_gate();
	flush_work(&f->opener);
	finish_all(test);
	expect_all_finished_once(test);
	return ret;
}

static void throttle_waits_for_workers(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_EXPECT_TRUE(test, throttle(test, 4));
	KUNIT_EXPECT_EQ(test, 4, f->finished);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&f->scq.nr_throttled));
	KUNIT_EXPECT_EQ(test, 1, scq_read_stat(&f->scq, SCQ_THROTTLED));
	KUNIT_EXPECT_EQ(test, 0, scq_read_stat(&f->scq, SCQ_WAITS));
}

/* The batch wakes one of them, and that one the next. */
static void throttle_lets_all_go_that_have_enough(struct kunit *test)
{
	const struct test_need four = TEST_NEED(4);
	struct submitter *threads[2];
	unsigned int i;

	begin_waits(test, threads, ARRAY_SIZE(threads), call_throttle, &four);
	let_batches_pass(1);
	for (i = 0; i < ARRAY_SIZE(threads); i++) {
		join(threads[i]);
		KUNIT_EXPECT_TRUE(test, threads[i]->ret);
	}
	KUNIT_EXPECT_EQ(test, 4, nr_finished());
}

/* The first waits in vain, the other has enough when the first batch ends. */
static void wake_up_is_passed_on(struct kunit *test)
{
	const struct test_need many = TEST_NEED(100), four = TEST_NEED(4);
	struct fixture *f = test->priv;
	struct submitter *first, *second;

	make_items(test, 8, 0);
	scq_set_batch_pages(&f->scq, 4);
	WRITE_ONCE(be.open, false);
	submit(test, 0, 4);
	f->waiting = &many;
	first = spawn(test, call_throttle, 0, 0);
	KUNIT_EXPECT_TRUE(test, becomes(&f->scq.nr_throttled, 1));
	msleep(20);
	submit(test, 4, 4);
	f->waiting = &four;
	second = spawn(test, call_throttle, 1, 0);
	KUNIT_EXPECT_TRUE(test, becomes(&f->scq.nr_throttled, 2));
	msleep(20);
	let_batches_pass(1);
	join(first);		/* all that was in flight when it came */
	KUNIT_EXPECT_FALSE(test, first->ret);
	join(second);
	KUNIT_EXPECT_TRUE(test, second->ret);
	KUNIT_EXPECT_EQ(test, 4, nr_finished());
}

/* No herd: a task that is woken and has not enough does not wake others. */
static void batch_wakes_one_throttled_task(struct kunit *test)
{
	struct asked asked = { .task = NULL };
	const struct test_need need = {
		.need = { .enough = test_enough, .nr_inflight = test_inflight },
		.nr = 100,
		.pending = true,
		.asked = &asked,
	};
	struct submitter *threads[2];
	unsigned int i;

	begin_waits(test, threads, ARRAY_SIZE(threads), call_throttle, &need);
	asked.task = NULL;
	atomic_set(&asked.nr, 0);
	let_batches_pass(1);
	KUNIT_EXPECT_TRUE(test, becomes(&asked.nr, 1));
	msleep(50);			/* for others, if they were woken */
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&asked.nr));
	open_gate();
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		join(threads[i]);
}

/* Also of several, none of which has enough to wake the next */
static void throttle_lets_all_go_in_the_end(struct kunit *test)
{
	const struct test_need need = TEST_NEED(100);
	struct submitter *threads[2];
	unsigned int i;

	begin_waits(test, threads, ARRAY_SIZE(threads), call_throttle, &need);
	open_gate();
	for (i = 0; i < ARRAY_SIZE(threads); i++) {
		join(threads[i]);
		KUNIT_EXPECT_FALSE(test, threads[i]->ret);
	}
	KUNIT_EXPECT_EQ(test, 8, nr_finished());
}

static void throttle_killed(struct submitter *self)
{
	get_killed();
	call_throttle(self);
}

static void throttle_ends_when_killed(struct kunit *test)
{
	const struct test_need need = TEST_NEED(8);
	struct submitter *killed;

	begin_waits(test, &killed, 1, throttle_killed, &need);
	join(killed);
	KUNIT_EXPECT_FALSE(test, killed->ret);
	KUNIT_EXPECT_EQ(test, 0, nr_finished());
}

static void throttle_ends_with_the_last_batch(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_EXPECT_FALSE(test, throttle(test, 5));
	KUNIT_EXPECT_EQ(test, 4, f->finished);
}

static void throttle_is_for_tasks_that_lack_memory(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_EXPECT_FALSE(test, throttle(test, 0));
	KUNIT_EXPECT_EQ(test, 0, f->finished);
}

static void throttle_holds_one_task_per_batch(struct kunit *test)
{
	struct fixture *f = test->priv;

	atomic_set(&f->scq.nr_throttled, 1);
	KUNIT_EXPECT_FALSE(test, throttle(test, 4));
	KUNIT_EXPECT_EQ(test, 0, f->finished);
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&f->scq.nr_throttled));
	atomic_set(&f->scq.nr_throttled, 0);
}

static void throttle_spares_tasks_of_higher_priority(struct kunit *test)
{
	const struct test_need one = TEST_NEED(1);
	struct fixture *f = test->priv;

	f->scq.nice = task_nice(current) + 1;
	make_items(test, 4, 0);
	scq_set_batch_pages(&f->scq, 4);
	WRITE_ONCE(be.open, false);
	submit(test, 0, 4);
	/* A worker has said what its nice value is. */
	KUNIT_EXPECT_TRUE(test, somebody_is_at_the_gate());
	KUNIT_EXPECT_EQ(test, 0, READ_ONCE(f->scq.nice));

	f->scq.nice = task_nice(current) + 1;
	KUNIT_EXPECT_FALSE(test, throttle_for(f, &one, LONG));
	KUNIT_EXPECT_EQ(test, 0, scq_read_stat(&f->scq, SCQ_THROTTLED));
	KUNIT_EXPECT_EQ(test, 0, nr_finished());
}

static void throttle_does_not_wait_for_ever(struct kunit *test)
{
	const struct test_need one = TEST_NEED(1);
	struct fixture *f = test->priv;

	make_items(test, 4, 0);
	scq_set_batch_pages(&f->scq, 4);
	WRITE_ONCE(be.open, false);
	submit(test, 0, 4);
	KUNIT_EXPECT_FALSE(test, throttle_for(f, &one, HZ / 50));
	KUNIT_EXPECT_EQ(test, 0, nr_finished());
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&f->scq.nr_throttled));
}

/* A task as scheduler and signals see it */
static struct task_struct *make_task(struct kunit *test)
{
	struct task_struct *task = kunit_kzalloc(test, sizeof(*task), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, task);
	/* Some architectures keep the thread's flags there. */
	task->stack = kunit_kzalloc(test, THREAD_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, task->stack);
	task->prio = DEFAULT_PRIO;
	return task;
}

static void throttle_is_for_ordinary_tasks(struct kunit *test)
{
	struct task_struct *task = make_task(test);

	KUNIT_EXPECT_TRUE(test, swap_compress_may_throttle(task, 0, GFP_KERNEL));
	KUNIT_EXPECT_TRUE(test, swap_compress_may_throttle(task, 0,
							   GFP_HIGHUSER_MOVABLE));
	KUNIT_EXPECT_FALSE(test, swap_compress_may_throttle(task, 1, GFP_KERNEL));
	KUNIT_EXPECT_FALSE(test, swap_compress_may_throttle(task, 0, GFP_NOFS));
	KUNIT_EXPECT_FALSE(test, swap_compress_may_throttle(task, 0, GFP_NOIO));

	task->prio = MAX_RT_PRIO - 1;
	KUNIT_EXPECT_FALSE(test, swap_compress_may_throttle(task, 0, GFP_KERNEL));
	task->prio = DEFAULT_PRIO;

	task->flags = PF_KTHREAD;
	KUNIT_EXPECT_FALSE(test, swap_compress_may_throttle(task, 0, GFP_KERNEL));
	task->flags = PF_USER_WORKER;
	KUNIT_EXPECT_FALSE(test, swap_compress_may_throttle(task, 0, GFP_KERNEL));
	task->flags = 0;

	set_tsk_thread_flag(task, TIF_SIGPENDING);
	KUNIT_EXPECT_TRUE(test, swap_compress_may_throttle(task, 0, GFP_KERNEL));
	sigaddset(&task->pending.signal, SIGKILL);
	KUNIT_EXPECT_FALSE(test, swap_compress_may_throttle(task, 0, GFP_KERNEL));
}

static void last_resort_is_for_allocations_that_would_kill(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, swap_compress_may_wait(0, GFP_KERNEL));
	KUNIT_EXPECT_TRUE(test, swap_compress_may_wait(0, GFP_HIGHUSER_MOVABLE));
	KUNIT_EXPECT_TRUE(test, swap_compress_may_wait(0, GFP_KERNEL |
						       __GFP_RETRY_MAYFAIL));
	KUNIT_EXPECT_FALSE(test, swap_compress_may_wait(0, GFP_KERNEL |
							__GFP_NORETRY));
	KUNIT_EXPECT_FALSE(test, swap_compress_may_wait(0, GFP_NOFS));
	KUNIT_EXPECT_FALSE(test, swap_compress_may_wait(0, GFP_NOIO));
	KUNIT_EXPECT_TRUE(test, swap_compress_may_wait(PAGE_ALLOC_COSTLY_ORDER,
						       GFP_KERNEL));
	KUNIT_EXPECT_FALSE(test, swap_compress_may_wait(PAGE_ALLOC_COSTLY_ORDER + 1,
							GFP_KERNEL));
}

/* Free pages of CMA count for a movable allocation only, reserves for some tasks. */
static void free_pages_count_if_they_can_be_used(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, 0, swap_compress_alloc_flags(GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, ALLOC_MIN_RESERVE,
			swap_compress_alloc_flags(GFP_KERNEL | __GFP_HIGH));
	/* As gfp_to_alloc_flags() has it, in a task */
	sched_set_fifo(current);
	KUNIT_EXPECT_EQ(test, ALLOC_MIN_RESERVE,
			swap_compress_alloc_flags(GFP_KERNEL));
	sched_set_normal(current, 0);
	if (!IS_ENABLED(CONFIG_CMA))
		kunit_skip(test, "needs CONFIG_CMA");
	if (page_group_by_mobility_disabled)
		kunit_skip(test, "needs more memory: pages are not grouped by mobility");
	KUNIT_EXPECT_EQ(test, ALLOC_CMA,
			swap_compress_alloc_flags(GFP_HIGHUSER_MOVABLE));
}

/* Each node has room of its own. */
static void room_is_of_a_node(struct kunit *test)
{
	struct fixture *f = test->priv;
	const int nid = nr_node_ids - 1;

	if (!nid)
		kunit_skip(test, "needs more than one node");

	KUNIT_ASSERT_EQ(test, 0, scq_set_max_inflight_pages(&f->scq, 64));
	KUNIT_EXPECT_EQ(test, SCQ_QUEUED, scq_reserve(&f->scq, 0, 40, 40));
	KUNIT_EXPECT_EQ(test, SCQ_INLINE_INFLIGHT,
			scq_reserve(&f->scq, 0, 1, 40));
	KUNIT_EXPECT_EQ(test, SCQ_INLINE_INFLIGHT,
			scq_reserve(&f->scq, 0, 25, 4096));
	KUNIT_EXPECT_EQ(test, SCQ_QUEUED, scq_reserve(&f->scq, nid, 64, 4096));
	KUNIT_EXPECT_EQ(test, 64, scq_node_inflight(&f->scq, nid));
	KUNIT_EXPECT_EQ(test, 40, scq_node_inflight(&f->scq, 0));
	KUNIT_EXPECT_EQ(test, 104, scq_inflight(&f->scq));
	scq_unreserve(&f->scq, nid, 64);
	KUNIT_EXPECT_EQ(test, 40, scq_node_inflight(&f->scq, 0));
	KUNIT_EXPECT_EQ(test, 40, scq_inflight(&f->scq));
	scq_unreserve(&f->scq, 0, 40);
	KUNIT_EXPECT_EQ(test, 0, scq_inflight(&f->scq));
}

/* A batch of folios of two nodes is finished a node at a time. */
static void batch_may_be_of_several_nodes(struct kunit *test)
{
	int nids[] = { first_memory_node, next_memory_node(first_memory_node) };
	struct fixture *f = test->priv;
	unsigned int i;

	if (nids[1] >= MAX_NUMNODES)
		kunit_skip(test, "needs more than one node");
	expect_items(test, 9);
	for (i = 0; i < 9; i++)
		add_item(test, 0, nids[i % 2]);
	WRITE_ONCE(be.open, false);
	submit(test, 0, 9);
	KUNIT_EXPECT_EQ(test, 5, scq_node_inflight(&f->scq, nids[0]));
	KUNIT_EXPECT_EQ(test, 4, scq_node_inflight(&f->scq, nids[1]));
	open_gate();
	finish_all(test);
	KUNIT_EXPECT_EQ(test, 0, scq_node_inflight(&f->scq, nids[0]));
	KUNIT_EXPECT_EQ(test, 0, scq_node_inflight(&f->scq, nids[1]));
	expect_all_finished_once(test);
}

static void smaller_bound_counts(struct kunit *test)
{
	struct scq *scq = &((struct fixture *)test->priv)->scq;

	KUNIT_ASSERT_EQ(test, 0, scq_set_max_inflight_pages(scq, 64));
	KUNIT_EXPECT_EQ(test, SCQ_QUEUED, scq_reserve(scq, 0, 40, 40));
	KUNIT_EXPECT_EQ(test, SCQ_INLINE_INFLIGHT, scq_reserve(scq, 0, 1, 40));
	KUNIT_EXPECT_EQ(test, SCQ_INLINE_INFLIGHT, scq_reserve(scq, 0, 25, 4096));
	KUNIT_EXPECT_EQ(test, SCQ_QUEUED, scq_reserve(scq, 0, 24, 4096));
	scq_unreserve(scq, 0, 64);
}

static void knobs_refuse_what_is_out_of_range(struct kunit *test)
{
	struct scq *scq = &((struct fixture *)test->priv)->scq;

	KUNIT_ASSERT_EQ(test, 0, scq_set_batch_pages(scq, 16));
	KUNIT_ASSERT_EQ(test, 0, scq_set_max_inflight_pages(scq, 128));

	KUNIT_EXPECT_EQ(test, -EINVAL, scq_set_batch_pages(scq, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL, scq_set_batch_pages(scq, 129));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			scq_set_batch_pages(scq, SCQ_MAX_BATCH_PAGES + 1));
	KUNIT_EXPECT_EQ(test, -EINVAL, scq_set_batch_pages(scq, ULONG_MAX));
	KUNIT_EXPECT_EQ(test, 16, scq->batch_pages);
	/* Each of the two upper ends by itself */
	KUNIT_ASSERT_EQ(test, 0, scq_set_max_inflight_pages(scq, 100));
	KUNIT_EXPECT_EQ(test, -EINVAL, scq_set_batch_pages(scq, 101));
	KUNIT_ASSERT_EQ(test, 0, scq_set_max_inflight_pages(scq, LIMIT_PAGES));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			scq_set_batch_pages(scq, SCQ_MAX_BATCH_PAGES + 1));
	KUNIT_EXPECT_EQ(test, 16, scq->batch_pages);
	KUNIT_ASSERT_EQ(test, 0, scq_set_max_inflight_pages(scq, 128));

	KUNIT_EXPECT_EQ(test, -EINVAL, scq_set_max_inflight_pages(scq, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL, scq_set_max_inflight_pages(scq, 15));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			scq_set_max_inflight_pages(scq, LIMIT_PAGES + 1));
	KUNIT_EXPECT_EQ(test, -EINVAL, scq_set_max_inflight_pages(scq, ULONG_MAX));
	KUNIT_EXPECT_EQ(test, 128, scq->max_inflight_pages);

	/* The ends of the range are inside. */
	KUNIT_EXPECT_EQ(test, 0, scq_set_max_inflight_pages(scq, LIMIT_PAGES));
	KUNIT_EXPECT_EQ(test, 0, scq_set_batch_pages(scq, SCQ_MAX_BATCH_PAGES));
	KUNIT_EXPECT_EQ(test, 0, scq_set_batch_pages(scq, 1));
	KUNIT_EXPECT_EQ(test, 0, scq_set_max_inflight_pages(scq, 1));
}

/* A small machine */
static void defaults_are_within_the_limit(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct scq *scq = kunit_kzalloc(test, sizeof(*scq), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, scq);
	KUNIT_ASSERT_EQ(test, 0, scq_init(scq, &test_ops, f->wq, 1, 5));
	KUNIT_EXPECT_EQ(test, 5, scq->batch_pages);
	KUNIT_EXPECT_EQ(test, 5, scq->max_inflight_pages);
	/* It was never started. */
	KUNIT_EXPECT_EQ(test, SCQ_INLINE_STOPPED, scq_reserve(scq, 0, 1, 1));
	scq_destroy(scq);
}

/* A plug's timer is pending after the plug filled. */
static void destroy_leaves_no_timer(struct kunit *test)
{
	struct scq *scq = &((struct fixture *)test->priv)->scq;

	if (!IS_ENABLED(CONFIG_DEBUG_OBJECTS_TIMERS))
		kunit_skip(test, "needs CONFIG_DEBUG_OBJECTS_TIMERS");
	make_items(test, 4, 0);
	scq_set_batch_pages(scq, 4);
	submit(test, 0, 1);
	submit(test, 1, 3);
	flush_workqueue(scq->wq);
	/* The memory is used again, and the timer in it is set up again. */
	use_pool_of(test, NR_BATCHES);
}

static void destroy_killed(struct submitter *self)
{
	get_killed();
	scq_destroy(be.scq);
}

/* It must not leave folios in a plug because its caller is being killed. */
static void destroy_finishes_all_when_killed(struct kunit *test)
{
	struct fixture *f = test->priv;

	make_items(test, 7, 0);
	scq_set_batch_pages(&f->scq, 4);
	submit(test, 0, 7);
	join(spawn(test, destroy_killed, 0, 0));
	KUNIT_EXPECT_EQ(test, 7, nr_finished());

	test->priv = NULL;
	destroy_workqueue(f->wq);
	KUNIT_ASSERT_EQ(test, 0, setup(test, NR_BATCHES));
}

static int count_here(void *arg)
{
	scq_count(be.scq, SCQ_INLINE_DEVICE, ((struct call *)arg)->arg);
	return 0;
}

static void counters_are_summed_over_cpus(struct kunit *test)
{
	unsigned long sum = 0;
	int cpu;

	skip_without_cpus(test);
	for_each_online_cpu(cpu) {
		call_on(test, cpu, count_here, cpu + 1);
		sum += cpu + 1;
	}
	KUNIT_EXPECT_EQ(test, sum, scq_read_stat(be.scq, SCQ_INLINE_DEVICE));
}

static void counters_add_up(struct kunit *test)
{
	struct scq *scq = &((struct fixture *)test->priv)->scq;
	unsigned int i, accepted;

	make_items(test, NR_SUBMITTERS * 128, 0);
	for (i = 0; i < be.nr_items; i++) {
		be.items[i].fail = i % 5 == 0;
		be.items[i].shed = i % 2 == 0;
		be.items[i].cancel = i % 7 == 0;
		be.items[i].put_back = i % 3 == 0;
		be.items[i].refault = i % 11 == 0;
	}
	scq_set_batch_pages(scq, 8);
	scq_set_max_inflight_pages(scq, 64);
	scq->push_delay = 1;
	accepted = run_submitters(test, offer_once);
	finish_all(test);

	KUNIT_EXPECT_EQ(test, accepted, scq_read_stat(scq, SCQ_QUEUED));
	KUNIT_EXPECT_EQ(test, be.nr_items - accepted,
			scq_read_stat(scq, SCQ_INLINE_INFLIGHT) +
			scq_read_stat(scq, SCQ_INLINE_POOL));
	KUNIT_EXPECT_EQ(test, accepted, scq_read_stat(scq, SCQ_STORED) +
			scq_read_stat(scq, SCQ_STORED_ZSWAP) +
			scq_read_stat(scq, SCQ_CANCELLED_REFAULT) +
			scq_read_stat(scq, SCQ_CANCELLED_FREED) +
			scq_read_stat(scq, SCQ_FAILED));
	KUNIT_EXPECT_EQ(test, accepted, scq_read_stat(scq, SCQ_FREED) +
			scq_read_stat(scq, SCQ_PUT_BACK));
	KUNIT_EXPECT_EQ(test, be.nr_runs, scq_read_stat(scq, SCQ_BATCHES));
	KUNIT_EXPECT_GT(test, scq_read_stat(scq, SCQ_FAILED), 0);
	KUNIT_EXPECT_GT(test, scq_read_stat(scq, SCQ_PUT_BACK),
			scq_read_stat(scq, SCQ_FAILED));
}

#define NR_PROBES	6

/* A work item of somebody else; NR_PROBES of them run before one ends. */
struct probe {
	struct work_struct work;
	atomic_t *missing;
	bool memalloc;
};

static void probe_flags(struct work_struct *work)
{
	struct probe *probe = container_of(work, struct probe, work);

	probe->memalloc = current->flags & PF_MEMALLOC;
	atomic_dec(probe->missing);
	becomes(probe->missing, 0);
}

/* So many that the idle workers of the CPU's pool are among theirs */
static void probe_workers(struct kunit *test, struct probe *probes, int cpu)
{
	atomic_t missing = ATOMIC_INIT(NR_PROBES);
	struct fixture *f = test->priv;
	unsigned int i;

	for (i = 0; i < NR_PROBES; i++) {
		probes[i].missing = &missing;
		INIT_WORK(&probes[i].work, probe_flags);
		queue_work_on(cpu, f->wq, &probes[i].work);
	}
	flush_workqueue(f->wq);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&missing));
	for (i = 0; i < NR_PROBES; i++)
		KUNIT_EXPECT_FALSE(test, probes[i].memalloc);
}

/* Else the next user of the worker would take from the reserves. */
static void workers_get_their_flags_back(struct kunit *test)
{
	struct probe *probes;
	int cpu;

	probes = kunit_kcalloc(test, NR_PROBES, sizeof(*probes), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, probes);
	make_items(test, 1, SLICED_ORDER);
	be.items[0].shed = true;
	be.await_helper = num_online_cpus() > 1;
	submit(test, 0, 1);
	finish_all(test);
	KUNIT_EXPECT_EQ(test, be.await_helper, !!be.helped);
	for_each_online_cpu(cpu)
		probe_workers(test, probes, cpu);
}

static void workers_do_not_reclaim(struct kunit *test)
{
	make_items(test, 40, 0);
	submit(test, 0, 40);	/* by a batch and by a plug's work */
	finish_all(test);
	KUNIT_EXPECT_EQ(test, 2, be.nr_runs);
	KUNIT_EXPECT_FALSE(test, be.bad_context);
}

#ifdef CONFIG_FAULT_INJECTION
static void end_faults(void *unused)
{
	scq_fault_attr.probability = 0;
}

/* From now on until the end of the test */
static void begin_faults(struct kunit *test, enum scq_fault point)
{
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, end_faults,
							   NULL));
	scq_fault_points = BIT(point);
	scq_fault_attr.verbose = 0;
	atomic_set(&scq_fault_attr.times, -1);
	scq_fault_attr.probability = 100;
}
#else
static void end_faults(void *unused) {}
static void begin_faults(struct kunit *test, enum scq_fault point) {}
#endif

/* To be called before anything is accepted, which a skip would leave under way */
static void need_faults(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_FAULT_INJECTION))
		kunit_skip(test, "needs CONFIG_FAULT_INJECTION");
}

static void injected_store_fault_fails_the_folio(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int i;

	need_faults(test);
	make_items(test, 8, 0);
	for (i = 0; i < 8; i++)
		be.items[i].fail = true;	/* what is to be seen of it */
	begin_faults(test, SCQ_FAULT_STORE);
	submit(test, 0, 8);
	finish_all(test);
	end_faults(NULL);

	KUNIT_EXPECT_EQ(test, 0, be.nr_stored);
	KUNIT_EXPECT_EQ(test, 8, scq_read_stat(&f->scq, SCQ_FAILED));
	expect_all_finished_once(test);
}

static void injected_pool_fault_means_refusal(struct kunit *test)
{
	struct fixture *f = test->priv;
	LIST_HEAD(folios);
	unsigned int i;

	need_faults(test);
	make_items(test, 9, 0);
	scq_set_batch_pages(&f->scq, 4);
	/* Accepted before, and no batch to be had when the plug is full */
	for (i = 0; i < 8; i++)
		KUNIT_EXPECT_EQ(test, SCQ_QUEUED,
				queue_item(&f->scq, &be.items[i], &folios));
	begin_faults(test, SCQ_FAULT_POOL);
	expect_refused(test, 8, SCQ_INLINE_POOL);
	scq_plug(&f->scq, &folios);
	KUNIT_EXPECT_TRUE(test, finished_in_time(8));
	end_faults(NULL);

	submit(test, 8, 1);
	finish_all(test);
	expect_all_finished_once(test);
}

static void injected_delay_only_delays(struct kunit *test)
{
	need_faults(test);
	make_items(test, 40, 0);
	begin_faults(test, SCQ_FAULT_DELAY);
	submit(test, 0, 40);
	finish_all(test);
	end_faults(NULL);
	expect_all_finished_once(test);
}

static struct kunit_case swap_compress_wq_cases[] = {
	KUNIT_CASE(order_is_kept_within_a_batch),
	KUNIT_CASE(full_plug_makes_a_batch),
	KUNIT_CASE(one_pass_can_fill_several_batches),
	KUNIT_CASE(large_folio_counts_its_pages),
	KUNIT_CASE(folio_larger_than_a_batch_goes_alone),
	KUNIT_CASE(rest_of_a_cut_stays_in_the_plug),
	KUNIT_CASE(rest_of_a_cut_is_pushed_if_full),
	KUNIT_CASE(push_sends_the_rest_of_a_cut),
	KUNIT_CASE(each_cpu_has_a_plug),
	KUNIT_CASE(slices_cover_a_large_folio),
	KUNIT_CASE(last_slice_may_be_smaller),
	KUNIT_CASE(helpers_store_slices),
	KUNIT_CASE(helpers_are_no_more_than_cpus),
	KUNIT_CASE(slices_need_no_helper),
	KUNIT_CASE(failed_slice_fails_the_folio),
	KUNIT_CASE(push_sends_a_partial_plug),
	KUNIT_CASE(partial_plug_goes_by_itself_after_the_delay),
	KUNIT_CASE(push_is_not_undone_by_a_submit),
	KUNIT_CASE(push_works_again_and_again),
	KUNIT_CASE(push_does_not_wait),
	KUNIT_CASE(stop_waits_for_all),
	KUNIT_CASE(empty_pool_means_refusal),
	KUNIT_CASE(accepted_folios_need_no_batch),
	KUNIT_CASE(bound_in_flight_is_exact),
	KUNIT_CASE(bound_is_exact_with_many_submitters),
	KUNIT_CASE(last_page_of_room_is_given_once),
	KUNIT_CASE(every_folio_is_finished_once),
	KUNIT_CASE(refused_folio_goes_to_the_next_store),
	KUNIT_CASE(cancelled_folio_is_not_stored),
	KUNIT_CASE(refaulted_folio_is_dirty),
	KUNIT_CASE(failed_store_is_dirty_before_writeback_ends),
	KUNIT_CASE(one_failure_spares_the_rest),
	KUNIT_CASE(submitted_folio_stays_under_writeback),
	KUNIT_CASE(settled_folios_are_finished_before_a_slow_store),
	KUNIT_CASE(stop_drains),
	KUNIT_CASE(nothing_is_accepted_behind_a_stop),
	KUNIT_CASE(stop_waits_for_a_pass_under_way),
	KUNIT_CASE(stop_is_bounded),
	KUNIT_CASE(stop_ends_when_killed),
	KUNIT_CASE(stops_nest),
	KUNIT_CASE(stop_accepts_nothing),
	KUNIT_CASE(wait_sees_progress),
	KUNIT_CASE(wait_can_be_repeated),
	KUNIT_CASE(wait_ends_with_enough),
	KUNIT_CASE(wait_ends_when_nothing_is_pending),
	KUNIT_CASE(wait_ends_when_killed),
	KUNIT_CASE(wait_without_enough_fails),
	KUNIT_CASE(wait_is_for_what_is_in_flight),
	KUNIT_CASE(wait_is_bounded),
	KUNIT_CASE(nothing_pending_means_no_wait),
	KUNIT_CASE(wait_is_for_tasks_that_lack_memory),
	KUNIT_CASE(time_out_ends_waiting),
	KUNIT_CASE_SLOW(time_out_after_progress_ends_nothing),
	KUNIT_CASE(throttle_waits_for_workers),
	KUNIT_CASE(throttle_lets_all_go_that_have_enough),
	KUNIT_CASE(wake_up_is_passed_on),
	KUNIT_CASE(batch_wakes_one_throttled_task),
	KUNIT_CASE(throttle_lets_all_go_in_the_end),
	KUNIT_CASE(throttle_ends_when_killed),
	KUNIT_CASE(throttle_ends_with_the_last_batch),
	KUNIT_CASE(throttle_is_for_tasks_that_lack_memory),
	KUNIT_CASE(throttle_holds_one_task_per_batch),
	KUNIT_CASE(throttle_spares_tasks_of_higher_priority),
	KUNIT_CASE(throttle_does_not_wait_for_ever),
	KUNIT_CASE(throttle_is_for_ordinary_tasks),
	KUNIT_CASE(last_resort_is_for_allocations_that_would_kill),
	KUNIT_CASE(free_pages_count_if_they_can_be_used),
	KUNIT_CASE(room_is_of_a_node),
	KUNIT_CASE(batch_may_be_of_several_nodes),
	KUNIT_CASE(smaller_bound_counts),
	KUNIT_CASE(knobs_refuse_what_is_out_of_range),
	KUNIT_CASE(defaults_are_within_the_limit),
	KUNIT_CASE(destroy_leaves_no_timer),
	KUNIT_CASE(destroy_finishes_all_when_killed),
	KUNIT_CASE(counters_are_summed_over_cpus),
	KUNIT_CASE(counters_add_up),
	KUNIT_CASE(workers_get_their_flags_back),
	KUNIT_CASE(workers_do_not_reclaim),
	KUNIT_CASE(injected_store_fault_fails_the_folio),
	KUNIT_CASE(injected_pool_fault_means_refusal),
	KUNIT_CASE(injected_delay_only_delays),
	{}
};

static struct kunit_suite swap_compress_wq_suite = {
	.name = "swap_compress_wq",
	.init = swap_compress_wq_init,
	.exit = swap_compress_wq_exit,
	.test_cases = swap_compress_wq_cases,
};

kunit_test_suite(swap_compress_wq_suite);

MODULE_DESCRIPTION("KUnit test of the swap_compress queue");
MODULE_LICENSE("GPL");
