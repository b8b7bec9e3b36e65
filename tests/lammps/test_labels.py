#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""examples/copper: what its programs make of LAMMPS's frames is what LAMMPS computed: forces and the
virial against differences of the energies, shapes and order of the arrays; the polycrystal has the
density, the grains and the distances that it should. Usage: test_labels.py SOURCE CC"""
import os
import shutil
import subprocess
import sys
import tempfile

import lammps

EAM = "/usr/share/lammps/potentials/Cu_mishin1.eam.alloy"


def numpy_or_skip():
    try:
        import numpy
    except ImportError:
        lammps.skip("there is no numpy")
    return numpy


class Example:
    def __init__(self, source, cc):
        self.keep = tempfile.TemporaryDirectory(prefix="cox-copper-")
        self.dir, self.example = self.keep.name, os.path.join(source, "examples", "copper")
        for program in ("labels", "polycrystal"):
            self.call(cc, "-std=c11", "-Wall", "-Wextra", "-Werror", "-Wno-format-truncation", "-O1", "-o", program,
                      os.path.join(self.example, program + ".c"), "-lm")

    def call(self, *argv, good=True):
        done = subprocess.run(argv, cwd=self.dir, capture_output=True, text=True, timeout=120)
        assert (done.returncode == 0) == good, (argv, done.stdout[-2000:], done.stderr[-2000:])
        return done.stdout + done.stderr

    def label(self, np, cell, frames, **variables):
        """Runs in.label; the arrays of all frames, those to check with put back at their places."""
        argv = ["lmp", "-in", os.path.join(self.example, "in.label"), "-log", "none", "-var", "cell",
                os.path.join(self.example, "cells", cell), "-var", "eam", EAM, "-var", "frames", str(frames)]
        for name, value in {"a": 3.615, "T": 300, "every": 10, "seed": 1, **variables}.items():
            argv += ["-var", name, f" {value}" if value < 0 else str(value)]  # LAMMPS's own way
        self.call(*argv)
        for folder in ("train", "valid"):
            shutil.rmtree(os.path.join(self.dir, folder), ignore_errors=True)
        self.call("./labels", "frames.txt", "frames.dump", "train", "valid")
        arrays = {}
        for name in ("coord", "box", "energy", "force", "virial"):
            parts = [np.load(os.path.join(self.dir, folder, "set.000", name + ".npy"))
                     for folder in ("train", "valid") if os.path.isdir(os.path.join(self.dir, folder))]
            both = list(parts[0])
            for k, row in enumerate(parts[1] if len(parts) > 1 else []):
                both.insert(8 * k + 7, row)
            arrays[name] = np.array(both)
        return arrays


def test_frames(example, np):
    """Energy along a trajectory: its change is the work of the forces, to the third order in the step."""
    got = example.label(np, "bulk", 9, xy=0.02, xx=1.01, holes=1, every=1)
    n = 107
    assert got["force"].shape == (10, 3 * n) and got["energy"].shape == (10, 1)
    assert open(os.path.join(example.dir, "train", "type_map.raw"), encoding="utf-8").read() == "Cu\n"
    box = got["box"][0].reshape(3, 3)
    assert np.allclose(box, np.array([[1.01, 0, 0], [.02, 1, 0], [0, 0, 1]]) * 3 * 3.615, atol=1e-9)
    moved = np.diff(got["coord"], axis=0).reshape(-1, n, 3) @ np.linalg.inv(box)
    moved = ((moved - np.round(moved)) @ box).reshape(-1, 3 * n)
    work = np.sum((got["force"][1:] + got["force"][:-1]) / 2 * moved, axis=1)
    gain = np.diff(got["energy"][:, 0])
    print(f"9 steps: the energy changes by up to {abs(gain).max():.3f} eV, by {abs(gain + work).max():.1e} eV "
          "besides the work of the forces")
    assert abs(gain).max() > 0.1 and abs(gain + work).max() < 2e-3


def test_virial(example, np):
    """W = -dE/dstrain: the same crystal, strained a little both ways."""
    d = 1e-4
    for name, at, sign in (("xx", (0, 0), 1.0), ("zz", (2, 2), 1.0), ("xy", (0, 1), 0.03)):
        base = {"T": 0.0001, "scale": 0.97, "yy": 1.02}  # no shear unless it is what is varied
        energies = [example.label(np, "bulk", 0, **base, **{name: sign + step})["energy"][0, 0]
                    for step in (d, -d)]
        w = example.label(np, "bulk", 0, **base, **{name: sign})["virial"][0].reshape(3, 3)[at]
        slope = -(energies[0] - energies[1]) / (2 * d)
        print(f"virial {name}: {w:.5f} eV, minus the energy's slope {slope:.5f}")
        # second-order differences; the tilt xy is relative to the edge along y, which is strained by 2 %
        scale = 1.02 if name == "xy" else 1.0
        assert abs(slope * scale - w) < 2e-4 * max(1, abs(w))


def test_polycrystal(example, np):
    text = example.call("./polycrystal", "45", "5", "3.615", "3")
    lines = text.splitlines()
    n = int(lines[2].split()[0])
    x = np.array([[float(v) for v in line.split()[2:]] for line in lines[lines.index("Atoms # atomic") + 2:]])
    assert x.shape == (n, 3) and x.min() >= 0 and x.max() < 45
    density = n / 45 ** 3 * 3.615 ** 3 / 4
    least = 1e9
    for k in range(n):
        d = x[k + 1:] - x[k]
        d -= 45 * np.round(d / 45)
        if len(d):
            least = min(least, (d * d).sum(axis=1).min())
    print(f"polycrystal: {n} atoms, {100 * density:.1f} % of the lattice's density, nearest {least ** .5:.3f} A")
    assert 0.93 < density < 0.99 and least ** .5 >= 0.65 * 3.615 / 2 ** .5 - 1e-6
    assert example.call("./polycrystal", "45", "5", "3.615", "3") == text
    example.call("./polycrystal", "5", "5", "3.615", "3", good=False)


def test_refusals(example, _):
    with open(os.path.join(example.dir, "short.dump"), "w", encoding="utf-8") as out:
        out.write("ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n2\n")
    assert "short.dump" in example.call("./labels", "frames.txt", "short.dump", "t", "v", good=False)
    assert "none.txt" in example.call("./labels", "none.txt", "short.dump", "t", "v", good=False)


def main():
    lammps.skip_unless_possible()
    np = numpy_or_skip()
    if not os.path.exists(EAM):
        lammps.skip(f"there is no {EAM}")
    example = Example(sys.argv[1], sys.argv[2])
    tests = [value for name, value in globals().items() if name.startswith("test_")]
    for test in tests:
        print(f"-- {test.__name__}", flush=True)
        test(example, np)
    print(f"{len(tests)} passed, 0 failed")


if __name__ == "__main__":
    main()
