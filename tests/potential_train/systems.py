# SPDX-License-Identifier: BSD-3-Clause
"""Small labelled systems: two types of atoms under a Morse pair potential in a skewed box."""
import os

import numpy as np

EPSILON = {(0, 0): 0.4, (0, 1): 0.9, (1, 1): 0.2}  # eV
RADIUS = {(0, 0): 2.4, (0, 1): 1.9, (1, 1): 2.1}  # Å
FREE = (-3.0, -1.0)  # eV
BOX = np.array([[6.2, 0, 0], [0.7, 6.5, 0], [-0.5, 0.6, 6.8]])


def label(x, types, box):
    """Energy, forces and virial; all images within 5 Å, with a smooth end."""
    energy = sum(FREE[t] for t in types)
    force = np.zeros_like(x)
    virial = np.zeros((3, 3))
    images = np.array([(i, j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)])
    for shift in images @ box:
        r = x[None, :, :] + shift - x[:, None, :]
        d = np.linalg.norm(r, axis=2)
        for i, j in np.argwhere((d < 5) & (d > 1e-6)):
            key = tuple(sorted((types[i], types[j])))
            e, r0 = EPSILON[key], RADIUS[key]
            a = np.exp(-1.2 * (d[i, j] - r0))
            end = (1 - (d[i, j] / 5) ** 2) ** 2
            slope = -4 * d[i, j] / 25 * (1 - (d[i, j] / 5) ** 2)
            morse = e * (a * a - 2 * a)
            g = e * -1.2 * (2 * a * a - 2 * a) * end + morse * slope
            energy += 0.5 * morse * end
            pull = 0.5 * g * r[i, j] / d[i, j]
            force[i] += pull
            force[j] -= pull
            virial -= np.outer(pull, r[i, j])
    return energy, force, virial


def frames(n, seed, atoms=12):
    rng = np.random.default_rng(seed)
    types = np.array([0, 1, 1] * (atoms // 3))
    grid = np.array([(i, j, k) for i in range(2) for j in range(2) for k in range(3)][:atoms])
    out = []
    for _ in range(n):
        box = BOX * rng.normal(1, 0.02)
        x = ((grid + 0.5) / (2, 2, 3) + rng.normal(0, 0.03, (atoms, 3))) @ box
        out.append((x, box, *label(x, types, box)))
    return types, out


def columns(some):
    n = len(some)
    return {
        "coord": np.array([f[0].reshape(-1) for f in some]),
        "box": np.array([f[1].reshape(-1) for f in some]),
        "energy": np.array([f[2] for f in some]),
        "force": np.array([f[3].reshape(-1) for f in some]),
        "virial": np.array([f[4].reshape(-1) for f in some]).reshape(n, 9),
    }


def write(folder, types, some, sets=1, without=(), dtype=np.float64, **more):
    os.makedirs(folder)
    np.savetxt(os.path.join(folder, "type.raw"), types, fmt="%d")
    with open(os.path.join(folder, "type_map.raw"), "w", encoding="utf-8") as f:
        f.write("A\nB\n")
    for k in range(sets):
        inner = os.path.join(folder, f"set.{k:03d}")
        os.makedirs(inner)
        part = some[k * len(some) // sets:(k + 1) * len(some) // sets]
        for name, values in {**columns(part), **more}.items():
            if name not in without:
                np.save(os.path.join(inner, name + ".npy"), values.astype(dtype))
