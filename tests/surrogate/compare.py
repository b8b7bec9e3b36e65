# SPDX-License-Identifier: BSD-3-Clause
"""compare.py SURROGATE_ANSWERS scipy|torch: Sobol points, convex hulls and bounds from audits
against SciPy; training, step by step, against PyTorch in float64. Exit 77 when they are missing."""
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

ANSWERS, PART = sys.argv[1:3]
FOLDER = tempfile.TemporaryDirectory()
rng = np.random.default_rng(5)


def path(name):
    return os.path.join(FOLDER.name, name)


def put(name, values):
    np.ascontiguousarray(values, dtype=np.float64).tofile(path(name))
    return path(name)


def ask(*args):
    subprocess.run([ANSWERS, *map(str, args)], check=True)


def get(shape):
    return np.fromfile(path("out")).reshape(shape)


def fail(text):
    print(f"FAILED: {text}")
    sys.exit(1)


def check_sobol(qmc):
    wanted = qmc.Sobol(64, scramble=False).random_base2(10)
    ask("sobol", 1024, 64, path("out"))
    if not np.array_equal(get((1024, 64)), wanted):
        fail("Sobol points are not SciPy's")
    print("sobol: 1,024 points in 64 dimensions, the same to the last bit")


def distance(points, x, nnls):
    """min |Σ w p − x|, w ≥ 0, Σ w = 1: by a heavy row for the sum."""
    heavy = 1e5
    weights, _ = nnls(np.vstack([(points - x).T, heavy * np.ones(len(points))]),
                      np.append(np.zeros(points.shape[1]), heavy), maxiter=10000)
    return np.linalg.norm(weights @ (points - x) / weights.sum())


def check_hull(linprog, nnls, delaunay):
    worst, asked, inside_all = 0.0, 0, 0
    for d, n in [(1, 10), (2, 50), (3, 200), (5, 400), (8, 200), (20, 150)]:
        points = rng.uniform(size=(n, d)) * 10.0 ** rng.integers(-3, 4, size=d)
        if d == 3:  # a grid: many points on each face
            points = np.stack(np.meshgrid(*[np.arange(6.0)] * 3), -1).reshape(-1, 3)
            n = len(points)
        low, width = points.min(0), np.ptp(points, 0)
        unit = (points - low) / width
        queries = [rng.uniform(-0.2, 1.2, size=d) for _ in range(40)]
        for size in (0.5, 0.9, 1.1):  # near the hull: combinations of few points, stretched
            for _ in range(20):
                few = unit[rng.integers(0, n, size=min(n, d + 1))]
                queries.append(0.5 + size * (rng.dirichlet(np.ones(len(few))) @ few - 0.5))
        queries = np.array(queries)
        ask("hull", put("points", points), n, d, put("queries", low + width * queries),
            len(queries), path("out"))
        tri = delaunay(unit) if 2 <= d <= 5 else None
        for x, (inside, away) in zip(queries, get((-1, 2))):
            lp = linprog(np.zeros(n), A_eq=np.vstack([unit.T, np.ones(n)]), b_eq=np.append(x, 1),
                         bounds=(0, None), method="highs")
            wanted = distance(unit, x, nnls)
            if abs(wanted) > 1e-6 and inside != (lp.status == 0):
                fail(f"hull: d = {d}: {inside} but linprog says {lp.status == 0}")
            if tri is not None and wanted > 1e-6 and inside != (tri.find_simplex(x) >= 0):
                fail(f"hull: d = {d}: {inside}, Delaunay disagrees")
            if abs(away - wanted) > 2e-6 * (1 + wanted):
                fail(f"hull: d = {d}: distance {away}, NNLS has {wanted}")
            worst = max(worst, abs(away - wanted))
            asked, inside_all = asked + 1, inside_all + int(inside)
    if not 0.2 * asked < inside_all < 0.8 * asked:
        fail(f"hull: {inside_all} of {asked} points are inside, which tests little")
    print(f"hull: {asked} points, {inside_all} inside; distances differ by at most {worst:.1e}")


