#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# check.sh [--quick] [BASE...]: static checks of everything, for the given or all bases; with --quick without what takes
# minutes for each base. JOBS of them at a time. Last line: N passed, N failed, N skipped.
# check.sh --one STAGE [BASE]: one of the stage_ functions below.

. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/stage.sh"

# What checkpatch may say about the patches of bases/, and why.
PATCH_ALLOWED=(
	MISSING_SIGN_OFF	# left to the submitter: make series signs
)
# The same about the mails that make series writes.
MAIL_ALLOWED=(
	FILE_PATH_CHANGES	# new files; the last patch has their entry in MAINTAINERS
	EXECUTE_PERMISSIONS	# of tools/mm/swap_compress_stat, as those of thpmaps beside it
)
SKIP=77

shell_scripts() {
	local file
	repository_files | while IFS= read -r file; do
		[[ -f $ROOT/$file ]] || continue
		[[ $file != *.sh ]] && ! head -n 1 "$ROOT/$file" | grep -aqE '^#!.*[/ ](ba)?sh( |$)' || echo "$file"
	done
}

has() {	# COMMAND: or the stage is skipped
	command -v "$1" >/dev/null || { echo "needs $1: apt-get install $(awk -v c="$1" '$3 == c { print $2; exit }' "$ROOT/scripts/packages")"; exit $SKIP; }
}

stage_shellcheck() {
	has shellcheck
	cd "$ROOT"
	shell_scripts | xargs shellcheck
}

stage_python() {
	has python3
	cd "$ROOT"
	repository_files | grep '\.py$' | xargs -r python3 -c 'import ast, sys
for name in sys.argv[1:]:
    ast.parse(open(name).read(), name)'
}

# A trace of 0.7 s: the task allocates, reclaims, waits for a worker, and makes way for kswapd.
sample_trace() {
	cat <<-'END'
		# tracer: nop
		          <idle>-0       [000] d..2.     1.000000: sched_switch: prev_comm=swapper/0 prev_pid=0 prev_prio=120 prev_state=R ==> next_comm=swap_load next_pid=10 next_prio=120
		       swap_load-10      [000] .....     1.100000: mm_vmscan_direct_reclaim_begin: order=0 gfp_flags=GFP_KERNEL
		       swap_load-10      [000] .....     1.200000: mm_vmscan_direct_reclaim_end: nr_reclaimed=32
		       swap_load-10      [000] d..2.     1.300000: sched_switch: prev_comm=swap_load prev_pid=10 prev_prio=120 prev_state=D ==> next_comm=kworker/u8:1 next_pid=20 next_prio=120
		    kworker/u8:1-20      [000] .....     1.310000: swap_compress_batch_start: nr_pages=32 waited_ns=1
		    kworker/u8:1-20      [000] d..2.     1.500000: sched_switch: prev_comm=kworker/u8:1 prev_pid=20 prev_prio=120 prev_state=I ==> next_comm=swap_load next_pid=10 next_prio=120
		       swap_load-10      [000] d..2.     1.600000: sched_switch: prev_comm=swap_load prev_pid=10 prev_prio=120 prev_state=R ==> next_comm=kswapd0 next_pid=45 next_prio=120
		         kswapd0-45      [000] d..2.     1.700000: sched_switch: prev_comm=kswapd0 prev_pid=45 prev_prio=120 prev_state=S ==> next_comm=swapper/0 next_pid=0 next_prio=120
	END
}

