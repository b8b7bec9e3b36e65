#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Measures the frame streams; writes bench/results/stream.json and the table in bench/stream.md. Usage: stream.sh BUILD;
# BUILD was configured with -DCOX_BENCH=ON. With real-time priority where that is allowed: the machine is shared.
set -eu
cd "$(dirname "$0")/.."
exec flock /tmp/cox-bench.lock /usr/bin/python3 bench/stream_table.py "$1/bench/stream"
