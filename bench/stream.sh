#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Measures the frame streams; writes bench/results/stream.json and the table in bench/stream.md. Usage: stream.sh BUILD;
# BUILD was configured with -DCOX_BENCH=ON. At raised priority where that is allowed.
set -eu
cd "$(dirname "$0")/.."
exec flock /tmp/cox-bench.lock /usr/bin/python3 bench/stream_table.py "$1/bench/stream"
