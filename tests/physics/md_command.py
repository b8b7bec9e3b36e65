#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""`cox md` from the outside: files, figures, interrupts, blown lanes. Usage: md_command.py COX ROOT"""
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

cox, root = sys.argv[1:3]
ALANINE = os.path.join(root, "examples/alanine-dipeptide/alanine-dipeptide.system.h5")
BBA = os.path.join(root, "examples/bba/bba.system.h5")
failures = []


def check(what, good, detail=""):
    print(("ok      " if good else "FAILED  ") + what)
    if not good:
        failures.append(what)
        print(detail)


def run(*args, env=None):
    done = subprocess.run([cox, *args], capture_output=True, text=True,
                          env={**os.environ, **(env or {})}, timeout=120)
    return done.returncode, done.stdout, done.stderr


def positions(path):
    try:
        import h5py
    except ImportError:
        print("skipped: no h5py, frames are not looked at")
        return None
    with h5py.File(path) as f:
        return (f["particles/trajectory/position/value"][:], f["particles/trajectory/position/time"][:],
                f["observables/lane/value"][:])


with tempfile.TemporaryDirectory() as folder:
    traj = os.path.join(folder, "t.h5")
    short = ["--length-ns", "0.004", "--frame-ps", "1", "--replicas", "3"]
    code, out, err = run("md", ALANINE, "-o", traj, *short, "--json")
    check("md ends well", code == 0, err)
    report = json.loads(out or "{}")
    check("JSON: 12 frames of 22 atoms", report.get("frames") == 12 and report.get("atoms") == 22, out)
    check("JSON: 0.012 ns", abs(report.get("ns", 0) - 0.012) < 1e-9, out)
    found = positions(traj)
    if found:
        x, t, lane = found
        check("frames in the file", x.shape == (12, 22, 3) and lane.tolist() == [0, 1, 2] * 4, x.shape)
        check("their times", t.tolist() == sorted([1.0, 2.0, 3.0, 4.0] * 3), t)
        again = os.path.join(folder, "again.h5")
        run("md", ALANINE, "-o", again, *short, "--threads", "1")
        check("same seed, same frames", (positions(again)[0] == x).all())
        other = os.path.join(folder, "other.h5")
        run("md", ALANINE, "-o", other, *short, "--seed", "2")
        check("another seed, others", (positions(other)[0] != x).any())
    code, out, err = run("md", ALANINE, "-o", traj, *short)
    check("an existing file is not overwritten", code == 1 and "exists" in err, err)
    for wrong, word in ((["--frame-ps", "0.0013"], "whole number"), (["--length-ns", "0.001"], "frame"),
                        (["--engine", "gromos"], "'ensemble', 'fake'"), (["--isa", "mmx"], "mmx")):
        code, out, err = run("md", ALANINE, "-o", os.path.join(folder, "no.h5"), *wrong)
        check("refused: " + " ".join(wrong), code == 1 and word in err, err)
        check("  in one line, no file left", err.count("\n") == 1
              and not os.path.exists(os.path.join(folder, "no.h5")), err)
    code, out, err = run("md", ALANINE)
    check("no output: usage", code == 2 and "--output" in err, err)

    # blown lanes: the fake engine's, on demand
    blown = os.path.join(folder, "blown.h5")
    fake = ["--engine", "fake", "--length-ns", "0.05", "--replicas", "8"]
    code, out, err = run("md", ALANINE, "-o", blown, *fake, env={"COX_FAKE_BLOW_ONE_IN": "3"})
    check("blown lanes are reported and restarted", code == 0 and "blew up" in out
          and re.search(r"lanes blew up \d+ times?", out), out + err)
    code, out, err = run("md", ALANINE, "-o", os.path.join(folder, "all.h5"), *fake,
                         env={"COX_FAKE_BLOW_ONE_IN": "1"})
    check("a lane that always blows up ends the run", code == 1 and "in a row" in err, out + err)

    # Ctrl-C: stops, keeps what there is
    stopped = os.path.join(folder, "stopped.h5")
    process = subprocess.Popen([cox, "md", BBA, "-o", stopped, "--length-ns", "1000", "--frame-ps", "0.1",
                                "--minimize", "5", "--json"], stdout=subprocess.PIPE, text=True)
    time.sleep(4)
    process.send_signal(signal.SIGINT)
    began = time.time()
    out = process.communicate(timeout=60)[0]
    check("Ctrl-C ends it within seconds", time.time() - began < 15)
    check("  with 130", process.returncode == 130, process.returncode)
    report = json.loads(out or "{}")
    check("  and says so", report.get("interrupted") is True, out)
    found = positions(stopped)
    if found:
        check("  the frames are there", len(found[0]) == report.get("frames"), len(found[0]))

    code, out, err = run("md", "bench", ALANINE, "--seconds", "0.3", "--json")
    report = json.loads(out or "{}")
    check("bench: figures", code == 0 and report.get("ns_per_day_one_core", 0) > 0
          and report.get("ns_per_day", 0) > 0, out + err)
    check("bench: shares add up to 1", abs(sum(report.get("share", {}).values()) - 1) < 1e-6, out)

sys.exit(1 if failures else 0)
