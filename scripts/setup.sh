#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# setup.sh STAGE...: installs the Debian packages that the stages of scripts/packages lack; says which and why.

. "$(dirname "$0")/common.sh"

(($#)) || die "usage: setup.sh STAGE..."
check_llvm
missing=$(missing_packages "$@")
[[ -n $missing ]] || exit 0

mapfile -t packages < <(cut -f1 <<<"$missing" | sort -u)
command=(apt-get install --no-install-recommends "${packages[@]}")
note "These packages are missing:"
while IFS=$'\t' read -r package reason; do
	note "$(printf '  %-18s %s' "$package" "$reason")"
done <<<"$missing"
command -v apt-get >/dev/null || die "this is no Debian system: install what these packages hold"
as_root=()
if ((EUID != 0)); then
	# Asks for a password only where somebody can give one.
	if command -v sudo >/dev/null && { [[ -t 0 ]] || sudo -n true 2>/dev/null; }; then
		as_root=(sudo)
	else
		die "installing needs root. As root:  ${command[*]}"
	fi
fi
note "installing them with: ${as_root[*]} ${command[*]}"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
{ "${as_root[@]}" apt-get -q update && "${as_root[@]}" "${command[@]}" -y -q; } >"$log" 2>&1 </dev/null || {
	tail -n 8 "$log" >&2
	die "apt could not install them (is there a network?). Install them yourself:  ${command[*]}"
}
note "installed"
