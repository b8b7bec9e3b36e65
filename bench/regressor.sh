#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# bench/regressor.sh [BUILD] [--short]: regressors against PyTorch (bench/regressor.py, regressor.md).
set -eu
cd "$(dirname "$0")/.."
build=${1:-build/release}
cmake --build "$build" --target bench_regressor >/dev/null
mkdir -p bench/results
exec flock /tmp/cox-bench.lock /usr/bin/python3 bench/regressor.py "$build/bench/regressor" \
  bench/results/regressor.json ${2:-}
