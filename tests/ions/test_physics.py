#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Physics of examples/ions against what is known without it. Usage: test_physics.py SOURCE"""
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = sys.argv[1]
EXAMPLE = os.path.join(ROOT, "examples", "ions")
sys.path.insert(0, EXAMPLE)
import job  # noqa: E402

JOB = [sys.executable, os.path.join(EXAMPLE, "job.py")]
AVOGADRO = 0.602214076
failed = 0


def check(truth, what):
    global failed
    if not truth:
        failed += 1
        print("FAILED:", what)


def run(arguments, directory):
    os.mkdir(directory)
    done = subprocess.run(JOB + arguments, cwd=directory, capture_output=True, text=True, timeout=500)
    check(done.returncode == 0, f"{arguments}: {done.stderr}")
    with open(os.path.join(directory, "result.json")) as file:
        result = json.load(file)
    with open(os.path.join(directory, "profile.csv")) as file:
        rows = [[float(x) for x in line.split(",")] for line in file.read().split()[1:]]
    return result, rows


# ---- forces ----

FORCES = """units lj
atom_style charge
boundary p p f
read_data {data}
pair_style coul/long {cutoff}
pair_coeff * *
kspace_style pppm {accuracy}
kspace_modify slab 3.0 order {order} {mesh}
neighbor 0.3 bin
group ions id <= {ions}
dump d ions custom 1 {out} id fx fy fz
dump_modify d sort id format float %.12g
run 0
"""


def forces(work, name, ions, walls, settings):
    """ions, walls: (x, y, z, charge in e); forces on the ions in kT/nm."""
    side, height, root = 6.0, 3.0, math.sqrt(0.714)
    lines = ["", "", f"{len(ions) + len(walls)} atoms", "1 atom types", "", f"0 {side} xlo xhi", f"0 {side} ylo yhi",
             f"{-height / 2 - 1e-6} {height / 2 + 1e-6} zlo zhi", "", "Masses", "", "1 1.0", "", "Atoms # charge", ""]
    lines += [f"{i + 1} 1 {q * root:.15g} {x:.12g} {y:.12g} {z:.12g}" for i, (x, y, z, q) in enumerate(ions + walls)]
    data, out = os.path.join(work, name + ".data"), os.path.join(work, name + ".forces")
    with open(data, "w") as file:
        file.write("\n".join(lines) + "\n")
    with open(os.path.join(work, name + ".in"), "w") as file:
        file.write(FORCES.format(data=data, out=out, ions=len(ions), **settings))
    subprocess.run(["lmp", "-in", os.path.join(work, name + ".in"), "-log", "none", "-screen", "none"], check=True)
    with open(out) as file:
        return [[float(x) for x in line.split()[1:]] for line in file.read().split("\n")[9:] if line]


def root_mean_square(a, b=None):
    return math.sqrt(sum((x - (b[i][j] if b else 0)) ** 2 for i, row in enumerate(a) for j, x in enumerate(row)) / len(a))


