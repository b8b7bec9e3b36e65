#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Measures our Deep Potential against DeePMD-kit; writes bench/results/potential.json and the tables in
# bench/potential.md. Usage: potential.sh BUILD [infer|train|reference] (neither: infer and train); BUILD was
# configured with -DCOX_BENCH=ON. What it needs and misses it makes in $COX_PEERS (/tmp/peers): DeePMD-kit's own Python
# environment from PyPI (1.5 GB) and models. $COX_WATER: the folder of the water example's systems.
# `reference`: DeePMD-kit trains the 10,000 steps of bench/potential-water-10000.json (an hour on one core); later
# benches then take that model instead of one of 300 steps.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:?BUILD}" && pwd)
shift
peers=${COX_PEERS:-/tmp/peers}
data=${COX_WATER:-/work/shared/data/water/data}
export TF_CPP_MIN_LOG_LEVEL=2 OMP_NUM_THREADS=1 DP_INTRA_OP_PARALLELISM_THREADS=1 DP_INTER_OP_PARALLELISM_THREADS=1
if [ ! -e "$data/data_3/type.raw" ]; then
    echo "potential.sh: no water data in '$data'; name it with COX_WATER" >&2
    exit 1
fi
if [ ! -e "$peers/dp/ready" ]; then
    mkdir -p "$peers"
    /usr/bin/python3 -m venv "$peers/dp"
    "$peers/dp/bin/pip" install --quiet 'deepmd-kit[cpu]==3.2.0'
    touch "$peers/dp/ready"
fi

# train FOLDER STEPS: DeePMD-kit trains in FOLDER and freezes water.pb.
train() {
    mkdir -p "$1"
    cd "$1"
    ln -sfn "$data" data
    sed "s/\"numb_steps\": 10000/\"numb_steps\": $2/" "$here/potential-water-10000.json" >input.json
    "$peers/dp/bin/dp" train input.json >train.log 2>&1
    "$peers/dp/bin/dp" freeze -o water.pb >freeze.log 2>&1
    cd "$here/.."
}

# models FOLDER ABOUT: of FOLDER/water.pb every form that the benches need.
models() {
    mkdir -p "$peers/models"
    cd "$peers/models"
    rm -f about
    cp "$1/water.pb" water.pb
    "$peers/dp/bin/dp" convert-backend water.pb water.dp >convert.log 2>&1
    "$peers/dp/bin/dp" compress -i water.pb -o waterz.pb -t "$1/input.json" >compress.log 2>&1
    "$peers/dp/bin/python" "$here/potential_float32.py" water.pb water32.pb >float32.log 2>&1
    "$peers/dp/bin/dp" compress -i water32.pb -o water32z.pb >compress32.log 2>&1
    echo "$2" >about
    cd "$here/.."
}

if [ "${1:-}" = reference ]; then
    train "$peers/reference" 10000
    models "$peers/reference" "the standard water example, 10,000 steps"
    exec "$peers/dp/bin/dp" test -m "$peers/reference/water.pb" -s "$data/data_3" -n 0
fi
if [ ! -e "$peers/models/about" ]; then
    train "$peers/short" 300
    models "$peers/short" "the standard water example, 300 steps"
fi
cd "$here/.."
mkdir -p bench/results
flock /tmp/cox-bench.lock /usr/bin/python3 bench/potential.py "$build" "$peers" "$data" \
    bench/results/potential.json "$@"
exec /usr/bin/python3 bench/potential_table.py
