#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# guest.sh: runs one guest to its end and says whether it went well.
#   --kernel IMG --initrd FILE   what to boot; modules that were built with the kernel are added to the initramfs
#   --result FILE                what the guest writes on its second serial port; ends with "guest: done STATUS"
#   --console FILE               the kernel's messages
#   --timeout SECONDS            a guest that runs longer is killed
#   --mem MIB --cpus N           otherwise MEM and CPUS, otherwise 400 and 2
#   --disk MIB                   an empty disk, /dev/vda, which is lost afterwards
#   --spare MIB                  memory that is plugged in and offline
#   --append "..."               more kernel parameters
#   --expect REGEX               console lines that are no splat in this guest, and of which there must be one
#   --follow                     copies the result to stderr as it comes
# ARCH: x86_64 (default) or arm64.
# ACCEL=tcg (default), kvm, or icount: TCG in which a nanosecond is an instruction, for counting what a busy host cannot
# disturb, or tcg-single: all CPUs in one thread, for a kernel that patches its own code (configs/jumplabel.config).
# PASSED=FOLDER keeps there the result of a guest that went well. With RECALL=yes such a guest is not run again: the same
# kernel, initramfs and parameters gave that result.
# Exit status 0: powered off in time, "guest: done 0", no splat on the console, all as expected.

. "$(dirname "$0")/common.sh"

kernel='' initrd='' result='' console='' timeout='' append='' disk='' spare='' expect='' follow=
mem=${MEM:-400} cpus=${CPUS:-2} accel=${ACCEL:-tcg}
PASSED=${PASSED:-} RECALL=${RECALL:-}
while (($#)); do
	if [[ $1 == --follow ]]; then
		follow=yes
		shift
		continue
	fi
	(($# > 1)) || die "guest.sh: $1 needs a value"
	case $1 in
	--kernel) kernel=$2 ;;
	--initrd) initrd=$2 ;;
	--result) result=$2 ;;
	--console) console=$2 ;;
	--timeout) timeout=$2 ;;
	--mem) mem=$2 ;;
	--cpus) cpus=$2 ;;
	--append) append=$2 ;;
	--disk) disk=$2 ;;
	--spare) spare=$2 ;;
	--expect) expect=$2 ;;
	*) die "guest.sh: unknown option $1" ;;
	esac
	shift 2
done

# The guest dies with this script, however that ends.
check_arch
QEMU=(setpriv --pdeathsig KILL "$(qemu_path)")
# A kernel that takes longer than this to panic for want of a root file system is hung.
KVM_PROBE_SECONDS=10
# On a busy machine a virtual CPU may not run for longer than the kernel's watchdogs wait by default.
PATIENCE="watchdog_thresh=60 workqueue.watchdog_thresh=120 rcupdate.rcu_cpu_stall_timeout=180"

check_settings() {
	local free
	check_number CPUS "$cpus" 1 16
	check_number MEM "$mem" 64 65536
	check_number --timeout "$timeout" 1 86400
	[[ -z $disk ]] || check_number --disk "$disk" 1 65536
	[[ -z $spare ]] || check_number --spare "$spare" 128 65536
	check_one_of ACCEL "$accel" tcg tcg-single kvm icount
	[[ -r $kernel ]] || die "no kernel image: '$kernel'"
	[[ -r $initrd ]] || die "no initramfs: '$initrd'"
	[[ -n $result && -n $console ]] || die "guest.sh: --result and --console are needed"
	free=$(awk '$1 == "MemAvailable:" { print int($2 / 1024) }' /proc/meminfo)
	((free >= mem + spare + 150)) ||
		die "too little memory: a guest with MEM=$mem needs $((mem + spare + 150)) MiB, $free MiB are available. Give a smaller MEM= or end something"
}

qemu_args() {	# ACCEL
	# Nothing but two serial ports: each device is one more thing to emulate and to probe.
	local args=(-nodefaults -no-user-config -display none -no-reboot -m "$mem" -smp "$cpus") machine cpu=max
	# q35: on the machine "pc", ACPI interprets a loop to find the disk's interrupt, and gives up after 30 s. On a busy host
	# a debug kernel took longer, and waited for its disk for ever.
	case $ARCH in
	x86_64) machine=q35 ;;
	arm64) machine=virt,mte=on ;;
	esac
	if [[ $ARCH == x86_64 && $1 == icount ]]; then
		# Without erms and fsrm memcpy is a loop; each byte of a "rep movsb" would count as an instruction.
		cpu=max,-erms,-fsrm
	fi
	args+=(-machine "$machine")
	case $1 in
	kvm) args+=(-accel kvm -cpu host) ;;
	tcg) args+=(-accel "tcg,thread=multi" -cpu "$cpu") ;;
	tcg-single) args+=(-accel "tcg,thread=single" -cpu "$cpu") ;;
	icount) args+=(-accel "tcg,thread=single" -icount "shift=0,sleep=off" -cpu "$cpu") ;;
	esac
	printf '%s\n' "${args[@]}"
}

# Remembered until the host boots again: a broken KVM costs the ten seconds once.
kvm_boots() {
	local memory=$CACHE/kvm-probe boot_id args log=$TMP/kvm-probe verdict="does not boot"
	[[ $ARCH == x86_64 && -w /dev/kvm ]] || return 1
	boot_id=$(cat /proc/sys/kernel/random/boot_id)
	if [[ $(cat "$memory" 2>/dev/null) != "$boot_id "* ]]; then
		mapfile -t args < <(qemu_args kvm)
		{
			timeout --foreground -s KILL "$KVM_PROBE_SECONDS" "${QEMU[@]}" "${args[@]}" -serial "file:$log" \
				-kernel "$kernel" -append "console=ttyS0 panic=-1" </dev/null || true
		} >/dev/null 2>&1
		! grep -qs "Kernel panic - not syncing: VFS" "$log" || verdict=boots
		mkdir -p "$CACHE"
		echo "$boot_id $verdict" >"$memory"
	fi
	[[ $(cat "$memory") == *" boots" ]]
}