def walls_without_charges(work):
    """Between two evenly and equally charged planes there is no field of theirs: ions alone, whose net charge LAMMPS
    takes for what it is (Ballenegger, Arnold and Cerdà 2009), feel what they feel with the planes' charges written
    out, 30 × 30 on each: their grain of 0.2 nm decays as exp(−2π z / 0.2 nm) and is gone where ions may be (0.2 nm)."""
    fine = {"cutoff": 3.0, "accuracy": 1e-5, "order": 7, "mesh": ""}
    a = job.arguments(["--h", "3", "--c", "0.4", "--d", "0.4"])
    chance = __import__("random").Random(11)
    ions = []
    while len(ions) < 60:
        x, y, z = chance.random() * 6, chance.random() * 6, (chance.random() - 0.5) * (a.h - a.d)
        if all(math.dist((x, y, z), other[:3]) > 0.35 for other in ions):
            ions.append((x, y, z, 1 if len(ions) < 36 else -1))
    net, n = sum(ion[3] for ion in ions), 30
    walls = [(6 * (i + 0.25) / n, 6 * (j + 0.25) / n, z, -net / 2 / n / n) for i in range(n) for j in range(n)
             for z in (-1.5, 1.5)]
    with_walls = forces(work, "walls", ions, walls, fine)
    without = forces(work, "ions", ions, [], fine)
    size = root_mean_square(with_walls)
    # what a wall alone would do to an ion, were the other not there: 2π l_B σ/e
    alone = 2 * math.pi * 0.714 * net / 2 / 36
    off = root_mean_square(with_walls, without)
    print(f"forces: {size:.3f} kT/nm; without the walls' charges {off:.5f} away; one wall alone {alone:.3f}")
    check(off < 0.01 * alone, f"forces with and without the walls' charges differ by {off:.4f} kT/nm")
    # and the accuracy that jobs ask for is what they get
    charges = 0.714 * len(ions)
    for accuracy in (1e-3, 1e-4):
        import mesh
        chosen = mesh.choose((6.0, 3.0), len(ions), charges, accuracy / a.d, 4)
        used = forces(work, "used", ions, [], {
            "cutoff": chosen["cutoff_nm"], "accuracy": accuracy / a.d, "order": mesh.ORDER,
            "mesh": f"gewald {chosen['splitting']} mesh {chosen['mesh'][0]} {chosen['mesh'][1]} {chosen['mesh'][2]}"})
        off = root_mean_square(without, used)
        print(f"accuracy {accuracy:g}: asked {accuracy / a.d:.5f} kT/nm, found {off:.5f}")
        check(off < 2 * accuracy / a.d, f"accuracy {accuracy}: error {off}")


# ---- profiles ----

def hard(d):
    """Barker–Henderson diameter of WCA, kT = ε: ∫ (1 − e^{−u}) dr up to its reach."""
    n, reach, total = 2000, 2 ** (1 / 6), 0.0
    for i in range(n):
        r = reach * (i + 0.5) / n
        s = r ** -6 if r > 0.3 else 1e3
        total += (1 - math.exp(-(4 * (s * s - s) + 1))) * reach / n
    return total * d


def gas_of_spheres(work):
    """Without charges: the wall carries the pressure of hard spheres of the Barker–Henderson diameter at the density
    in the middle (Carnahan–Starling), and the middle of the slit is flat."""
    result, rows = run(["--h", "6", "--c", "0.5", "--d", "0.45", "--zp", "0", "--zm", "0", "--steps", "40000",
                        "--seed", "3", "--ions", "150"], os.path.join(work, "gas"))
    middle = [(r[1] + r[3]) for r in rows if r[0] < 0.6]
    errors = [math.hypot(r[2], r[4]) for r in rows if r[0] < 0.6]
    mean = sum(middle) / len(middle)
    chi = sum(((m - mean) / e) ** 2 for m, e in zip(middle, errors)) / (len(middle) - 1)
    packing = math.pi / 6 * mean * AVOGADRO * hard(0.45) ** 3
    pressure = mean * (1 + packing + packing ** 2 - packing ** 3) / (1 - packing) ** 3
    contact = result["contact_cation_M"] + result["contact_anion_M"]
    error = math.hypot(result["contact_cation_error_M"], result["contact_anion_error_M"])
    print(f"spheres: contact {contact:.4f} ± {error:.4f} M, pressure/kT {pressure:.4f} M, flat to χ² {chi:.2f} a bin")
    check(abs(contact - pressure) < 3.5 * error + 0.005 * pressure, "contact density against the pressure")
    check(chi < 2.8, f"flatness: χ² per bin {chi:.2f}")  # 13 degrees of freedom: p about 0.001
    check(abs(result["temperature"] - 1) < 0.01, f"temperature {result['temperature']}")


