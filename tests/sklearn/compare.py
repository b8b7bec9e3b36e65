#!/usr/bin/env -S /usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""compare.py ANSWERS: clustering, outliers, k-means and PCA against scikit-learn, same points."""
import os
import subprocess
import sys
import tempfile

# Small problems on a busy machine: scikit-learn's spinning threads cost more than they give.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

try:
    import numpy as np
    import sklearn
    from sklearn.cluster import DBSCAN, KMeans
    from sklearn.decomposition import PCA
    from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

PROGRAM = sys.argv[1]
KEPT = tempfile.TemporaryDirectory(prefix="cox-sklearn-")
FOLDER = KEPT.name
FAILED = []


def ask(points, what, *args):
    """The answer of our program as bytes."""
    points = np.ascontiguousarray(points, dtype=np.float32)
    source, target = os.path.join(FOLDER, "points"), os.path.join(FOLDER, "out")
    points.tofile(source)
    command = [PROGRAM, source, str(len(points)), str(points.shape[1]), target, what]
    done = subprocess.run(command + [str(a) for a in args], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr}")
    with open(target, "rb") as file:
        return file.read()


def check(name, good, figure=""):
    print(("ok   " if good else "FAIL ") + name, figure)
    if not good:
        FAILED.append(name)


def clouds(n, d, seed):
    """Dense blobs of unlike widths, a thread between two of them, and scattered points."""
    rng = np.random.default_rng(seed)
    parts = []
    for c, width in enumerate((0.3, 0.6, 1.0, 0.15)):
        centre = rng.normal(size=d) * 3
        parts.append(centre + width * rng.normal(size=(n // 5, d)))
    t = rng.random((n // 10, 1))
    parts.append(parts[0][0] * t + parts[1][0] * (1 - t) + 0.1 * rng.normal(size=(n // 10, d)))
    parts.append(rng.normal(size=(n - sum(map(len, parts)), d)) * 4)
    points = np.concatenate(parts).astype(np.float32)
    rng.shuffle(points)
    return points


def same_partition(a, b):
    """Equal up to renaming, outliers equal."""
    pairs = set(zip(a.tolist(), b.tolist()))
    return len(pairs) == len({x for x, _ in pairs}) == len({y for _, y in pairs}) and np.array_equal(
        a == -1, b == -1
    )


def test_neighbours():
    for n, d, k in ((2000, 10, 20), (500, 3, 7), (130, 25, 64), (65, 1, 5)):
        points = clouds(n, d, n)
        ours = np.frombuffer(ask(points, "knn", k), np.float32).reshape(n, k)
        theirs = NearestNeighbors(n_neighbors=k).fit(points.astype(np.float64)).kneighbors()[0]
        worst = np.abs(ours - theirs).max()
        check(f"neighbours n={n} d={d} k={k}", worst < 2e-5, f"largest difference {worst:.1e}")


def test_dbscan():
    for n, d, eps, least in ((3000, 10, 0.9, 10), (3000, 10, 2.0, 10), (2000, 2, 0.12, 5),
                             (2000, 3, 0.3, 1), (700, 5, 0.5, 40)):
        points = clouds(n, d, n + d)
        ours = np.frombuffer(ask(points, "dbscan", eps, least)[:-8], np.int32)
        theirs = DBSCAN(eps=eps, min_samples=least).fit_predict(points.astype(np.float64))
        check(f"dbscan n={n} d={d} eps={eps} min_samples={least}",
              same_partition(ours, theirs) and np.array_equal(ours, theirs),
              f"{theirs.max() + 1} clusters, {(theirs < 0).sum()} outliers")
    for n, d, low, high in ((5000, 10, 140, 160), (5000, 10, 1, 5), (3000, 4, 700, 720)):
        points = clouds(n, d, n + 7 * d)
        answer = ask(points, "dbscan-search", low, high, 10)
        ours, eps = np.frombuffer(answer[:-8], np.int32), np.frombuffer(answer[-8:])[0]
        theirs = DBSCAN(eps=eps, min_samples=10).fit_predict(points.astype(np.float64))
        check(f"dbscan searched n={n} for {low}-{high} outliers",
              np.array_equal(ours, theirs) and low <= (ours < 0).sum() <= high,
              f"eps {eps:.4f}, {(ours < 0).sum()} outliers")


def test_lof():
    for n, d, k in ((3000, 10, 20), (1000, 2, 5), (15, 3, 20)):
        points = clouds(n, d, n + 3)
        ours = np.frombuffer(ask(points, "lof", k), np.float32)
        judge = LocalOutlierFactor(n_neighbors=min(k, n - 1)).fit(points.astype(np.float64))
        worst = np.abs(ours + judge.negative_outlier_factor_).max()
        check(f"lof n={n} d={d} k={k}", worst < 1e-4, f"largest difference {worst:.1e}")
        repeated = np.concatenate([points] + [points[: n // 3]] * 30)
        again = np.frombuffer(ask(repeated, "lof", k), np.float32)
        expected = np.concatenate([ours] + [ours[: n // 3]] * 30)
        check(f"lof with duplicates n={len(repeated)}", np.abs(again - expected).max() < 1e-5)


def test_kmeans():
    # Few clusters of unlike width have many local minima: there both take the best of many starts.
    for n, d, k, starts in ((2500, 10, 100, 4), (2000, 3, 8, 40), (3000, 10, 17, 10)):
        points = clouds(n, d, n + k)
        exact = points.astype(np.float64)
        ours = np.frombuffer(ask(points, "kmeans", k, 1, starts)[:8])[0]
        theirs = KMeans(k, n_init=starts, random_state=1).fit(exact).inertia_
        check(f"k-means n={n} d={d} k={k}", ours <= theirs * 1.01,
              f"inertia {ours:.2f}, scikit-learn {theirs:.2f}")
        start = points[np.random.default_rng(k).choice(n, k, replace=False)]
        start.tofile(os.path.join(FOLDER, "start"))
        answer = ask(points, "kmeans-from", os.path.join(FOLDER, "start"), k)
        ours, label = np.frombuffer(answer[:8])[0], np.frombuffer(answer[8:], np.int32)
        judge = KMeans(k, init=start.astype(np.float64), n_init=1, algorithm="lloyd").fit(exact)
        off = abs(ours / judge.inertia_ - 1)
        # The tolerance may be crossed one iteration apart: rounding of float32 centres.
        check(f"k-means from given centres n={n} k={k}", off < 1e-4,
              f"relative difference {off:.1e}, labels equal {np.mean(label == judge.labels_):.4f}")


def test_pca():
    for n, d, c in ((3000, 10, 10), (500, 64, 5), (2, 3, 1)):
        points = clouds(max(n, 60), d, n)[:n] * np.linspace(1, 2, d, dtype=np.float32)
        answer = np.frombuffer(ask(points, "pca", c))
        judge = PCA(c).fit(points.astype(np.float64))
        variance, component = answer[:c], answer[c:-1].reshape(c, d)
        sign = np.sign((component * judge.components_).sum(1))[:, None]
        off = np.abs(component * sign - judge.components_).max()
        spread = np.abs(variance / judge.explained_variance_ - 1).max()
        share = abs(variance.sum() / answer[-1] - judge.explained_variance_ratio_.sum())
        check(f"pca n={n} d={d} components={c}", off < 1e-7 and spread < 1e-9 and share < 1e-9,
              f"components {off:.1e}, variances {spread:.1e}")


print(f"scikit-learn {sklearn.__version__}")
for test in (test_neighbours, test_dbscan, test_lof, test_kmeans, test_pca):
    test()
if FAILED:
    sys.exit(f"{len(FAILED)} failed: {', '.join(FAILED)}")
