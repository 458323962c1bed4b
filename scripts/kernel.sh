#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# kernel.sh BASE ARCH CONFIG [VARIANT]: builds the patched kernel of a base and prints the path of its image.
# VARIANT: another tree than the patched one, see tree.sh.

. "$(dirname "$0")/common.sh"

(($# == 3 || $# == 4)) || die "usage: kernel.sh BASE ARCH CONFIG [VARIANT]"
base=$1 arch=$2 config=$3 variant=${4:-}
check_base "$base"
check_one_of ARCH "$arch" x86_64
check_one_of CONFIG "$config" qemu debug kcsan trace
check_jobs
check_llvm

# How many objects a first build makes, until a build of this machine has counted them.
first_estimate() {
	case $config in
	qemu) echo 1100 ;;
	debug) echo 1120 ;;
	kcsan) echo 1120 ;;
	trace) echo 1150 ;;
	esac
}

fragments() {
	echo "$ROOT/configs/qemu.config"
	[[ $config == qemu ]] || echo "$ROOT/configs/$config.config"
	grep -qs '^config SWAP_COMPRESS_WQ$' "$tree/mm/Kconfig" && echo "$ROOT/configs/swap_compress.config"
	return 0
}

# Everything the image depends on. The same stamp means that there is nothing to do.
stamp() {
	cat "$tree.stamp" "${fragment_files[@]}" "$ROOT/scripts/kernel.sh" "$ROOT/scripts/common.sh"
	echo "$arch $config $LLVM"
	if [[ -n $LLVM ]]; then "$(clang_name)" --version; else gcc --version; fi
}

show_progress() {	# DONE EXPECTED START
	local left=
	if (($2 > $1 && $1 > 20)); then
		left=$(((EPOCHSECONDS - $3) * ($2 - $1) / $1))
		left=$(printf ', about %d:%02d left' $((left / 60)) $((left % 60)))
	fi
	if [[ -t 2 ]]; then
		printf '\r  %d of about %d objects%s\033[K' "$1" "$2" "$left" >&2
	else
		note "  $1 of about $2 objects$left"
	fi
}

# Copies make's output to the log and counts what it compiles.
follow_build() {	# EXPECTED LOG
	local line done=0 start=$EPOCHSECONDS shown=0 every=15
	[[ -t 2 ]] && every=1
	while IFS= read -r line; do
		printf '%s\n' "$line" >&3
		case $line in
		"  CC "* | "  AS "* | "  HOSTCC "*) done=$((done + 1)) ;;
		*) continue ;;
		esac
		if ((EPOCHSECONDS - shown >= every)); then
			((shown)) && show_progress "$done" $((done > $1 ? done : $1)) "$start"
			shown=$EPOCHSECONDS
		fi
	done 3>"$2"
	[[ ! -t 2 ]] || printf '\r\033[K' >&2
	echo "$done"
}

# The modules as files of the guest's root folder: scripts/guest.sh adds them to the initramfs.
pack_modules() {
	sed -E "s|(.*/)?([^/]+)\.o$|file /\2.ko $build/\1\2.ko 0644 0 0|" "$build/modules.order" |
		"$build/usr/gen_init_cpio" -t 0 -
}

build_failed() {	# LOG
	note "$(grep -m 8 -E '(error|Error)[: ]|undefined reference|No space left|Killed' "$1" || tail -n 8 "$1")"
	die "the kernel build failed; its log: $1"
}

lock_cache
need source patch build
tree=$("$ROOT/scripts/tree.sh" "$base" "$variant")
build=$CACHE/build/$(base_id "$base")${variant:+-$variant}-$arch-$config${LLVM//\//_}
image=$build/arch/x86/boot/bzImage
mapfile -t fragment_files < <(fragments)
want=$(stamp | sha256sum)
if [[ ! -e $image || $(cat "$build.stamp" 2>/dev/null) != "$want" ]]; then
	need_disk "$CACHE/build" 1500 "a kernel build"
	rm -f "$build.stamp"
	kernel_config "$tree" "$build" "${fragment_files[@]}"
	expected=$(cat "$build.objects" 2>/dev/null || first_estimate)
	fresh=yes
	[[ -e $build/vmlinux ]] && fresh=
	note "building Linux $(tree_version "$tree") ($arch, $config${variant:+, $variant}${LLVM:+, LLVM=$LLVM}) with JOBS=$JOBS${fresh:+, about $expected objects}"
	if [[ -z $fresh ]]; then
		note "  only what changed since the last build"
	fi
	start=$EPOCHSECONDS
	targets=(bzImage)
	! grep -qx CONFIG_MODULES=y "$build/.config" || targets+=(modules)
	done=$(kernel_make "$tree" "$build" "${targets[@]}" 2>&1 | follow_build "$expected" "$build.log") ||
		build_failed "$build.log"
	[[ -e $image ]] || build_failed "$build.log"
	rm -f "$build/modules.cpio"
	[[ ${#targets[@]} == 1 ]] || pack_modules >"$build/modules.cpio" || build_failed "$build.log"
	note "  built: $done objects in $((EPOCHSECONDS - start)) s"
	[[ -z $fresh ]] || echo "$done" >"$build.objects"
	echo "$want" >"$build.stamp"
fi
echo "$image"
