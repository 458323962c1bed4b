#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# foreign.sh busybox|qemu|suites: prints the path of a program for arm64's guests, and gets it where this machine's packages
# do not have it: busybox of that architecture, or a QEMU that is new enough; or of the folder that holds stress-ng of that
# architecture and libraries. apt is given folders of its own, in the cache, so that nothing is installed.

. "$(dirname "$0")/common.sh"

# Before 8.0 all of a page shares one memory tag.
QEMU_MAJOR=8

# What needs only to be unpacked: packages alone, or with all that they depend on. The archives are those that the machine
# has packages from.
unpack() {	# FOLDER ARCHITECTURE SUFFIX-OF-THE-SUITE alone|all PACKAGE...
	local folder=$1 suffix=$3 package
	local -a get=(download)
	local -a apt=(apt-get -q -o "APT::Architecture=$2" -o "APT::Architectures=$2" -o "Dir::Etc::SourceList=$folder/sources"
		-o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$folder/lists" -o "Dir::State::Status=$folder/status"
		-o "Dir::Cache=$folder" -o APT::Sandbox::User=root)
	[[ $4 == alone ]] || get=(-y --no-install-recommends --download-only install)
	shift 4
	rm -rf "$folder"
	mkdir -p "$folder"/{lists/partial,archives/partial,files}
	# Nothing is installed in there. apt locks the folder of this file.
	: >"$folder/status"
	# shellcheck disable=SC2016 # apt's variables
	apt-get indextargets --format '$(SITE) $(CODENAME)' "Created-By: Packages" "Component: main" | sort -u |
		awk -v suffix="$suffix" '$2 !~ /-/ { print "deb", $1, $2 suffix, "main" }' >"$folder/sources"
	# "download" leaves them here, "install" in archives/.
	(cd "$folder/archives" && "${apt[@]}" update && "${apt[@]}" "${get[@]}" "$@" &&
		for package in *.deb; do dpkg-deb -x "$package" ../files; done) >"$folder/log" 2>&1
}

busybox() {
	local folder=$CACHE/busybox-arm64
	if [[ ! -x $folder/busybox ]]; then
		note "getting busybox for arm64"
		{ unpack "$folder" arm64 "" alone busybox-static && cp "$folder"/files/bin/busybox "$folder/busybox"; } ||
			die "apt cannot give Debian's busybox-static for arm64 (log: $folder/log).
Put a static busybox for arm64 at $folder/busybox"
	fi
	echo "$folder/busybox"
}

is_new_enough() {	# QEMU
	local major
	major=$("$1" --version 2>/dev/null | sed -nE '1 s/.*version ([0-9]+)\..*/\1/p')
	((${major:-0} >= QEMU_MAJOR))
}

qemu() {
	local folder=$CACHE/qemu-arm64 program
	program=$folder/qemu-system-aarch64
	if is_new_enough qemu-system-aarch64; then
		command -v qemu-system-aarch64
		return
	fi
	if [[ ! -x $program ]]; then
		note "getting a QEMU for arm64 of version $QEMU_MAJOR.0 or later"
		unpack "$folder" "$(dpkg --print-architecture)" -backports alone qemu-system-{arm,common,data} ||
			die "qemu-system-aarch64 $QEMU_MAJOR.0 or later is needed, and apt cannot give that of Debian's backports (log: $folder/log).
Put one into PATH: before $QEMU_MAJOR.0, all of a page shares one memory tag"
		printf '#!/bin/sh\nexec "%s" -L "%s" "$@"\n' "$folder/files/usr/bin/qemu-system-aarch64" "$folder/files/usr/share/qemu" \
			>"$program"
		chmod +x "$program"
	fi
	is_new_enough "$program" || die "$program does not run: $("$program" --version 2>&1 | tail -n 1)"
	echo "$program"
}

suites() {
	local folder=$CACHE/suites-arm64
	if [[ ! -e $folder/complete || ! -e $folder/files/usr/bin/fio ]]; then
		note "getting stress-ng, fio and libraries for arm64"
		unpack "$folder" arm64 "" all stress-ng fio libnuma-dev liburing-dev ||
			die "apt cannot give Debian's stress-ng, fio, libnuma-dev and liburing-dev for arm64 (log: $folder/log)"
		touch "$folder/complete"
	fi
	echo "$folder/files"
}

[[ $# == 1 && $1 == @(busybox|qemu|suites) ]] || die "usage: foreign.sh busybox|qemu|suites"
lock_cache
"$1"
