# SPDX-License-Identifier: BSD-3-Clause
"""PPPM's cutoff, splitting and mesh for an accuracy, where pairs and mesh together cost least. Errors of forces after
Kolafa and Perram (1992) for pairs, Deserno and Holm (1998), eq. 37 with table of order 5, for the mesh."""
import math

ORDER = 5
WEIGHTS = (1 / 23232, 7601 / 13628160, 143 / 69120, 517231 / 106536960, 106640677 / 11737571328)
SLAB = 3.0  # LAMMPS's factor of the box's height
PAIR, POINT = 33.0, 50.0  # ns, of a pair and of a mesh point a step, LAMMPS of 2021


def mesh_error(spacing, g, length, ions, charges):
    hg = spacing * g
    series = sum(w * hg ** (2 * m) for m, w in enumerate(WEIGHTS))
    return charges * hg ** ORDER * math.sqrt(g * length * math.sqrt(2 * math.pi) * series / ions) / length ** 2


def points(length, g, ions, charges, allowed):
    n = 2
    while mesh_error(length / n, g, length, ions, charges) > allowed:
        n += 1
    while True:
        rest = n
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return n
        n += 1


def pairs(r, side, height, ions):
    """Pairs nearer than r in a slit: a ball cut by its walls, averaged over places of the ball."""
    s = min(r, height)
    ball = 2 * math.pi * (r * r * s - s ** 3 / 3 - (r * r * s * s / 2 - s ** 4 / 4) / height)
    return ions * ions / (side * side * height) * ball / 2


def choose(box, ions, charges, accuracy, multiple, fixed=None):
    """box: side, height (nm); charges: l_B Σ z²; accuracy: kT/nm, root mean square; multiple: pair steps to one of
    the mesh. {"cutoff_nm", "splitting", "mesh"}"""
    side, height = box
    best = None
    for cutoff in [fixed] if fixed else [i / 10 for i in range(8, 81)]:
        share = accuracy / math.sqrt(2) * math.sqrt(ions * cutoff * side * side * height) / (2 * charges)
        g = math.sqrt(-math.log(min(share, 0.3))) / cutoff
        allowed = accuracy / math.sqrt(2)
        across = points(side, g, ions, charges, allowed)
        up = points(height * SLAB, g, ions, charges, allowed)
        cost = PAIR * multiple * pairs(cutoff, side, height, ions) + POINT * across * across * up
        if best is None or cost < best[0]:
            best = (cost, {"cutoff_nm": cutoff, "splitting": g, "mesh": [across, across, up]})
    return best[1]


def skin(side, across, reach):
    """Of the neighbour list, nm. r-RESPA looks whether the list is due before an ion moves on, so an ion may be half
    a skin and a step outside the box when the mesh sees it. PPPM's mesh reaches half a skin further than the box,
    rounded up to its next half spacing: which has to be `reach` (the farthest an ion comes in a step) more."""
    spacing = side / across
    edge = spacing / 2
    while edge - reach < 0.15:
        edge += spacing
    return 2 * (edge - reach)
