#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""One electrolyte between two walls: sets it up, runs it with LAMMPS, measures it, all in the present directory.

Writes result.json, profile.csv (scaled coordinate, the two halves of the slit folded) and density.csv (nm, both
sides). Stopped by a signal it keeps its last checkpoint (every few seconds); called again with the same arguments
in the same directory it goes on and ends with the numbers it would have had without the stop.
Needs lmp (Debian: lammps) and python3 without packages."""
import argparse
import ctypes
import hashlib
import json
import math
import os
import random
import signal
import subprocess
import sys
import time

import measure
import mesh

HERE = os.path.dirname(os.path.abspath(__file__))
AVOGADRO = 0.602214076  # ions per nm³ in 1 M
CHARGE = 0.1602176634   # C/m² of one elementary charge per nm²
REACH = 2 ** (1 / 6)    # WCA ends there, in diameters


class Bad(Exception):
    """Input that cannot be run, or a run that failed: one sentence."""


class Stopped(Exception):
    """A signal: its number, a sentence."""


def arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--h", type=float, required=True, help="nm between the planes of the walls (an ion's centre stays d/2 off)")
    add("--c", type=float, required=True, help="M, salt: anions per volume h × area; counter-ions come on top")
    add("--d", type=float, help="nm, diameter of both ions")
    add("--dp", type=float, help="nm, of the cation (instead of --d)")
    add("--dm", type=float, help="nm, of the anion")
    add("--zp", type=int, default=1, help="valence of the cation; 0, with --zm 0: no charges at all")
    add("--zm", type=int, default=-1, help="valence of the anion")
    add("--sigma", type=float, default=0.0, help="C/m² on each wall")
    add("--bjerrum", type=float, default=0.714, help="nm; default: water's, ε_r 80 at 298 K")
    add("--steps", type=int, default=20000, help="to measure over, after the equilibration")
    add("--equilibration", type=int, help="steps; default: a fifth of --steps, 1,000 to 10,000")
    add("--seed", type=int, default=1)
    add("--ions", type=int, default=250, help="about so many, unless --side is given")
    add("--side", type=float, help="nm, of the box across; changed a little so that whole ions give c and sigma; "
        "default: as --ions says, 6 to 14 nm")
    add("--timestep", type=float, default=0.01, help="of pairs and walls, smaller diameter × √(m/kT)")
    add("--multiple", type=int, default=4, help="of it, a step: for the mesh and the thermostat (r-RESPA); 1: one timestep")
    add("--damp", type=float, default=1.0, help="nm √(m/kT), of the Langevin thermostat")
    add("--accuracy", type=float, default=1e-4, help="of PPPM: error of forces in kT per smaller diameter")
    add("--cutoff", type=float, help="nm, of the real-space part; default: where both parts cost least")
    add("--bin", type=float, help="nm, of density.csv; default: 0.05 of the smaller diameter")
    add("--checkpoint", type=int, default=2000, help="steps between checkpoints")
    add("--lmp", default=os.environ.get("LMP", "lmp"), help="the engine's command")
    given = parser.parse_args(argv)
    if given.d is not None and (given.dp is not None or given.dm is not None):
        raise Bad("give --d, or --dp and --dm, not both")
    given.dp = given.d if given.dp is None else given.dp
    given.dm = given.d if given.dm is None else given.dm
    if given.dp is None or given.dm is None:
        raise Bad("the ions' diameters are missing: --d, or --dp and --dm")
    return given


def check(a):
    """Ranges beyond which the model or the method means nothing."""
    limits = (("h", a.h, 0.5, 50), ("c", a.c, 0, 6), ("dp", a.dp, 0.1, 2), ("dm", a.dm, 0.1, 2), ("zp", a.zp, 0, 4),
              ("zm", a.zm, -4, 0), ("sigma", a.sigma, -0.2, 0.2), ("steps", a.steps, 1000, 10**9),
              ("bjerrum", a.bjerrum, 1e-3, 20), ("seed", a.seed, 0, 2**63 - 1), ("timestep", a.timestep, 1e-4, 0.03),
              ("accuracy", a.accuracy, 1e-8, 1e-1), 
              ("checkpoint", a.checkpoint, 100, 10**8), ("damp", a.damp, 1e-3, 1e3), ("multiple", a.multiple, 1, 8),
              ("ions", a.ions, 20, 10**6))
    for name, value, low, high in limits:
        if not low <= value <= high:
            raise Bad(f"--{name} is {value:g}, allowed: {low:g} to {high:g}")
    for name, value, low, high in (("side", a.side, 2, 100), ("bin", a.bin, 1e-3, 1), ("cutoff", a.cutoff, 0.5, 20),
                                   ("equilibration", a.equilibration, 0, 10**9)):
        if value is not None and not low <= value <= high:
            raise Bad(f"--{name} is {value:g}, allowed: {low:g} to {high:g}")
    if (a.zp == 0) != (a.zm == 0):
        raise Bad(f"--zp {a.zp} and --zm {a.zm}: both ions carry charges, or neither")
    if a.zp == 0 and a.sigma != 0:
        raise Bad("charged walls need charged ions: --sigma with --zp 0")
    if a.h < 1.5 * max(a.dp, a.dm):
        raise Bad(f"--h {a.h:g} is too narrow for ions of {max(a.dp, a.dm):g} nm: at least 1.5 diameters")


def count(a):
    """Whole ions in a box: (side, cations, anions). Counter-ions have to balance the walls exactly, so an area is
    one that holds a whole number of them; among those near the side wanted, the one whose salt is nearest to c."""
    area = a.side ** 2 if a.side else min(max(a.ions / (2 * a.c * AVOGADRO * a.h + 1e-9), 36.0), 196.0)
    unit_p, unit_m = (1, 1)
    if a.zp:
        common = math.gcd(a.zp, -a.zm)
        unit_p, unit_m = -a.zm // common, a.zp // common  # ions of a neutral unit of salt

    def salt(area):
        return a.c * AVOGADRO * a.h * area / unit_m  # units of salt

    if a.sigma == 0:
        if a.c == 0:
            raise Bad("no ions: --c 0 with --sigma 0")
        units = max(1, round(salt(area)))
        return math.sqrt(area * units / salt(area)), units * unit_p, units * unit_m
    counter = a.zp if a.sigma < 0 else -a.zm
    per_area = 2 * abs(a.sigma) / CHARGE / counter
    best = None
    few, many = per_area * area * 0.85, per_area * area * 1.15
    for n in range(max(1, math.ceil(few)), max(1, math.ceil(few), math.floor(many)) + 1):
        units = salt(n / per_area)
        off = abs(round(units) / units - 1) if a.c > 0 else 0.0
        away = abs(math.log(n / per_area / area))
        if best is None or off + 0.002 * away < best[0]:
            best = (off + 0.002 * away, n, round(units))
    _, n, units = best
    cations, anions = units * unit_p, units * unit_m
    if a.sigma < 0:
        cations += n
    else:
        anions += n
    return math.sqrt(n / per_area), cations, anions


def start(a, side, cations, anions, path):
    """Ions at random sites of a lattice, as wide as their number lets it be."""
    n, d = cations + anions, max(a.dp, a.dm)
    height = a.h - d
    step = (side * side * height / n) ** (1 / 3) * 1.5
    while True:
        across = max(1, int(side / step))
        up = max(1, int(height / step) + 1)
        if across * across * up >= n:
            break
        step *= 0.98
    spacing = min(side / across, height / (up - 1) if up > 1 else side)
    if spacing < 0.93 * d:  # WCA there: 3 kT and more a pair
        raise Bad(f"{n} ions of {d:g} nm do not fit in {side:.3g} × {side:.3g} × {a.h:g} nm: choose a lower --c or --d")
    chance = random.Random(a.seed)
    sites = [(i, j, k) for i in range(across) for j in range(across) for k in range(up)]
    chance.shuffle(sites)
    lines = ["ions between walls", "", f"{n} atoms", "2 atom types", "", f"0 {side:.12g} xlo xhi",
             f"0 {side:.12g} ylo yhi", f"{-a.h / 2:.12g} {a.h / 2:.12g} zlo zhi", "", "Masses", "", "1 1.0", "2 1.0", "",
             "Atoms # charge", ""]
    for ion, (i, j, k) in enumerate(sites[:n]):
        z = -height / 2 + height * k / (up - 1) if up > 1 else 0.0
        lines.append(f"{ion + 1} {1 if ion < cations else 2} 0 {side * i / across:.9g} {side * j / across:.9g} {z:.9g}")
    write(path, "\n".join(lines) + "\n")


def write(path, text):
    """All of it or nothing."""
    with open(path + ".part", "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".part", path)


def plan(a):
    """Everything that decides the numbers, as one dictionary; also what a directory is recognised by."""
    side, cations, anions = count(a)
    small = min(a.dp, a.dm)
    p = {"h_nm": a.h, "c_M": a.c, "zp": a.zp, "zm": a.zm, "dp_nm": a.dp, "dm_nm": a.dm, "sigma_C_m2": a.sigma,
         "bjerrum_nm": a.bjerrum, "seed": a.seed, "side_nm": side, "cations": cations, "anions": anions,
         "timestep": a.timestep * small, "multiple": a.multiple if a.zp else 1, "damp": a.damp,
         "accuracy": a.accuracy / small, "bin_nm": a.bin or 0.05 * small}
    p.update({"cutoff_nm": 1.0, "splitting": 1.0, "mesh": [1, 1, 1], "skin_nm": 0.4})
    if a.zp:
        charges = a.bjerrum * (cations * a.zp ** 2 + anions * a.zm ** 2)
        p.update(mesh.choose((side, a.h), cations + anions, charges, p["accuracy"], p["multiple"], a.cutoff))
        reach = 7 * p["timestep"] * p["multiple"]  # nobody is seven times as fast as the mean
        p["skin_nm"] = mesh.skin(side, p["mesh"][0], reach)
    every = 5  # steps between samples
    block = max(20, -(-a.steps // 128 // every) * every)  # 128 blocks or so
    segment = max(1, min(a.checkpoint // block, 128)) * block
    equilibration = min(max(a.steps // 5, 1000), 10000) if a.equilibration is None else a.equilibration
    p.update({"every": every, "block": block, "segment": segment, "equilibration_segments": -(-equilibration // segment)})
    p["segments"] = p["equilibration_segments"] + -(-a.steps // segment)
    return p


def variables(p):
    mean = (p["dp_nm"] + p["dm_nm"]) / 2
    root = math.sqrt(p["bjerrum_nm"])
    chance = int.from_bytes(hashlib.sha256(str(p["seed"]).encode()).digest()[:4], "big")
    return {"equilibration": p["equilibration_segments"], "every": p["every"], "repeat": p["block"] // p["every"],
            "block": p["block"], "steps": p["segment"], "seed": chance % 900000000 + 1, "dt": p["timestep"],
            "multiple": p["multiple"], "damp": p["damp"], "bin": p["bin_nm"], "qp": p["zp"] * root, "qm": p["zm"] * root, "dp": p["dp_nm"],
            "dm": p["dm_nm"], "d": mean, "cp": REACH * p["dp_nm"], "cm": REACH * p["dm_nm"], "cd": REACH * mean,
            "rp": p["dp_nm"] / 2, "rm": p["dm_nm"] / 2, "wp": REACH * p["dp_nm"] / 2, "wm": REACH * p["dm_nm"] / 2,
            "cutoff": p["cutoff_nm"], "accuracy": p["accuracy"], "order": mesh.ORDER, "splitting": p["splitting"],
            "nx": p["mesh"][0], "nz": p["mesh"][2], "skin": p["skin_nm"]}


def finished_segments():
    done = [int(name[6:]) for name in os.listdir(".") if name.startswith("state.") and name[6:].isdigit()]
    return max(done, default=0)


def with_us():
    """In LAMMPS's process before it starts: it ends when this one is killed, else two might write one directory."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def simulate(p, lmp):
    """The segments that are missing. A signal ends LAMMPS and then us; what it had finished stays."""
    done = finished_segments()
    if done >= p["segments"]:
        return
    os.makedirs("parts", exist_ok=True)
    command = lmp.split() + ["-in", os.path.join(HERE, "in.ions"), "-log", "lammps.log", "-screen", "none", "-nocite"]
    for name, value in dict(variables(p), first=done + 1, last=p["segments"]).items():
        command += ["-var", name, f"{value:.12g}" if isinstance(value, float) else str(value)]
    environment = dict(os.environ, OMP_NUM_THREADS="1")
    try:
        engine = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=open("lammps.err", "w"), preexec_fn=with_us)
    except OSError as error:
        raise Bad(f"cannot start '{command[0]}': {error.strerror} (Debian: apt-get install lammps)") from None

    told = []

    def stop(number, frame):  # only notes it: Popen is waiting, and may not be waited for twice
        told.append(number)
        engine.kill()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    engine.wait()
    if told:
        raise Stopped(told[0], f"stopped by {signal.Signals(told[0]).name} after {finished_segments()} of "
                      f"{p['segments']} segments; the same command goes on from there")
    if engine.returncode != 0:
        raise Bad(f"'{lmp}' failed (status {engine.returncode}): {complaint()}")
    if finished_segments() < p["segments"]:
        raise Bad(f"'{lmp}' ended after {finished_segments()} of {p['segments']} segments: {complaint()}")


