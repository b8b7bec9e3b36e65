# SPDX-License-Identifier: BSD-3-Clause
"""The convolutional variational autoencoder of docs/learner.md in PyTorch, and its file format."""
import os

import h5py
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class CVAE(nn.Module):
    def __init__(self, size, learn):
        super().__init__()
        self.size, self.learn, self.steps, self.seed = size, dict(learn), 0, 1
        filters, strides, kernel = learn["filters"], learn["strides"], learn["kernel"]
        dense, latent, pad = learn["dense"], learn["latent"], learn["kernel"] // 2
        sides, depths = [size], [1] + list(filters)
        for s in strides:
            sides.append(-(-sides[-1] // s))
        self.side, self.depth = sides[-1], depths[-1]
        flat = self.side * self.side * self.depth
        n = len(filters)
        self.down = nn.ModuleList(nn.Conv2d(depths[i], depths[i + 1], kernel, strides[i], pad) for i in range(n))
        self.dense = nn.Linear(flat, dense)
        self.mean, self.log_variance = nn.Linear(dense, latent), nn.Linear(dense, latent)
        self.undense, self.unmap = nn.Linear(latent, dense), nn.Linear(dense, flat)
        self.up = nn.ModuleList()
        for i in reversed(range(n)):  # each undoes its mirror, odd sides too
            extra = sides[i] - ((sides[i + 1] - 1) * strides[i] + 1 + kernel - 1 - 2 * pad)
            self.up.append(nn.ConvTranspose2d(depths[i + 1], depths[i], kernel, strides[i], pad, extra))
        for layer in self.modules():  # Glorot-uniform, biases at zero
            if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
        self.optimizer = torch.optim.RMSprop(self.parameters(), lr=learn["learning_rate"], alpha=0.9, eps=1e-8)

    def encode(self, maps):
        x = maps.unsqueeze(1)
        for layer in self.down:
            x = F.relu(layer(x))
        x = F.dropout(x.permute(0, 2, 3, 1).flatten(1), self.learn["dropout"], self.training)  # channels last
        h = F.relu(self.dense(x))
        return self.mean(h), self.log_variance(h)

    def loss(self, maps):
        mean, log_variance = self.encode(maps)
        h = F.relu(self.undense(mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)))
        h = F.relu(self.unmap(h)).view(-1, self.side, self.side, self.depth).permute(0, 3, 1, 2)
        for i, layer in enumerate(self.up):
            h = layer(h) if i + 1 == len(self.up) else F.relu(layer(h))
        pixels = F.binary_cross_entropy_with_logits(h[:, 0], maps, reduction="none").sum((1, 2))
        divergence = -0.5 * (1 + log_variance - mean ** 2 - log_variance.exp()).sum(1)
        return (pixels + divergence).mean()

    def step(self, maps):
        self.optimizer.zero_grad()
        loss = self.loss(maps)
        loss.backward()
        self.optimizer.step()
        self.steps += 1
        return float(loss)

    # ---- files: weights [ky][kx][fine][coarse] of either direction, dense ones [in][out] ----

    def named(self):
        """(name in the file, parameter, axes that turn ours into the file's)"""
        layers = [(f"encoder/conv{i + 1}", layer) for i, layer in enumerate(self.down)]
        layers += [("encoder/dense", self.dense), ("latent/mean", self.mean), ("latent/log_variance", self.log_variance)]
        layers += [("decoder/dense", self.undense), ("decoder/map", self.unmap)]
        layers += [(f"decoder/conv{i + 1}", layer) for i, layer in enumerate(self.up)]
        for name, layer in layers:
            yield f"{name}/weight", layer.weight, (1, 0) if isinstance(layer, nn.Linear) else (2, 3, 1, 0)
            yield f"{name}/bias", layer.bias, (0,)

    def save(self, path):
        """Whole or not at all: written beside its name, then renamed."""
        beside = f"{path}.tmp-{os.getpid()}"
        with h5py.File(beside, "w") as file:
            file.attrs["format"], file.attrs["creator"] = "coxswain-cvae", f"pytorch {torch.__version__}"
            file.attrs["version"] = np.array([1], np.int32)
            about = file.create_group("architecture").attrs
            ints = {"size": self.size, "conv_layers": len(self.down), "optimizer": 0}
            for key in ("kernel", "dense", "latent", "batch"):
                ints[key] = self.learn[key]
            for key, value in ints.items():
                about[key] = np.array([value], np.int32)
            for key in ("filters", "strides"):
                about[key] = np.array(self.learn[key], np.int32)
            about["dropout"], about["learning_rate"] = float(self.learn["dropout"]), float(self.learn["learning_rate"])
            about["rho"], about["epsilon"], about["seed"], about["steps"] = 0.9, 1e-8, str(self.seed), str(self.steps)
            for name, parameter, axes in self.named():
                second = self.optimizer.state[parameter].get("square_avg", torch.zeros_like(parameter))
                blocks = {"parameters": parameter, "parameters_state0": second,
                          "parameters_state1": torch.zeros_like(parameter)}
                for block, values in blocks.items():
                    file[f"{block}/{name}"] = values.detach().numpy().astype(np.float32).transpose(axes)
            file.flush()
        with open(beside, "rb") as written:
            os.fsync(written.fileno())
        os.rename(beside, path)

    def load(self, path):
        """Of the same architecture; with the optimiser's state, so that training goes on."""
        with h5py.File(path, "r") as file:
            self.steps = int(file["architecture"].attrs["steps"])
            for name, parameter, axes in self.named():
                back = np.argsort(axes)
                with torch.no_grad():
                    parameter.copy_(torch.from_numpy(file[f"parameters/{name}"][()].transpose(back).copy()))
                second = torch.from_numpy(file[f"parameters_state0/{name}"][()].transpose(back).copy())
                self.optimizer.state[parameter] = {"step": self.steps, "square_avg": second}
