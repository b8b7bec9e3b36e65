#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""examples/ions/job.py: one clear error for bad input; stopped and gone on with, it ends with the same bytes; files that
a sweep reads. Usage: test_job.py SOURCE"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = sys.argv[1]
JOB = [sys.executable, os.path.join(ROOT, "examples", "ions", "job.py")]
SMALL = ["--h", "3", "--c", "0.4", "--d", "0.5", "--sigma=-0.02", "--side", "5", "--accuracy", "1e-2", "--seed", "5"]
failed = 0


def check(truth, what):
    global failed
    if not truth:
        failed += 1
        print("FAILED:", what)


def run(arguments, directory, **more):
    return subprocess.run(JOB + arguments, cwd=directory, capture_output=True, text=True, timeout=500, **more)


def read(directory, name):
    with open(os.path.join(directory, name)) as file:
        return file.read()


def bad_input(work):
    for extra, said in ((["--h", "0.1"], "--h is 0.1, allowed: 0.5 to 50"),
                        (["--d", "0.5", "--dp", "0.4"], "not both"),
                        (["--zp", "0"], "both ions carry charges, or neither"),
                        (["--c", "0", "--sigma=0"], "no ions"),
                        (["--c", "6", "--d", "0.9", "--sigma=0"], "do not fit"),
                        (["--h", "0.6"], "too narrow"),
                        (["--lmp", "no-such-lmp"], "cannot start 'no-such-lmp'"),
                        (["--lmp", "false"], "'false' failed (status 1)")):
        directory = tempfile.mkdtemp(dir=work)
        done = run(SMALL + extra, directory)
        lines = done.stderr.strip().splitlines()
        check(done.returncode == 2 and len(lines) == 1 and said in lines[0], f"{extra}: {done.returncode} {lines}")
        check(not os.path.exists(os.path.join(directory, "result.json")), f"{extra}: a result")


def outputs(directory):
    result = json.loads(read(directory, "result.json"))
    for quantity in ("contact", "mid", "peak"):
        for ion in ("cation", "anion"):
            value, error = result[f"{quantity}_{ion}_M"], result[f"{quantity}_{ion}_error_M"]
            check(0 < error < value, f"{quantity} {ion}: {value} ± {error}")
    net = result["cations"] - result["anions"]
    check(abs(net + 2 * result["sigma_C_m2"] / 0.1602176634 * result["side_nm"] ** 2) < 1e-6, "ions balance the walls")
    table = [line.split(",") for line in read(directory, "profile.csv").split()]
    check(table[0] == ["u", "cation_M", "cation_err_M", "anion_M", "anion_err_M"] and len(table) == 25, "profile.csv")
    # all ions are in the profile: its mean over the height up to 0.85 radii from the wall, folded
    height = 3 - 0.85 * 0.5
    for column, ion in ((1, "cation"), (3, "anion")):
        mean = sum(float(row[column]) for row in table[1:]) / 24
        count = mean * 0.602214076 * height * result["side_nm"] ** 2
        check(abs(count - result[ion + "s"]) < 2e-4 * count, f"{ion}s in profile.csv: {count:.3f} of {result[ion + 's']}")


def engines():
    """Where the machine's LAMMPS processes run."""
    time.sleep(0.3)
    for number in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{number}/comm") as file:
                if file.read().strip() == "lmp":
                    yield os.readlink(f"/proc/{number}/cwd")
        except OSError:
            continue


def resumed_is_uninterrupted(work):
    arguments = SMALL + ["--steps", "1000", "--equilibration", "200", "--checkpoint", "200"]
    whole, parts = os.path.join(work, "whole"), os.path.join(work, "parts")
    os.mkdir(whole)
    os.mkdir(parts)
    done = run(arguments, whole)
    check(done.returncode == 0, f"a job: {done.stderr}")
    if done.returncode:
        return
    outputs(whole)
    stops = 0
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
        job = subprocess.Popen(JOB + arguments, cwd=parts, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        before = set(os.listdir(parts))
        began = time.time()
        while job.poll() is None and time.time() - began < 300:  # until it has a checkpoint more
            if any(n.startswith("state.") and n[6:].isdigit() for n in set(os.listdir(parts)) - before):
                break
            time.sleep(0.02)
        if job.poll() is None:
            os.kill(job.pid, number)
            stops += 1
        said = job.communicate(timeout=60)[1]
        # LAMMPS ends with it, also where nobody could tell it; else it would go on writing here
        check(not any(os.path.realpath(parts) == cwd for cwd in engines()), "LAMMPS outlives the job")
        if number == signal.SIGTERM and job.returncode != 0:
            check(job.returncode == 143 and "the same command goes on" in said, f"{job.returncode}: {said}")
    check(stops >= 2, f"stopped {stops} times: the job is too short for this test")
    done = run(arguments, parts)
    check(done.returncode == 0, f"gone on with: {done.stderr}")
    for name in ("profile.csv", "density.csv"):
        check(read(whole, name) == read(parts, name), f"{name} differs after stops")
    again = run(arguments, parts)
    check(again.returncode == 0 and again.stdout == done.stdout, "called once more, it tells the same")
    other = run(arguments + ["--c", "0.5"], parts)
    check(other.returncode == 2 and "another job" in other.stderr, f"another job here: {other.stderr}")


if shutil.which("lmp") is None:
    print("skipped: no lmp (Debian: lammps)")
    sys.exit(77)
with tempfile.TemporaryDirectory() as folder:
    bad_input(folder)
    resumed_is_uninterrupted(folder)
print("failed" if failed else "ok")
sys.exit(failed != 0)
