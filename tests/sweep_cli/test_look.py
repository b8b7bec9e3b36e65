#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A sweep over a known function with some failing corners, and what the commands then say of it. Usage:
test_look.py COX"""
import csv
import html.parser
import json
import math
import os
import subprocess
import sys
import tempfile
import unittest

import h5py

COX = os.path.abspath(sys.argv[1])
HERE = os.path.dirname(os.path.abspath(__file__))

BAG = """
title: a known <function>
seed: 3
parameters:
  - {name: a, range: [0, 2], steps: 14, unit: nm}
  - {name: b, range: [0, 2], steps: 12}
  - {name: kind, choices: [low, high]}
job:
  command: [/usr/bin/python3, %s/job.py, "{a}", "{b}", "{kind}"]
  retries: 0
  expected_minutes: 0.001
outputs:
  - {name: y, unit: M, json: out.json, key: y.mean, error_key: y.error, accuracy: 0.3}
  - {name: profile, json: out.json, key: profile, accuracy: 0.3}
targets: {coverage: 0.9, failing: 0.1}
surrogate: {hidden: [48, 48], activations: [tanh, tanh], learning_rate: 0.004, dropout: 0, epochs_first: 300,
            epochs: 120, first: 60}
""" % HERE


def truth(a, b, kind):
    return math.sin(2 * a) + b * b / 2 + (kind == "high")


def cox(*words):
    return subprocess.run([COX, "sweep", *words], capture_output=True, text=True, timeout=250)


class Look(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="cox-sweep-look-")
        cls.bag = os.path.join(cls.folder.name, "bag.yaml")
        cls.sweep = os.path.join(cls.folder.name, "known.sweep")
        with open(cls.bag, "w") as file:
            file.write(BAG)
        done = cox("run", cls.bag, "-o", cls.sweep, "-q")
        assert done.returncode == 0, done.stderr
        cls.rows = cls.exported(cls)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def exported(self):
        path = os.path.join(self.folder.name, "all.csv")
        done = cox("export", self.sweep, "-o", path)
        assert done.returncode == 0, done.stderr
        with open(path, newline="") as file:
            return list(csv.DictReader(file))

    def predicted(self):
        return [row for row in self.rows if row["source"] == "predicted"]

    def test_every_value_says_where_it_is_from(self):
        self.assertEqual(len(self.rows), 14 * 12 * 2)
        sources = {row["source"] for row in self.rows}
        self.assertEqual(sources, {"simulated", "predicted", "failed"})
        for row in self.rows:
            if row["source"] == "failed":
                self.assertIn("out of bounds", row["reason"])
                self.assertEqual(row["y"], "")
                continue
            self.assertEqual(row["reason"], "")
            exact = truth(float(row["a"]), float(row["b"]), row["kind"])
            if row["source"] == "simulated":
                self.assertAlmostEqual(float(row["y"]), exact, places=12)
                self.assertEqual(float(row["y_uncertainty"]), 0.01)
                self.assertEqual((row["model"], row["y_spread"]), ("", ""))
                self.assertTrue(int(row["attempt"]) > 0 and int(row["seed"]) >= 0)
            else:
                self.assertTrue(int(row["model"]) > 0 and float(row["y_spread"]) >= 0)
                self.assertLessEqual(float(row["y_uncertainty"]), 0.3 * 1.0001)

    def test_predictions_are_as_good_as_promised(self):
        """The sweep promises 10 % at 90 % coverage; the seed is fixed, so this one holds or not."""
        rows = self.predicted()
        self.assertGreater(len(rows), 50)
        missed = [row for row in rows
                  if abs(float(row["y"]) - truth(float(row["a"]), float(row["b"]), row["kind"])) > 0.3]
        self.assertLessEqual(len(missed), 0.1 * len(rows))

    def test_other_formats_agree(self):
        for name in ("all.json", "all.h5"):
            done = cox("export", self.sweep, "-o", os.path.join(self.folder.name, name))
            self.assertEqual(done.returncode, 0, done.stderr)
        with open(os.path.join(self.folder.name, "all.json")) as file:
            points = json.load(file)["points"]
        with h5py.File(os.path.join(self.folder.name, "all.h5")) as file:
            y, profile = file["outputs/y"][:], file["outputs/profile"][:]
            states = list(file["source"].attrs["choices"])
            source = [states[i] for i in file["source"][:]]
            kinds = [list(file["inputs/kind"].attrs["choices"])[int(i)] for i in file["inputs/kind"][:]]
            self.assertEqual(file["outputs/y"].attrs["unit"], "M")
            a, model = file["inputs/a"][:], file["model"][:]
        for i, row in enumerate(self.rows):
            self.assertEqual(points[i]["source"], row["source"])
            self.assertEqual(source[i], row["source"])
            self.assertEqual((a[i], kinds[i]), (float(row["a"]), row["kind"]))
            if row["y"]:
                self.assertEqual(points[i]["outputs"]["y"]["value"], float(row["y"]))
                self.assertEqual(y[i], float(row["y"]))
                self.assertEqual(profile[i, 8], float(row["profile[8]"]))
                self.assertEqual(points[i]["outputs"]["profile"]["value"][3], float(row["profile[3]"]))
            if row["model"]:
                self.assertEqual(model[i], int(row["model"]))

    def test_predict(self):
        done = cox("predict", self.sweep, "--a", "0.9", "--b", "0.77", "--kind", "high", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        point = json.loads(done.stdout)["points"][0]
        self.assertEqual(point["source"], "predicted")
        self.assertAlmostEqual(point["outputs"]["y"]["value"], truth(0.9, 0.77, "high"), delta=0.3)
        self.assertEqual(len(point["outputs"]["profile"]["value"]), 9)
        simulated = next(row for row in self.rows if row["source"] == "simulated")
        done = cox("predict", self.sweep, "--a", simulated["a"], "--b", simulated["b"], "--kind",
                   simulated["kind"])
        self.assertIn("simulated (attempt", done.stdout)
        self.assertEqual(done.returncode, 0)

    def test_predict_many(self):
        where = os.path.join(self.folder.name, "where.csv")
        there = os.path.join(self.folder.name, "there.csv")
        with open(where, "w") as file:
            file.write("kind,b,a\nlow,0.31,0.52\nhigh,1.17,1.33\n")
        done = cox("predict", self.sweep, "--points", where, "-o", there)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(there, newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual([row["kind"] for row in rows], ["low", "high"])
        for row in rows:
            self.assertAlmostEqual(float(row["y"]), truth(float(row["a"]), float(row["b"]), row["kind"]),
                                   delta=0.3)

    def refused(self, code, word, *words):
        done = cox(*words)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertIn(word, done.stderr)
        self.assertEqual(done.stdout, "")

    def test_refusals(self):
        at = ["predict", self.sweep, "--a", "1", "--b", "1"]
        self.refused(2, "--kind is missing", *at)
        self.refused(2, "middle", *at, "--kind", "middle")
        self.refused(2, "unknown option", *at, "--kind", "low", "--c", "1")
        self.refused(2, "0 to 2", "predict", self.sweep, "--a", "3", "--b", "1", "--kind", "low")
        self.refused(1, "config.yaml", "predict", self.folder.name, "--a", "1")
        self.refused(1, "status.json", "status", self.folder.name)
        self.refused(2, ".csv, .json or .h5", "export", self.sweep, "-o", "x.xls")
        self.refused(2, "-o", "export", self.sweep)
        self.assertFalse(os.path.exists("x.xls"))

    def test_status(self):
        done = cox("status", self.sweep, "--json")
        status = json.loads(done.stdout)
        self.assertEqual(status["state"], "done")
        self.assertEqual(status["predicted"], len(self.predicted()))
        text = cox("status", self.sweep).stdout
        self.assertIn("out of bounds", text)
        self.assertIn("336 points", text)

    def test_plan(self):
        plan = json.loads(cox("plan", self.bag, "--json").stdout)
        self.assertEqual((plan["points"], plan["first"]), (336, 60))
        self.assertEqual(plan["all_simulated"]["simulations"], 336)
        self.assertGreaterEqual(plan["audits"], 22)  # (1 − 0.1)^22 < 0.1
        self.assertAlmostEqual(plan["all_simulated"]["core_hours"], 336 * 0.001 / 60, places=6)
        self.assertIn("336 points", cox("plan", self.bag).stdout)

    def test_report(self):
        self.assertTrue(os.path.exists(os.path.join(self.sweep, "report.html")))  # of the run itself
        done = cox("report", self.sweep)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(os.path.join(self.sweep, "report.html")) as file:
            text = file.read()
        stack = []

        class Page(html.parser.HTMLParser):
            def handle_starttag(self, tag, attrs):
                if tag not in ("meta", "br", "line", "circle", "rect", "path", "polyline", "stop", "use"):
                    stack.append(tag)

            def handle_endtag(self, tag):
                if stack and tag == stack[-1]:
                    stack.pop()
        Page().feed(text)
        self.assertEqual(stack, [])
        self.assertIn("a known &lt;function&gt;", text)
        for words in ("Effective performance", "completion", "crossover", "out of bounds", "predicted y",
                      "profile", "Configuration"):
            self.assertIn(words, text)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
