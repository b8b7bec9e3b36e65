# SPDX-License-Identifier: BSD-3-Clause
"""A sweep without a surrogate: results, keys, failures, interruption, kills."""
import json
import os
import random
import signal
import subprocess

from sweep_case import COX, COUNT, SweepCase, expected_sum, main

SIMPLE = """
parameters:
  - {{name: x, range: [0, 1], steps: {steps}}}
job:
  command: ['{count}', '{n}', '1000', '{{x}}']
outputs:
  - {{name: sum, json: result.json, key: sum}}
surrogate: {{enabled: false}}
"""


class Run(SweepCase):
    def simple(self, steps=10, n=5, more=""):
        return self.bag(SIMPLE.format(steps=steps, count=COUNT, n=n) + more)

    def check_sums(self, n):
        inputs, results = self.inputs(), self.results()
        for point, (value,) in results.items():
            self.assertAlmostEqual(value, expected_sum(n, inputs[point][0]), places=9)

    def test_all_points(self):
        self.simple()
        text = self.cox("run", "bag.yaml", "-o", self.sweep)
        self.assertIn("all 10 points are simulated", text)
        self.assertEqual(len(self.results()), 10)
        self.check_sums(5)
        attempts = self.rows("SELECT * FROM attempt ORDER BY id")
        self.assertEqual([a["end"] for a in attempts], ["ok"] * 10)
        self.assertEqual(attempts[3]["directory"], "jobs/000/000003")
        for a in attempts:
            self.assertGreater(a["ended_s"], a["began_s"])
            self.assertAlmostEqual(a["cost"], (a["ended_s"] - a["began_s"]) / 3600, places=9)
        summary = self.summary()
        self.assertEqual((summary["state"], summary["reason"]), ("done", "all"))
        # again: nothing is left to do
        self.cox("resume", self.sweep)
        self.cox("run", "bag.yaml", "-o", self.sweep)
        self.assertEqual(len(self.rows("SELECT id FROM attempt")), 10)
        self.assertEqual({row["state"] for row in self.rows("SELECT state FROM point")},
                         {"simulated"})

    def test_json_and_quiet(self):
        self.simple(steps=2)
        done = subprocess.run([COX, "sweep", "run", "bag.yaml", "-o", self.sweep, "--json"],
                              capture_output=True, text=True, cwd=self.folder, check=True)
        self.assertEqual(json.loads(done.stdout)["simulated"], 2)

    def test_changed_design(self):
        """More points, others, in another order: what is known is found by its inputs."""
        self.simple(steps=3)
        self.cox("run", "bag.yaml", "-o", self.sweep)
        self.simple(steps=5)  # 0, ¼, ½, ¾, 1: three of them are known
        self.cox("run", "bag.yaml", "-o", self.sweep)
        self.assertEqual(len(self.rows("SELECT id FROM attempt")), 5)
        self.assertEqual(len(self.results()), 5)
        self.check_sums(5)
        self.simple(steps=2)  # fewer: the others wait
        self.cox("run", "bag.yaml", "-o", self.sweep)
        self.assertEqual(len(self.rows("SELECT id FROM attempt")), 5)
        self.simple(steps=5)
        self.cox("run", "bag.yaml", "-o", self.sweep)
        self.assertEqual(len(self.rows("SELECT id FROM attempt")), 5)
        self.check_sums(5)
        folders = {a["directory"] for a in self.rows("SELECT directory FROM attempt")}
        self.assertEqual(len(folders), 5)

    def test_changed_outputs(self):
        """Another output of jobs that are done is read from what they left."""
        self.simple(steps=3)
        self.cox("run", "bag.yaml", "-o", self.sweep)
        self.simple(steps=3)
        with open(os.path.join(self.folder, "bag.yaml"), encoding="utf-8") as file:
            text = file.read()
        self.bag(text.replace("key: sum}", "key: sum}\n  - {name: state, text: state, "
                              "match: '^([0-9]+)'}"))
        text = self.cox("run", "bag.yaml", "-o", self.sweep)
        self.assertIn("3 results were read again", text)
        self.assertEqual(len(self.rows("SELECT id FROM attempt")), 3)
        self.assertEqual({value[1] for value in self.results().values()}, {5.0})

    def test_failures(self):
        """Point 2 fails always, point 3 once: reasons and directories are kept."""
        job = self.script("job.sh", """#!/bin/sh
if [ "$1" = 2 ]; then echo 'no convergence' >&2; exit 3; fi
if [ "$1" = 3 ] && [ ! -e ../../../../tried ]; then touch ../../../../tried; exit 0; fi
echo "y=$1" > out.txt
""")
        self.bag(f"""
parameters: [{{name: x, values: [0, 1, 2, 3, 4]}}]
job: {{command: ['{job}', '{{x:.0f}}'], retries: 1}}
outputs: [{{name: y, text: out.txt, match: 'y=(.*)'}}]
surrogate: {{enabled: false}}
""")
        text = self.cox("run", "bag.yaml", "-o", self.sweep)
        self.assertIn("4 points are simulated, 1 failed", text)
        self.assertIn("5 points: 4 simulated, 0 predicted, 1 failed", text)
        self.assertIn("no convergence", text)
        failed = self.rows("SELECT * FROM attempt WHERE end = 'failed' ORDER BY point, id")
        self.assertEqual([a["point"] for a in failed], [2, 2, 3])
        self.assertIn("exit code 3", failed[0]["reason"])
        self.assertIn("no convergence", failed[0]["reason"])
        self.assertIn("out.txt", failed[2]["reason"])
        self.assertNotEqual(failed[0]["directory"], failed[1]["directory"])
        for a in failed:
            self.assertTrue(os.path.exists(os.path.join(self.sweep, a["directory"], "job.log")))
        states = {r["id"]: r["state"] for r in self.rows("SELECT id, state FROM point")}
        self.assertEqual(states, {0: "simulated", 1: "simulated", 2: "failed", 3: "simulated",
                                  4: "simulated"})
        self.cox("resume", self.sweep)  # given up is given up …
        self.assertEqual(len(self.rows("SELECT id FROM attempt")), 7)
        self.cox("resume", self.sweep, "--retry")  # … unless asked for
        self.assertEqual(len(self.rows("SELECT id FROM attempt")), 9)

    def test_all_fail(self):
        self.bag("""
parameters: [{name: x, range: [0, 1], steps: 100}]
job: {command: [sh, -c, 'echo broken {x}; exit 1']}
outputs: [{name: y, text: out.txt, match: 'y=(.*)'}]
surrogate: {enabled: false}
""")
        text = self.cox("run", "bag.yaml", "-o", self.sweep, code=1)
        self.assertIn("the first 20 jobs all failed", text)
        self.assertIn("broken", text)
        self.assertLess(len(self.rows("SELECT id FROM attempt WHERE end = 'failed'")), 30)

    def test_no_program(self):
        self.bag("""
parameters: [{name: x, values: [1, 2]}]
job: {command: [no-such-program-at-all, '{x}']}
outputs: [{name: y, text: out.txt, match: 'y=(.*)'}]
surrogate: {enabled: false}
""")
        text = self.cox("run", "bag.yaml", "-o", self.sweep, code=1)
        self.assertIn("no-such-program-at-all", text)

    def test_limit(self):
        self.bag("""
parameters: [{name: x, values: [1]}]
job: {command: [sleep, '1000{x:.0f}'], limit_minutes: 0.003, retries: 0, grace_s: 1}
outputs: [{name: y, text: out.txt, match: 'y=(.*)'}]
surrogate: {enabled: false}
""")
        text = self.cox("run", "bag.yaml", "-o", self.sweep, code=1)
        self.assertIn("wall time of 0.18 s exceeded", text)
        self.assertEqual(self.rows("SELECT end FROM attempt")[0]["end"], "timeout")

    def test_jobs_target(self):
        self.simple(steps=50, n=20, more="targets: {jobs: 12}\n")
        text = self.cox("run", "bag.yaml", "-o", self.sweep)
        self.assertIn("targets.jobs", text)
        n = len(self.results())
        self.assertGreaterEqual(n, 12)
        self.assertLess(n, 50)
        self.assertEqual(self.summary()["reason"], "jobs")

    def test_budget_and_deadline(self):
        self.simple(steps=1000, n=20, more="targets: {budget: 0.00005}\n")  # 0.18 core seconds
        self.assertIn("the budget is spent", self.cox("run", "bag.yaml", "-o", self.sweep))
        self.assertLess(len(self.results()), 1000)
        self.sweep += "2"
        self.simple(steps=1000, n=20, more="targets: {deadline_hours: 0.0002}\n")
        self.assertIn("deadline", self.cox("run", "bag.yaml", "-o", self.sweep))
        self.assertLess(self.summary()["session"]["wall_s"], 10)

    def test_interrupt(self):
        """Ctrl-C: jobs get their SIGTERM, the exit code is 130, what had begun goes on."""
        self.simple(steps=20, n=200)
        with open(os.path.join(self.folder, "bag.yaml"), encoding="utf-8") as file:
            text = file.read()
        self.bag(text.replace("job:\n", "job:\n  checkpoint_minutes: 0.001\n"))
        process = self.start("run", "bag.yaml", "-o", self.sweep)
        self.wait_for(lambda: os.path.exists(os.path.join(
            self.sweep, "jobs", "000", "000003", "done.log")))
        process.send_signal(signal.SIGINT)
        text = process.communicate(timeout=60)[0]
        self.assertEqual(process.returncode, 130, text)
        self.assertIn("cox sweep resume", text)
        killed = self.rows("SELECT * FROM attempt WHERE end = 'killed'")
        self.assertTrue(killed)
        self.assertFalse(self.rows("SELECT * FROM attempt WHERE ended_s IS NULL"))
        self.cox("resume", self.sweep)
        self.check_sums(200)
        self.assertEqual(len(self.results()), 20)
        for a in killed:  # nothing was counted twice
            path = os.path.join(self.sweep, a["directory"], "done.log")
            self.assertEqual(os.path.getsize(path), 200)

    def test_kills(self):
        """SIGKILL at random moments: the same results, no finished job again."""
        self.simple(steps=60, n=30)
        chance = random.Random(7)
        kills = 0
        for _ in range(40):
            command = ["resume", self.sweep] if kills and os.path.exists(
                os.path.join(self.sweep, "config.yaml")) else ["run", "bag.yaml", "-o", self.sweep]
            before = set(self.results()) if os.path.exists(
                os.path.join(self.sweep, "ledger.db")) and kills > 1 else set()
            code, text = self.kill_after(chance.uniform(0.02, 0.5), *command)
            if code is None:
                break
            self.assertEqual(code, -signal.SIGKILL, text)
            kills += 1
            if before:
                self.assertLessEqual(before, set(self.results()))
        else:
            self.cox("resume", self.sweep)
        self.assertGreater(kills, 2)
        self.assertEqual(len(self.results()), 60)
        self.check_sums(30)
        ok = self.rows("SELECT point, count(*) AS n FROM attempt WHERE end = 'ok' GROUP BY point")
        self.assertEqual([row["n"] for row in ok], [1] * 60)
        self.assertFalse(self.rows("SELECT * FROM attempt WHERE ended_s IS NULL"))

    def test_orphans(self):
        """What a job of a killed sweep had started itself is ended before it is begun again."""
        job = self.script("job.sh", """#!/bin/sh
if [ -e ../../../../again ]; then echo "y=$1" > out.txt; exit 0; fi
sleep 1000 & echo $! > ../../../../pid.new; mv ../../../../pid.new ../../../../pid
wait
""")
        self.bag(f"""
parameters: [{{name: x, values: [1]}}]
job: {{command: ['{job}', '{{x:.0f}}']}}
outputs: [{{name: y, text: out.txt, match: 'y=(.*)'}}]
surrogate: {{enabled: false}}
""")
        process = self.start("run", "bag.yaml", "-o", self.sweep)
        pid_file = os.path.join(self.folder, "pid")
        self.wait_for(lambda: os.path.exists(pid_file))
        process.kill()
        process.communicate()
        pid = int(self.lines(pid_file)[0])
        os.kill(pid, 0)  # it lives on
        self.script("again", "")
        self.cox("resume", self.sweep)

        def gone():
            try:
                with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                    return file.read().split(")")[1].split()[0] == "Z"
            except FileNotFoundError:
                return True
        self.wait_for(gone, 5)

    def test_two_controllers(self):
        self.simple(steps=10, n=300)
        process = self.start("run", "bag.yaml", "-o", self.sweep)
        self.wait_for(lambda: os.path.exists(os.path.join(self.sweep, "status.json")))
        text = self.cox("resume", self.sweep, code=1)
        self.assertIn("being written by another process", text)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)

    def test_preempted_from_outside(self):
        """A SIGTERM from anywhere is a preemption: no retry is used up."""
        job = self.script("job.sh", """#!/bin/sh
n=$(cat tries 2>/dev/null || echo 0); echo $((n + 1)) > tries
if [ $n -lt 4 ]; then kill -TERM $$; sleep 10; fi
echo "y=$1" > out.txt
""")
        self.bag(f"""
parameters: [{{name: x, values: [1]}}]
job: {{command: ['{job}', '{{x:.0f}}'], retries: 0, checkpoint_minutes: 0.01}}
outputs: [{{name: y, text: out.txt, match: 'y=(.*)'}}]
surrogate: {{enabled: false}}
""")
        self.cox("run", "bag.yaml", "-o", self.sweep)
        ends = [a["end"] for a in self.rows("SELECT end FROM attempt ORDER BY id")]
        self.assertEqual(ends, ["preempted"] * 4 + ["ok"])

    def test_status_file(self):
        self.simple(steps=30, n=100)
        process = self.start("run", "bag.yaml", "-o", self.sweep)
        path = os.path.join(self.sweep, "status.json")

        def running():
            if not os.path.exists(path):
                return False
            with open(path, encoding="utf-8") as file:
                return json.load(file)["running"] > 0
        self.wait_for(running)
        with open(path, encoding="utf-8") as file:
            status = json.load(file)
        self.assertEqual(status["state"], "running")
        self.assertEqual(status["pid"], process.pid)
        self.assertTrue(status["jobs"][0]["directory"].startswith("jobs/000/"))
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(60), 130)
        process.communicate()
        with open(path, encoding="utf-8") as file:
            self.assertEqual(json.load(file)["state"], "interrupted")

    def test_usage(self):
        self.assertIn("bag.yaml is missing", self.cox("run", code=2))
        self.assertIn("is no sweep", self.cox("resume", self.folder, code=1))
        self.simple()
        self.assertIn("10 points of 1 parameters", self.cox("run", "bag.yaml", "--check"))
        self.assertFalse(os.path.exists(os.path.join(self.folder, "bag.sweep")))
        self.assertIn("checkpoint_minutes", self.cox("run", "--explain"))


if __name__ == "__main__":
    main()
