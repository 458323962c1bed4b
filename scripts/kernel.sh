#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# kernel.sh BASE ARCH CONFIG [VARIANT [LAYOUT]]: builds the patched kernel of a base and prints the path of its image.
# VARIANT: another tree than the patched one, see tree.sh; or off, the patched one without the option. LAYOUT, a number: for images to be compared, see lay_out().

. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/stage.sh"

(($# >= 3 && $# <= 5)) || die "usage: kernel.sh BASE ARCH CONFIG [VARIANT [LAYOUT]]"
base=$1 ARCH=$2 config=$3 variant=${4:-} layout=${5:-}
check_base "$base"
check_arch
check_one_of CONFIG "$config" qemu debug kcsan jumplabel gki gki-16k
[[ $config != gki* || $ARCH == arm64 ]] || die "CONFIG=$config is for ARCH=arm64"
[[ $config != kcsan || $ARCH == x86_64 ]] || die "CONFIG=kcsan is for ARCH=x86_64 here"
[[ -z $layout ]] || check_number LAYOUT "$layout" 0 1000
[[ -z $layout || $ARCH == x86_64 ]] || die "LAYOUT is for x86_64 only"
check_jobs
check_llvm

# How many objects a first build makes, until a build of this machine has counted them.
first_estimate() {
	case $config in
	debug) echo 1340 ;;
	*) echo 1120 ;;
	esac
}

fragments() {
	printf "%s\n" "$ROOT"/configs/{qemu,"$ARCH"}.config
	[[ $config != jumplabel ]] || echo "$ROOT/configs/debug.config"
	[[ $config == qemu ]] || echo "$ROOT/configs/${config%-16k}.config"
	[[ ! -e $ROOT/configs/${config%-16k}-$base.config ]] || echo "$ROOT/configs/${config%-16k}-$base.config"
	[[ $config != gki-16k ]] || echo "$ROOT/configs/$config.config"
	[[ $config != gki* ]] || ! grep -qs '^config ANDROID_VENDOR_HOOKS$' "$tree/drivers/android/Kconfig" ||
		echo "$ROOT/configs/gki-android.config"
	[[ $config != @(debug|jumplabel) || $ARCH != x86_64 ]] || echo "$ROOT/configs/debug-x86_64.config"
	[[ $config != @(debug|gki*) ]] || echo "$ROOT/configs/kunit-guest.config"
	if [[ $variant != off ]] && grep -qs '^config SWAP_COMPRESS_WQ$' "$tree/mm/Kconfig"; then
		echo "$ROOT/configs/swap_compress.config"
		[[ $config != @(debug|gki*) ]] || echo "$ROOT/configs/kunit.config"
	fi
}

# Under emulation the same loop is up to 1.6 times as fast elsewhere in a page, so that images would differ without a
# difference in their source. With a layout, code that the series or the benchmark changes comes last, and all other code
# has the same address in every image. The changed objects get 128 KiB each, and in every layout another place in a page:
# with 29, the places of an object in nine layouts are spread over all of it.
lay_out() {
	local lds=$build/arch/x86/kernel/vmlinux.lds object number=0 exclude='' changed=
	for object in $(changed_objects); do
		exclude+=" *$object"
		number=$((number + 1))
		changed+=" . = ALIGN(0x20000) + $(((number * 37 + layout * 29) % 256 * 16)); *$object(.text .text.unlikely .text.unlikely.*)"
	done
	exclude="EXCLUDE_FILE($exclude)"
	kernel_make "$tree" "$build" -s arch/x86/kernel/vmlinux.lds >"$build.log" 2>&1 || build_failed "$build.log"
	sed -E "s#\*\(\.text \.text\.fixup\)#*($exclude .text .text.fixup)#
		s#\*\(\.text\.unlikely \.text\.unlikely\.\*\)#*($exclude .text.unlikely $exclude .text.unlikely.*)#
		s#^ \} :text =#  changed_text_start = .;$changed\n&#" "$lds" >"$build/layout.lds"
	[[ $(grep -o "EXCLUDE_FILE\|changed_text_start" "$build/layout.lds" | wc -l) == 4 ]] ||
		die "scripts/kernel.sh knows no layout for Linux $(tree_version "$tree"): $lds is not what it expects"
}

