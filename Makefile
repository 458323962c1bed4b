# SPDX-License-Identifier: GPL-2.0
# Each target calls one script of scripts/, which says what it does and checks what it is given.

SHELL := /bin/bash
.NOTPARALLEL:
.DEFAULT_GOAL := help

# A KUnit run is on UML unless ARCH was given.
KUNIT_ARCH := $(if $(filter undefined,$(origin ARCH)),um,$(ARCH))

# The series of a tree's own version, if one is given.
BASE ?= $(or $(if $(KDIR),$(shell awk '/^VERSION =/ { v = $$3 } /^PATCHLEVEL =/ { print v "." $$3; exit }' '$(KDIR)/Makefile' 2>/dev/null)),6.18)
ARCH ?= x86_64
CONFIG ?= qemu
KDIR ?=
LLVM ?=
JOBS ?= $(shell nproc)
CPUS ?= 2
MEM ?= 400
ACCEL ?= tcg
OUT ?= out/series-$(BASE)
BUG ?=
KCONFIG ?=
ifeq ($(origin OUT),file)
bench-bundle: OUT = out/bench-$(BASE)
android: OUT = out/android-$(BASE)
deb: OUT = out/deb-$(BASE)
endif
export KUNIT_ARCH BASE ARCH CONFIG KDIR LLVM JOBS CPUS MEM ACCEL OUT BUG KCONFIG

define HELP
swap_compress: kswapd hands swapped folios to a workqueue that compresses them.

  make demo      measure it: build, boot, run off and on interleaved, report (installs what is missing)
  make bench     measure all of it: other designs, compressors, settings; a page with tables and pictures (hours)
  make bench-bundle  the same, packed with qemu and kernels to run where nothing can be installed: OUT.tar.gz
  make timeline  record a burst off and on: a picture of who ran when, and a trace for ui.perfetto.dev (minutes)
  make test      everything a change must pass (installs what is missing); with KDIR, KUnit and guests on that tree
  make test-all  the same, then every base and all long forms: many hours; goes on where it was interrupted
  make suites    the long form of other people's tests (kernel selftests, stress-ng), off and on, on BASE
  make soak      the guest tests again and again, on two kernels in turn, for DURATION seconds
  make tree      the patched kernel source of BASE
  make kernel    the kernel image of BASE, ARCH and CONFIG
  make kunit     the KUnit suite on BASE; ARCH=um (default), x86_64 or arm64
  make check     static checks, patches, and every step of the series, on all bases
  make apply     put everything into the kernel tree KDIR, or nothing when a hunk fails
  make series    the series of BASE for git am or git send-email, in OUT
  make patch     the same as one patch, to stdout; fetches no kernel
  make deb       Debian packages of the kernel with the series, in OUT: x86_64, with the running kernel's configuration or KCONFIG
  make android   for the vendor of a phone: the series for Gerrit, init, sepolicy and tracing files, a guide, in OUT
  make kmi       compare the checksums of all exported symbols, without the series and with it (arm64, configs/gki.config)
  make clean     remove trees, builds and results; keep downloads and the compiler cache

Variable  Range                                            Default
  BASE    $(shell awk '!/^\#/ && NF { printf "%s ", $$1 }' bases/versions | sed -e 's/ $$//' -e 's/ /, /g')                                       6.18, with KDIR its own
  ARCH    x86_64, arm64 (make kernel, demo, bench, soak, suites, kunit, test KDIR=; kunit: um too)  x86_64 (make kunit: um)
  CONFIG  qemu, debug, kcsan, jumplabel, for arm64 gki and gki-16k  qemu
  KDIR    a kernel tree or tarball of BASE to use instead  none: the pinned release is fetched
  LLVM    0 for gcc, 1, a suffix such as -19, a folder ending in /  x86_64: 0, arm64: -19
  JOBS    1 to 4096                                        the number of CPUs
  CPUS    1 to 16, of the guest (make demo, timeline)      2
  MEM     128 to 65536 MiB, of the guest (make demo, bench, timeline)  400
  ACCEL   tcg, kvm (used only when a guest boots with it)  tcg
  OUT     an empty or new folder                           out/series-BASE, and out/android-BASE, out/deb-BASE, out/bench-BASE
  KCONFIG a kernel's configuration (make deb)              the running kernel's
  BUG     a whole number, for the patches of make android  none
  COMP    lz4, zstd, lzo-rle (make demo, timeline)         lz4
  STORE   zram, zswap (make demo, timeline)                zram
  LRU     mglru, classic (make demo)                       mglru
  ROUNDS  1 to 100 (make demo, make bench)                 3, make bench: 9
  ONLY    a regular expression: cells of make bench, tests of make suites  all
  VARIANTS  make bench: variants of the cells, as pristine,on              all
  DURATION 60 to 864000 seconds (make soak)                3600
  SOAK    the same (make test-all)                         3600
  STAGES  a regular expression: stages of make test, make test-all  all
  TIME_LIMIT minutes after which make test begins no stage      none

Sources, trees, builds: $${XDG_CACHE_HOME:-~/.cache}/swap_compress. Paths go to stdout, all else to stderr.
endef
export HELP

.PHONY: help demo bench bench-bundle timeline test test-all suites soak tree kernel kunit check apply series patch deb android kmi clean

help:
	@echo "$$HELP"

demo:
	@scripts/demo.sh

bench:
	@scripts/bench.sh

bench-bundle:
	@scripts/bundle.sh "$$OUT"

timeline:
	@scripts/timeline.sh

test:
	@scripts/test.sh

test-all:
	@scripts/test.sh all

suites:
	@scripts/suites.sh "$$BASE" long

soak:
	@scripts/soak.sh

tree:
	@scripts/tree.sh "$$BASE"

kernel:
	@scripts/kernel.sh "$$BASE" "$$ARCH" "$$CONFIG"

kunit:
	@scripts/kunit.sh "$$BASE" "$$KUNIT_ARCH"

check:
	@scripts/check.sh

apply:
	@scripts/apply.sh "$$KDIR" $(if $(filter file,$(origin BASE)),,"$$BASE")

series:
	@scripts/series.sh "$$BASE" "$$OUT"

patch:
	@scripts/patch.sh "$$BASE"

deb:
	@scripts/deb.sh "$$BASE" "$$OUT" "$$KCONFIG"

android:
	@scripts/android.sh "$$BASE" "$$OUT" "$$BUG"

kmi:
	@scripts/kmi.sh "$$BASE"

clean:
	@scripts/clean.sh
