#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A run of `cox md` that is interrupted, or killed, at any moment and resumed gives the frames, to the
bit, of one that was left alone, and the same means. Usage: test_resume.py COX EXAMPLE"""
import glob
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import h5py
import numpy

COX = os.path.abspath(sys.argv[1])
SYSTEM = sorted(glob.glob(os.path.join(sys.argv[2], "*.system.h5")))[0]
ARGUMENTS = ["md", SYSTEM, "--replicas", "16", "--threads", "1", "--length-ns", "0.3", "--frame-ps", "1",
             "--skip-ps", "50", "--seed", "7", "--observe", "rg_A(all)", "--observe",
             "end_to_end_A(heavy)", "--json"]


def command(path, *more):
    return [COX, *ARGUMENTS, "-o", path, *more]


def run(path, *more):
    return subprocess.run(command(path, *more), capture_output=True, text=True, timeout=200)


def positions(path):
    with h5py.File(path, "r") as file:
        return (file["particles/trajectory/position/value"][:],
                file["particles/trajectory/position/time"][:])


class Resume(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="cox-md-")
        cls.whole = os.path.join(cls.folder.name, "whole.h5")
        began = time.monotonic()
        done = run(cls.whole)
        cls.seconds = time.monotonic() - began
        assert done.returncode == 0, done.stderr
        cls.means = json.loads(done.stdout)["observables"]

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def same(self, path, done):
        self.assertEqual(done.returncode, 0, done.stderr)
        for ours, theirs in zip(positions(path), positions(self.whole)):
            self.assertTrue(numpy.array_equal(ours, theirs))
        self.assertEqual(json.loads(done.stdout)["observables"], self.means)

    def interrupted(self, name, how):
        """Interrupts again and again, after times drawn so that some fall into every part."""
        draw = random.Random(11)
        path = os.path.join(self.folder.name, name)
        interrupted = 0
        for _ in range(60):
            process = subprocess.Popen(command(path, "--resume"), stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
            try:
                out, err = process.communicate(timeout=draw.uniform(0.1, 0.6) * self.seconds)
                break
            except subprocess.TimeoutExpired:
                process.send_signal(how)
                out, err = process.communicate()
                interrupted += process.returncode != 0
        else:
            out, err = "", "never came to an end"
        self.assertGreater(interrupted, 1)
        self.same(path, subprocess.CompletedProcess([], process.returncode, out, err))

    def test_sigterm(self):
        self.interrupted("terminated.h5", signal.SIGTERM)

    def test_killed_before_its_first_checkpoint(self):
        path = os.path.join(self.folder.name, "killed.h5")
        process = subprocess.Popen(command(path), stdout=subprocess.DEVNULL)
        while not os.path.exists(path):
            self.assertIsNone(process.poll())
            time.sleep(0.01)
        process.kill()
        process.wait()
        self.same(path, run(path, "--resume"))

    def test_finished(self):
        """Nothing is left to do, and the means are still there."""
        before = os.stat(self.whole).st_size
        done = run(self.whole, "--resume")
        self.assertEqual(json.loads(done.stdout)["observables"], self.means)
        self.assertEqual(os.stat(self.whole).st_size, before)

    def test_error_bars(self):
        """The means are those of the frames, the errors those over replicas."""
        frames, times = positions(self.whole)
        counted = frames.reshape(300, 16, *frames.shape[1:])[50:].astype(float)
        centred = counted - counted.mean(axis=2, keepdims=True)
        radius = 10 * numpy.sqrt((centred ** 2).sum(axis=3).mean(axis=2)).mean(axis=0)
        of = self.means["rg_A(all)"]
        self.assertEqual(of["frames"], 250)
        self.assertAlmostEqual(of["mean"], radius.mean(), delta=1e-5)
        self.assertAlmostEqual(of["error"], radius.std(ddof=1) / 4, delta=1e-5)

    def test_summary(self):
        path = os.path.join(self.folder.name, "summary.json")
        done = run(self.whole, "--resume", "--summary", path)
        with open(path) as file:
            self.assertEqual(json.load(file), json.loads(done.stdout))

    def test_other_options(self):
        done = run(self.whole, "--resume", "--temperature-K", "310")
        self.assertEqual(done.returncode, 1)
        self.assertIn("other options", done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1)

    def test_damaged(self):
        path = os.path.join(self.folder.name, "damaged.h5")
        for suffix in ("", ".state"):
            with open(self.whole + suffix, "rb") as a, open(path + suffix, "wb") as b:
                b.write(a.read())
        with open(path + ".state", "r+b") as file:
            file.seek(5000)
            byte = file.read(1)
            file.seek(5000)
            file.write(bytes([byte[0] ^ 1]))
        done = run(path, "--resume")
        self.assertEqual(done.returncode, 1)
        self.assertIn("checksum", done.stderr)

    def test_nothing_to_observe(self):
        done = run(os.path.join(self.folder.name, "x.h5"), "--skip-ps", "300")
        self.assertEqual(done.returncode, 1)
        self.assertIn("--skip-ps 300", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
