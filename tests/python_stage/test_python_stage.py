#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""examples/python-stage. Its network writes files that mean what docs/learner.md says (compared with the formulas that
tests/torch holds against our own network); and in a run, killed once in between, its models are published and used.
Usage: test_python_stage.py COX ROOT"""
import glob
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

try:
    import h5py
    import msgpack  # noqa: F401
    import numpy as np
    import torch
    import torch.nn.functional as F
    import yaml  # noqa: F401
    import zmq  # noqa: F401
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

COX, ROOT = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
STAGE = os.path.join(ROOT, "examples", "python-stage")
FOLD = os.path.join(ROOT, "examples", "chignolin", "fold.yaml")
sys.path.insert(0, STAGE)
from cvae import CVAE  # noqa: E402

LEARN = {"filters": [6, 5], "strides": [1, 2], "kernel": 3, "dense": 7, "latent": 3, "dropout": 0.25,
         "learning_rate": 0.001, "batch": 8}
SETTINGS = ["coordination=streaming", "simulation.engine=fake", "simulation.replicas=8", "streaming.simulations=2",
            "simulation.frame_ps=100", "simulation.segment_ps=1000", "stop.target.rmsd_A=0.0001",
            "streaming.heartbeat_s=0.2", "learn.filters=[4]", "learn.strides=[1]", "learn.dense=16", "learn.latent=3",
            "learn.max_samples=200", "learn.epochs_first=2", "learn.epochs=1", "learn.publish_tolerance=1000",
            "streaming.train_first_frames=60", "streaming.train_after_frames=60", "agent.outliers=lof", "agent.window=500",
            "stop.simulated_ns=1000000", f"streaming.train_command=[/usr/bin/python3, {STAGE}/train.py]"]


def mean_by_formula(path, maps, strides):
    """The encoder from the file's arrays, as docs/learner.md describes them."""
    with h5py.File(path, "r") as file:
        p = {}
        file["parameters"].visititems(
            lambda name, item: p.update({name: torch.tensor(item[()])} if isinstance(item, h5py.Dataset) else {}))
    x = maps.unsqueeze(1)
    for i, stride in enumerate(strides):
        x = F.relu(F.conv2d(x, p[f"encoder/conv{i + 1}/weight"].permute(3, 2, 0, 1), p[f"encoder/conv{i + 1}/bias"],
                            stride=stride, padding=1))
    h = F.relu(x.permute(0, 2, 3, 1).reshape(len(maps), -1) @ p["encoder/dense/weight"] + p["encoder/dense/bias"])
    return h @ p["latent/mean/weight"] + p["latent/mean/bias"]


class Network(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="cox-stage-")
        self.addCleanup(self.folder.cleanup)
        torch.manual_seed(3)
        torch.set_num_threads(1)

    def test_files_mean_what_the_formulas_say(self):
        path = os.path.join(self.folder.name, "model.h5")
        for size in (12, 13):
            model = CVAE(size, LEARN)
            maps = (torch.rand(9, size, size) < 0.3).float()
            before = [model.step(maps) for _ in range(30)]
            self.assertLess(before[-1], before[0])
            model.save(path)
            model.eval()
            with torch.no_grad():
                mean = model.encode(maps)[0]
                self.assertLess(float((mean - mean_by_formula(path, maps, [1, 2])).abs().max()), 1e-5)
            # goes on to the bit: weights and the optimiser's state
            again = CVAE(size, LEARN)
            again.load(path)
            losses = []
            for m in (model, again):
                m.train()
                torch.manual_seed(7)
                losses.append([m.step(maps) for _ in range(3)])
            self.assertEqual(losses[0], losses[1])
            self.assertEqual(again.steps, 33)

    def test_a_model_of_cox_is_gone_on_with(self):
        run = os.path.join(self.folder.name, "a.run")
        other = ("streaming.", "coordination", "stop.simulated_ns", "learn.publish")
        words = [w for s in SETTINGS if not s.startswith(other) for w in ("--set", s)]
        subprocess.run([COX, "run", FOLD, "-o", run, "-q", *words, "--set", "stop.simulated_ns=8"], check=True, timeout=120,
                       stdout=subprocess.DEVNULL)
        path = sorted(glob.glob(os.path.join(run, "models", "*.h5")))[-1]
        with h5py.File(path, "r") as file:
            size = int(file["architecture"].attrs["size"][0])
        model = CVAE(size, dict(LEARN, filters=[4], strides=[1], dense=16))
        model.load(path)
        self.assertGreater(model.steps, 0)
        self.assertTrue(np.isfinite(model.step((torch.rand(8, size, size) < 0.3).float())))


class Run(unittest.TestCase):
    def wait_for(self, what, seconds=120):
        end = time.time() + seconds
        while time.time() < end:
            value = what()
            if value:
                return value
            self.assertIsNone(self.process.poll(), "the run ended by itself")
            time.sleep(0.05)
        with open(os.path.join(self.run_dir, "logs", "train-0.log"), encoding="utf-8") as log:
            self.fail(f"nothing in {seconds} s; the stage's log: {log.read()[-2000:]}")

    def task(self, name):
        try:
            with open(os.path.join(self.run_dir, "status.json"), encoding="utf-8") as file:
                tasks = json.load(file)["tasks"]
        except (FileNotFoundError, KeyError):
            return {}
        return next((t for t in tasks if t["name"] == name), {})

    def models(self):
        return sorted(glob.glob(os.path.join(self.run_dir, "models", "model-*.h5")))

    def test_its_models_are_published_and_used(self):
        with tempfile.TemporaryDirectory(prefix="cox-stage-") as folder:
            self.run_dir = os.path.join(folder, "a.run")
            words = [w for s in SETTINGS for w in ("--set", s)]
            self.process = subprocess.Popen([COX, "run", FOLD, "-o", self.run_dir, "-q", *words],
                                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                self.wait_for(self.models)
                self.wait_for(lambda: (self.task("agent-0").get("embedded") or 0) > 0)
                first = self.task("train-0")
                os.kill(first["pid"], signal.SIGKILL)
                self.wait_for(lambda: self.task("train-0").get("epoch", 0) > first["epoch"])
                epoch = self.task("train-0")["epoch"]
                self.wait_for(lambda: any(m.endswith(f".e{epoch}.h5") for m in self.models()))
                number = max(int(os.path.basename(m)[6:10]) for m in self.models())
                self.wait_for(lambda: (self.task("agent-0").get("model") or 0) >= number)
                self.process.send_signal(signal.SIGINT)
                self.assertEqual(self.process.wait(60), 130)
            finally:
                self.process.kill()
                self.process.wait()
            numbers = [int(os.path.basename(m)[6:10]) for m in self.models()]
            self.assertEqual(numbers, list(range(len(numbers))))  # the second attempt went on from the first one's
            with h5py.File(self.models()[-1], "r") as file:
                self.assertTrue(file.attrs["creator"].startswith("pytorch"))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
