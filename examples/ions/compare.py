#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Our density.csv against a published profile, bin by bin.
    compare.py [--csv FILE] REFERENCE.csv DIRECTORY [REFERENCE.csv DIRECTORY ...]
A reference file has rows z_nm, cation_M, error, anion_M, error: 502 places between which the bins of 0.05 d that the
simulation had were interpolated. Values are linear between bins' middles and errors follow e² = e₀² + t² (e₀² + e₁²),
so both can be had back; those are compared, not the 502 places, of which two or three share a bin."""
import csv
import math
import os
import sys


def rows(path):
    with open(path, newline="") as file:
        table = list(csv.reader(file))
    return [[float(x) for x in row] for row in table[1:] if row]


def recover(z, y, error, width):
    """Values and errors at the bins' middles (k + 1/2) width from those at z."""
    values, errors = {}, {}
    place = {}
    for i, x in enumerate(z):
        place.setdefault(math.floor(x / width - 0.5), []).append(i)
    for k, members in place.items():
        if len(members) < 2:
            continue
        i, j = members[0], members[-1]
        t, u = z[i] / width - 0.5 - k, z[j] / width - 0.5 - k
        slope = (y[j] - y[i]) / (u - t)
        values.setdefault(k, []).append(y[i] - t * slope)
        values.setdefault(k + 1, []).append(y[i] + (1 - t) * slope)
        curvature = (error[j] ** 2 - error[i] ** 2) / (u * u - t * t) if u * u > t * t else 0.0
        errors[k] = math.sqrt(max(0.0, error[i] ** 2 - curvature * t * t))
    return {k: (sum(v) / len(v), errors[k]) for k, v in values.items() if k in errors}


def reference(path, width):
    table = rows(path)
    z = [r[0] for r in table]
    return {name: recover(z, [r[c] for r in table], [r[c + 1] for r in table], width)
            for name, c in (("cation", 1), ("anion", 3))}


def ours(directory):
    table = rows(os.path.join(directory, "density.csv"))
    width = (table[-1][0] - table[0][0]) / (len(table) - 1)
    return width, {name: {round(r[0] / width - 0.5): (r[c], r[c + 1]) for r in table}
                   for name, c in (("cation", 1), ("anion", 3))}


def agreement(a, b, select=lambda k: True):
    """(bins, share within 1 and 2 joint errors, chi² per bin, root mean square of difference, of errors a and b)"""
    keys = [k for k in a if k in b and select(k) and (a[k][0] > 1e-3 or b[k][0] > 1e-3)]
    n, one, two, chi, square, mine, theirs = len(keys), 0, 0, 0.0, 0.0, 0.0, 0.0
    for k in keys:
        (x, ex), (y, ey) = a[k], b[k]
        deviation = abs(x - y) / math.hypot(ex, ey)
        one += deviation <= 1
        two += deviation <= 2
        chi += deviation ** 2
        square += (x - y) ** 2
        mine += ex ** 2
        theirs += ey ** 2
    return n, one / n, two / n, chi / n, math.sqrt(square / n), math.sqrt(mine / n), math.sqrt(theirs / n)


def lopsided(profile):
    """Root mean square of (left − right)/√2 over that of the errors: 1 if errors are what they say."""
    pairs = [(profile[k], profile[-1 - k]) for k in profile if k >= 0 and -1 - k in profile and profile[k][0] > 1e-3]
    difference = sum((a[0] - b[0]) ** 2 for a, b in pairs)
    return math.sqrt(difference / sum(a[1] ** 2 + b[1] ** 2 for a, b in pairs))


def main(argv):
    table = None
    if argv[:1] == ["--csv"]:
        table, argv = argv[1], argv[2:]
    if not argv or len(argv) % 2:
        sys.exit(__doc__)
    lines = ["reference,ion,bins,within_1,within_2,chi2_per_bin,chi2_of_noise,rms_difference_M,rms_error_M,"
             "rms_error_reference_M,lopsided,lopsided_reference,peak_M,peak_error_M,peak_reference_M"]
    for path, directory in zip(argv[::2], argv[1::2]):
        width, mine = ours(directory)
        theirs = reference(path, width)
        for name in ("cation", "anion"):
            found = agreement(mine[name], theirs[name])
            share = lopsided(theirs[name])  # of the published error that is noise of the mean
            noise = agreement(mine[name], {k: (v, e * share) for k, (v, e) in theirs[name].items()})[3]
            best = [max((((p[k][0] + p[-1 - k][0]) / 2, k) for k in p if k >= 0 and -1 - k in p)) for p in
                    (mine[name], theirs[name])]
            k = best[0][1]
            error = math.hypot(mine[name][k][1], mine[name][-1 - k][1]) / 2
            lines.append(f"{os.path.basename(path)[:-4]},{name},{found[0]},{found[1]:.3f},{found[2]:.3f},{found[3]:.3f},"
                         f"{noise:.3f},{found[4]:.4f},{found[5]:.4f},{found[6]:.4f},{lopsided(mine[name]):.2f},"
                         f"{share:.2f},{best[0][0]:.4f},{error:.4f},{best[1][0]:.4f}")
    text = "\n".join(lines) + "\n"
    if table:
        with open(table, "w") as file:
            file.write(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main(sys.argv[1:])
