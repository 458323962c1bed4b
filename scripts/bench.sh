#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# bench.sh: measures every cell of bench/cells, ROUNDS times, the variants of a cell one after the other. A run that was
# interrupted, or one with more ROUNDS, goes on with what is there. Ends with the page that bench.py makes of it.
# In a bundle, see bundle.sh, nothing is built or installed, and the page is left to who has the tools for it.
# demo.sh calls it with cells of its own in SC_CELLS, a new folder in SC_RESULTS, and gets the tables on the terminal.

. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/stage.sh"
. "$(dirname "$0")/measure.sh"

BASE=${BASE:-6.18}
ROUNDS=${ROUNDS:-9}
ONLY=${ONLY:-}
VARIANTS=${VARIANTS:-}
CELLS=${SC_CELLS:-$ROOT/bench/cells}
RESULTS=${SC_RESULTS:-}
export MEM=${MEM:-400} ACCEL=${ACCEL:-tcg}

# Cells that ONLY names and this machine has the CPUs for, of their variants those that VARIANTS names:
# NAME VARIANTS CPUS PARAMETERS
cells() {
	sed 's/#.*//; /^[[:space:]]*$/d' "$CELLS" | awk -v only="$ONLY" -v cpus="$(nproc)" -v wanted=",$VARIANTS," '
		$1 ~ only && $3 <= cpus {
			n = split($2, has, ",")
			for (i = 1; i <= n; i++)
				if (wanted == ",," || index(wanted, "," has[i] ","))
					kept = kept "," has[i]
			$2 = substr(kept, 2)
			if (kept)
				print
			kept = ""
		}'
}

# The kernels of the cells: VARIANT of kernel.sh.
kernels() {
	local variant
	cells | awk '{ print $2 }' | tr , '\n' | while read -r variant; do variant_kernel "$variant"; done | sort -u
}

prepare() {
	local variant layout place
	[[ -d $BUNDLE ]] || "$ROOT/scripts/setup.sh" source patch build guest compare "${pictures[@]}"
	while IFS= read -r variant; do
		for ((layout = 0; layout < layouts; layout++)); do
			place=$layout
			[[ -z $RESULTS && $ARCH == x86_64 ]] || place=
			if [[ -d $BUNDLE ]]; then
				image["$variant $layout"]=$BUNDLE/bzImage-$variant-$layout
			else
				image["$variant $layout"]=$("$ROOT/scripts/kernel.sh" "$BASE" "$ARCH" qemu "$variant" "$place")
			fi
		done
	done < <(kernels)
	if [[ -d $BUNDLE ]]; then
		initrd=$BUNDLE/initramfs
		return
	fi
	[[ $ARCH != x86_64 ]] || check_places "${image[@]}"
	initrd=$("$ROOT/scripts/initramfs.sh" "$CACHE/build/initramfs-$ARCH" "$BASE")
}

# What a variant boots, and with which parameters.
variant_kernel() {
	case $1 in
	pristine) echo pristine ;;
	off | on | traced) echo ;;
	*) echo bench ;;
	esac
}

variant_parameters() {
	case $1 in
	pristine | off | sleep-off) echo "sc.mode=off" ;;
	on | sleep-on) echo "sc.mode=on" ;;
	traced) echo "sc.mode=on sc.trace=times" ;;
	node | cpu) echo "sc.mode=on swap_compress_threads=$1" ;;
	flush) echo "sc.mode=on swap_compress_threads=none" ;;
	workers) echo "sc.mode=on swap_compress_flush_each=1" ;;
	*) die "bench/cells: there is no variant $1" ;;
	esac
}

