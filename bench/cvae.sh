#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# bench/cvae.sh [BUILD]: CVAE training throughput against PyTorch (bench/cvae.py).
set -eu
cd "$(dirname "$0")/.."
build=${1:-build/release}
cmake --build "$build" --target cox_learn >/dev/null
mkdir -p bench/results
cc -O3 -march=native -ffp-contract=fast -std=gnu11 -D_GNU_SOURCE -Isrc -Iinclude bench/cvae_train.c -o "$build/cvae_train" \
  "$build/libcox_learn.a" "$build/libcox_nn.a" "$build/libcox_kern.a" "$build/libcox_h5.a" \
  "$build/libcox_base.a" $(pkg-config --libs hdf5-serial jansson) -lpthread -lm
exec flock /tmp/cox-bench.lock /usr/bin/python3 bench/cvae.py "$build/cvae_train" \
  bench/results/cvae.json bench/cvae.md
