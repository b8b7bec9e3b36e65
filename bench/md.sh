#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Measures our engine against OpenMM; writes bench/results/md.json and the table in bench/md.md. Usage: md.sh BUILD [ROUNDS]
# [SECONDS]; BUILD was configured with -DCOX_BENCH=ON. One benchmark at a time on this machine.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=$1 rounds=${2:-9} seconds=${3:-1}
commit=$(git -C "$root" rev-parse --short HEAD)
mkdir -p "$root/bench/results"
cd "$root"
flock /tmp/cox-bench.lock "$build/bench/md_vs_openmm" "$rounds" "$seconds" "$commit" \
    bench/results/md.json examples/bba/bba.system.h5 examples/chignolin/cln025.system.h5 \
    examples/alanine-dipeptide/alanine-dipeptide.system.h5
exec /usr/bin/python3 bench/md_table.py
