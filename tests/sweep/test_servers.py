# SPDX-License-Identifier: BSD-3-Clause
"""Servers that vanish at times drawn from their model: every result right, no finished work lost,
and an account in which every second of every server is found again."""
import os
import random
import signal

from sweep_case import COUNT, SweepCase, expected_sum, main

UNITS, EVERY, HOUR_S, PRICE = 150, 25, 1.0, 0.36
BAG = """
seed: {seed}
parameters:
  - {{name: x, range: [0, 1], steps: {steps}}}
job:
  command: ['{count}', '{units}', '{every}', '{{x}}'{more}]
  checkpoint_minutes: 0.0005
  retries: 0
outputs:
  - {{name: sum, json: result.json, key: sum}}
surrogate: {{enabled: false}}
servers:
  count: 4
  play: true
  seconds_per_hour: {hour}
  types:
    - name: small
      cores: {cores}
      price_on_demand: 1.7
      price_transient: {price}
      startup_s: 180
      notice_s: {notice}
      lifetime: {lifetime}
  policy: {{reuse: {reuse}}}
"""


class Servers(SweepCase):
    def vanishing(self, steps=60, cores=1, reuse="model", seed=1, notice=1800, more="",
                  lifetime="{model: exponential, parameters: [0.4]}"):
        self.bag(BAG.format(steps=steps, cores=cores, reuse=reuse, seed=seed, lifetime=lifetime,
                            count=COUNT, units=UNITS, every=EVERY, hour=HOUR_S, price=PRICE,
                            notice=notice, more=more))

    def check_results(self, steps):
        inputs, results = self.inputs(), self.results()
        self.assertEqual(len(results), steps)
        for point, (value,) in results.items():
            self.assertAlmostEqual(value, expected_sum(UNITS, inputs[point][0]), places=9)

    def check_work(self, sure):
        """What was counted: all of it, and twice only what came after the last checkpoint."""
        losses = {}
        for a in self.rows("SELECT * FROM attempt WHERE end != 'ok'"):
            losses[a["point"]] = losses.get(a["point"], 0) + 1
        total = twice = 0
        for a in self.rows("SELECT * FROM attempt WHERE end = 'ok'"):
            folder = os.path.join(self.sweep, a["directory"])
            done = os.path.getsize(os.path.join(folder, "done.log"))
            self.assertGreaterEqual(done, UNITS)
            self.assertLessEqual(done, UNITS + EVERY * losses.get(a["point"], 0))
            starts = [int(n) for n in self.lines(os.path.join(folder, "starts.log"))]
            self.assertEqual(starts, sorted(starts))  # never behind a checkpoint that was there
            total += done
            twice += done - UNITS
        if sure:  # each had time to write its checkpoint
            self.assertEqual(twice, 0)
        return total, twice

    def check_accounts(self, cores=1, restarts=False):
        servers = {f"{s['type']}-{s['id']}": s for s in self.rows("SELECT * FROM server")}
        attempts = self.rows("SELECT * FROM attempt")
        for a in attempts:
            self.assertIsNotNone(a["ended_s"])
            self.assertIn(a["server"], servers)
        cost = 0
        for name, s in servers.items():
            self.assertIsNotNone(s["ended_s"], name)
            life = s["ended_s"] - s["began_s"]
            self.assertAlmostEqual(s["cost"], PRICE * life / HOUR_S, places=9)
            mine = sorted((a["began_s"], a["ended_s"]) for a in attempts if a["server"] == name)
            busy = sum(ended - began for began, ended in mine)
            startup = min(life, 180 / 3600 * HOUR_S)
            idle = cores * (life - startup) - busy
            self.assertGreaterEqual(idle, -1e-3, name)  # ends are read a moment after they happen
            for began, ended in mine:
                self.assertGreaterEqual(began, s["began_s"] + startup - 1e-6)
                if not restarts:
                    self.assertLessEqual(ended, s["ended_s"] + 1e-3)
            events = sorted([(b, 1) for b, _ in mine] + [(e, -1) for _, e in mine])
            running = most = 0
            for _, step in events:
                running += step
                most = max(most, running)
            self.assertLessEqual(most, cores, name)
            cost += s["cost"]
        spent = sum(a["cost"] for a in attempts)
        self.assertLessEqual(spent, cost + 1e-9)
        self.assertAlmostEqual(self.summary()["cost"], cost, places=9)
        # at most so many at any time
        events = sorted([(s["began_s"], 1) for s in servers.values()] +
                        [(s["ended_s"], -1) for s in servers.values()])
        live = 0
        for _, step in events:
            live += step
            self.assertLessEqual(live, 4)
        return servers, attempts

    def test_preemptions(self):
        self.vanishing()
        text = self.cox("run", "bag.yaml", "-o", self.sweep)
        self.check_results(60)
        self.check_work(sure=True)
        servers, attempts = self.check_accounts()
        preempted = [a for a in attempts if a["end"] == "preempted"]
        self.assertGreater(len(preempted), 5, text)
        self.assertEqual({a["end"] for a in attempts}, {"ok", "preempted"})
        for a in preempted:
            self.assertTrue(servers[a["server"]]["preempted"])

    def test_short_notice(self):
        """Too short to write a checkpoint: the last one there is counts."""
        self.vanishing(steps=30, notice=0, more=", quiet")
        self.cox("run", "bag.yaml", "-o", self.sweep)
        self.check_results(30)
        self.check_work(sure=False)
        self.check_accounts()

    def test_larger_servers(self):
        self.vanishing(steps=40, cores=2, lifetime="{model: exponential, parameters: [0.6]}")
        self.cox("run", "bag.yaml", "-o", self.sweep)
        self.check_results(40)
        self.check_work(sure=True)
        self.check_accounts(cores=2)

    def test_never_reused(self):
        self.vanishing(steps=10, reuse="never", lifetime="{model: exponential, parameters: [50]}")
        self.cox("run", "bag.yaml", "-o", self.sweep)
        self.check_results(10)
        servers, attempts = self.check_accounts()
        self.assertEqual(len(servers), len(attempts))

    def test_always_reused(self):
        self.vanishing(steps=10, reuse="always", lifetime="{model: forever}")
        self.cox("run", "bag.yaml", "-o", self.sweep)
        servers, attempts = self.check_accounts()
        self.assertLessEqual(len(servers), 4)
        self.assertEqual(len(attempts), 10)

    def test_controller_killed_too(self):
        """SIGKILL of cox itself at random moments in between."""
        self.vanishing(steps=40, seed=5)
        chance = random.Random(3)
        kills = 0
        for _ in range(12):
            there = os.path.exists(os.path.join(self.sweep, "config.yaml"))
            command = ["resume", self.sweep] if there else ["run", "bag.yaml", "-o", self.sweep]
            code, text = self.kill_after(chance.uniform(0.1, 1.0), *command)
            if code is None:
                break
            self.assertEqual(code, -signal.SIGKILL, text)
            kills += 1
        else:
            self.cox("resume", self.sweep)
        self.assertGreater(kills, 2)
        self.check_results(40)
        self.check_work(sure=False)
        self.check_accounts(restarts=True)
        ok = self.rows("SELECT point, count(*) AS n FROM attempt WHERE end = 'ok' GROUP BY point")
        self.assertEqual([row["n"] for row in ok], [1] * 40)

    def test_needs_types(self):
        self.bag("""
parameters: [{name: x, values: [1]}]
job: {command: ['true', '{x}']}
outputs: [{name: y, text: out.txt, match: 'y=(.*)'}]
servers: {play: true}
""")
        self.assertIn("servers.types", self.cox("run", "bag.yaml", "-o", self.sweep, code=1))


if __name__ == "__main__":
    main()
