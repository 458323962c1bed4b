#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# clean.sh: removes all that can be made again without the network.

. "$(dirname "$0")/common.sh"

lock_cache
find "$CACHE" -mindepth 1 -maxdepth 1 ! -name dl ! -name ccache ! -name lock -exec rm -rf {} +
rm -rf "$ROOT/out"
