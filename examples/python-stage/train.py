#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The train role of a streaming run in PyTorch: follows the frames, trains when enough new ones came, publishes a model
when its loss on held-out frames is as good as that of the one before. Set streaming.train_command to this file."""
import os
import time

import numpy as np
import torch

from cvae import CVAE
from frames import Frames
from stage import Stage


class Trainer:
    def __init__(self, stage):
        self.stage = stage
        self.learn = stage.settings["learn"]
        self.frames = Frames(stage.run, stage.settings, stage.welcome.get("files", 1))
        self.model, self.published, self.number = None, None, -1
        self.trained_at = 0  # frames known when the last training began
        self.granted = None

    def due(self):
        """Frames between two trainings; left out: segments of all replicas."""
        simulation, streaming = self.stage.settings["simulation"], self.stage.streaming
        segment = simulation["replicas"] * round(simulation["segment_ps"] / simulation["frame_ps"])
        if self.model is None:
            return streaming.get("train_first_frames") or segment
        return streaming.get("train_after_frames") or segment * self.learn["retrain_every"]

    def note(self, doing, **figures):
        lag = (self.frames.known - self.trained_at) / self.due()
        self.stage.figures = {"doing": doing, "seen": self.frames.known, "lag": lag, "model": self.number,
                              "cores": len(self.stage.cores or [0]), **figures}
        return lag

    def build(self):
        """A fresh model, or the run's newest: an attempt before this one may have trained it."""
        self.model = CVAE(len(self.frames.points), self.learn)
        if self.stage.welcome.get("path"):
            self.number = self.stage.welcome["model"]
            self.model.load(os.path.join(self.stage.run, self.stage.welcome["path"]))
            self.remember()
            return self.learn["epochs"]
        return self.learn["epochs_first"]

    def remember(self):
        self.published = {name: value.clone() for name, value in self.model.state_dict().items()}

    def pulse(self):
        """Between two batches: messages, heartbeats, cores."""
        self.stage.tend()
        while self.stage.cores == [] and not self.stage.stopping:
            self.stage.tend(0.5)
        if self.stage.cores and self.stage.cores != self.granted:
            self.granted = self.stage.cores
            torch.set_num_threads(len(self.granted))
        return not self.stage.stopping

    def loss_on(self, maps, weights=None):
        """Mean over all; the same noise each time, so that two models can be compared."""
        own = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(weights or own)
        self.model.eval()
        torch.manual_seed(1)
        total = 0.0
        with torch.no_grad():
            for i in range(0, len(maps), 256):
                piece = torch.from_numpy(maps[i:i + 256].astype(np.float32))
                total += float(self.model.loss(piece)) * len(piece)
                if not self.pulse():
                    break
        torch.seed()
        self.model.load_state_dict(own)
        self.model.train()
        return total / max(1, len(maps))

    def train(self):
        """One training; publishes. Returns nothing: told to stop, it just ends."""
        epochs = self.learn["epochs"] if self.model else self.build()
        began, task_began = time.monotonic(), time.time()
        self.trained_at = self.frames.known
        maps, held_out = self.frames.split()
        batch, loss = self.learn["batch"], float("nan")
        self.model.train()
        for epoch in range(epochs):
            order, losses = np.random.permutation(len(maps)), []
            for i in range(0, len(maps), batch):
                losses.append(self.model.step(torch.from_numpy(maps[order[i:i + batch]].astype(np.float32))))
                self.note("train", samples=len(maps), loss=losses[-1], epoch_of_training=epoch + 1)
                if not self.pulse():
                    return
            loss = float(np.mean(losses)) if losses else loss
        valid = self.loss_on(held_out)
        before = self.loss_on(held_out, self.published) if self.published else float("inf")
        self.stage.task("train", task_began, lag=self.note("waiting", loss=loss, valid_loss=valid))
        if valid <= before * (1 + self.learn["publish_tolerance"]) and not self.stage.stopping:
            self.publish(loss, valid, epochs, len(maps), time.monotonic() - began)

    def publish(self, loss, valid, epochs, samples, seconds):
        self.number += 1
        path = f"models/model-{self.number:04d}.e{self.stage.epoch}.h5"
        self.model.save(os.path.join(self.stage.run, path))
        self.remember()
        self.stage.send("published", id=self.number, path=path, train_loss=loss, valid_loss=valid, epochs=epochs,
                        samples=samples, seconds=seconds, seed=self.model.seed)

    def follow(self):
        while not self.stage.stopping:
            self.stage.tend(0.2)
            self.frames.refresh()
            if self.note("waiting") >= 1 and self.stage.cores != [] and len(self.frames.split()[0]):
                self.train()
        self.stage.leave()


if __name__ == "__main__":
    torch.set_num_threads(1)
    Trainer(Stage("train")).follow()
