#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What every command of cox keeps to: exit codes 0, 1, 2; --help; one-line messages on standard
error; JSON on standard output. Usage: test_contract.py COX ROOT"""
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

COX = os.path.abspath(sys.argv[1])
ROOT = sys.argv[2]


def cox(*words, **options):
    return subprocess.run([COX, *words], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, **options)


def commands():
    text = cox("--help").stdout
    return re.findall(r"^  (\w+) +\S", text[text.index("commands:"):], re.M)


def every():
    """Those that are not listed, too."""
    return [*commands(), "worker"]


def example_system():
    for name in ("chignolin", "helix", "bba"):
        folder = os.path.join(ROOT, "examples", name)
        for file in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            if file.endswith(".system.h5"):
                return os.path.join(folder, file)
    return None


class Program(unittest.TestCase):
    def test_help(self):
        for word in ("--help", "-h", "help"):
            done = cox(word)
            self.assertEqual(done.returncode, 0)
            self.assertIn("usage: cox COMMAND", done.stdout)
            self.assertEqual(done.stderr, "")
        self.assertGreaterEqual(len(commands()), 2)

    def test_version(self):
        done = cox("--version")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"^cox \d+\.\d+\.\d+\n$")

    def test_no_command(self):
        done = cox()
        self.assertEqual(done.returncode, 2)
        self.assertIn("usage:", done.stderr)
        self.assertEqual(done.stdout, "")

    def test_unknown_command(self):
        done = cox("prepre")
        self.assertEqual(done.returncode, 2)
        self.assertIn("unknown command 'prepre'; did you mean 'prepare'?", done.stderr)
        done = cox("qqqqqqqq")
        self.assertEqual(done.returncode, 2)
        self.assertNotIn("did you mean", done.stderr)


class EveryCommand(unittest.TestCase):
    def test_help(self):
        for name in every():
            with self.subTest(command=name):
                for word in ("--help", "-h"):
                    done = cox(name, word)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertTrue(done.stdout.startswith(f"usage: cox {name}"), done.stdout[:60])
                    self.assertEqual(done.stderr, "")

    def test_unknown_option(self):
        for name in every():
            with self.subTest(command=name):
                done = cox(name, "--no-such-option")
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn("no-such-option", done.stderr)
                self.assertEqual(done.stdout, "")

    def test_documented_options_need_their_value(self):
        """An option that takes a value and stands last is an error of usage."""
        for name in every():
            for option in re.findall(r"^  .{4}--([\w-]+) [A-Z]", cox(name, "--help").stdout, re.M):
                with self.subTest(command=name, option=option):
                    done = cox(name, f"--{option}")
                    self.assertEqual(done.returncode, 2, done.stderr)
                    self.assertIn(option, done.stderr)

    def test_missing_input(self):
        """A file that is not there: exit 1, named in one line, no usage text."""
        for name in ("show", "run", "resume", "md", "export", "lineage", "compare", "report"):
            if name not in commands():
                continue
            with self.subTest(command=name), tempfile.TemporaryDirectory() as folder:
                missing = os.path.join(folder, "absent.h5")
                more = {"lineage": ["0"], "compare": [missing]}.get(name, [])
                more = {"export": ["--dcd", "x.dcd"], "md": ["-o", "x.h5"]}.get(name, more)
                done = cox(name, missing, *more, cwd=folder)
                # a configuration is part of the usage
                self.assertEqual(done.returncode, 2 if name == "run" else 1, done.stderr)
                self.assertIn("absent.h5", done.stderr)
                self.assertTrue(done.stderr.startswith("cox"), done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
                self.assertEqual(os.listdir(folder), [], "an error left files behind")


class Worker(unittest.TestCase):
    """Processes of a run are started by it; by hand they say what is missing."""
    def test_not_listed(self):
        self.assertNotIn("worker", commands())

    def test_usage(self):
        for words in (["simulate"], ["simulate", "x.run"], ["simulate", "x.run", "--name", "sim-0"]):
            done = cox("worker", *words)
            self.assertEqual(done.returncode, 2, done.stderr)

    def test_wrong_words(self):
        with tempfile.TemporaryDirectory() as folder:
            for role, name, word in (("fly", "sim-0", "no role 'fly'"), ("train", "sim-0", "train-N"),
                                     ("simulate", "sim-x", "sim-N"),
                                     ("simulate", "sim-0", "config.yaml")):
                done = cox("worker", role, folder, "--name", name, "--epoch", "1", "--hub",
                           f"ipc://{folder}/hub")
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn(word, done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
            self.assertEqual(os.listdir(folder), [])


class Show(unittest.TestCase):
    def setUp(self):
        self.system = example_system()
        if not self.system or "show" not in commands():
            self.skipTest("no example system")

    def test_words_and_json(self):
        done = cox("show", self.system)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("atoms", done.stdout)
        done = cox("show", self.system, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIsInstance(json.loads(done.stdout), dict)

    def test_damaged_file(self):
        with open(self.system, "rb") as file:
            bytes_ = file.read()
        with tempfile.TemporaryDirectory() as folder:
            cut = os.path.join(folder, "cut.system.h5")
            with open(cut, "wb") as file:
                file.write(bytes_[:len(bytes_) // 2])
            done = cox("show", cut)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn("cut.system.h5", done.stderr)

    def test_closed_pipe(self):
        """`cox show | head -0`: no crash, no message."""
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([COX, "show", self.system], stdout=full, stderr=subprocess.PIPE,
                                  timeout=60)
        self.assertGreaterEqual(done.returncode, 0)


class Run(unittest.TestCase):
    def setUp(self):
        if "run" not in commands():
            self.skipTest("no cox run")

    def check(self, text, expected):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "f.yaml")
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            done = cox("run", "--check", path)
            self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
            self.assertRegex(done.stderr, expected)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_explain(self):
        done = cox("run", "--explain")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertGreater(done.stdout.count("\n"), 40)

    def test_check_names_the_place(self):
        self.check("nonsense_key: 1\n", r"f\.yaml:1:1: unknown key 'nonsense_key'")
        self.check("a: [1\n", r"f\.yaml:2:1: not valid YAML")
        self.check("", r"f\.yaml:1:1: '\w+' is missing")

    def test_examples_are_valid(self):
        for folder, _, names in os.walk(os.path.join(ROOT, "examples")):
            for name in sorted(n for n in names if n.endswith(".yaml")):
                with self.subTest(name=name):
                    family = ["sweep"] if name == "bag.yaml" else []
                    done = cox(*family, "run", "--check", os.path.join(folder, name))
                    self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]], verbosity=1)