def complaint():
    for path in ("lammps.log", "lammps.err"):
        try:
            with open(path, errors="replace") as file:
                lines = [line.strip() for line in file if "ERROR" in line]
        except OSError:
            continue
        if lines:
            return lines[-1]
    return "see lammps.log"


def main(argv):
    a = arguments(argv)
    check(a)
    p = plan(a)
    began = time.time()
    try:
        with open("job.json") as file:
            before = json.load(file)
    except FileNotFoundError:
        before = None
    except ValueError as error:
        raise Bad(f"'job.json' is damaged: {error}") from None
    if before is not None and before != p:
        other = next((k for k in p if before.get(k) != p[k]), "inputs")
        raise Bad(f"this directory holds another job ({other} {before.get(other)}, now {p.get(other)})")
    if before is None:
        start(a, p["side_nm"], p["cations"], p["anions"], "start.data")
        write("job.json", json.dumps(p, indent=1) + "\n")
    if not os.path.exists("result.json"):
        simulate(p, a.lmp)
        result, tables = measure.measure(p)
        result["wall_s"] = round(time.time() - began, 2)
        for name, text in tables.items():
            write(name, text)
        write("result.json", json.dumps(result, indent=1) + "\n")
    with open("result.json") as file:
        result = json.load(file)
    print(", ".join(f"{key[:-2].replace('_', ' ')} {result[key]:.4g} ± {result[key[:-2] + '_error_M']:.2g} M"
                    for key in result if key.endswith("_M") and key[:-2] + "_error_M" in result))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Bad as error:
        print(f"job.py: {error}", file=sys.stderr)
        sys.exit(2)
    except Stopped as stopped:
        print(f"job.py: {stopped.args[1]}", file=sys.stderr)
        sys.exit(128 + stopped.args[0])
