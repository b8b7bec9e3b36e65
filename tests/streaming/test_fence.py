#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""An aggregator that outlived its coordinator still writes: its successor waits for it, and says so.
Usage: test_fence.py COX ROOT"""
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import time

COX, ROOT = os.path.abspath(sys.argv[1]), sys.argv[2]
FOLD = os.path.join(ROOT, "examples", "chignolin", "fold.yaml")
SETTINGS = ["coordination=streaming", "simulation.engine=fake", "simulation.replicas=8",
            "streaming.simulations=2", "simulation.frame_ps=100", "simulation.segment_ps=1000",
            "control=true", "stop.simulated_ns=50", "streaming.heartbeat_s=0.1"]


def wait(condition, what):
    until = time.monotonic() + 60
    while not condition():
        if time.monotonic() > until:
            sys.exit(f"waited a minute for {what}")
        time.sleep(0.05)


def main():
    with tempfile.TemporaryDirectory(prefix="cox-fence-") as folder:
        run = os.path.join(folder, "a.run")
        os.makedirs(os.path.join(run, "control"))
        events, frames = (os.path.join(run, n) for n in ("events.jsonl", "frames-0.h5"))
        orphan = open(os.path.join(run, "control", "frames-0.lock"), "w")
        fcntl.flock(orphan, fcntl.LOCK_EX)
        words = [w for s in SETTINGS for w in ("--set", s)]
        process = subprocess.Popen([COX, "run", FOLD, "-o", run, "-q", *words],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        try:
            wait(lambda: process.poll() is not None or (
                os.path.exists(events) and "an earlier process still writes" in open(events).read()),
                "the word that somebody else writes")
            assert process.poll() is None, "the run did not wait"
            assert not os.path.exists(frames), "two write"
            orphan.close()
            assert process.wait(timeout=60) == 0
            assert os.path.getsize(frames) > 0
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()


if __name__ == "__main__":
    main()