stage_timeline() {
	local output
	has python3
	make_tmp ""
	{
		printf '%s\n' "kernel 6" "arch x86_64" "zram.comp lz4" "cpus 1" "accel tcg" "guest.mem 400" "burst.stalls 1" \
			"burst.seconds 0.7" "burst.latency_max_us 200000"
		sample_trace | gzip | base64 | sed 's/^/trace /'
	} >"$TMP/run"
	"$ROOT/scripts/timeline.py" "$TMP/run" "$TMP/run" "$TMP/picture.svg" "$TMP/trace.json"
	diff - <(python3 -c 'import json, sys, xml.etree.ElementTree as svg
svg.parse(sys.argv[1])
events = json.load(open(sys.argv[2]))["traceEvents"]
lanes = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
for event in events:
    if event["ph"] == "X" and event["pid"] == 2:
        print(lanes[event["tid"]], event["cat"], round(event["ts"] / 1000), round(event["dur"] / 1000))' \
		"$TMP/picture.svg" "$TMP/trace.json" | sort) <<-'END' || die "the timeline of a known trace is another one"
		CPU 0 kswapd 600 100
		CPU 0 task 0 300
		CPU 0 task 500 100
		CPU 0 worker 300 200
		kswapd 45 kswapd 600 100
		task 10 reclaims 100 100
		task 10 sleeps 300 200
		task 10 task 0 100
		task 10 task 200 100
		task 10 task 500 100
		worker 20 worker 300 200
	END
	grep -v '^trace ' "$TMP/run" >"$TMP/none"
	! output=$("$ROOT/scripts/timeline.py" "$TMP/run" "$TMP/none" "$TMP/picture.svg" "$TMP/trace.json" 2>&1) ||
		die "a result without a trace is accepted"
	[[ $output == "error: $TMP/none holds no trace"* ]] || die "a result without a trace is refused with: $output"
}

stage_spelling() {
	has codespell
	cd "$ROOT"
	repository_files | grep -vx LICENSE | xargs codespell -q 3 -L damon,te
}

# Each new kernel file belongs to one commit of the series.
stage_overlay() {
	local twice lost
	twice=$(all_overlay_files | sort | uniq -d)
	[[ -z $twice ]] || die "in two commits of bases/series: $twice"
	lost=$(comm -13 <(all_overlay_files | sort) <(cd "$ROOT" && git ls-files -co --exclude-standard -- mm include lib Documentation tools | sort))
	[[ -z $lost ]] || die "in no commit of bases/series: $lost"
}

stage_apply() {	# BASE
	local tree
	tree=$("$ROOT/scripts/source.sh" "$1")
	make_tmp ""
	stage "$1" "$tree" "$TMP/stage" "Linux $(tree_version "$tree")"
	((${#absent[@]} == 0)) || die "on the release to which $1 is pinned, these are left out: ${absent[*]}"
}

# In a tree of a user: everything, or nothing and which hunk does not fit.
stage_user_tree() {	# BASE
	local source_tree file=mm/swapfile.c output
	source_tree=$("$ROOT/scripts/source.sh" "$1")
	make_tmp ""
	stage_pristine "$1" "$source_tree" "$TMP/tree"
	cp "$source_tree/Makefile" "$source_tree/Kconfig" "$TMP/tree/"
	cp -r "$TMP/tree" "$TMP/broken"
	cp -r "$TMP/tree" "$TMP/cut"
	stage "$1" "$source_tree" "$TMP/stage" "Linux $1"
	"$ROOT/scripts/apply.sh" "$TMP/tree"
	cp "$source_tree/Makefile" "$source_tree/Kconfig" "$TMP/stage/"
	diff -r "$TMP/tree" "$TMP/stage"
	rm -r "$TMP"/cut/{Documentation,tools,MAINTAINERS}
	output=$("$ROOT/scripts/apply.sh" "$TMP/cut" "$1" 2>&1) || die "a tree without documents is refused: $output"
	grep -q "left out: Documentation/.* MAINTAINERS" <<<"$output" || die "a tree without documents is not told so: $output"
	diff -r "$TMP/tree/mm" "$TMP/cut/mm"
	cp -r "$TMP/broken" "$TMP/vendor"
	sed -i 's/zram_bio_write(zram, bio);/zram_vendor_write(zram, bio);/' "$TMP/vendor/drivers/block/zram/zram_drv.c"
	output=$("$ROOT/scripts/apply.sh" "$TMP/vendor" 2>&1) || die "a tree with another zram is refused: $output"
	grep -q "parallel_writes) is left out" <<<"$output" || die "a tree with another zram is not told so: $output"
	diff -r "$TMP/tree/mm" "$TMP/vendor/mm"
	! grep -rq parallel_writes "$TMP/vendor/drivers" "$TMP/vendor/Documentation/ABI/testing/sysfs-block-zram" ||
		die "half of what the series adds to zram is in a tree with another zram"
	sed -i 's/set_current_oom_origin();/another_function();/' "$TMP/broken/$file"
	cp -r "$TMP/broken" "$TMP/before"
	! output=$("$ROOT/scripts/apply.sh" "$TMP/broken" 2>&1) || die "a hunk that does not fit is accepted"
	grep -q "patch failed: $file:" <<<"$output" || die "it is refused with: $output"
	diff -r "$TMP/broken" "$TMP/before"
}

# A tree without the flush that the series relies on is refused, and told which commit it lacks.
stage_prerequisites() {
	local tree header=arch/arm64/include/asm/tlbflush.h output
	tree=$("$ROOT/scripts/source.sh" "$DEFAULT_BASE")
	make_tmp ""
	mkdir -p "$TMP/tree/${header%/*}"
	cp "$tree/$header" "$TMP/tree/$header"
	check_prerequisites "$TMP/tree" "the pinned tree"
	printf '%s\n' 'static inline void arch_flush_tlb_batched_pending(struct mm_struct *mm)' '{' '	dsb(ish);' '}' \
		>"$TMP/tree/$header"
	! output=$(check_prerequisites "$TMP/tree" "this tree" 2>&1) || die "a tree with a barrier instead of a flush is accepted"
	grep -q "this tree lacks commit 4b634918384c" <<<"$output" || die "it is refused with: $output"
}

# The benchmark's patches, too; they are built when it runs.
stage_bench() {	# BASE
	"$ROOT/scripts/tree.sh" "$1" bench >/dev/null
}

hook_lines() {	# BASE
	hooks "$1" | grep -E '^[-+]' | grep -cvE '^(---|\+\+\+)' || true
}

# Runs in the kernel tree: checkpatch looks things up there. It leaves a cache file where there is no git.
checkpatch() {	# TREE ARGUMENT...
	local tree=$1 status=0
	shift
	cd "$tree"
	perl scripts/checkpatch.pl --no-summary --terse --show-types --max-line-length=120 "$@" || status=$?
	rm -f .checkpatch-camelcase.*
	return $status
}

stage_checkpatch_patches() {	# BASE
	local tree patches
	mapfile -t patches < <(base_patches "$1" | xargs grep -l '^diff')
	tree=$("$ROOT/scripts/tree.sh" "$1")
	checkpatch "$tree" --strict --ignore "$(IFS=,; echo "${PATCH_ALLOWED[*]}")" "${patches[@]}"
}

# What make series writes for upstream, new files included.
stage_mails() {
	local tree
	tree=$("$ROOT/scripts/tree.sh" "$POSTED_BASE")
	make_tmp ""
	export GIT_AUTHOR_NAME="A U Thor" GIT_AUTHOR_EMAIL=author@example.com
	"$ROOT/scripts/series.sh" "$POSTED_BASE" "$TMP/mails" >/dev/null
	rm -f "$TMP"/mails/0000-*.patch	# a list of files, no patch
	checkpatch "$tree" --strict --ignore "$(IFS=,; echo "${MAIL_ALLOWED[*]}")" "$TMP"/mails/*.patch
}

change_ids() {	# KIT
	grep -h '^Change-Id: ' "$1"/patches/*.patch
}

# Each patch has what Gerrit wants, exactly once, and git am takes all of them.
check_gerrit_patches() {	# BASE TREE KIT BUG
	local patch line twice
	for patch in "$3"/patches/*.patch; do
		grep -qE '^Subject: \[PATCH [0-9/]+\] ANDROID: ' "$patch" || die "${patch##*/} is not tagged ANDROID:"
		for line in "Bug: $4" 'Change-Id: I[0-9a-f]{40}' "Signed-off-by: $GIT_AUTHOR_NAME <$GIT_AUTHOR_EMAIL>"; do
			[[ $(grep -cE "^${line%%:*}: " "$patch") == 1 ]] || die "${patch##*/} has not exactly one ${line%%:*}:"
			grep -qxE "$line" "$patch" || die "${patch##*/} has no line '$line'"
		done
	done
	twice=$(change_ids "$3" | sort | uniq -d)
	[[ -z $twice ]] || die "two patches have $twice"
	stage_pristine "$1" "$2" "$TMP/am"
	git -C "$TMP/am" init -q
	git -C "$TMP/am" add -A
	git -C "$TMP/am" commit -q -m "Linux $1"
	git -C "$TMP/am" am -q "$3"/patches/*.patch
}

# A file of sysfs that a file of android/ names.
check_sysfs_file() {	# TREE PATH
	local name=${2##*/}
	case $2 in
	*/mm/swap_compress/stats/*) grep -qF "= \"$name\"," "$1/mm/swap_compress_wq.c" ;;
	*/mm/swap_compress/stats) ;;
	*/mm/swap_compress/*) grep -qE "__ATTR_R[OW]\($name\)" "$1/mm/swap_compress_sysfs.c" ;;
	*/workqueue/swap_compress/*) grep -qE "__ATTR\($name,|DEVICE_ATTR_RW\($name\)" "$1/kernel/workqueue.c" ;;
	esac || die "the kernel has no $2"
}

# A tracepoint, as GROUP/EVENT.
check_event() {	# TREE EVENT
	local header=$1/include/trace/events/${2%/*}.h
	[[ -e $header ]] || die "the kernel has no events of ${2%/*}"
	grep -qE "(TRACE_EVENT\(|DEFINE_EVENT\([a-z0-9_]+,)${2#*/}," < <(tr -d ' \t\n' <"$header") ||
		die "the kernel has no event $2"
}

