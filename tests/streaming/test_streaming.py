#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The streaming run as a user starts it, on the fake engine: real processes, sockets and files.
Usage: test_streaming.py COX ROOT [TestClass.test …]"""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

try:
    import h5py  # noqa: F401
except ImportError:
    print("skipped: no h5py")
    sys.exit(77)

COX = os.path.abspath(sys.argv[1])
ROOT = sys.argv[2]
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from killer import Killer, children, figures, role_of  # noqa: E402
from run_check import problems, rows, stored  # noqa: E402

FOLD = os.path.join(ROOT, "examples", "chignolin", "fold.yaml")
SMALL = ["coordination=streaming", "simulation.engine=fake", "simulation.replicas=8",
         "streaming.simulations=2", "simulation.frame_ps=100", "simulation.segment_ps=1000",
         "stop.target.rmsd_A=0.0001", "streaming.heartbeat_s=0.1", "streaming.checkpoint_s=0.2",
         "streaming.restarts=1000", "learn.filters=[4]", "learn.strides=[1]", "learn.dense=16",
         "learn.latent=3", "learn.max_samples=200", "streaming.train_first_frames=100",
         "streaming.train_after_frames=300", "agent.window=500", "agent.outliers=lof",
         "agent.diversity_A=0.1"]


def setting(words):
    return [w for s in words for w in ("--set", s)]


def cox(*words, timeout=120):
    return subprocess.run([COX, *words], capture_output=True, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL)


class Streaming(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="cox-streaming-")
        self.addCleanup(self.folder.cleanup)
        self.run_dir = os.path.join(self.folder.name, "a.run")

    def words(self, *more):
        return [COX, "run", FOLD, "-o", self.run_dir, "-q", *setting(SMALL + list(more))]

    def assert_sound(self):
        self.assertEqual(problems(self.run_dir), [])

    def test_runs_to_its_limit(self):
        done = cox(*self.words("stop.simulated_ns=200", "streaming.aggregators=2")[1:])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_sound()
        for name in ("config.yaml", "catalog.db", "events.jsonl", "frames-0.h5", "frames-1.h5",
                     "summary.json", "report.html", "status.json"):
            self.assertTrue(os.path.exists(os.path.join(self.run_dir, name)), name)
        with open(os.path.join(self.run_dir, "summary.json")) as file:
            summary = json.load(file)
        self.assertGreaterEqual(summary["simulated_ns"], 200 - 1e-6)
        self.assertEqual(summary["frames"], len(stored(self.run_dir)))
        self.assertEqual(summary["stop"], "simulated_ns")
        self.assertEqual(summary["restarts"], 0)
        self.assertEqual(summary["lost_segments"], 0)
        self.assertGreater(summary["models"], 0)
        self.assertGreater(summary["picks"], 0)
        self.assertLess(summary["stream_share"], 0.5)  # an engine that costs nothing
        self.assertEqual(rows(self.run_dir, "select count(*) from segment "
                                            "where status = 'running'")[0][0], 0)
        self.assertEqual(rows(self.run_dir, "select count(*) from attempt "
                                            "where ended_s is null")[0][0], 0)
        with open(os.path.join(self.run_dir, "status.json")) as file:
            self.assertEqual(json.load(file)["state"], "done")
        for private in ("", "control"):
            mode = os.stat(os.path.join(self.run_dir, private)).st_mode & 0o777
            self.assertEqual(mode & 0o077, 0, "%s is open to others: %o" % (private, mode))
        # it is over: to resume it does nothing
        frames = len(stored(self.run_dir))
        done = cox("resume", self.run_dir, "-q")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(stored(self.run_dir)), frames)
        with open(os.path.join(self.run_dir, "summary.json")) as file:
            self.assertEqual(json.load(file), summary)

    def test_interrupted_it_goes_on(self):
        process = subprocess.Popen(self.words("stop.simulated_ns=600"), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        status = os.path.join(self.run_dir, "status.json")
        deadline = time.time() + 60
        while time.time() < deadline and process.poll() is None:
            try:
                with open(status) as file:
                    if (json.load(file)["frames"] or 0) > 200:
                        break
            except (OSError, ValueError):
                pass
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, errors)
        self.assertIn("cox resume", errors)
        self.assert_sound()
        before = len(stored(self.run_dir))
        self.assertGreater(before, 200)
        done = cox("resume", self.run_dir, "-q")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_sound()
        self.assertGreater(len(stored(self.run_dir)), before)
        # nothing was simulated again and nothing lost: every lane had its checkpoint
        self.assertEqual(rows(self.run_dir, "select count(*) from segment "
                                            "where status = 'lost'")[0][0], 0)

    def test_lanes_that_blow_up(self):
        environment = dict(os.environ, COX_FAKE_BLOW_ONE_IN="5")
        done = subprocess.run(self.words("stop.simulated_ns=100"), capture_output=True, text=True,
                              timeout=120, env=environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_sound()
        self.assertGreater(rows(self.run_dir, "select count(*) from segment "
                                              "where status = 'blown'")[0][0], 0)

    def test_stale_lanes_are_replaced_at_once(self):
        """Every lane is stale nearly always; the frames' own velocities are kept."""
        done = cox(*self.words("stop.simulated_ns=300", "agent.stale_ps=300",
                               "agent.velocities=keep")[1:])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_sound()
        self.assertGreater(rows(self.run_dir, "select count(*) from pick "
                                              "where reason like 'stale:%'")[0][0], 0)
        self.assertGreater(rows(self.run_dir, "select count(*) from segment "
                                              "where status = 'cut'")[0][0], 8)

    def test_nobody_steers_a_control(self):
        done = cox(*self.words("stop.rounds=5", "stop.simulated_ns=1e6", "control=true")[1:])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_sound()
        self.assertEqual(rows(self.run_dir, "select count(*) from pick")[0][0], 0)
        tasks = {r[0].split("-")[0] for r in rows(self.run_dir, "select task from attempt")}
        self.assertEqual(tasks, {"sim", "agg"})
        self.assertGreaterEqual(min(r[0] for r in rows(
            self.run_dir, "select count(*) from segment where status = 'done' group by lane")), 5)

    def test_a_full_disk_is_waited_for(self):
        disk = os.path.join(self.folder.name, "disk")
        os.mkdir(disk)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "none", disk],
                                 capture_output=True)
        if mounted.returncode:
            self.skipTest("no disk can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", disk])
        self.run_dir = os.path.join(disk, "a.run")
        log = open(os.path.join(self.folder.name, "log"), "w+")
        self.addCleanup(log.close)
        process = subprocess.Popen(self.words("stop.simulated_ns=500", "streaming.silence_s=5"),
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.addCleanup(process.kill)
        deadline = time.time() + 60
        while time.time() < deadline and process.poll() is None:  # less than a block of frames
            space = os.statvfs(disk)
            if space.f_bavail * space.f_bsize < 65536:
                break
            time.sleep(0.05)
        self.assertIsNone(process.poll())
        for role in ("simulate", "aggregate"):  # and what dies now comes back all the same
            time.sleep(1)
            for pid in children(process.pid):
                if role_of(pid) == role:
                    os.kill(pid, signal.SIGKILL)
                    break
        time.sleep(1)
        self.assertIsNone(process.poll(), "a full disk ended the run")
        subprocess.run(["mount", "-o", "remount,size=200m", disk], check=True)
        code = process.wait(timeout=100)
        log.seek(0)
        said = log.read()
        self.assertEqual(code, 0, said[-4000:])
        self.assertRegex(said, "(?i)disk|space")
        if os.environ.get("COX_SHOW"):
            print(said)
        self.assert_sound()

    def test_killed_again_and_again(self):
        kills = int(os.environ.get("COX_KILLS", "30"))
        seconds = float(os.environ.get("COX_KILL_SECONDS", "12"))
        log_path = os.path.join(self.folder.name, "log")
        with open(log_path, "w") as log:
            killer = Killer(self.words("agent.stale_ps=3000", "stop.simulated_ns=%s" % os.environ.get("COX_KILL_NS", "1200")),
                            [COX, "resume", self.run_dir, "-q"], log,
                            seed=int(os.environ.get("COX_SEED", "1")))
            wrong = killer.run(kills, seconds, patience=120)
        with open(log_path) as log:
            said = log.read()[-4000:]
        self.assertIsNone(wrong, "%s\n%s" % (wrong, said))
        self.assert_sound()
        print("killed:", killer.killed, "sessions:", killer.sessions, figures(self.run_dir))
        # in CI the run may be over first
        self.assertGreaterEqual(sum(killer.killed.values()), kills if kills > 30 else 5, said)


if __name__ == "__main__":
    sys.argv = sys.argv[:1] + sys.argv[3:]
    unittest.main(verbosity=2)
