#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The main job from the command line, on the real engine and the shipped examples.
Usage: test_run.py COX ROOT"""
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

COX = os.path.abspath(sys.argv[1])
ROOT = sys.argv[2]
SHARED = os.environ.get("COX_SHARED", os.path.join(ROOT, "..", "shared"))
HELIX = os.path.join(ROOT, "examples", "helix", "helix.yaml")
FOLD = os.path.join(ROOT, "examples", "chignolin", "fold.yaml")
SHORT = ["--set", "simulation.segment_ps=2", "--set", "simulation.frame_ps=0.2",
         "--set", "simulation.replicas=16", "--set", "simulation.minimize_steps=100",
         "--set", "agent.window=400", "--set", "learn.retrain_every=2"]


def cox(*words, timeout=300):
    return subprocess.run([COX, *words], capture_output=True, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL)


def rows(run, query):
    with sqlite3.connect(os.path.join(run, "catalog.db")) as db:
        return db.execute(query).fetchall()


class Run(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="cox-run-")
        cls.helix = os.path.join(cls.folder.name, "helix.run")
        done = cox("run", HELIX, "-o", cls.helix, "--json", *SHORT, "--set", "stop.rounds=4")
        assert done.returncode == 0, done.stderr
        cls.summary = json.loads(done.stdout)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_leaves_everything_behind(self):
        for name in ("config.yaml", "system.h5", "catalog.db", "events.jsonl", "frames-0.h5",
                     "summary.json", "report.html", "models"):
            self.assertTrue(os.path.exists(os.path.join(self.helix, name)), name)
        self.assertEqual(self.summary["rounds"], 4)
        self.assertEqual(self.summary["frames"], 4 * 16 * 10)
        self.assertLess(self.summary["idle_s_per_round_max"], 1)
        with open(os.path.join(self.helix, "events.jsonl")) as events:
            for line in events:
                json.loads(line)

    def test_the_report_stands_alone(self):
        with open(os.path.join(self.helix, "report.html")) as report:
            text = report.read()
        self.assertIn("<svg", text)
        self.assertNotRegex(text, r'(src|href)="https?:')

    def test_every_segment_has_its_parent(self):
        self.assertEqual(rows(self.helix, "select count(*) from segment")[0][0], 64)
        self.assertEqual(rows(self.helix, "select count(*) from segment where parent_segment is null "
                                        "and start is null")[0][0], 0)
        self.assertGreater(rows(self.helix, "select count(*) from pick")[0][0], 0)
        done = cox("lineage", self.helix, "-1", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        json.loads(done.stdout)

    def test_exports(self):
        for kind in ("dcd", "xtc", "pdb"):
            path = os.path.join(self.folder.name, "out." + kind)
            done = cox("export", self.helix, "--" + kind, path, "--select", "name CA")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertGreater(os.path.getsize(path), 1000)

    def test_the_effective_configuration_gives_the_same_run(self):
        again = os.path.join(self.folder.name, "again.run")
        done = cox("run", os.path.join(self.helix, "config.yaml"), "-o", again, "-q")
        self.assertEqual(done.returncode, 0, done.stderr)
        query = "select id, parent_frame, seed, best_objective from segment order by id"
        self.assertEqual(rows(self.helix, query), rows(again, query))

    def test_killed_it_resumes_as_if_nothing_was(self):
        run = os.path.join(self.folder.name, "killed.run")
        words = [COX, "run", HELIX, "-o", run, "-q", *SHORT, "--set", "stop.rounds=4"]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        catalog = os.path.join(run, "catalog.db")
        deadline = time.time() + 60
        while time.time() < deadline:  # until the first round is committed
            if os.path.exists(catalog):
                try:
                    if rows(run, "select count(*) from round")[0][0] >= 1:
                        break
                except sqlite3.OperationalError:
                    pass
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        done = cox("resume", run, "-q")
        self.assertEqual(done.returncode, 0, done.stderr)
        query = "select id, parent_frame, seed, best_objective from segment order by id"
        self.assertEqual(rows(self.helix, query), rows(run, query))

    def test_interrupted_it_says_how_to_go_on(self):
        run = os.path.join(self.folder.name, "interrupted.run")
        process = subprocess.Popen([COX, "run", HELIX, "-o", run, "-q", *SHORT,
                                    "--set", "stop.rounds=100000", "--set", "stop.simulated_ns=1000"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while not os.path.exists(os.path.join(run, "catalog.db")):
            time.sleep(0.01)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)
        self.assertIn("cox resume", errors)

    def test_a_run_is_not_written_over(self):
        done = cox("run", HELIX, "-o", self.helix)
        self.assertEqual(done.returncode, 1)
        self.assertIn("already holds a run", done.stderr)

    def test_check_runs_nothing(self):
        done = cox("run", "--check", HELIX)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("ns/day", done.stdout)
        self.assertIn("restarts", done.stdout)
        plan = json.loads(cox("run", "--check", "--json", HELIX).stdout)
        self.assertGreater(plan["ns_per_day"], 0)
        self.assertFalse(os.path.exists(os.path.join(ROOT, "examples", "helix", "helix.run")))

    def test_check_of_a_streaming_run_tells_its_processes(self):
        streaming = ["--set", "coordination=streaming", "--set", "streaming.simulations=3",
                     "--set", "simulation.replicas=16"]
        done = cox("run", "--check", HELIX, *streaming)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("3 processes of 5 or 6 replicas", done.stdout)
        plan = json.loads(cox("run", "--check", "--json", HELIX, *streaming).stdout)
        self.assertEqual((plan["coordination"], plan["simulations"]), ("streaming", 3))
        self.assertGreater(plan["frames_per_s"], 0)
        done = cox("run", "--check", HELIX, *streaming, "--set", "streaming.simulations=17")
        self.assertEqual(done.returncode, 2)
        self.assertIn("17 simulations for 16 replicas", done.stderr)

    def test_compare(self):
        control = os.path.join(self.folder.name, "control.run")
        done = cox("run", HELIX, "-o", control, "-q", *SHORT, "--set", "stop.rounds=4",
                   "--set", "control=true")
        self.assertEqual(done.returncode, 0, done.stderr)
        page = os.path.join(self.folder.name, "compare.html")
        done = cox("compare", self.helix, control, "-o", page, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        json.loads(done.stdout)
        self.assertTrue(os.path.exists(page))

    def test_a_wrong_file_is_refused_at_its_place(self):
        path = os.path.join(self.folder.name, "wrong.yaml")
        with open(HELIX) as file:
            text = file.read().replace("extended.system.h5", os.path.join(
                ROOT, "examples", "helix", "extended.system.h5")).replace(
                "folded.system.h5", os.path.join(ROOT, "examples", "helix", "folded.system.h5"))
        for wrong, place, words in (("  replica: 3", r":\d+:3:", "replicas"),
                                    ("  timestep_ps: 0.002", r":\d+:3:", "timestep_fs")):
            with open(path, "w") as file:
                file.write(text.replace("simulation:\n", "simulation:\n" + wrong + "\n"))
            done = cox("run", path, "-o", os.path.join(self.folder.name, "wrong.run"))
            self.assertEqual(done.returncode, 2)
            self.assertEqual(len(done.stderr.strip().split("\n")), 1)
            self.assertRegex(done.stderr, "wrong.yaml" + place)
            self.assertIn(words, done.stderr)
            self.assertFalse(os.path.exists(os.path.join(self.folder.name, "wrong.run")))


class Shipped(unittest.TestCase):
    def test_config_reference_is_up_to_date(self):
        made = cox("run", "--explain", "--markdown").stdout
        with open(os.path.join(ROOT, "docs", "config.md")) as file:
            self.assertEqual(file.read(), made, "make it anew: cox run --explain --markdown > docs/config.md")

    def test_our_fold_is_the_published_one(self):
        """examples/chignolin/folded.pdb, a frame of our own simulation: 0.56 Å (Cα) from the published
        structure. The plan prints the distance of a start to the reference."""
        published = os.path.join(SHARED, "data", "cln025", "folded.pdb")
        if not os.path.exists(published):
            self.skipTest("no " + published)
        done = cox("run", "--check", "--json", FOLD, "--set", "starts=[" + os.path.join(
            ROOT, "examples", "chignolin", "folded.pdb") + "]", "--set", "reference.path=" + published)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertAlmostEqual(json.loads(done.stdout)["start_rmsd_A"], 0.56, delta=0.01)


if __name__ == "__main__":
    sys.argv = sys.argv[:1]
    unittest.main(verbosity=2)