# A counter; some have the zone at the end, which the source has not.
check_vmstat() {	# TREE COUNTER
	local of_zones=${2%_normal}
	grep -qE "(TEXTS_FOR_ZONES\(.*\"${of_zones%_movable}|\"$2)\"" "$1/mm/vmstat.c" || die "/proc/vmstat has no $2"
}

# The kernel has what the files of android/ name: its option, knobs, events, counters.
check_android_names() {	# TREE
	local name files=("$ROOT"/android/*.*)
	name=$(sed -nE 's/^CONFIG_(.*)=y$/\1/p' "$ROOT/android/swap_compress_defconfig")
	grep -qx "config $name" "$1/mm/Kconfig" || die "the kernel has no option $name"
	while IFS= read -r name; do
		check_sysfs_file "$1" "${name%/}"
	done < <(grep -ohE '/sys/(kernel/mm|devices/virtual/workqueue)/swap_compress/[a-z_/]+' "${files[@]}" | sort -u)
	while IFS= read -r name; do
		check_event "$1" "$name"
	done < <(grep -ohE '(^ |ftrace_events: ")[a-z_]+/[a-z0-9_]+' "${files[@]}" | sed 's/.*[ "]//' | sort -u)
	while IFS= read -r name; do
		check_vmstat "$1" "$name"
	done < <(grep -oh 'VMSTAT_.*' "${files[@]}" | sed 's/VMSTAT_//' | tr '[:upper:]' '[:lower:]')
}

# As much of Android's policy as the files of android/sepolicy refer to. Macros are those of its global_macros and te_macros.
write_policy() {	# FOLDER
	local part
	cat >"$1/macros" <<'MACROS'
define(`r_file_perms', `{ getattr open read ioctl lock map }')
define(`w_file_perms', `{ open append write lock map }')
define(`r_dir_perms', `{ open getattr read search ioctl lock }')
define(`set_prop', `allow $1 $2:property_service set; allow $1 $2:file r_file_perms;')
define(`vendor_internal_prop', `type $1, property_type;')
MACROS
	cat >"$1/base" <<'BASE'
class file
class dir
class process
class property_service
sid kernel
common file { ioctl read write create getattr setattr lock append map unlink link rename execute open }
class file inherits file
class dir inherits file { add_name remove_name reparent search rmdir }
class process { transition }
class property_service { set }
sensitivity s0;
dominance { s0 }
category c0;
level s0:c0;
mlsconstrain file read ( l1 dom l2 );
attribute domain;
attribute fs_type;
attribute sysfs_type;
attribute property_type;
type kernel, domain;
type vendor_init, domain;
type dumpstate, domain;
BASE
	cat >"$1/end" <<'END'
neverallow { domain -vendor_init } { sysfs_type property_type }:{ file dir } { write append };
role r;
role r types domain;
user u roles { r } level s0 range s0 - s0:c0;
sid kernel u:r:kernel:s0
END
	for part in "$1/base" "$1"/sepolicy/*.te "$1/end" "$1/sepolicy/genfs_contexts"; do
		m4 "$1/macros" "$part" || return
	done >"$1/policy.conf"
}

compile_policy() {	# FOLDER
	write_policy "$1"
	checkpolicy -M -o "$1/policy" "$1/policy.conf" 2>&1
}

# The sepolicy compiles, and would not if one of its files had another name for a type.
check_sepolicy() {
	local file type output
	has m4
	has checkpolicy
	cp -r "$ROOT/android/sepolicy" "$TMP/"
	output=$(compile_policy "$TMP") || die "$output"
	while read -r _ type _; do
		type=${type#u:object_r:}
		grep -qF "vendor_internal_prop(${type%:s0})" "$TMP/sepolicy/property.te" ||
			die "property_contexts: $type is no type of property.te"
	done < <(grep -v '^#' "$TMP/sepolicy/property_contexts")
	for file in "$TMP"/sepolicy/{*.te,genfs_contexts}; do
		cp "$file" "$TMP/good"
		sed -i 's/vendor_s[a-z_]*/&x/' "$file"
		! compile_policy "$TMP" >/dev/null || die "a wrong type in ${file##*/} is not noticed"
		mv "$TMP/good" "$file"
	done
}

# What make android writes: patches for Gerrit, which stay the same changes, and files that fit the kernel.
stage_android() {
	local tree wrong output
	make_tmp ""
	tree=$("$ROOT/scripts/source.sh" "$DEFAULT_BASE")
	export GIT_AUTHOR_NAME="A U Thor" GIT_AUTHOR_EMAIL=author@example.com
	export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL
	export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
	"$ROOT/scripts/android.sh" "$DEFAULT_BASE" "$TMP/kit" 123456789 >/dev/null
	"$ROOT/scripts/android.sh" "$DEFAULT_BASE" "$TMP/again" >/dev/null
	check_gerrit_patches "$DEFAULT_BASE" "$tree" "$TMP/kit" 123456789
	diff <(change_ids "$TMP/kit") <(change_ids "$TMP/again") || die "a second run gives other Change-Ids"
	! grep -l '^Bug: ' "$TMP"/again/patches/*.patch || die "a patch names a bug that was not given"
	for wrong in "9.9 $TMP/new" "$DEFAULT_BASE $TMP/new 12x" "$DEFAULT_BASE $TMP/new 0" "$DEFAULT_BASE $TMP/kit"; do
		# shellcheck disable=SC2086 # two or three words
		! output=$("$ROOT/scripts/android.sh" $wrong 2>&1) || die "accepted: $wrong"
		[[ $output == "error: "* && $output != *$'\n'* ]] || die "$wrong is refused with: $output"
	done
	[[ ! -e $TMP/new ]] || die "a run that was refused left files"
	check_android_names "$("$ROOT/scripts/tree.sh" "$DEFAULT_BASE")"
	check_sepolicy
}

stage_kernel_doc() {
	local tree files output
	tree=$("$ROOT/scripts/tree.sh" "$DEFAULT_BASE")
	mapfile -t files < <(all_overlay_files | grep -E '^(mm|include|lib)/.*\.[ch]$')
	((${#files[@]})) || { echo "no new files in bases/series"; exit $SKIP; }
	cd "$tree"
	output=$(PYTHONDONTWRITEBYTECODE=1 scripts/kernel-doc -none -Wall "${files[@]}" 2>&1)
	[[ -z $output ]] || { echo "$output"; return 1; }
}

# The documents as the kernel builds them. Only two folders are built, so that the others' links lead nowhere.
stage_sphinx() {	# BASE
	local tree page output
	has sphinx-build
	tree=$("$ROOT/scripts/tree.sh" "$1")
	make_tmp ""
	kernel_make "$tree" "$TMP" -s SPHINXDIRS="mm admin-guide/mm" htmldocs >"$TMP/log" 2>&1 ||
		{ tail -n 5 "$TMP/log"; die "the documents cannot be built"; }
	for page in swap_compress_wq swap_compress; do
		[[ -n $(find "$TMP" -name "$page.html") ]] || die "there is no page of $page.rst"
	done
	output=$(sed "s,$tree/,,g; s,$TMP/,,g" "$TMP/log" | grep '^Documentation.*swap_compress' || true)
	[[ -z $output ]] || die "$output"
}

# qemu.config, check.config, and what the tree knows of: the feature (when asked for), its test.
configure() {	# TREE BUILD FEATURE(y|n)
	local fragments=("$ROOT"/configs/{qemu,x86_64,check}.config)
	if [[ $3 == y ]] && grep -q '^config SWAP_COMPRESS_WQ$' "$1/mm/Kconfig"; then
		fragments+=("$ROOT/configs/swap_compress.config")
		! grep -q '^config SWAP_COMPRESS_WQ_KUNIT_TEST$' "$1/mm/Kconfig" "$1/lib/Kconfig.debug" ||
			fragments+=("$ROOT/configs/kunit.config")
	fi
	kernel_config "$1" "$2" "${fragments[@]}"
}

# The objects that the commits of a base concern: those of touched and new .c files that the configuration builds.
objects() {	# BASE TREE
	local file
	touched_files "$1" | grep -E '^(mm|lib|drivers|fs|kernel|block)/.*\.c$' | while IFS= read -r file; do
		[[ ! -e $2/$file ]] || echo "${file%.c}.o"
	done
}

# Warnings of the compiler (W=1) and sparse, without line numbers: those move.
warnings() {	# TREE BUILD OBJECT...
	local tree=$1 build=$2
	shift 2
	# The objects are compiled again on each run, or they would keep their warnings to themselves.
	(cd "$build" && rm -f "$@")
	kernel_make "$tree" "$build" -s -k W=1 C=1 "$@" >"$TMP/log" 2>&1 ||
		{ grep -E 'error|Error' "$TMP/log" | head -n 20; die "does not compile with W=1 C=1"; }
	sed -nE "s,^($tree/|\.\./|\./)*([^: ]+):[0-9:]+ (.*(warning|error): .*),\2: \3,p" "$TMP/log" | sort -u >"$TMP/warnings"
}

# No warning that the pristine tree does not give for the same files.
stage_warnings() {	# BASE
	local tree source_tree build=$CACHE/build/$1-check objects new
	has sparse
	need build
	make_tmp ""
	source_tree=$("$ROOT/scripts/source.sh" "$1")
	tree=$("$ROOT/scripts/tree.sh" "$1")
	mapfile -t objects < <(objects "$1" "$source_tree")
	((${#objects[@]})) || { echo "no patch touches a .c file"; exit $SKIP; }
	configure "$source_tree" "$build-pristine" y
	warnings "$source_tree" "$build-pristine" "${objects[@]}"
	mv "$TMP/warnings" "$TMP/before"
	configure "$tree" "$build-patched" y
	mapfile -t objects < <(objects "$1" "$tree")
	warnings "$tree" "$build-patched" "${objects[@]}"
	new=$(comm -13 "$TMP/before" "$TMP/warnings")
	[[ -z $new ]] || die "new warnings:
$new"
	! grep -q 'sparse is not available or not up to date' "$TMP/log" ||
		{ echo "needs a newer sparse than $(sparse --version); W=1 alone gives no new warning"; exit $SKIP; }
}

# What it costs when it is off: entries of the jump table for its key, each a nop in the code.
BRANCHES="compaction 1 memory 1 memory_hotplug 1 page_alloc 2 page_io 1 swapfile 1 vmscan 9"
stage_off_cost() {	# BASE
	local tree build=$CACHE/build/$1-jumplabel object want found
	need build
	make_tmp ""
	tree=$("$ROOT/scripts/tree.sh" "$1")
	grep -q '^config SWAP_COMPRESS_WQ$' "$tree/mm/Kconfig" || { echo "the series has no SWAP_COMPRESS_WQ"; exit $SKIP; }
	echo "CONFIG_JUMP_LABEL=y" >"$TMP/jump_label.config"
	kernel_config "$tree" "$build" "$ROOT"/configs/{qemu,x86_64,check,swap_compress}.config "$TMP/jump_label.config"
	# shellcheck disable=SC2086 # pairs of words
	set -- $BRANCHES
	while (($#)); do
		object=mm/$1.o want=$2
		shift 2
		kernel_make "$tree" "$build" -s "$object" >"$TMP/log" 2>&1 || { tail -n 5 "$TMP/log"; die "$object does not compile"; }
		found=$(objdump -r -j __jump_table "$build/$object" | grep -c swap_compress_enabled || true)
		((found == want)) || die "$object has $found branches on swap_compress_enabled, expected are $want"
	done
}

# Is there something to build after a commit, with the option off (n) or on (y)? New .c files are only built when it is on.
concerns() {	# FEATURE BASE PATCH OVERLAY-PATH...
	local feature=$1 patch
	patch=$(base_patch "$2" "$3")
	shift 3
	# No pipe: grep ends at the first match, and who writes to it would have failed.
	if [[ $feature == y ]]; then
		grep -qvE '^(Documentation|tools|MAINTAINERS)(/|$)' < <(patched_files "$patch"; overlay_files "$@")
	else
		grep -qE '\.[ch]$|Makefile$' < <(patched_files "$patch" | grep -v '^tools/' | grep -vxF -f <(all_overlay_files | grep '\.c$'))
	fi
}

# A bisection may stop at any commit, with the option on or off.
stage_steps() {	# BASE
	local tree=$CACHE/tree/$1-steps source_tree patch paths feature build targets
	local -A configured=()
	need build
	make_tmp "$CACHE"
	source_tree=$("$ROOT/scripts/source.sh" "$1")
	check_series "$1"
	# Unchanged files keep their time, so that only what a commit changes is built again.
	link_tree "$source_tree" "$tree"
	stage_pristine "$1" "$source_tree" "$TMP/stage"
	while read -r patch paths; do
		# shellcheck disable=SC2086 # paths without blanks
		stage_commit "$1" "$TMP/stage" "Linux $1" "$patch" $paths
		update_tree "$1" "$source_tree" "$TMP/stage" "$tree"
		! grep -q Kconfig < <(patched_files "$(base_patch "$1" "$patch")") || configured=()
		for feature in n y; do
			# shellcheck disable=SC2086
			concerns "$feature" "$1" "$patch" $paths || continue
			build=$CACHE/build/$1-steps-$feature
			[[ ${configured[$feature]:-} ]] || configure "$tree" "$build" "$feature"
			configured[$feature]=1
			mapfile -t targets < <(objects "$1" "$tree" | grep -v '^mm/')
			[[ $feature == y ]] || targets=()
			kernel_make "$tree" "$build" -s mm/ "${targets[@]}" >"$TMP/log" 2>&1 ||
				{ grep -E 'error|Error' "$TMP/log" | head -n 20; die "does not build after $patch with SWAP_COMPRESS_WQ=$feature"; }
			[[ ! -s $TMP/log ]] || { cat "$TMP/log"; die "the compiler warns after $patch with SWAP_COMPRESS_WQ=$feature"; }
		done
	done < <(series_lines)
}

DEFAULT_BASE=6.18
POSTED_BASE=7.1
# What is checked is the repository on its pinned releases.
export KDIR="" ARCH=x86_64
if [[ ${1:-} == --one ]]; then
	lock_cache
	stage=$2
	shift 2
	"stage_$stage" "$@"
	exit
fi

quick=
[[ ${1:-} != --quick ]] || { quick=yes; shift; }
# Each stage is a process of its own: in a condition, bash would not stop at its first error.
judge() {	# TITLE STAGE [BASE]
	local title=$1 output status=0 start=$EPOCHSECONDS
	shift
	output=$("$0" --one "$@" 2>&1) || status=$?
	case $status in
	0)
		echo passed >>"$TMP/verdicts"
		printf 'ok    %s (%d s)\n' "$title" $((EPOCHSECONDS - start)) ;;
	"$SKIP")
		echo skipped >>"$TMP/verdicts"
		printf 'SKIP  %s: %s\n' "$title" "$output" ;;
	*)
		echo failed >>"$TMP/verdicts"
		# At once: another one may have something to say, too.
		printf 'FAIL  %s\n%s\n' "$title" "$(head -n 60 <<<"$output" | sed 's/^/      /')" ;;
	esac
}

started=0
run() {	# TITLE STAGE [BASE]
	while (($(jobs -rp | wc -l) >= JOBS)); do
		wait -n || true	# killed: it is counted at the end
	done
	started=$((started + 1))
	judge "$@" &
}

counted() {	# VERDICT
	grep -cx "$1" "$TMP/verdicts" || true
}

given=("$@")
((${#given[@]})) || mapfile -t given < <(bases)
for base in "${given[@]}"; do
	check_base "$base"
done
check_jobs
check_llvm
need source patch
lock_cache
make_tmp ""
touch "$TMP/verdicts"
run "shell scripts (shellcheck)" shellcheck
run "Python scripts parse" python
run "spelling (codespell)" spelling
run "the timeline of a known trace" timeline
run "each new file is in one commit" overlay
run "a tree that lacks a prerequisite is refused" prerequisites
for base in "${given[@]}"; do
	run "$base: patches apply without fuzz, $(hook_lines "$base") changed lines" apply "$base"
	run "$base: make apply changes all of a tree, or nothing" user_tree "$base"
	run "$base: patches of the benchmark apply on top" bench "$base"
	[[ $base == "$POSTED_BASE" ]] || run "$base: checkpatch --strict on the patches" checkpatch_patches "$base"
done
if [[ " ${given[*]} " == *" $POSTED_BASE "* ]]; then
	run "$POSTED_BASE: checkpatch --strict on the mails of the series, new files included" mails
	run "$POSTED_BASE: documents (sphinx)" sphinx "$POSTED_BASE"
fi
run "kernel-doc on the new files" kernel_doc
run "what make android writes fits Gerrit, the kernel and sepolicy" android
for base in "${given[@]}"; do
	run "$base: no new warning (W=1, sparse)" warnings "$base"
	[[ -z $quick ]] || continue
	run "$base: off, a static branch in each place ($BRANCHES)" off_cost "$base"
	run "$base: each step of the series builds, option on and off" steps "$base"
done
wait
failed=$(counted failed)
# A stage without a verdict was killed.
lost=$((started - $(wc -l <"$TMP/verdicts")))
echo "$(counted passed) passed, $((failed + lost)) failed, $(counted skipped) skipped"
((failed + lost == 0))
