#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs the arms of docs/results.md, several runs side by side, one thread each.

    bench/arms.py build/release/cox OUT examples/cln025 --arms control,paper --seeds 1-5 \\
        [--jobs 2] [-- --set reference.path=fold.pdb ...]

Each run goes to OUT/ARM-SEED. Finished runs are left alone, interrupted ones are resumed: call it
again to go on."""
import argparse
import concurrent.futures
import json
import os
import subprocess
import sys


def seeds(text):
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def finished(run):
    path = os.path.join(run, "summary.json")
    if not os.path.exists(path):
        return False
    with open(path, encoding="utf-8") as file:
        return json.load(file)["stop"] != "interrupted"


def one(arguments, arm, seed):
    run = os.path.join(arguments.out, f"{arm}-{seed}")
    if finished(run):
        return f"{arm}-{seed}: there already"
    if os.path.exists(os.path.join(run, "catalog.db")):
        command = [arguments.cox, "resume", run, "-q"]
    else:
        command = [arguments.cox, "run", os.path.join(arguments.folder, arm + ".yaml"), "-o", run, "-q",
                   "--set", f"seed={seed}", "--set", "simulation.threads=1"] + arguments.extra
    with open(run + ".log", "a") as log:
        code = subprocess.call(command, stdout=log, stderr=log)
    return f"{arm}-{seed}: exit {code}"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cox")
    parser.add_argument("out")
    parser.add_argument("folder")
    parser.add_argument("--arms", required=True)
    parser.add_argument("--seeds", type=seeds, default=range(1, 6))
    parser.add_argument("--jobs", type=int, default=2)
    given = sys.argv[1:]
    cut = given.index("--") if "--" in given else len(given)
    arguments = parser.parse_args(given[:cut])
    arguments.extra = given[cut + 1:]
    os.makedirs(arguments.out, exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        jobs = [pool.submit(one, arguments, arm, seed)
                for seed in arguments.seeds for arm in arguments.arms.split(",")]
        for job in concurrent.futures.as_completed(jobs):
            print(job.result(), flush=True)


if __name__ == "__main__":
    sys.exit(main())
