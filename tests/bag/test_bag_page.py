# SPDX-License-Identifier: BSD-3-Clause
"""The examples of docs/bag.md: written down as they stand there, run, and their results compared with what they must be.
Fewer points than on the page, and nothing learned, so that it takes seconds. Usage: test_bag_page.py COX PAGE"""
import csv
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

COX, PAGE = (os.path.realpath(word) for word in sys.argv[1:3])
BLOCK = re.compile(r"\n```\w+ (\S+)\n(.*?\n)```", re.S)


def cox(*words):
    done = subprocess.run([COX, *words], capture_output=True, text=True)
    assert done.returncode == 0, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def period(length, degrees):
    """Of a pendulum: 4 sqrt(l/g) K(sin(a/2)), by the midpoint rule, which converges geometrically for periodic
    functions: 400 places give every digit up to 170 degrees."""
    k = math.sin(math.radians(degrees) / 2)
    n = 400
    whole = sum(1 / math.sqrt(1 - (k * math.sin(math.pi * (i + 0.5) / n)) ** 2) for i in range(n)) * math.pi / n
    return 4 * math.sqrt(length / 9.81) * whole / 2


class BagPage(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="cox-page-")
        self.before = os.getcwd()
        os.chdir(self.folder)
        with open(PAGE, encoding="utf-8") as page:
            text = page.read()
        for name, content in BLOCK.findall(text):
            with open(name, "w", encoding="utf-8") as file:
                file.write(content)

    def tearDown(self):
        os.chdir(self.before)
        shutil.rmtree(self.folder)

    def results(self, name, *settings):
        words = [word for s in settings for word in ("--set", s)]
        cox("sweep", "run", name + ".yaml", "--set", "surrogate.enabled=false", *words)
        cox("sweep", "export", name + ".sweep", "-o", name + ".csv")
        with open(name + ".csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        self.assertTrue(all(row["source"] == "simulated" for row in rows))
        return rows

    def test_grid(self):
        self.assertIn("120 points", cox("sweep", "run", "--check", "pendulum.yaml"))
        rows = self.results("pendulum")
        self.assertEqual(len(rows), 120)
        for row in rows:  # printed with nine digits
            exact = period(float(row["length"]), float(row["angle"]))
            self.assertLess(abs(float(row["period"]) / exact - 1), 1e-8)
        # again: nothing is computed a second time
        made = os.stat("pendulum.sweep/jobs/000/000119/job.log").st_mtime_ns
        self.assertEqual(rows, self.results("pendulum"))
        self.assertEqual(made, os.stat("pendulum.sweep/jobs/000/000119/job.log").st_mtime_ns)

    def test_design_in_a_file(self):
        """The points of a sweep are those that were run, whatever becomes of the user's CSV."""
        with open("pendulum.yaml", encoding="utf-8") as file:
            text = file.read()
        with open("pendulum.yaml", "w", encoding="utf-8") as file:
            file.write(re.sub(", steps: [0-9]+", "", text) + "design: {file: where.csv}\n")
        with open("where.csv", "w", encoding="utf-8") as file:
            file.write("angle,remark,length\n10,a,1\n20,b,1\n30,c,0.5\n")
        first = self.results("pendulum")
        self.assertEqual([row["angle"] for row in first], ["10", "20", "30"])
        with open("where.csv", "w", encoding="utf-8") as file:
            file.write("length,angle\n0.5,30\n1,20\n1,40\n1,10\n")
        cox("sweep", "export", "pendulum.sweep", "-o", "later.csv")
        with open("later.csv", newline="", encoding="utf-8") as file:
            self.assertEqual(first, list(csv.DictReader(file)))
        os.remove("pendulum.csv")
        second = self.results("pendulum")
        for row in second:
            exact = period(float(row["length"]), float(row["angle"]))
            self.assertLess(abs(float(row["period"]) / exact - 1), 1e-8)
        self.assertEqual([row["angle"] for row in second], ["30", "20", "40", "10"])
        self.assertEqual(len({row["attempt"] for row in first + second}), 4)  # one new job
        os.remove("where.csv")
        cox("sweep", "export", "pendulum.sweep", "-o", "later.csv")

    def test_search(self):
        rows = self.results("reactor", "design.points=8", "objective.kind=none", "objective.output=~")
        self.assertEqual(len(rows), 8)
        for row in rows:
            barrier = {"none": 9500, "nickel": 8900, "platinum": 8700}[row["catalyst"]]
            t, minutes = round(float(row["temperature"]), 1), float(row["minutes"])
            a, b = math.exp(24 - barrier / t), math.exp(29 - 12000 / t)
            exact = a / (b - a) * (math.exp(-a * minutes) - math.exp(-b * minutes))
            self.assertLess(abs(float(row["yield"]) - exact), 6 * 0.005)  # six standard deviations of its noise
            self.assertEqual(float(row["yield_uncertainty"]), 0.005)

    def test_simulation(self):
        if not shutil.which("lmp"):
            self.skipTest("no lmp")
        rows = self.results("fluid", "design.points=3")
        for row in rows:
            with open(f"fluid.sweep/jobs/000/{int(row['point']):06d}/pressure.txt") as file:
                last = file.read().split("\n")[-2].split()
            self.assertEqual(float(row["pressure"]), float(last[1]))
            with open(f"fluid.sweep/jobs/000/{int(row['point']):06d}/in.fluid") as file:
                text = file.read()
            self.assertIn(f"variable    t equal {row['temperature']}\n", text)
            self.assertIn(f"create ${{t}} {row['seed']}\n", text)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
