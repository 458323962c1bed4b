#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# kunit.sh BASE ARCH: runs the KUnit suites with the kernel's own kunit.py, on UML (with two CPUs where it can), or on x86_64 or
# arm64 with two CPUs and nodes.

. "$(dirname "$0")/common.sh"

[[ $# == 2 ]] || die "usage: kunit.sh BASE um|x86_64|arm64"
base=$1 arch=$2
check_base "$base"
check_one_of ARCH "$arch" um x86_64 arm64
# UML is a program for this machine.
ARCH=${arch/um/x86_64}
check_jobs
check_llvm

SUITES=(swap_compress_wq swap_compress_bio)

# kunit.py of 6.18 puts "-accel kvm -accel hvf" before tcg; a KVM that opens and then hangs would hang the run.
# A qemu in front of PATH drops the two.
qemu_without_kvm() {
	local folder=$CACHE/bin real name
	real=$(command -v "$(qemu_path)")
	name=${real##*/}
	mkdir -p "$folder"
	cat >"$folder/$name.new" <<-EOF
		#!/bin/bash
		# Made by scripts/kunit.sh: qemu without KVM and HVF.
		args=()
		while ((\$#)); do
			if [[ \$1 == -accel && \${2:-} == @(kvm|hvf) ]]; then shift 2; continue; fi
			args+=("\$1")
			shift
		done
		exec "$real" "\${args[@]}"
	EOF
	chmod +x "$folder/$name.new"
	mv "$folder/$name.new" "$folder/$name"
	PATH=$folder:$PATH
}

# The first build of a folder takes minutes; kunit.py says nothing meanwhile.
kunit_py() {
	local cc host_cc=gcc
	cc=$(cross_prefix)gcc
	[[ -z $LLVM ]] || { cc=$(clang_name); host_cc=$cc; }
	local args=(run "--arch=$arch" "--kunitconfig=$ROOT/.kunitconfig" "--kunitconfig=$ROOT/configs/kunit-slim.config" "--build_dir=$build" "--jobs=$JOBS" --timeout=600
		--make_options "CC=ccache $cc" --make_options "HOSTCC=ccache $host_cc")
	[[ -z $LLVM ]] || args+=(--make_options "LLVM=$LLVM")
	[[ -z $(cross_prefix) ]] || args+=("--cross_compile=$(cross_prefix)")
	# UML has several CPUs since Linux 6.19.
	[[ $arch != um ]] || ! grep -q '^config SMP$' "$tree/arch/um/Kconfig" ||
		args+=(--kconfig_add CONFIG_SMP=y --kernel_args seccomp=on --kernel_args ncpus=2)
	[[ $arch == um ]] || args+=(--kconfig_add CONFIG_SMP=y --kconfig_add CONFIG_NUMA=y --kconfig_add CONFIG_NUMA_EMU=y
		--kernel_args numa=fake=2 --qemu_args "-smp 2")
	(
		cd "$tree" || exit
		export PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
		python3 tools/testing/kunit/kunit.py "${args[@]}" </dev/null 2>&1
	) | tee "$build.log" | grep -v "^stty: "
}

patterns() {	# FILE
	sed '/^#/d; /^$/d' "$ROOT/guest/$1"
}

# What must not be on the console from the first test on: kunit.py is content with a kernel that warned and went on.
# At boot UML of 6.12 warns of its PCI driver.
splats() {
	sed -n '/KTAP version/,$p' "$build/test.log" | tr -d '\r' | grep -nE -f <(patterns splats) | grep -vE -f <(patterns splats.allowed) || true
}

lock_cache
stages=(source patch build kunit)
[[ $arch == um ]] || stages+=(guest)
need "${stages[@]}"
[[ -e $ROOT/.kunitconfig ]] || die "the repository has no .kunitconfig"
[[ $arch == um ]] || qemu_without_kvm
tree=$("$ROOT/scripts/tree.sh" "$base")
build=$CACHE/build/$(base_id "$base")-kunit-$arch${LLVM//\//_}
need_disk "$build" 1000 "a KUnit kernel"
note "KUnit on Linux $(tree_version "$tree") ($arch); the first build takes some minutes"
kunit_py || die "KUnit failed on $base ($arch); its log: $build.log"
for suite in "${SUITES[@]}"; do
	grep -q "=\+ $suite (" "$build.log" || die "no test of the suite $suite ran on $base ($arch); the log: $build.log"
done
found=$(splats | head -n 5)
[[ -z $found ]] || die "the kernel complained on $base ($arch; patterns: guest/splats):
$found
Its console: $build/test.log"
