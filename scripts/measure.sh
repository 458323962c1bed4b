# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by what measures: one guest, and what this machine did meanwhile.

# Seconds; a measurement takes some 10, on a busy machine some times as long.
GUEST_TIMEOUT=180

# Layouts of the images that the rounds of the benchmark go through, see kernel.sh.
# shellcheck disable=SC2034
LAYOUTS=9

# Ratios between images are only of what differs in the source if all other code has the same place, see kernel.sh.
# Trampolines of tracepoints come after it: the series adds some, and nobody calls them while nothing is traced.
check_places() {	# IMAGE...
	local image first='' places
	for image; do
		places=$(sed '/ __static_call_text_start$/,$d' "$image.map" | grep -i ' [tw] ')
		: "${first:=$places}"
		[[ $places == "$first" ]] || die "code that nobody changed is at other places in $image than in other images:
$(diff <(echo "$first") <(echo "$places") | head -n 4)"
	done
}

# Ticks of this machine's CPUs: all, those they worked, those they worked for the children of this script.
cpu_ticks() {
	awk '$1 == "cpu" { worked = $2 + $3 + $4 + $7 + $8; printf "%d %d ", worked + $5 + $6, worked }' /proc/stat
	awk '{ sub(/.*\) /, ""); print $14 + $15 }' "/proc/$$/stat"
}

describe_host() {	# ALL WORKED OWN, before the run
	local all worked own others
	read -r all worked own < <(cpu_ticks)
	others=$((100 * (worked - $2 - own + $3) / (all - $1)))
	echo "host.cpu $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
	echo "host.cpus $(nproc)"
	echo "host.others_percent $((others > 0 ? others : 0))"
	echo "guest.mem $MEM"
}

# The guest's result, NAME.txt, comes into place when it is whole; its console is NAME.console. Its files lie in ramfs:
# those of a tmpfs would be swapped as well, as shmem, and be measured. Idle CPUs poll: to wake a halted one, an emulator
# has to wake a thread, and the kernel without the feature interrupts the other CPU for each folio, to flush its TLB.
# A cell that is about this says idle=halt.
measure() {	# NAME KERNEL INITRD PARAMETERS GUEST-ARGUMENT...
	local name=$1 kernel=$2 initrd=$3 parameters=$4 idle=idle=poll ticks
	shift 4
	[[ $ARCH != arm64 ]] || idle=nohlt
	[[ $parameters != *idle=halt* ]] || idle=''
	read -ra ticks < <(cpu_ticks)
	"$ROOT/scripts/guest.sh" --kernel "$kernel" --initrd "$initrd" --result "$name.part" --console "$name.console" \
		--timeout "$GUEST_TIMEOUT" "$@" --append "rootfstype=ramfs $idle sc.job=measure $parameters" || return
	{ describe_host "${ticks[@]}"; echo "guest.boot $parameters $*"; } >>"$name.part"
	mv "$name.part" "$name.txt"
}

# Was it measured with the same parameters?
is_measured() {	# NAME PARAMETERS GUEST-ARGUMENT...
	local name=$1
	shift
	[[ -e $name.txt ]] && grep -qxF "guest.boot $*" "$name.txt"
}

value() {	# KEY FILE
	awk -v key="$1" '$1 == key { print $2 }' "$2"
}
