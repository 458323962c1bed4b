#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# bundle.sh OUT: packs the benchmark with qemu, the kernels and the initramfs into OUT.tar.gz, to run where nothing can
# be installed: unpack it, and run scripts/bench.sh there. Needs bash, awk and util-linux on x86_64.

. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/measure.sh"

[[ $# == 1 ]] || die "usage: bundle.sh OUT"
out=$(realpath -m "$1")
BASE=${BASE:-6.18}
check_base "$BASE"
check_one_of ARCH "${ARCH:-x86_64}" x86_64
FILES=(scripts/common.sh scripts/stage.sh scripts/measure.sh scripts/guest.sh scripts/bench.sh guest/splats guest/splats.allowed
	bench/cells bases/versions LICENSE)
# What qemu reads when it boots a kernel on -machine q35.
FIRMWARE=(bios-256k.bin linuxboot_dma.bin linuxboot.bin kvmvapic.bin)

copy_qemu() {	# FOLDER
	local qemu file
	qemu=$(command -v qemu-system-x86_64)
	mkdir -p "$1/bin" "$1/lib" "$1/share"
	cp "$qemu" "$1/lib/qemu" || die "cannot copy $qemu"
	# Where the accelerator is a module of qemu
	find /usr/lib -path '*/qemu/accel-*.so' -exec cp -t "$1/lib" {} +
	ldd "$qemu" "$1"/lib/*.so | awk '$3 ~ "^/" { print $3 } $1 ~ "^/" && !/:$/ { print $1 }' | sort -u | xargs cp -t "$1/lib" || die "cannot copy the libraries of qemu"
	for file in "${FIRMWARE[@]}"; do
		cp -L "$(find /usr/share/qemu /usr/share/seabios -name "$file" | head -n 1)" "$1/share/" || die "cannot find qemu's $file"
	done
	cat >"$1/bin/qemu-system-x86_64" <<'WRAPPER'
#!/bin/sh
here=$(dirname "$0")/..
QEMU_MODULE_DIR=$here/lib exec "$here/lib/ld-linux-x86-64.so.2" --library-path "$here/lib" "$here/lib/qemu" -L "$here/share" "$@"
WRAPPER
	chmod +x "$1/bin/qemu-system-x86_64"
}

"$ROOT/scripts/setup.sh" source patch build guest
lock_cache
need_disk "$(dirname "$out")" 300 "the bundle"
mkdir -p "$(dirname "$out")" || die "cannot make the folder of $out"
make_tmp ""
top=$TMP/$(basename "$out")
mkdir -p "$top/bundle"
images=()
for variant in pristine "" bench; do
	for ((layout = 0; layout < LAYOUTS; layout++)); do
		images+=("$("$ROOT/scripts/kernel.sh" "$BASE" x86_64 qemu "$variant" "$layout")")
		cp "${images[-1]}" "$top/bundle/bzImage-$variant-$layout"
	done
done
check_places "${images[@]}"
cp "$("$ROOT/scripts/initramfs.sh" "$CACHE/build/initramfs" "$BASE")" "$top/bundle/initramfs"
git -C "$ROOT" describe --always --dirty >"$top/bundle/commit"
copy_qemu "$top/bundle"
(cd "$ROOT" && cp --parents "${FILES[@]}" "$top/")
tar -C "$TMP" -czf "$out.tar.gz.part" "$(basename "$out")" || die "cannot write $out.tar.gz.part"
mv "$out.tar.gz.part" "$out.tar.gz"
note "on the other machine: tar -xzf $(basename "$out").tar.gz && $(basename "$out")/scripts/bench.sh"
echo "$out.tar.gz"