def poisson_boltzmann(half, salt, counter, bjerrum=0.714, n=400):
    """Densities (M) of cations and anions against z from 0 to `half` (nm; where ions may be) for given ions per area
    (1/nm², both halves): ψ'' = −4π l_B (n₊ − n₋), ψ'(0) = 0, by iteration with mixing."""
    step = half / n
    psi = [0.0] * (n + 1)
    weight = [step * (0.5 if i in (0, n) else 1.0) for i in range(n + 1)]
    for _ in range(4000):
        plus = [math.exp(-p) for p in psi]
        minus = [math.exp(p) for p in psi]
        a = (salt + counter) / 2 / sum(w * p for w, p in zip(weight, plus))
        b = salt / 2 / sum(w * m for w, m in zip(weight, minus))
        field, new, value = 0.0, [0.0], 0.0
        charge = [a * p - b * m for p, m in zip(plus, minus)]
        for i in range(n):
            middle = -4 * math.pi * bjerrum * (charge[i] + charge[i + 1]) / 2
            value += step * (field + middle * step / 2)
            field += middle * step
            new.append(value)
        change = max(abs(x - y) for x, y in zip(psi, new))
        psi = [0.9 * x + 0.1 * y for x, y in zip(psi, new)]
        if change < 1e-9:
            break
    return [([a * math.exp(-p) / AVOGADRO for p in psi], [b * math.exp(p) / AVOGADRO for p in psi]), field]


def weakly_charged(work):
    """At 0.02 M and −0.004 C/m² with ions of 0.2 nm, Poisson and Boltzmann are right to some percent."""
    h, d = 5.0, 0.2
    result, rows = run(["--h", str(h), "--c", "0.02", "--d", str(d), "--sigma=-0.004", "--side", "20", "--steps", "12000",
                        "--equilibration", "3000", "--seed", "2", "--timestep", "0.02", "--bin", "0.02", "--damp", "3"],
                       os.path.join(work, "pb"))
    area = result["side_nm"] ** 2
    half = (h - hard(d)) / 2
    (plus, minus), field = poisson_boltzmann(half, result["anions"] / area, (result["cations"] - result["anions"]) / area)
    sigma = -result["sigma_C_m2"] / 0.1602176634
    check(abs(field / (-4 * math.pi * 0.714 * sigma) - 1) < 1e-6, "Gauss' law in the solution compared with")
    inner = (h - 0.85 * d) / 2
    chi, n = 0.0, 0
    for u, c, ce, a, ae in rows[:22]:  # beyond: the wall is soft there, in the solution hard
        at = [round((u + s) * inner / half * 400) for s in (-0.5 / 24, 0.0, 0.5 / 24)]
        for value, error, curve in ((c, ce, plus), (a, ae, minus)):
            wanted = (curve[at[0]] + 4 * curve[at[1]] + curve[min(at[2], 400)]) / 6
            chi += ((value - wanted) / math.hypot(error, 0.02 * wanted)) ** 2
            n += 1
    print(f"Poisson–Boltzmann: χ² {chi / n:.2f} a bin over {n}")
    check(chi / n < 1.8, f"profile against Poisson–Boltzmann: χ² per bin {chi / n:.2f}")
    # contact theorem: what the wall carries is what the middle has, and the walls' own field
    contact = result["contact_cation_M"] + result["contact_anion_M"]
    middle = result["mid_cation_M"] + result["mid_anion_M"] + 2 * math.pi * 0.714 * sigma ** 2 / AVOGADRO
    error = math.sqrt(sum(result[f"{q}_{i}_error_M"] ** 2 for q in ("contact", "mid") for i in ("cation", "anion")))
    print(f"contact theorem: {contact:.4f} against {middle:.4f} ± {error:.4f} M")
    check(abs(contact - middle) < 3.5 * error, f"contact theorem: {contact:.4f}, {middle:.4f} ± {error:.4f}")


if shutil.which("lmp") is None:
    print("skipped: no lmp (Debian: lammps)")
    sys.exit(77)
with tempfile.TemporaryDirectory() as folder:
    walls_without_charges(folder)
    gas_of_spheres(folder)
    weakly_charged(folder)
print("failed" if failed else "ok")
sys.exit(failed != 0)
