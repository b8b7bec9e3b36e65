#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A sweep inside an allocation: jobs are steps on all of its nodes. Steps are cancelled from outside,
the controller is killed; no finished work is lost. Usage: test_sweep.py COX SWEEP_COUNT"""
import json
import os
import signal
import sqlite3
import struct
import subprocess
import sys
import unittest

import cluster

COX, COUNT = (os.path.abspath(path) for path in sys.argv[1:3])
POINTS, UNITS, EVERY = 14, 1200, 50
BAG = f"""
parameters:
  - {{name: x, range: [0, 1], steps: {POINTS}}}
job:
  command: ['{COUNT}', '{UNITS}', '{EVERY}', '{{x}}'MORE]
  checkpoint_minutes: 0.001
  retries: 0
outputs:
  - {{name: sum, json: result.json, key: sum}}
surrogate: {{enabled: false}}
"""


class Sweep(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.slurm = cluster.Cluster(nodes=3, cpus=2)
        cls.slurm.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.slurm.__exit__()

    def begin(self, name, more=""):
        self.sweep = os.path.join(self.slurm.dir, name)
        bag = self.sweep + ".yaml"
        with open(bag, "w", encoding="utf-8") as f:
            f.write(BAG.replace("MORE", more))
        return subprocess.Popen(["salloc", "-Q", "--nodes=3", "--ntasks-per-node=1",
                                 "--cpus-per-task=2", COX, "sweep", "run", bag, "-o", self.sweep],
                                env=self.slurm.env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def end(self, process):
        text = process.communicate(timeout=60)[0]
        self.assertEqual(process.returncode, 0, text)
        return text

    def rows(self, sql):
        path = os.path.join(self.sweep, "ledger.db")
        try:
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20) as db:
                return db.execute(sql).fetchall()
        except sqlite3.OperationalError:  # not there yet
            return []

    def steps(self):
        """{step: point} of the jobs that have a checkpoint by now."""
        said = self.slurm.run("squeue", "-h", "-s", "-o", "%i %j", check=False).stdout
        steps = dict(line.split() for line in said.splitlines() if " point-" in line)
        found = {step: int(name.split("-")[1]) for step, name in steps.items()}
        return {step: point for step, point in found.items()
                if os.path.exists(os.path.join(self.folder(point), "state"))}

    def folder(self, point):
        return os.path.join(self.sweep, f"jobs/000/{point:06}")

    def cancel_two(self):
        self.slurm.wait(lambda: len(self.steps()) >= 4, 20, "jobs with checkpoints")
        steps = self.steps()
        victims = dict(list(steps.items())[:2])
        self.slurm.run("scancel", *victims)
        return set(victims.values())

    def check(self, victims, ends, saved=None):
        """Every result is right, nothing was counted twice but what came after a checkpoint, and
        only who was cancelled began twice; `saved`: who had a checkpoint then (None: all)."""
        inputs = {i: struct.unpack("d", x)[0] for i, x in self.rows("SELECT id, x FROM point")}
        results = self.rows("SELECT point, value FROM result")
        self.assertEqual(len(results), POINTS)
        for point, value in results:
            expected = sum(inputs[point] * (i % 7) for i in range(1, UNITS + 1))
            self.assertAlmostEqual(struct.unpack("d", value)[0], expected, places=9)
        attempts = self.rows("SELECT point, end, host FROM attempt ORDER BY id")
        again = [(point, end) for point, end, _ in attempts if end != "ok"]
        self.assertEqual({end for _, end in again}, set(ends), again)
        self.assertEqual({point for point, _ in again}, victims, again)
        self.assertEqual(sorted(point for point, end, _ in attempts if end == "ok"),
                         list(range(POINTS)))
        self.assertEqual({host for _, _, host in attempts if host}, {"n1", "n2", "n3"})
        for point in range(POINTS):
            done = os.path.getsize(os.path.join(self.folder(point), "done.log"))
            with open(os.path.join(self.folder(point), "starts.log"), encoding="utf-8") as f:
                starts = [int(line) for line in f]
            self.assertEqual(starts[0], 0)
            if point in victims and (saved is None or point in saved):
                self.assertGreater(starts[-1], 0, f"point {point} began anew: {starts}, {done}")
                self.assertLessEqual(done, UNITS + EVERY * (len(starts) - 1))
            elif point not in victims:
                self.assertEqual((len(starts), done), (1, UNITS))

    def test_a_step_is_cancelled(self):
        """The job dies of SIGTERM, or writes a checkpoint and ends with 0, as GROMACS does."""
        for name, more in (("dies", ", quiet"), ("orderly", "")):
            with self.subTest(name):
                process = self.begin(name, more)
                victims = self.cancel_two()
                self.end(process)
                self.check(victims, ["preempted"])
                with open(os.path.join(self.sweep, "status.json"), encoding="utf-8") as f:
                    self.assertEqual(json.load(f)["executor"], "slurm")

    def test_the_controller_dies(self):
        """kill -9: its allocation ends and with it the steps; in another the sweep goes on."""
        process = self.begin("killed")
        self.slurm.wait(lambda: len(self.rows("SELECT 1 FROM result")) >= 2, 30, "two results")
        self.slurm.wait(lambda: len(self.steps()) >= 3, 20, "jobs with checkpoints")
        with open(os.path.join(self.sweep, "status.json"), encoding="utf-8") as f:
            os.kill(json.load(f)["pid"], signal.SIGKILL)
        process.communicate(timeout=60)
        self.slurm.wait(self.slurm.all_idle, 30, "the end of the allocation")
        ended = {point for point, in self.rows("SELECT point FROM result")}
        saved = {point for point in range(POINTS)
                 if os.path.exists(os.path.join(self.folder(point), "state"))}
        self.end(self.begin("killed"))
        victims = {point for point, in self.rows("SELECT point FROM attempt WHERE end != 'ok'")}
        self.assertTrue(victims)
        self.assertFalse(victims & ended)
        self.check(victims, ["killed"], saved)


if __name__ == "__main__":
    cluster.skip_unless_possible()
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
