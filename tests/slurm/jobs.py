# SPDX-License-Identifier: BSD-3-Clause
"""What tests of whole jobs share: a cluster for all of them, a run submitted to it, and waiting for
what it comes to."""
import json
import os
import sqlite3
import subprocess
import time
import unittest

import cluster


def rows(run, query):
    path = os.path.join(run, "catalog.db")
    if not os.path.exists(path):
        return []
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20) as db:
        try:
            return db.execute(query).fetchall()
        except sqlite3.OperationalError:  # its tables are not there yet
            return []


class Jobs(unittest.TestCase):
    """COX, FILE and SETTINGS are set by who inherits this."""
    cox_program = file = None
    settings = []

    @classmethod
    def setUpClass(cls):
        cls.slurm = cluster.Cluster(nodes=3, cpus=2)
        cls.slurm.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.slurm.__exit__()

    def cox(self, *words, env=None):
        return subprocess.run([self.cox_program, *words], env=env or self.slurm.env,
                              capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL)

    def submit(self, name, *sets):
        run = os.path.join(self.slurm.dir, name)
        words = [w for s in (*self.settings, *sets) for w in ("--set", s)]
        done = self.cox("run", self.file, "-o", run, "--submit", "--json", *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        said = json.loads(done.stdout)
        self.assertEqual(said["run"], run)
        return run, said["job"]

    def said(self, run):
        try:
            with open(os.path.join(run, "job.log"), errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def wait(self, run, condition, what, timeout=120):
        began = time.monotonic()
        try:
            self.slurm.wait(condition, timeout, what)
        except TimeoutError as error:
            jobs = self.slurm.run("scontrol", "show", "job", check=False).stdout
            self.fail(f"{error}\n{jobs}{self.logs(run)}")
        print(f"  {what}: {time.monotonic() - began:.1f} s", flush=True)

    def logs(self, run):
        text = f"--- job.log\n{self.said(run)}"
        folder = os.path.join(run, "logs")
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            with open(os.path.join(folder, name), errors="replace") as f:
                text += f"--- {name}\n" + "".join(f.readlines()[-12:])
        return text

    def finish(self, run, job):
        ends = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")
        self.wait(run, lambda: self.slurm.job_state(job) in ends, "the end of the run", 240)
        self.assertEqual(self.slurm.job_state(job), "COMPLETED", self.logs(run))
        self.assertIn("the run is done", self.said(run))
        with open(os.path.join(run, "summary.json")) as f:
            return json.load(f)
