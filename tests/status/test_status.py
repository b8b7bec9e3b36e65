#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""cox status beside a streaming run: once, as JSON lines, on a terminal, after the run was killed
and after it went on; report and compare of such a run. Usage: test_status.py COX ROOT"""
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import unittest

COX = os.path.abspath(sys.argv[1])
HELIX = os.path.join(sys.argv[2], "examples", "helix", "helix.yaml")
SHORT = ["--set", "coordination=streaming", "--set", "simulation.segment_ps=2",
         "--set", "simulation.frame_ps=0.2", "--set", "simulation.replicas=16",
         "--set", "simulation.minimize_steps=100", "--set", "streaming.simulations=2",
         "--set", "learn.epochs_first=1", "--set", "streaming.checkpoint_s=0.5"]
PATIENCE_S = 100  # of a busy machine


def cox(*words):
    return subprocess.run([COX, *words], capture_output=True, text=True, timeout=PATIENCE_S,
                          stdin=subprocess.DEVNULL)


def begin(run, ns):
    return subprocess.Popen([COX, "run", HELIX, "-o", run, "-q", *SHORT,
                             "--set", f"stop.simulated_ns={ns}"], stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def status(run):
    done = cox("status", run, "--json")
    return json.loads(done.stdout) if done.returncode == 0 else None


def wait_for(run, condition):
    """The first status that fulfils the condition; the file changes once a second."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        now = status(run)
        if now and condition(now):
            return now
        time.sleep(0.2)
    raise AssertionError(f"waited in vain; the last status: {now}")


def on_a_terminal(run, seconds):
    """What --follow writes on a terminal of 100 columns until the run ends or the time is over."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(COLUMNS="100", LINES="30", TERM="xterm")
        os.execv(COX, [COX, "status", run, "--follow"])
    text = b""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not select.select([fd], [], [], 0.5)[0]:
            continue
        try:
            text += os.read(fd, 65536)
        except OSError:
            break
    os.kill(pid, signal.SIGINT)
    os.waitpid(pid, 0)
    os.close(fd)
    return text.decode("utf-8", "replace")


class Status(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="cox-status-")
        cls.path = lambda self, name: os.path.join(cls.folder.name, name)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_a_run_from_its_beginning_to_its_end(self):
        run = self.path("whole.run")
        process = begin(run, 0.15)
        try:
            now = wait_for(run, lambda s: s["frames"] and s["frames"] > 0)
            self.assertEqual(now["coordination"], "streaming")
            self.assertEqual(now["pid"], process.pid)
            names = sorted(task["name"] for task in now["tasks"])
            self.assertEqual(names, ["agent-0", "agg-0", "sim-0", "sim-1", "train-0"])
            self.assertTrue(all(task["pid"] > 0 for task in now["tasks"]))
            followed = cox("status", run, "--follow", "--json")
            self.assertEqual(process.wait(PATIENCE_S), 0, process.stderr.read())
        finally:
            process.kill()
            process.stderr.close()
        lines = [json.loads(line) for line in followed.stdout.splitlines()]
        self.assertEqual(lines[-1]["state"], "done")
        frames = [line["frames"] for line in lines]
        self.assertEqual(frames, sorted(frames))
        self.assertGreaterEqual(lines[-1]["ns"], 0.15)
        self.assertGreaterEqual(lines[-1]["models"], 1)
        self.assertEqual(lines[-1]["restarts"], 0)
        text = cox("status", run).stdout
        self.assertIn("streaming, local · done", text)
        self.assertIn("frames stored", text)
        # elsewhere than on a terminal a line, and at once where there is nothing to wait for
        line = cox("status", run, "--follow").stdout
        self.assertRegex(line, r"^done · .* frames .*\n$")
        self.check_pages(run)

    def check_pages(self, run):
        with open(os.path.join(run, "report.html"), encoding="utf-8") as file:
            page = file.read()
        for words in ("The whole run", "sim-1", "train-0", "Cores that learn", "for the stream"):
            self.assertIn(words, page)
        target = self.path("compare.html")
        done = cox("compare", run, run, run, "-k", "10", "--epochs", "1", "-o", target, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        arms = json.loads(done.stdout)["arms"]
        self.assertEqual([arm["coordination"] for arm in arms], ["streaming"] * 3)
        self.assertGreater(arms[0]["segments_per_hour"], 0)

    def test_a_killed_run_is_told_and_goes_on(self):
        run = self.path("killed.run")
        process = begin(run, 1000)
        wait_for(run, lambda s: s["frames"] and s["frames"] > 0)
        screen = on_a_terminal(run, 3.5)
        process.kill()
        process.wait()
        process.stderr.close()
        dead = wait_for(run, lambda s: s["state"] == "dead")
        self.assertGreater(dead["frames"], 0)
        self.assertIn("cox resume", cox("status", run).stdout)
        # drawn over, line by line: no clearing of the screen, every picture as wide as it may be
        self.assertIn("frames stored", screen)
        self.assertGreaterEqual(len(re.findall(r"\x1b\[\d+A", screen)), 1)
        self.assertNotIn("\x1b[2J", screen)
        self.assertNotIn("\x1b[H", screen)
        again = subprocess.Popen([COX, "resume", run, "-q"], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for(run, lambda s: s["state"] == "running" and s["frames"] > dead["frames"])
            again.send_signal(signal.SIGINT)
            self.assertEqual(again.wait(PATIENCE_S), 130)
        finally:
            again.kill()
            again.wait()
        self.assertEqual(status(run)["state"], "interrupted")

    def test_what_is_no_run_is_refused(self):
        done = cox("status", self.folder.name)
        self.assertEqual(done.returncode, 1)
        self.assertIn("is no run", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
