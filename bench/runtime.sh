#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Measures the supervisor; writes bench/results/runtime.json. Usage: runtime.sh BUILD, configured with
# -DCOX_BENCH=ON. One benchmark at a time on this machine.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=$1
commit=$(git -C "$root" rev-parse --short HEAD)
mkdir -p "$root/bench/results"
exec flock /tmp/cox-bench.lock "$build/bench/runtime" "$commit" "$root/bench/results/runtime.json"
