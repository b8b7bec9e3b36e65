#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# LAMMPS through KIM over ranks and threads; writes bench/results/scaling.json and the tables in bench/scaling.md.
# Usage: scaling.sh BUILD; BUILD was configured with -DCOX_BENCH=ON and has the KIM driver.
set -eu
cd "$(dirname "$0")/.."
exec flock /tmp/cox-bench.lock /usr/bin/python3 bench/scaling.py "$@"