def check_audits(stats):
    cases = []
    for _ in range(60):  # SciPy's hypergeom.cdf is slow
        v = int(rng.integers(1, 100))
        cases.append((rng.integers(0, 200), v, rng.integers(0, min(v, 30) + 1),
                      10 ** rng.uniform(-4, -0.3)))
    ask("audits", put("cases", cases), len(cases), path("out"))
    for (unaudited, v, k, delta), (bound, count) in zip(cases, get((-1, 2))):
        wanted = 1.0 if k == v else stats.beta.ppf(1 - delta, k + 1, v - k)
        if abs(bound - wanted) > 1e-9 * wanted:
            fail(f"audits: v = {v}, k = {k}, δ = {delta}: {bound}, SciPy {wanted}")
        failing = k + np.arange(unaudited + 1)
        likely = stats.hypergeom.cdf(k, unaudited + v, failing, v) > delta
        if count != np.flatnonzero(likely).max():
            fail(f"audits: {unaudited} left, v = {v}, k = {k}, δ = {delta}: {count}, "
                 f"SciPy {np.flatnonzero(likely).max()}")
    print(f"audits: {len(cases)} cases, Clopper-Pearson to 1e-9, hypergeometric counts equal")


def check_torch(torch, h5py):
    n, n_in, n_out, steps = 64, 3, 5, [1, 2, 10, 100]
    x = rng.uniform(size=(n, n_in)) * [1, 1e3, 1e-3] + [0, 50, 0]
    y = np.sin(5 * x[:, :1] + np.arange(n_out)) + x[:, 1:2] * 1e-3 * np.arange(n_out)
    y[rng.uniform(size=y.shape) < 0.1] = np.nan
    err = 10 ** rng.uniform(-3, 0, size=y.shape)
    err[rng.uniform(size=y.shape) < 0.1] = np.nan
    ask("fit", put("x", x), put("y", y), put("err", err), n, n_in, n_out, FOLDER.name, 0, *steps)

    low, width = np.nanmin(y, 0), np.nanmax(y, 0) - np.nanmin(y, 0)
    target = torch.tensor(np.nan_to_num((y - low) / width))
    weight = 1 / ((err / width) ** 2 + 0.01**2)
    weight /= np.nanmean(np.where(np.isnan(y), np.nan, weight))
    weight = torch.tensor(np.where(np.isnan(y), 0, np.where(np.isnan(err), 1, weight)))
    scaled = torch.tensor((x - x.min(0)) / np.ptp(x, 0))

    names = [f"layer{i}/{kind}" for i in range(4) for kind in ("weight", "bias")]

    def weights_of(step):
        with h5py.File(path(f"{step}.h5")) as f:
            return [f[f"member0/parameters/{name}"][()].astype(np.float64) for name in names]

    p = [torch.tensor(w, requires_grad=True) for w in weights_of(0)]
    adam = torch.optim.Adam(p, lr=1e-3)
    acts = [torch.relu, torch.sigmoid, torch.tanh, lambda z: z]
    for step in range(1, max(steps) + 1):
        h = scaled
        for i, act in enumerate(acts):
            h = act(h @ p[2 * i] + p[2 * i + 1])
        loss = (weight * (h - target) ** 2).sum() / weight.sum()
        adam.zero_grad()
        loss.backward()
        adam.step()
        if step not in steps:
            continue
        # Adam's first steps are ±lr whatever the gradient's size, so where a gradient is nothing but
        # rounding (a dead ReLU's is exactly 0 in both), its weight may move otherwise: by length
        moved = [(a.detach().numpy() - b, c - b) for a, b, c in
                 zip(p, weights_of(0), weights_of(step))]
        error = max(np.linalg.norm(a - b) / np.linalg.norm(a) for a, b in moved)
        if not error < 2e-3:
            fail(f"torch: after {step} steps the weights' ways differ by {error:.1e} of their length")
        print(f"torch: after {step} steps the weights' ways differ by {error:.1e} of their length")


try:
    if PART == "scipy":
        from scipy import optimize, spatial, stats
        from scipy.stats import qmc
        check_sobol(qmc)
        check_hull(optimize.linprog, optimize.nnls, spatial.Delaunay)
        check_audits(stats)
    else:
        import h5py
        import torch
        torch.set_num_threads(1)
        check_torch(torch, h5py)
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)
