#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Strong and weak scaling of LAMMPS with a Deep Potential through KIM, over ranks and threads: models
of SC20's shapes with random weights (a step's cost does not depend on them). Verifies that every way
gives the same energy. Usage: scaling.py BUILD [--quick]"""
import json
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# System: the lattice, atoms of one of its cells, what to do with the types
SYSTEMS = {
    "copper": {"cells": "lattice fcc 3.615", "per_cell": 4, "basis": "", "types": "Cu", "skin": 2.0, "edge": 3.615,
               "masses": "mass 1 63.546", "random": "displace_atoms all random 0.1 0.1 0.1 7"},
    "water": {"cells": "lattice custom 3.107 a1 1 0 0 a2 0 1 0 a3 0 0 1 basis 0 0 0 basis 0.3 0.05 0 basis 0 0.3 0.05",
              "per_cell": 3, "basis": "basis 2 2 basis 3 2", "types": "O H", "skin": 2.0, "edge": 3.107,
              "masses": "mass 1 15.999\nmass 2 1.008", "random": "displace_atoms all random 0.1 0.1 0.1 7"},
}
SCRIPT = """units metal
boundary p p p
{cells}
region box block 0 {nx} 0 {ny} 0 {nz}
create_box {n_types} box
create_atoms 1 box {basis}
{random}
{masses}
pair_style kim {model}
pair_coeff * * {types}
neighbor {skin} bin
neigh_modify every 20 delay 0 check no
timestep 1e-6
fix 1 all nve
thermo 1000
thermo_modify format float %.15g
run 2
run {steps}
"""


def commit():
    got = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return got.stdout.strip()


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        return next(line.split(":")[1].strip() for line in file if line.startswith("model name"))


class Bench:
    def __init__(self, build, folder):
        self.build, self.dir = build, folder
        self.env = dict(os.environ, KIM_API_MODEL_DRIVERS_DIR=folder, KIM_API_PORTABLE_MODELS_DIR=folder,
                        OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                        OMPI_MCA_rmaps_base_oversubscribe="1", OMPI_MCA_hwloc_base_binding_policy="none")

    def call(self, *argv):
        done = subprocess.run(argv, cwd=self.dir, env=self.env, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"scaling: {' '.join(argv)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def install(self, system):
        """The model compressed where cox can, in both precisions."""
        cox = os.path.join(self.build, "cox")
        self.call(os.path.join(self.build, "bench", "scaling_model"), system, f"{system}.dp")
        if "compress" in subprocess.run([cox, "potential", "--help"], capture_output=True, text=True).stdout:
            self.call(cox, "potential", "compress", "-i", f"{system}.dp", "-o", f"{system}-c.dp")
            os.replace(os.path.join(self.dir, f"{system}-c.dp"), os.path.join(self.dir, f"{system}.dp"))
        for precision in ("float64", "float32"):
            self.call(cox, "potential", "kim-install", f"{system}.dp", f"{system}_{precision}", "--precision",
                      precision, "--collection", self.dir)

    def run(self, system, precision, cells, ranks, threads, steps):
        """One run: what LAMMPS says of its last loop."""
        s = SYSTEMS[system]
        with open(os.path.join(self.dir, "in.scaling"), "w", encoding="utf-8") as out:
            out.write(SCRIPT.format(nx=cells[0], ny=cells[1], nz=cells[2], n_types=len(s["types"].split()),
                                    model=f"{system}_{precision}", steps=steps,
                                    **{k: s[k] for k in ("cells", "basis", "random", "masses", "types", "skin")}))
        self.env["COX_THREADS"] = str(threads)
        out = self.call("mpirun", "-np", str(ranks), "lmp", "-in", "in.scaling", "-log", "none")
        part = out.split("Loop time of ")[-1]
        share = {name: float(re.search(rf"^{name}\s*\|.*\|\s*([\d.]+)\s*$", part, re.M).group(1))
                 for name in ("Pair", "Neigh", "Comm")}
        loop, _, _, _, n = re.match(r"([\d.e+-]+) on (\d+) procs for (\d+) (steps) with (\d+)", part).groups()
        cpu = float(re.search(r"([\d.]+)% CPU use", part).group(1))
        energy = [line.split()[2] for line in out.splitlines() if re.match(r"\s+0\s", line)][0]
        ghosts = float(re.search(r"Nghost:\s+([\d.]+)", part).group(1))
        return {"system": system, "precision": precision, "atoms": int(n), "ranks": ranks, "threads": threads,
                "steps": steps, "s_per_step": float(loop) / steps, "share": share, "ghosts": ghosts,
                "cpu_us_per_atom_step": float(loop) * cpu / 100 * ranks / steps / int(n) * 1e6,
                "energy": float(energy)}

    def best(self, repeats, *args):
        runs = [self.run(*args) for _ in range(repeats)]
        best = min(runs, key=lambda r: r["s_per_step"])
        best["cpu_us_per_atom_step"] = min(r["cpu_us_per_atom_step"] for r in runs)
        return best


def ghosts_by_formula(system, cells, ranks):
    """rho ((L + 2 r)^3 - L^3) for the brick of one rank; two ranks halve the longest edge."""
    s = SYSTEMS[system]
    edges = sorted(n * s["edge"] for n in cells)
    edges[-1] /= ranks
    reach = {"copper": 8.0, "water": 6.0}[system] + s["skin"]
    volume = edges[0] * edges[1] * edges[2]
    around = (edges[0] + 2 * reach) * (edges[1] + 2 * reach) * (edges[2] + 2 * reach)
    return s["per_cell"] / s["edge"] ** 3 * (around - volume)


def table(rows):
    lines = ["| model | nets | atoms | ranks × threads | ms/step | µs/atom/step | speed-up | of that in the "
             "potential / lists / messages, % | ghosts per rank: LAMMPS's, formula |",
             "|---|---|---|---|---|---|---|---|---|"]
    for r in rows:
        lines.append(
            f"| {r['system']} | {r['precision']} | {r['atoms']:,} | {r['ranks']} × {r['threads']} | "
            f"{r['s_per_step'] * 1e3:.1f} | {r['s_per_step'] / r['atoms'] * 1e6:.1f} | {r['speedup']:.2f} | "
            f"{r['share']['Pair']:.1f} / {r['share']['Neigh']:.1f} / {r['share']['Comm']:.1f} | "
            f"{r['ghosts']:,.0f}, {r['ghosts_formula']:,.0f} |")
    return "\n".join(lines)


def measure(bench, quick):
    small = {"copper": ((6, 6, 6), (6, 6, 12)), "water": ((7, 7, 7), (7, 7, 14))}
    large = {"copper": ((12, 12, 12), (12, 12, 24)), "water": ((14, 14, 14), (14, 14, 28))}
    sizes, steps, repeats = (small, 4, 1) if quick else (large, 10, 2)
    strong, weak = [], []
    for system in SYSTEMS:
        bench.install(system)
        half, full = sizes[system]
        for precision in ("float64", "float32"):
            def go(cells, ranks, threads):
                run = bench.best(repeats, system, precision, cells, ranks, threads, steps)
                run["ghosts_formula"] = ghosts_by_formula(system, cells, ranks)
                print(f"{system} {precision} {run['atoms']} atoms {ranks} x {threads}: "
                      f"{run['s_per_step'] / run['atoms'] * 1e6:.1f} us/atom/step, processor time "
                      f"{run['cpu_us_per_atom_step']:.1f}", flush=True)
                return run
            ways = ((1, 1), (1, 2), (2, 1))
            runs = [go(full, *way) for way in ways]
            for run in runs:
                run["speedup"] = runs[0]["s_per_step"] / run["s_per_step"]
                off = abs(run["energy"] / runs[0]["energy"] - 1)
                if off > (1e-10 if precision == "float64" else 1e-7):
                    sys.exit(f"scaling: {run} has another energy than one rank, by {off:.1e}")
            strong += runs
            base = go(half, 1, 1)
            base["speedup"] = 1.0
            for run in runs[1:]:
                run = dict(run, speedup=2 * base["s_per_step"] / run["s_per_step"])
                weak.append(run)
            weak.insert(len(weak) - 2, base)
    return strong, weak


def main():
    build, quick = os.path.abspath(sys.argv[1]), "--quick" in sys.argv
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="cox-scaling-") as folder:
        strong, weak = measure(Bench(build, folder), quick)
    text = (f"{processor()}, {os.cpu_count()} cores, commit {commit()}; load average when it began: {before:.1f}."
            f"\n\nStrong: the same atoms by more cores. Speed-up against one.\n\n{table(strong)}\n\nWeak: twice the "
            f"atoms by twice the cores. Speed-up of 2 is perfect.\n\n{table(weak)}\n")
    print(text)
    if quick:
        return
    with open(os.path.join(ROOT, "bench/results/scaling.json"), "w", encoding="utf-8") as out:
        json.dump({"processor": processor(), "commit": commit(), "load": before, "strong": strong, "weak": weak},
                  out, indent=1)
        out.write("\n")
    page = os.path.join(ROOT, "bench/scaling.md")
    with open(page, encoding="utf-8") as file:
        head, _, rest = file.read().partition("<!-- table -->\n")
    with open(page, "w", encoding="utf-8") as out:
        out.write(head + "<!-- table -->\n" + text + "<!-- end -->" + rest.partition("<!-- end -->")[2])


if __name__ == "__main__":
    main()
