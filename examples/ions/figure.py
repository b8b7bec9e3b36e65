#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Profiles beside published ones, as SVG on standard output.
    figure.py TITLE REFERENCE.csv DIRECTORY [TITLE REFERENCE.csv DIRECTORY ...] > FILE.svg"""
import sys

import compare

WIDE, HIGH, LEFT, TOP, GAP = 250, 210, 46, 34, 52
COLOUR = {"cation": "#c2410c", "anion": "#1d4ed8"}


def ticks(top):
    step = next(s for s in (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2) if top / s <= 6)
    return [step * i for i in range(int(top / step) + 1)]


def panel(left, title, path, directory):
    width, mine = compare.ours(directory)
    theirs = compare.reference(path, width)
    top = 1.12 * max(v for p in theirs.values() for v, _ in p.values())
    edge = max(abs((k + 0.5) * width) for k, (v, _) in theirs["cation"].items() if v > 0) + 0.1
    out = []

    def x(z):
        return left + WIDE * (z + edge) / (2 * edge)

    def y(v):
        return TOP + HIGH * (1 - v / top)

    out.append(f'<rect x="{left}" y="{TOP}" width="{WIDE}" height="{HIGH}" fill="none" stroke="#888"/>')
    out.append(f'<text x="{left + WIDE / 2}" y="{TOP - 10}" text-anchor="middle">{title}</text>')
    for v in ticks(top):
        out.append(f'<path d="M{left - 4} {y(v):.1f}h4" stroke="#888"/><text x="{left - 7}" y="{y(v) + 4:.1f}" '
                   f'text-anchor="end">{v:g}</text>')
    for z in range(-int(edge), int(edge) + 1):
        out.append(f'<path d="M{x(z):.1f} {TOP + HIGH}v4" stroke="#888"/><text x="{x(z):.1f}" y="{TOP + HIGH + 17}" '
                   f'text-anchor="middle">{z}</text>')
    for name in ("cation", "anion"):
        keys = sorted(k for k in theirs[name] if abs((k + 0.5) * width) < edge)
        band = [(x((k + 0.5) * width), theirs[name][k]) for k in keys]
        upper = " ".join(f"{a:.1f},{y(v + e):.1f}" for a, (v, e) in band)
        lower = " ".join(f"{a:.1f},{y(max(0, v - e)):.1f}" for a, (v, e) in reversed(band))
        out.append(f'<polygon points="{upper} {lower}" fill="{COLOUR[name]}" opacity="0.18"/>')
        line = " ".join(f"{a:.1f},{y(v):.1f}" for a, (v, _) in band)
        out.append(f'<polyline points="{line}" fill="none" stroke="{COLOUR[name]}" stroke-width="1"/>')
        for k in sorted(mine[name]):
            v, e = mine[name][k]
            z = (k + 0.5) * width
            near = edge - 0.1 - abs(z) < 0.25  # all bins at the walls, every fifth between
            if abs(z) > edge - 0.08 or not (near or k % 5 == 0):
                continue
            out.append(f'<path d="M{x(z):.1f} {y(v + e):.1f}V{y(max(0, v - e)):.1f}" stroke="{COLOUR[name]}"/>'
                       f'<circle cx="{x(z):.1f}" cy="{y(v):.1f}" r="1.7" fill="{COLOUR[name]}"/>')
    return "\n".join(out)


def main(argv):
    if not argv or len(argv) % 3:
        sys.exit(__doc__)
    n = len(argv) // 3
    wide = LEFT + n * (WIDE + GAP)
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {TOP + HIGH + 62}" font-family="sans-serif" '
          'font-size="12" fill="#222">')
    print(f'<rect width="{wide}" height="{TOP + HIGH + 62}" fill="#fff"/>')
    for i in range(n):
        print(panel(LEFT + i * (WIDE + GAP), *argv[3 * i:3 * i + 3]))
    low = TOP + HIGH
    print(f'<text x="{wide / 2}" y="{low + 34}" text-anchor="middle">z, nm (density in M)</text>')
    for i, name in enumerate(("cation", "anion")):
        print(f'<circle cx="{LEFT + 20 + 85 * i}" cy="{low + 48}" r="3" fill="{COLOUR[name]}"/>'
              f'<text x="{LEFT + 28 + 85 * i}" y="{low + 52}">{name}s</text>')
    print(f'<text x="{LEFT + 195}" y="{low + 52}">points: here, one standard error; line and band: published</text>')
    print("</svg>")


if __name__ == "__main__":
    main(sys.argv[1:])
