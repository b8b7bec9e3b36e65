#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Opens what `cox potential convert` writes in DeePMD-kit's PyTorch backend and compares with the
numbers of this folder. Not part of the tests, which run without DeePMD-kit.

    v/bin/python check_written.py COX      (v as in make_oracles.py)

se_a_few_slots.pb differs: PyTorch's backend fills too few slots in another way than TensorFlow's.
"""
import os
import subprocess
import sys
import tempfile

import numpy as np
from deepmd.entrypoints.convert_backend import convert_backend
from deepmd.infer.deep_pot import DeepPot

FOLDER = os.path.dirname(os.path.abspath(__file__))


def oracles():
    found = {}
    for name in ("oracles.txt", "graphs.txt"):
        with open(os.path.join(FOLDER, name)) as lines:
            for line in lines:
                key, *values = line.split()
                if key == "model":
                    model = values[0]
                elif key == "periodic":
                    entry = found.setdefault(model, {})[int(values[0])] = {}
                elif key != "end":
                    entry[key] = np.array([float(v) for v in values])
    return found


def main(cox):
    with tempfile.TemporaryDirectory() as folder:
        written, torch = os.path.join(folder, "m.dp"), os.path.join(folder, "m.pth")
        for model, boxes in sorted(oracles().items()):
            subprocess.run([cox, "potential", "convert", os.path.join(FOLDER, model), "-o", written], check=True)
            convert_backend(INPUT=written, OUTPUT=torch)
            pot = DeepPot(torch)
            energy = force = 0
            for periodic, o in boxes.items():
                e, f, _ = pot.eval(o["x"].reshape(1, -1), o["box"].reshape(1, 9) if periodic else None,
                                   o["type"].astype(int), fparam=o["fparam"][None] if o["n_fparam"][0] else None)
                energy = max(energy, abs(e.ravel() - o["energy"]).max())
                force = max(force, abs(f.ravel() - o["force"]).max())
            print(f"{model:32s} energy {energy:.1e} eV, force {force:.1e} eV/Å", flush=True)


if __name__ == "__main__":
    sys.exit(__doc__) if len(sys.argv) != 2 else main(sys.argv[1])
