#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Measures our engine against OpenMM and writes bench/results/md.json. Usage: md.sh BUILD [ROUNDS]
# [SECONDS]; BUILD was configured with -DCOX_BENCH=ON. One benchmark at a time on this machine.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=$1 rounds=${2:-9} seconds=${3:-1}
commit=$(git -C "$root" rev-parse --short HEAD)
mkdir -p "$root/bench/results"
cd "$root"
exec flock /tmp/cox-bench.lock "$build/bench/md_vs_openmm" "$rounds" "$seconds" "$commit" \
    bench/results/md.json examples/bba/bba.system.h5 examples/chignolin/cln025.system.h5 \
    examples/alanine-dipeptide/alanine-dipeptide.system.h5