# All that the outcome follows from. Two guests with the same sum are the same.
guest_id() {	# INITRD
	{
		cat "$kernel" "$1" "$ROOT/guest/splats" "$ROOT/guest/splats.allowed" "$ROOT/scripts/guest.sh"
		"$(qemu_path)" --version
		echo "$accel, $cpus, $mem, $disk, $spare, $expect, $append"
	} | sha256sum | cut -c1-32
}

# Whether the guest has passed before
recall() {	# RECORD
	[[ -n $RECALL && -e $1 ]] || return
	cp "$1" "$result"
	note "passed on $(date -r "$1" '+%Y-%m-%d %H:%M') with the same kernel, initramfs and parameters. To run it again: rm '$1'"
}

stop_qemu() {
	[[ -n ${QEMU_PID:-} ]] || return 0
	kill -KILL "$QEMU_PID" 2>/dev/null || true
	wait "$QEMU_PID" 2>/dev/null || true
	QEMU_PID=
}

# Console lines without the serial port's carriage returns.
console_lines() {
	tr -d '\r' <"$console"
}

patterns() {	# FILE
	sed '/^#/d; /^$/d' "$1"
}

splats() {
	console_lines | grep -nE -f <(patterns "$ROOT/guest/splats") |
		grep -vE -f <(patterns "$ROOT/guest/splats.allowed"; [[ -z $expect ]] || echo "$expect") || true
}

fail() {	# WHAT
	note "the last lines of the console:"
	console_lines | tail -n 12 | sed 's/^/    /' >&2
	die "$1
Console log: $console"
}

judge() {	# ENDED(yes: by itself) QEMU-STATUS
	local last found
	found=$(splats | head -n 5)
	last=$(tr -d '\r' <"$result" | sed '/^$/d' | tail -n 1)
	if [[ $1 == no ]]; then
		fail "the guest did not end within $timeout s: killed${found:+. On its console:
$found}"
	elif [[ -n $found ]]; then
		fail "the guest's kernel complained (patterns: guest/splats):
$found"
	elif (($2 != 0)); then
		fail "qemu ended with status $2: $(tail -n 3 "$TMP/qemu.err")"
	elif [[ $last != "guest: done "* ]]; then
		fail "the guest ended before its job did; last result: ${last:-none}"
	elif [[ $last != "guest: done 0" ]]; then
		fail "the guest's job failed: $last; its output: $result"
	elif [[ -n $expect ]] && ! grep -qE -e "$expect" "$console"; then
		fail "the guest's kernel did not say what was expected of it: $expect"
	fi
}

# A bundle brings all it needs.
[[ -d $BUNDLE ]] || need guest
check_settings
make_tmp ""
trap 'stop_qemu; rm -rf "$TMP"' EXIT
if [[ $accel == kvm ]] && ! kvm_boots; then
	note "KVM does not boot a guest here: using TCG"
	accel=tcg
fi
: >"$console"
: >"$result"
mapfile -t args < <(qemu_args "$accel")
if [[ -n $disk ]]; then
	truncate -s "${disk}M" "$TMP/disk" || die "cannot make a disk of $disk MiB in $TMP"
	args+=(-drive "file=$TMP/disk,if=virtio,format=raw,cache=unsafe")
fi
if [[ -n $spare ]]; then
	args+=(-m "slots=1,maxmem=$((mem + spare))M" -object "memory-backend-ram,id=spare,size=${spare}M"
		-device "pc-dimm,memdev=spare")
fi
modules=$(dirname "$kernel")/modules.cpio
if [[ -e $modules ]]; then
	cat "$initrd" "$modules" >"$TMP/initrd"
	initrd=$TMP/initrd
fi
record=
if [[ -n $PASSED ]]; then
	mkdir -p "$PASSED" || die "cannot make the folder $PASSED"
	record=$PASSED/$(guest_id "$initrd")
	! recall "$record" || exit 0
fi
args+=(-serial "file:$console")
case $ARCH in
x86_64)
	args+=(-serial "file:$result")
	# no5lvl: while the kernel identifies its CPU, it forgets for a moment that it has five levels of page tables. An
	# interrupt at that moment is an invalid access to KASAN.
	append="console=ttyS0 tsc=reliable no_timer_check no5lvl sc.result=ttyS1 $append"
	;;
arm64)
	# This machine has one serial port of its own.
	args+=(-chardev "file,id=result,path=$result" -device "pci-serial,chardev=result")
	append="console=ttyAMA0 sc.result=ttyS0 $append"
	;;
esac
"${QEMU[@]}" "${args[@]}" -kernel "$kernel" -initrd "$initrd" \
	-append "panic=-1 oops=panic $PATIENCE sc.accel=$accel $append" </dev/null >"$TMP/qemu.err" 2>&1 &
QEMU_PID=$!
if [[ -n $follow ]]; then
	tail -n +1 -f -s 0.2 --pid="$QEMU_PID" "$result" >&2 &
	follow=$!
fi
deadline=$((EPOCHSECONDS + timeout))
while kill -0 "$QEMU_PID" 2>/dev/null && ((EPOCHSECONDS < deadline)); do
	sleep 0.1
done
if kill -0 "$QEMU_PID" 2>/dev/null; then
	stop_qemu
	judge no 0
fi
status=0
wait "$QEMU_PID" || status=$?
QEMU_PID=
[[ -z $follow ]] || wait "$follow" || true
judge yes "$status"
[[ -z $record ]] || cp "$result" "$record"