# Results of other kernels, guests or machines are none of these. What ONLY leaves out does not matter.
identity() {
	if [[ -d $BUNDLE ]]; then
		cat "$BUNDLE"/bzImage-*
	else
		cat "$("$ROOT/scripts/source.sh" "$BASE").stamp" "$ROOT"/mm/* "$ROOT"/include/trace/events/* \
			"$ROOT/bases/series" "$ROOT"/bench/*.patch "$ROOT"/configs/*.config \
			"$ROOT"/scripts/{kernel,common,measure,guest}.sh
		base_patches "$BASE" | xargs cat
		echo "$LLVM"
		if [[ -n $LLVM ]]; then "$(clang_name)" --version; else "$(cross_prefix)gcc" --version; fi
	fi
	cat "$initrd"
	"$(qemu_path)" --version
	sed -n 's/^model name[^:]*: //p' /proc/cpuinfo
	echo "$MEM $ACCEL"
}

# ROUND NAME VARIANT CPUS PARAMETERS of each guest. From round to round the variants change places.
guests() {
	local round name list cpus parameters variant i
	local -a variants
	for ((round = 1; round <= ROUNDS; round++)); do
		while read -r name list cpus parameters; do
			IFS=, read -ra variants <<<"$list"
			for ((i = 0; i < ${#variants[@]}; i++)); do
				variant=${variants[(i + round - 1) % ${#variants[@]}]}
				echo "$round $name $variant $cpus $parameters"
			done
		done < <(cells)
	done
}

result_name() {	# ROUND NAME VARIANT
	echo "$results/${2//\//@}@$3@$1"
}

time_left() {	# DONE OF START
	local left=$(((EPOCHSECONDS - $3) * ($2 - $1) / $1))
	printf '%d:%02d:%02d left' $((left / 3600)) $((left % 3600 / 60)) $((left % 60))
}

check_base "$BASE"
check_arch
check_llvm
check_number ROUNDS "$ROUNDS" 1 100
check_number MEM "$MEM" 128 65536
check_one_of ACCEL "$ACCEL" tcg kvm
awk -v only="$ONLY" 'BEGIN { "" ~ only }' 2>/dev/null || die "ONLY=$ONLY is no regular expression"
left_out=$(sed 's/#.*//' "$CELLS" | awk -v only="$ONLY" -v cpus="$(nproc)" '$1 ~ only && $3 > cpus { print $1 }')
[[ -z $left_out ]] || note "left out, since this machine has $(nproc) CPUs: $(paste -sd' ' <<<"$left_out")"
[[ -n $(VARIANTS='' cells) ]] ||
	die "ONLY=$ONLY matches no cell; these can be measured: $(ONLY='' VARIANTS='' cells | cut -d' ' -f1 | paste -sd' ')"
[[ -n $(cells) ]] || die "VARIANTS=$VARIANTS: none of these cells has one; they have: $(VARIANTS='' cells | cut -d' ' -f2 | tr , '\n' | sort -u | paste -sd' ')"

# Enough of a demonstration: one kernel, off and on, so that its layout does not matter, and tables without pictures.
[[ $ARCH == x86_64 ]] || LAYOUTS=1
layouts=$((ROUNDS < LAYOUTS ? ROUNDS : LAYOUTS)) pictures=(bench) text=()
[[ -z $RESULTS ]] || { layouts=1 pictures=() text=(--text); }
# Also keeps the builds of others off the machine while it is measured.
lock_cache
declare -A image
prepare
results=${RESULTS:-$CACHE/bench/$BASE-$(identity | sha256sum | cut -c1-8)}
mkdir -p "$results" || die "cannot make the folder $results"
cp "$CELLS" "$results/cells"
# Of all rounds that are there
before=$(awk '$1 == "layouts" { print $2 }' "$results/conditions" 2>/dev/null || true)
{
	echo "layouts $((${before:-0} > layouts ? before : layouts))"
	echo "commit $(cat "$BUNDLE/commit" 2>/dev/null || git -C "$ROOT" describe --always --dirty 2>/dev/null || echo unknown)"
	echo "qemu $("$(qemu_path)" --version | head -n 1)"
} >"$results/conditions"
mapfile -t todo < <(guests | while read -r round name variant rest; do
	read -r cpus parameters <<<"$rest"
	is_measured "$(result_name "$round" "$name" "$variant")" "$(variant_parameters "$variant") $parameters" --cpus "$cpus" ||
		echo "$round $name $variant $rest"
done)
note "measuring: ${#todo[@]} guests, $(($(guests | wc -l) - ${#todo[@]})) are there already; raw results: $results"
start=$EPOCHSECONDS done=0 broken=()
for guest in "${todo[@]}"; do
	read -r round name variant cpus parameters <<<"$guest"
	file=$(result_name "$round" "$name" "$variant")
	state=ok
	measure "$file" "${image[$(variant_kernel "$variant") $(((round - 1) % layouts))]}" "$initrd" \
		"$(variant_parameters "$variant") $parameters" --cpus "$cpus" </dev/null || {
		state=BROKEN
		broken+=("$file.part")
		[[ -z $RESULTS ]] || die "this guest broke. The end of its result, $file.part:
$(tail -n 4 "$file.part")"
	}
	done=$((done + 1))
	note "$(printf '  %3d/%d  round %d  %-14s %-9s %-6s  %s' "$done" "${#todo[@]}" "$round" "$name" "$variant" "$state" \
		"$(time_left "$done" "${#todo[@]}" "$start")")"
done
if [[ -d $BUNDLE ]]; then
	note "the raw results: $results; scripts/bench.py makes a page of them where python3, gnuplot and ministat are"
else
	status=0
	"$ROOT/scripts/bench.py" "${text[@]}" "$results" || status=$?
fi
((${#broken[@]} == 0)) || die "${#broken[@]} guests broke; the same command tries them again. Their results: ${broken[*]}"
exit "${status:-0}"
