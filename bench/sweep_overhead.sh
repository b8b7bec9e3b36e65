#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What the controller of `cox sweep` costs: a bag of 10,000 jobs of one millisecond each. Verifies the
# results, then tells processor time of cox per job and wall time per job beyond the jobs' own, and, for
# scale, the same jobs started one after another by a bare fork and exec (xargs).
#     bench/sweep_overhead.sh [BUILD [FOLDER [JOBS-PER-SIDE]]] > bench/results/sweep.json
# FOLDER is where the sweep lies (a disk or /dev/shm); BUILD must be a Release build with cox.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:-$here/../build/release}" && pwd)
root=${2:-${TMPDIR:-/tmp}}
side=${3:-100}
work=$(mktemp -d "$root/cox-overhead-XXXXXX")
trap 'rm -rf "$work"' EXIT
cc -O2 -static -o "$work/job" "$here/sweep_job.c"
cat > "$work/bag.yaml" <<BAG
parameters:
  - {name: a, range: [0, 1], steps: $side}
  - {name: b, range: [0, 1], steps: $side}
job: {command: ['{bag}/job', '{a}', '{b}']}
outputs: [{name: y, json: out.json, key: y}]
surrogate: {enabled: false}
BAG
cd "$work"
"$build/cox" sweep run bag.yaml -o s --json > summary.json
"$build/cox" sweep export s -o values.csv > /dev/null
mkdir bare && cd bare
began=$(date +%s.%N)
seq "$((side * side))" | xargs -P "$(nproc)" -I{} ../job {} 0
ended=$(date +%s.%N)
cd ..
BARE=$(echo "$ended - $began" | bc) COMMIT=$(git -C "$here" rev-parse --short HEAD) FOLDER=$root \
  /usr/bin/python3 - <<'PY'
import csv, json, os, platform
summary = json.load(open("summary.json"))
rows = list(csv.DictReader(open("values.csv")))
n = summary["points"]
assert summary["simulated"] == n == len(rows)
for row in rows:
    assert abs(float(row["y"]) - float(row["a"]) - float(row["b"])) < 1e-12
cores = os.cpu_count()
session = summary["session"]
cpu = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
files = os.popen(f"stat -f -c %T {os.environ['FOLDER']}").read().strip()
print(json.dumps({
    "what": "cox sweep run: a bag of jobs of 1 ms each", "jobs": n, "cores": cores, "cpu": cpu,
    "file_system": files, "commit": os.environ["COMMIT"], "system": platform.release(),
    "load_1min": os.getloadavg()[0],
    "controller_cpu_ms_per_job": session["controller_ms_per_job"],
    "wall_ms_per_job": 1e3 * session["wall_s"] / n,
    "wall_ms_per_job_beyond_the_job": 1e3 * session["wall_s"] / n - 1 / cores,
    "bare_xargs_wall_ms_per_job": 1e3 * float(os.environ["BARE"]) / n,
    "cores_busy": session["cores_busy"]}, indent=2))
PY
