#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""How the sweep went, as SVG on standard output: errors and the bound over simulations; predictions beside simulations.
    sweep_figure.py SWEEP EXPORT.json DIRECTORY DIRECTORY > FILE.svg       directories of job.py at predicted points"""
import os
import sqlite3
import sys

import check_sweep

WIDE, HIGH, LEFT, TOP, GAP = 250, 200, 50, 34, 56
COLOUR = {"cation": "#c2410c", "anion": "#1d4ed8"}


def frame(left, title, across, x, y, xs, ys):
    out = [f'<rect x="{left}" y="{TOP}" width="{WIDE}" height="{HIGH}" fill="none" stroke="#888"/>',
           f'<text x="{left + WIDE / 2}" y="{TOP - 10}" text-anchor="middle">{title}</text>',
           f'<text x="{left + WIDE / 2}" y="{TOP + HIGH + 34}" text-anchor="middle">{across}</text>']
    for v in ys:
        out.append(f'<path d="M{left - 4} {y(v):.1f}h4" stroke="#888"/><text x="{left - 7}" y="{y(v) + 4:.1f}" '
                   f'text-anchor="end">{v:g}</text>')
    for v in xs:
        out.append(f'<path d="M{x(v):.1f} {TOP + HIGH}v4" stroke="#888"/><text x="{x(v):.1f}" y="{TOP + HIGH + 17}" '
                   f'text-anchor="middle">{v:g}</text>')
    return out


def course(left, path):
    with sqlite3.connect(f"file:{os.path.join(path, 'ledger.db')}?mode=ro", uri=True) as db:
        batches = db.execute("SELECT simulated, error, half_width, failing_bound, speedup FROM batch ORDER BY id").fetchall()
        first = db.execute("SELECT MIN(simulated) FROM batch WHERE model > 0").fetchone()[0]
    most = max(b[0] for b in batches)

    def x(n):
        return left + WIDE * n / (1.05 * most)

    def y(v):
        return TOP + HIGH * (1 - min(v, 3.0) / 3.0)

    out = frame(left, "of the accuracy wanted", "simulated", x, y, range(0, most + 1, 20), (0, 1, 2, 3))
    out.append(f'<path d="M{left} {y(1):.1f}h{WIDE}" stroke="#888" stroke-dasharray="3 3"/>')
    if first:
        out.append(f'<path d="M{x(first):.1f} {TOP}v{HIGH}" stroke="#bbb"/><text x="{x(first) - 4:.1f}" y="{TOP + 14}" '
                   'text-anchor="end" fill="#666">first model</text>')
    for i, (column, colour, label) in enumerate(((1, "#111", "last results (median)"), (2, "#15803d", "half-width"),
                                                 (3, "#b91c1c", "share that may miss"))):
        points = [(b[0], b[column]) for b in batches if b[column] is not None and b[column] < 1e6 and b[0] >= (first or 0)]
        line = " ".join(f"{x(n):.1f},{y(v):.1f}" for n, v in points)
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
                   f'<text x="{left + 4}" y="{TOP + 70 + 15 * i}" fill="{colour}" font-size="9">{label}</text>')
    return out


def profile(left, points, directory):
    inputs, truth = check_sweep.simulated(directory)
    near = min(points, key=lambda p: sum(abs(a - b) for a, b in zip(p["inputs"].values(), inputs)))
    top = 1.05 * max(v + w for name in COLOUR for v, w in zip(near["outputs"][name]["value"],
                                                              near["outputs"][name]["uncertainty"]))

    def x(u):
        return left + WIDE * u

    def y(v):
        return TOP + HIGH * (1 - v / top)

    step = next(s for s in (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2) if top / s <= 6)
    out = frame(left, f"h {inputs[0]:.2f} nm, {inputs[1]:.2f} M, d {inputs[2]:.2f} nm, {inputs[3]:.4f} C/m²",
                "|z|, from the mid-plane to the wall (density in M)", x, y, (0, 0.5, 1),
                [step * i for i in range(int(top / step) + 1)])
    for name, colour in COLOUR.items():
        value, width = near["outputs"][name]["value"], near["outputs"][name]["uncertainty"]
        n = len(value)
        at = [(i + 0.5) / n for i in range(n)]
        band = [f"{x(u):.1f},{y(v + w):.1f}" for u, v, w in zip(at, value, width)]
        band += [f"{x(u):.1f},{y(max(0, v - w)):.1f}" for u, v, w in list(zip(at, value, width))[::-1]]
        out.append(f'<polygon points="{" ".join(band)}" fill="{colour}" opacity="0.15"/>')
        line = " ".join(f"{x(u):.1f},{y(v):.1f}" for u, v in zip(at, value))
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}"/>')
        for u, (v, e) in zip(at, truth[name]):
            out.append(f'<path d="M{x(u):.1f} {y(v + e):.1f}V{y(max(0, v - e)):.1f}" stroke="{colour}"/>'
                       f'<circle cx="{x(u):.1f}" cy="{y(v):.1f}" r="2" fill="{colour}"/>')
    return out


def main(argv):
    if len(argv) != 4:
        sys.exit(__doc__)
    points = check_sweep.predicted(argv[1])
    wide, high = LEFT + 3 * (WIDE + GAP), TOP + HIGH + 62
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" font-family="sans-serif" font-size="12" '
          f'fill="#222">\n<rect width="{wide}" height="{high}" fill="#fff"/>')
    lines = course(LEFT, argv[0])
    for i, directory in enumerate(argv[2:]):
        lines += profile(LEFT + (i + 1) * (WIDE + GAP), points, directory)
    for i, (name, colour) in enumerate(COLOUR.items()):
        lines.append(f'<circle cx="{LEFT + 20 + 85 * i}" cy="{TOP + HIGH + 50}" r="3" fill="{colour}"/>'
                     f'<text x="{LEFT + 28 + 85 * i}" y="{TOP + HIGH + 54}">{name}s</text>')
    lines.append(f'<text x="{LEFT + 195}" y="{TOP + HIGH + 54}">line and band: predicted, with its 90 % '
                 'half-width; points: simulated afterwards, one standard error</text>')
    print("\n".join(lines) + "\n</svg>")


if __name__ == "__main__":
    main(sys.argv[1:])