changed_objects() {
	{
		base_patches "$base" | xargs sed -n 's|^+++ b/||p' "$ROOT"/bench/*.patch
		tr ' ' '\n' <"$ROOT/bases/series"
	} | sed -nE '\,^(lib/tests|tools)/,d; s,\.c$,.o,p' | sort -u
}

# Everything the image depends on. The same stamp means that there is nothing to do.
stamp() {
	cat "$tree.stamp" "${fragment_files[@]}" "$ROOT/scripts/kernel.sh" "$ROOT/scripts/common.sh"
	cat "$ROOT/configs/$base.config" 2>/dev/null || true
	! has_offload_hook || cat "$ROOT"/guest/vendor_offload/*
	echo "$ARCH $config $LLVM $layout"
	[[ -z $layout ]] || changed_objects
	if [[ -n $LLVM ]]; then "$(clang_name)" --version; else "$(cross_prefix)gcc" --version; fi
}

# Android's kernels of 6.12 let a vendor have kswapd's writes done by somebody else.
has_offload_hook() {
	[[ $config == gki* ]] && grep -qs android_vh_swap_writepage "$tree/include/trace/hooks/mm.h"
}

build_vendor_module() {
	rm -rf "$build/vendor_offload"
	cp -r "$ROOT/guest/vendor_offload" "$build/"
	kernel_make "$tree" "$build" "M=$build/vendor_offload" modules >>"$build.log" 2>&1
}

# The modules as files of the guest's root folder: scripts/guest.sh adds them to the initramfs.
pack_modules() {
	{
		sed -E "s|(.*/)?([^/]+)\.o$|file /\2.ko $build/\1\2.ko 0644 0 0|" "$build/modules.order"
		! has_offload_hook || echo "file /vendor_offload.ko $build/vendor_offload/vendor_offload.ko 0644 0 0"
	} | "$build/usr/gen_init_cpio" -t 0 -
}

build_failed() {	# LOG
	note "$(grep -m 8 -E '(error|Error)[: ]|undefined reference|No space left|Killed' "$1" || tail -n 8 "$1")"
	die "the kernel build failed; its log: $1"
}

lock_cache
need source patch build
tree=$("$ROOT/scripts/tree.sh" "$base" "${variant#off}")
# In a folder of the tree make calls the tree "..", so that what two variants have in common is compiled once (ccache).
build=$tree/build-$ARCH-$config${LLVM//\//_}
[[ $variant != off ]] || build+=-off
case $ARCH in
x86_64) target=bzImage made=arch/x86/boot/bzImage ;;
arm64) target=Image made=arch/arm64/boot/Image ;;
esac
image=$build/$target${layout:+-$layout}
mapfile -t fragment_files < <(fragments)
want=$(stamp | sha256sum)
if [[ ! -e $image || $(cat "$image.stamp" 2>/dev/null) != "$want" ]]; then
	need_disk "$tree" 1500 "a kernel build"
	# The option changes few objects: the build without it begins as a copy of the one with it.
	if [[ $variant == off && ! -e $build && -e ${build%-off}/vmlinux.o ]]; then
		cp -a "${build%-off}" "$build"
		rm -f "$build/$target"*
	fi
	rm -f "$image.stamp"
	kernel_config "$tree" "$build" "${fragment_files[@]}"
	expected=$(cat "$build.objects" 2>/dev/null || first_estimate)
	fresh=yes
	[[ -e $build/vmlinux.o ]] && fresh=
	note "building Linux $(tree_version "$tree") ($ARCH, $config${variant:+, $variant}${LLVM:+, LLVM=$LLVM}${layout:+, layout $layout}) with JOBS=$JOBS${fresh:+, about $expected objects}"
	if [[ -z $fresh ]]; then
		note "  only what changed since the last build"
	fi
	start=$EPOCHSECONDS
	targets=("$target")
	if [[ -n $layout ]]; then
		lay_out
		targets+=(KBUILD_LDS=layout.lds)
	fi
	modules=
	! grep -qx CONFIG_MODULES=y "$build/.config" || modules=modules
	# make does not see that this one is linked by another script than the last one.
	rm -f "$build/vmlinux" "$build/vmlinux.unstripped"
	done=$(kernel_make "$tree" "$build" "${targets[@]}" $modules 2>&1 | follow_build "$expected" "$build.log") ||
		build_failed "$build.log"
	cp "$build/$made" "$image" || build_failed "$build.log"
	cp "$build/System.map" "$image.map"
	rm -f "$build/modules.cpio"
	! has_offload_hook || build_vendor_module || build_failed "$build.log"
	[[ -z $modules ]] || pack_modules >"$build/modules.cpio" || build_failed "$build.log"
	note "  built: $done objects in $((EPOCHSECONDS - start)) s"
	[[ -z $fresh ]] || echo "$done" >"$build.objects"
	echo "$want" >"$image.stamp"
fi
echo "$image"
