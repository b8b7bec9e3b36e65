#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Estimators of examples/ions on series whose answers are known, and counting of ions. Usage: test_measure.py SOURCE"""
import math
import os
import random
import sys

ROOT = sys.argv[1]
sys.path.insert(0, os.path.join(ROOT, "examples", "ions"))
import compare  # noqa: E402
import job      # noqa: E402
import measure  # noqa: E402
import mesh     # noqa: E402

failed = 0


def check(truth, what):
    global failed
    if not truth:
        failed += 1
        print("FAILED:", what)


def correlated(chance, n, phi):
    x, out = chance.gauss(0, 1), []
    for _ in range(n):
        x = phi * x + math.sqrt(1 - phi * phi) * chance.gauss(0, 1)
        out.append(x)
    return out


def errors_honour_autocorrelation():
    """AR(1) of unit variance: g = (1 + φ)/(1 − φ); and the stated errors are those seen between repeats. 200 repeats
    give their spread to 5 %; the estimator itself is some 5 % low at 128 blocks: 15 % allowed, where errors that
    ignore correlation would be wrong by a factor of 2 (φ 0.6)."""
    for phi in (0.0, 0.3, 0.6):
        chance = random.Random(7)
        g, means, squares = 0.0, [], 0.0
        for _ in range(200):
            several = [correlated(chance, 128, phi) for _ in range(6)]
            found = measure.inefficiency(several)
            mean, error = measure.estimate(several[0], found)
            g += found / 200
            means.append(mean)
            squares += error * error / 200
        spread = math.sqrt(sum(m * m for m in means) / 200)
        check(abs(g / ((1 + phi) / (1 - phi)) - 1) < 0.15, f"φ {phi}: g {g:.3f}")
        check(abs(math.sqrt(squares) / spread - 1) < 0.15, f"φ {phi}: error {math.sqrt(squares):.4f}, spread {spread:.4f}")


def rebinning_keeps_counts():
    chance = random.Random(3)
    counts = [chance.random() for _ in range(97)]
    edges = [0.02 * 96.3 * i / 24 for i in range(25)]
    parts = measure.rebin(counts, 0.02, edges)
    check(abs(sum(parts) - (sum(counts[:96]) + 0.3 * counts[96])) < 1e-12, "rebinned counts")
    check(max(abs(a - b) for a, b in zip(measure.rebin(counts, 1.0, list(range(98))), counts)) < 1e-12, "same bins")


def reference_bins_come_back():
    """Bins → 502 places as the published files have them → bins."""
    width, chance = 0.02075, random.Random(5)
    value = {k: chance.random() for k in range(-97, 97)}
    error = {k: 0.01 + 0.05 * chance.random() for k in value}
    low, high = -96.5 * width, 96.5 * width
    z = [low + (high - low) * i / 501 for i in range(502)]
    y, e = [], []
    for x in z:
        k = min(math.floor(x / width - 0.5 + 1e-12), 95)
        t = x / width - 0.5 - k
        y.append((1 - t) * value[k] + t * value[k + 1])
        e.append(math.sqrt(error[k] ** 2 + t * t * (error[k] ** 2 + error[k + 1] ** 2)))
    back = compare.recover(z, y, e, width)
    check(len(back) >= 192, f"{len(back)} bins came back")
    check(max(abs(v - value[k]) for k, (v, _) in back.items()) < 1e-9, "values of bins")
    check(max(abs(s - error[k]) for k, (_, s) in back.items()) < 1e-6, "errors of bins")


def ions_balance_the_walls():
    for z in ((1, -1), (2, -1), (3, -1), (2, -2), (1, -2), (3, -2)):
        for sigma in (0.0, -0.001, -0.01, -0.02, 0.013):
            for c in (0.0, 0.1, 0.37, 1.0):
                if c == 0 and sigma == 0:
                    continue
                a = job.arguments(["--h", "4", "--c", str(c), "--d", ".5", "--zp", str(z[0]), f"--zm={z[1]}",
                                   f"--sigma={sigma}"])
                side, cations, anions = job.count(a)
                net = z[0] * cations + z[1] * anions
                walls = 2 * sigma / job.CHARGE * side * side
                check(abs(net + walls) < 1e-6, f"z {z} σ {sigma} c {c}: {net} against {walls}")
                if c > 0:
                    salt = anions if sigma <= 0 else cations * z[0] / -z[1]
                    real = salt / (job.AVOGADRO * side * side * 4)
                    check(abs(real / c - 1) < 0.06, f"z {z} σ {sigma}: c {real:.4f} for {c}")
                    check(side >= 5.4, f"z {z} σ {sigma} c {c}: side {side:.2f}")


def cutoff_and_mesh():
    """A finer accuracy never takes a coarser mesh at the same cutoff; the skin leaves room for a step."""
    old = 0
    for accuracy in (1e-1, 1e-2, 1e-3, 1e-4):
        found = mesh.choose((10, 4), 500, 400, accuracy, 4, 2.5)
        check(found["mesh"][0] >= old and found["mesh"][0] == found["mesh"][1], f"mesh {found['mesh']} at {accuracy}")
        old = found["mesh"][0]
    for across in range(8, 60):
        half = mesh.skin(10.0, across, 0.116) / 2
        spacing = 10.0 / across
        edge = (math.ceil((half - spacing / 2) / spacing - 1e-9) + 0.5) * spacing
        check(half >= 0.15 - 1e-9 and edge - half >= 0.116 - 1e-9, f"skin at {across} points: {half}, {edge}")


for test in (errors_honour_autocorrelation, rebinning_keeps_counts, reference_bins_come_back, ions_balance_the_walls,
             cutoff_and_mesh):
    test()
print("failed" if failed else "ok")
sys.exit(failed != 0)
