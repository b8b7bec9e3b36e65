#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The streaming run on a machine that misbehaves: the clock jumps, temporary folders are full, the
disk is slow, the disk is full for a while. The real binary with the fake engine.
Usage: test_faults.py COX ROOT [TestClass.test …]"""
import datetime
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "streaming"))
try:
    import h5py  # noqa: F401
except ImportError:
    print("skipped: no h5py")
    sys.exit(77)
from run_check import problems, rows  # noqa: E402

COX = os.path.abspath(sys.argv[1])
ROOT = sys.argv[2]
FOLD = os.path.join(ROOT, "examples", "chignolin", "fold.yaml")
FAKETIME = (glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1") or [None])[0]
SETTINGS = ["coordination=streaming", "simulation.engine=fake", "simulation.replicas=8",
            "streaming.simulations=2", "streaming.heartbeat_s=0.2", "streaming.checkpoint_s=0.2",
            "simulation.frame_ps=100", "simulation.segment_ps=1000", "learn.enabled=false",
            "streaming.window_frames=16", "stop.target.rmsd_A=0.0001"]
IS_ROOT = os.geteuid() == 0


class Faults(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="cox-faults-")
        self.mounts = []
        self.process = None

    def tearDown(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for mount in self.mounts:
            subprocess.run(["umount", "-l", mount], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def tmpfs(self, name, size):
        path = os.path.join(self.folder, name)
        os.mkdir(path)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=" + size, "tmpfs", path],
                              capture_output=True, text=True)
        if done.returncode:
            self.skipTest("cannot mount a tmpfs: " + done.stderr.strip())
        self.mounts.append(path)
        return path

    def start(self, run_dir, *more, **environment):
        self.run_dir = run_dir
        words = [w for s in SETTINGS + list(more) for w in ("--set", s)]
        self.process = subprocess.Popen(
            [COX, "run", FOLD, "-o", run_dir, "-q", *words], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=dict(os.environ, **environment))
        self.said = ""

        def listen():
            for line in self.process.stdout:
                self.said += line
            self.process.stdout.close()

        self.listener = threading.Thread(target=listen, daemon=True)
        self.listener.start()

    def status(self):
        try:
            with open(os.path.join(self.run_dir, "status.json")) as file:
                return json.load(file)
        except (OSError, ValueError):
            return {}

    def wait_until(self, what, condition, seconds=60):
        end = time.monotonic() + seconds
        while not condition():
            self.assertIsNone(self.process.poll(), "ended before %s; %s" % (what, self.said))
            self.assertLess(time.monotonic(), end, "never %s; %s" % (what, self.said))
            time.sleep(0.05)

    def finish(self, seconds=120, wanted=0):
        try:
            code = self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.fail("it did not end; " + self.said)
        self.listener.join()
        self.assertEqual(code, wanted, self.said)
        self.assertEqual(problems(self.run_dir), [])
        with open(os.path.join(self.run_dir, "summary.json")) as file:
            return json.load(file)

    @unittest.skipUnless(FAKETIME, "no libfaketime (Debian: faketime)")
    def test_the_clock_jumps(self):
        """A day ahead, a year back: durations, limits and heartbeats go by the monotonic clock."""
        stamp = os.path.join(self.folder, "clock")

        def jump(to):
            with open(stamp + ".new", "w") as file:
                file.write(to + "\n")
            os.replace(stamp + ".new", stamp)

        jump("+0")
        began = time.monotonic()
        self.start(os.path.join(self.folder, "a.run"), "stop.simulated_ns=1e6",
                   "stop.wall_minutes=5", LD_PRELOAD=FAKETIME,
                   FAKETIME_TIMESTAMP_FILE=stamp, FAKETIME_NO_CACHE="1", FAKETIME_DONT_FAKE_MONOTONIC="1",
                   DONT_FAKE_MONOTONIC="1", FAKETIME_FORCE_MONOTONIC_FIX="0")
        for to in ("+1d", "-365d", "+2h"):
            at = self.status().get("frames") or 0
            self.wait_until("frames came", lambda: (self.status().get("frames") or 0) > at + 50)
            jump(to)
        at = self.status()["frames"]
        self.wait_until("it went on", lambda: (self.status().get("frames") or 0) > at + 50)
        self.process.send_signal(signal.SIGINT)
        summary = self.finish(wanted=130)
        self.assertEqual(summary["restarts"], 0)
        self.assertLess(summary["wall_s"], time.monotonic() - began + 1)
        with open(os.path.join(self.run_dir, "events.jsonl")) as file:
            times = [datetime.datetime.fromisoformat(json.loads(line)["time"][:-1]) for line in file]
        jumped = max(times) - min(times) > datetime.timedelta(minutes=100)
        self.assertTrue(jumped, "the clock did not jump: the test tests nothing")
        for began_s, ended_s in rows(self.run_dir, "select began_s, ended_s from task"):
            self.assertLessEqual(began_s, ended_s)
            self.assertLess(ended_s, time.monotonic() - began + 1)

    @unittest.skipUnless(IS_ROOT, "needs root to mount a tmpfs")
    def test_temporary_folders_are_full(self):
        small = self.tmpfs("small", "64k")
        try:
            with open(os.path.join(small, "filling"), "wb") as file:
                file.write(b"x" * 1000000)
        except OSError:
            pass
        self.start(os.path.join(self.folder, "a.run"), "stop.simulated_ns=50", TMPDIR=small, TMP=small,
                   XDG_RUNTIME_DIR=small)
        self.finish()

    @unittest.skipUnless(shutil.which("strace"), "no strace")
    def test_a_slow_disk(self):
        """Every fsync of the aggregator takes a fifth of a second longer: the simulations wait for it."""
        wrapper = os.path.join(self.folder, "slow.sh")
        with open(wrapper, "w") as file:
            file.write('#!/bin/sh\n[ "$COX_ROLE" = aggregate ] || exec "$@"\n'
                       "exec strace -f -o /dev/null -e trace=fsync,fdatasync "
                       '-e inject=fsync,fdatasync:delay_exit=200000 "$@"\n')
        os.chmod(wrapper, 0o755)
        began = time.monotonic()
        self.start(os.path.join(self.folder, "a.run"), "stop.simulated_ns=60",
                   "runtime.wrapper=[%s]" % wrapper)
        summary = self.finish()
        # 600 frames, at most 2 × 16 on their way: twenty times a fifth of a second at the least
        self.assertGreater(time.monotonic() - began, 3)
        self.assertEqual(summary["restarts"], 0)

    @unittest.skipUnless(IS_ROOT, "needs root to mount a tmpfs")
    def test_the_disk_is_full_for_a_while(self):
        disk = self.tmpfs("disk", "8m")
        ballast = os.path.join(disk, "ballast")
        # without end: it is told to stop once it has shown that it goes on
        self.start(os.path.join(disk, "a.run"), "stop.simulated_ns=1e6", "streaming.restarts=1000",
                   "streaming.compress=false")
        self.wait_until("frames came", lambda: (self.status().get("frames") or 0) > 100)
        with open(ballast, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 65536)
            except OSError:
                pass
        self.wait_until("it stood still", self.stands_still)
        before = self.status()["frames"]
        os.unlink(ballast)
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        self.wait_until("it went on", lambda: (self.status().get("frames") or 0) > before + 100)
        self.process.send_signal(signal.SIGINT)
        summary = self.finish(wanted=130)
        self.assertEqual(summary["lost_segments"], 0)
        print("disk full at %d frames; %d in the end" % (before, summary["frames"]))

    def stands_still(self):
        size = [os.path.getsize(p) for p in glob.glob(os.path.join(self.run_dir, "frames-*.h5"))]
        time.sleep(1)
        return size == [os.path.getsize(p)
                        for p in glob.glob(os.path.join(self.run_dir, "frames-*.h5"))]


if __name__ == "__main__":
    sys.argv = sys.argv[:1] + sys.argv[3:]
    unittest.main(verbosity=2)
