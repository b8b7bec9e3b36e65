# SPDX-License-Identifier: BSD-3-Clause
"""A sweep with its surrogate: it takes over, says what it knows, survives kills, falls back."""
import json
import math
import os
import random
import signal
import sqlite3
import struct

from sweep_case import SweepCase, main

JOB = """#!/usr/bin/awk -f
BEGIN { a = ARGV[1]; b = ARGV[2]; ARGC = 1
        printf "{\\"y\\": %.17g, \\"p\\": [%.17g, %.17g]}\\n", sin(3*a) + b*b, a*b, cos(a+b) > "out.json" }
"""
BAG = """
parameters:
  - {{name: a, range: [0, 1], steps: {steps}}}
  - {{name: b, range: [0, 1], steps: 20}}
job: {{command: ['{job}', '{{a}}', '{{b}}']}}
outputs:
  - {{name: y, json: out.json, key: y, accuracy: {accuracy}}}
  - {{name: p, json: out.json, key: p, accuracy: {accuracy}}}
surrogate: {{hidden: [32, 32], activations: [tanh, tanh], dropout: 0, learning_rate: 0.005, epochs_first: 300}}
"""


def truth(a, b):
    return math.sin(3 * a) + b * b, a * b, math.cos(a + b)


class Learn(SweepCase):
    def learning(self, steps=25, accuracy=0.1, more=""):
        job = self.script("job.awk", JOB)
        self.bag(BAG.format(steps=steps, job=job, accuracy=accuracy) + more)

    def check(self, accuracy):
        """Simulated values are exact; of the predicted ones at most 5 % miss the accuracy, with
        95 % confidence: a test that runs often allows twice that and one more."""
        inputs = self.inputs()
        served = missed = 0
        for row in self.rows("SELECT * FROM result"):
            value = struct.unpack("3d", row["value"])
            wanted = truth(*inputs[row["point"]])
            errors = [abs(v - w) for v, w in zip(value, wanted)]
            if row["predicted"]:
                served += 1
                # a profile may miss it in one value of twenty; of two, in none
                missed += max(errors) > accuracy
                self.assertIsNotNone(row["spread"])
                self.assertIsNotNone(row["model"])
                self.assertTrue(all(h > 0 for h in struct.unpack("3d", row["error"])))
            else:
                self.assertLess(max(errors), 1e-12)
        self.assertLessEqual(missed, 0.1 * served + 1)
        return served

    def check_states(self):
        states = {r["id"]: r["state"] for r in self.rows("SELECT id, state FROM point")}
        results = {r["point"]: r["predicted"] for r in self.rows("SELECT * FROM result")}
        for point, state in states.items():
            self.assertEqual(state, "predicted" if results.get(point) else "simulated", point)

    def test_takes_over(self):
        self.learning()
        text = self.cox("run", "bag.yaml", "-o", self.sweep)
        self.assertIn("complete: ", text)
        self.assertIn("effective performance S = ", text)
        served = self.check(0.1)
        self.check_states()
        summary = self.summary()
        self.assertEqual((summary["reason"], summary["predicted"]), ("complete", served))
        self.assertGreater(served, 100)
        self.assertEqual(summary["simulated"] + served, 500)
        last = self.rows("SELECT * FROM batch ORDER BY id DESC LIMIT 1")[0]
        # S of the last batch, term by term
        n, t = last["simulated"], last["t_sim"]
        spent = n * t + last["t_learn"] + (500 - n) * last["t_lookup"]
        self.assertAlmostEqual(last["speedup"], 500 * t / spent, places=9)
        self.assertLessEqual(last["failing_bound"], 0.05)
        models = self.rows("SELECT * FROM model")
        for m in models:
            self.assertTrue(os.path.exists(os.path.join(self.sweep, m["path"])))
        purposes = {r["purpose"] for r in self.rows("SELECT purpose FROM point "
                                                    "WHERE state = 'simulated'")}
        self.assertLessEqual({"design", "audit"}, purposes)
        audits = self.rows("SELECT count(*) AS n FROM point WHERE purpose = 'audit' "
                           "AND state = 'simulated'")[0]["n"]
        self.assertEqual(audits, summary["surrogate"]["audits"])
        # again: nothing to do, nothing lost
        attempts = len(self.rows("SELECT id FROM attempt"))
        self.cox("resume", self.sweep)
        self.assertEqual(len(self.rows("SELECT id FROM attempt")), attempts)
        self.check_states()
        self.assertEqual(self.check(0.1), served)

    def test_higher_accuracy_later(self):
        """More is wanted: predictions are withdrawn, simulations kept."""
        self.learning()
        self.cox("run", "bag.yaml", "-o", self.sweep)
        simulated = {r["point"] for r in self.rows("SELECT point FROM result WHERE NOT predicted")}
        self.learning(accuracy=0.04)
        self.cox("run", "bag.yaml", "-o", self.sweep)
        self.check(0.04)
        after = {r["point"] for r in self.rows("SELECT point FROM result WHERE NOT predicted")}
        self.assertLess(simulated, after)
        ok = self.rows("SELECT point, count(*) AS n FROM attempt WHERE end = 'ok' GROUP BY point")
        self.assertEqual({r["n"] for r in ok}, {1})

    def test_kills(self):
        self.learning()
        chance = random.Random(11)
        kills = 0
        for _ in range(15):
            there = os.path.exists(os.path.join(self.sweep, "config.yaml"))
            command = ["resume", self.sweep] if there else ["run", "bag.yaml", "-o", self.sweep]
            code, text = self.kill_after(chance.uniform(0.05, 0.4), *command)
            if code is None:
                break
            self.assertEqual(code, -signal.SIGKILL, text)
            kills += 1
        else:
            self.cox("resume", self.sweep)
        self.assertGreater(kills, 1)
        self.check(0.1)
        self.check_states()
        ok = self.rows("SELECT point, count(*) AS n FROM attempt WHERE end = 'ok' GROUP BY point")
        self.assertEqual({r["n"] for r in ok}, {1})
        # each training once in the sum
        learnt = sum(m["seconds"] for m in self.rows("SELECT seconds FROM model"))
        self.assertAlmostEqual(self.summary()["surrogate"]["t_learn_s"], learnt, delta=0.5)

    def test_jobs_target_counts_predictions(self):
        self.learning(more="targets: {jobs: 300}\n")
        self.cox("run", "bag.yaml", "-o", self.sweep)
        summary = self.summary()
        self.assertGreaterEqual(summary["simulated"] + summary["predicted"], 300)

    def test_objective(self):
        """The largest y of the grid is at b = 1 and sin(3a) largest."""
        self.learning(more="objective: {kind: maximise, output: y, tolerance: 0.01}\n")
        self.cox("run", "bag.yaml", "-o", self.sweep)
        summary = self.summary()
        self.assertEqual(summary["reason"], "objective")
        self.assertLess(summary["simulated"], 300)
        grid = max(truth(a / 24, b / 19)[0] for a in range(25) for b in range(20))
        self.assertGreater(summary["surrogate"]["objective"], grid - 0.05)
        self.assertRegex(summary["best_inputs"], "^a=.* b=.*")

    def test_falls_back(self):
        """The world is another one as soon as the surrogate has taken over: audits find out, and
        every prediction is taken back."""
        self.script("job.awk", JOB.replace("BEGIN {", """BEGIN {
        late = (getline line < "../../../../late") > 0 ? 50 * rand() + 20 : 0; srand(ARGV[1])
        system("sleep 0.02");""").replace("+ b*b", "+ b*b + late"))
        self.bag(BAG.format(steps=25, job=os.path.join(self.folder, "job.awk"), accuracy=0.1))
        process = self.start("run", "bag.yaml", "-o", self.sweep)
        ledger = os.path.join(self.sweep, "ledger.db")

        def served():
            try:
                return os.path.exists(ledger) and self.rows(
                    "SELECT point FROM result WHERE predicted LIMIT 1")
            except sqlite3.OperationalError:
                return False  # its tables are not made yet
        self.wait_for(served, 60)
        self.script("late", "yes\n")
        text = process.communicate(timeout=200)[0]
        self.assertEqual(process.returncode, 0, text)
        self.assertIn("takes over", text)
        self.assertIn("predictions are withdrawn: ", text)
        self.check_states()
        late = [r for r in self.rows("SELECT * FROM batch") if r["audits_failed"] > 0]
        self.assertTrue(late)
        self.assertTrue(any(r["predicted"] == 0 for r in late))

    def test_other_number_of_values(self):
        job = self.script("job.sh", """#!/bin/sh
if [ "$1" = 3 ]; then echo '{"p": [1, 2, 3]}' > out.json; else echo '{"p": [1, 2]}' > out.json; fi
""")
        self.bag(f"""
parameters: [{{name: x, values: [0, 1, 2, 3, 4]}}]
job: {{command: ['{job}', '{{x:.0f}}'], retries: 0}}
outputs: [{{name: p, json: out.json, key: p}}]
surrogate: {{enabled: false}}
""")
        text = self.cox("run", "bag.yaml", "-o", self.sweep)
        self.assertIn("output 'p' has 3 values", text)
        self.assertEqual(self.summary()["failed"], 1)
        with open(os.path.join(self.sweep, "status.json"), encoding="utf-8") as file:
            self.assertEqual(json.load(file)["failed"], 1)


if __name__ == "__main__":
    main()
