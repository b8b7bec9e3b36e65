# SPDX-License-Identifier: BSD-3-Clause
"""Follows the frames of a run while they are written (HDF5's SWMR mode) and keeps the contact maps of
the newest. A frame's id is row * files + file."""
import os

import h5py
import numpy as np


class File:
    def __init__(self, path):
        self.h5 = h5py.File(path, "r", libver="latest", swmr=True)
        self.x = self.h5["/particles/trajectory/position/value"]
        columns = self.h5["/observables"]
        self.all = [self.x] + [columns[name]["value"] for name in columns]
        self.row = 0  # the next to be read
        self.atom_name = [n.decode() if isinstance(n, bytes) else n for n in self.h5["/parameters/topology/atom_name"][()]]

    def rows(self):
        """Those that are there in every dataset: what lies beyond is still being written."""
        for dataset in self.all:
            dataset.refresh()
        return min(len(dataset) for dataset in self.all)


class Frames:
    def __init__(self, run, settings, files):
        words = settings["features"]["selection"].split()
        if len(words) != 2 or words[0] != "name":
            raise SystemExit(f"features.selection '{' '.join(words)}': this example understands 'name X' only")
        self.name = words[1]
        self.cutoff_nm = 0.1 * settings["features"]["contact_cutoff_A"]
        self.most = settings["learn"]["max_samples"]
        self.held_out = settings["learn"]["validation_fraction"]
        self.paths = [os.path.join(run, f"frames-{m}.h5") for m in range(files)]
        self.files = [None] * files
        self.points = None
        self.known = 0
        self.ids = np.empty(0, np.int64)
        self.maps = None

    def refresh(self):
        """Reads what is new; returns the number of frames known."""
        for m, path in enumerate(self.paths):
            if self.files[m] is None and os.path.exists(path):
                try:
                    self.files[m] = File(path)
                except (OSError, KeyError):
                    continue  # not yet ready to be followed
                self.points = [i for i, n in enumerate(self.files[m].atom_name) if n == self.name]
            if self.files[m] is not None:
                self.read(m, self.files[m])
        return self.known

    def read(self, m, file):
        rows = file.rows()
        self.known += rows - file.row
        file.row = max(file.row, rows - self.most)  # older ones would not be kept
        while file.row < rows:
            n = min(256, rows - file.row)
            x = file.x[file.row:file.row + n][:, self.points]
            d2 = ((x[:, :, None] - x[:, None]) ** 2).sum(-1)
            maps = (d2 <= self.cutoff_nm ** 2).astype(np.uint8)
            ids = np.arange(file.row, file.row + n) * len(self.files) + m
            self.maps = maps if self.maps is None else np.concatenate([self.maps, maps])[-self.most:]
            self.ids = np.concatenate([self.ids, ids])[-self.most:]
            file.row += n

    def split(self):
        """Maps to train on, and held out. Held out is a property of the id, for ever."""
        draw = (self.ids * 2654435761 % 2**32) / 2**32
        out = draw < self.held_out
        return self.maps[~out], self.maps[out]
