#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# kmi.sh BASE: compares what modules may use of a kernel without the series and of one with it. Builds the kernel of
# configs/gki.config (arm64, MODVERSIONS) without the series, with it and the option off, and with it and the option on. An
# exported symbol has a checksum of all types that it leads to: none may be gone, and none may have another checksum.
# Exit status: 0 if so.

. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/stage.sh"

[[ $# == 1 ]] || die "usage: kmi.sh BASE"
base=$1 ARCH=arm64
check_base "$base"
check_jobs
check_llvm

# "SYMBOL CHECKSUM" of all that the kernel and its modules export
symbols() {	# VARIANT
	local image
	image=$("$ROOT/scripts/kernel.sh" "$base" "$ARCH" gki "$1")
	[[ -s ${image%/*}/Module.symvers ]] || die "the build left no ${image%/*}/Module.symvers"
	awk '{ print $2, $1 }' "${image%/*}/Module.symvers" | sort
}

# Symbols that a tree promises to modules: Android's lists, whose lines are symbols below a heading in brackets.
promised() {	# TREE
	local file
	for file in "$1"/gki/aarch64/symbols/* "$1"/android/abi_gki_aarch64*; do
		[[ ! -f $file ]] || sed -nE 's/^  ([A-Za-z0-9_]+)$/\1/p' "$file"
	done | sort -u
}

# Prints what differs. Fails if a symbol is gone or has another checksum.
compare() {	# WITHOUT WITH WHAT
	local gone changed new
	gone=$(join -v1 "$1" "$2" | cut -d' ' -f1)
	new=$(join -v2 "$1" "$2" | cut -d' ' -f1)
	changed=$(join "$1" "$2" | awk '$2 != $3 { print $1 }')
	printf '%-12s %d symbols gone, %d added, %d with another checksum, of %d\n' "$3" "$(lines "$gone")" "$(lines "$new")" \
		"$(lines "$changed")" "$(wc -l <"$1")"
	list gone "$gone"
	list added "$new"
	list changed "$changed"
	[[ -z $gone$changed ]]
}

lines() {	# TEXT
	[[ -z $1 ]] || wc -l <<<"$1"
}

list() {	# WHAT SYMBOLS
	local symbol
	for symbol in $2; do
		echo "  $1: $symbol"
	done
}

lock_cache
need source patch build build-arm64
make_tmp ""
# Off after on, which it can begin with.
trees=(pristine on off)
for state in "${trees[@]}"; do
	symbols "${state#on}" >"$TMP/$state"
	# A comparison of empty lists, or of lists without checksums, would prove nothing.
	[[ $(awk '$2 != "0x00000000"' "$TMP/$state" | wc -l) -gt 1000 ]] || die "the kernel's symbols have no checksums: is CONFIG_MODVERSIONS set?"
done
failed=
compare "$TMP/pristine" "$TMP/off" "option off:" || failed=yes
compare "$TMP/pristine" "$TMP/on" "option on:" || failed=yes
promised "$("$ROOT/scripts/source.sh" "$base")" >"$TMP/promised"
if [[ -s $TMP/promised ]]; then
	printf 'of %d symbols in the lists of this tree, this configuration exports %d\n' "$(wc -l <"$TMP/promised")" \
		"$(join "$TMP/promised" "$TMP/on" | wc -l)"
fi
[[ -z $failed ]] || die "modules that were built without the series may not load"
echo "the kernel module interface is unchanged"
