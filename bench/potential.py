#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""potential.py BUILD PEERS DATA OUT.json [infer|train]: a Deep Potential of water in our evaluator and trainer and in
DeePMD-kit: forces verified, then timed in turns (bench/potential.sh makes what it needs and calls this). PEERS holds
DeePMD-kit's environment `dp` and `models`; DATA is the water example's folder of systems. In every step both sides
make their neighbour lists anew. Parts not measured stay in OUT.json as they were."""
import json
import os
import subprocess
import sys
import tempfile
import time
from statistics import median

import numpy as np

import potential_train
from potential_sides import Sides

TURNS = int(os.environ.get("COX_BENCH_TURNS", "5"))
TURN_SECONDS = 0.25
EXACT = 1e-9   # eV/Å, double against double, nets evaluated
SANE = {"f64": 1e-3, "f32": 1e-2, "mix16": 0.1}   # eV/Å, what tables and other precisions may differ by at most
ROWS = [(precision, compressed, threads) for precision in ("f64", "f32") for compressed in (False, True)
        for threads in (1, 2)] + [("mix16", False, 1), ("mix16", True, 1)]   # theirs has no mix16: against its f32
NEURONS, AXIS, FITTING = (25, 50, 100), 16, (240, 240, 240)


def floor(ours, atoms):
    """Arithmetic that this model cannot do without, at the rates that our own product and tanh reach alone."""
    lists = [ours.ask("list 20") for _ in range(3)]
    rates = [ours.ask("rates 200") for _ in range(2)]
    neighbours = lists[0]["pairs"] / atoms
    gflops, tanh_ns = max(r["gflops"] for r in rates), min(r["tanh_ns"] for r in rates)
    m1 = NEURONS[-1]
    unique = m1 * AXIS - AXIS * (AXIS - 1) // 2   # D is symmetric where both indices are below AXIS
    widths = (unique,) + FITTING + (1,)
    fitting = 2 * 2 * sum(a * b for a, b in zip(widths, widths[1:]))   # forward, and back to its input
    contraction = neighbours * 2 * 4 * m1 * 3   # A = R̃ᵀG; back to R̃, and to s̃ through G
    embedding = neighbours * 2 * 2 * sum(a * b for a, b in zip(NEURONS, NEURONS[1:]))

    def microseconds(flops, tanhs):
        return flops / gflops * 1e-3 + tanhs * tanh_ns * 1e-3

    return {"neighbours": neighbours, "list_us": min(a["seconds"] for a in lists) / 20 / atoms * 1e6,
            "gemm_gflops": gflops, "tanh_ns": tanh_ns, "mflop_fitting": fitting * 1e-6,
            "mflop_contraction": contraction * 1e-6, "mflop_embedding": embedding * 1e-6,
            "floor_us": microseconds(fitting + contraction, sum(FITTING)),
            "nets_floor_us": microseconds(fitting + contraction + embedding, sum(FITTING) + neighbours * sum(NEURONS))}


def verify(sides, workers, row, reference):
    """Energies and forces against DeePMD-kit's in double precision without tables."""
    for name, worker in workers.items():
        energy, force = worker.forces(os.path.join(sides.folder, "forces"))
        worst = float(np.abs(force - reference[1]).max())
        limit = EXACT if row["precision"] == "f64" and not row["compressed"] else SANE[row["precision"]]
        if not worst <= limit:
            sys.exit(f"{name}, {row}: forces differ by {worst} eV/Å, allowed {limit}")
        row[f"{name}_force_error"] = worst
        row[f"{name}_energy_error_per_atom"] = abs(energy - reference[0]) / row["atoms"]


def in_turns(workers, atoms):
    """Medians of µs per atom and step for each worker, by wall clock and by processor time, and every turn."""
    steps, turns = {}, {name: [] for name in workers}
    for name, worker in workers.items():
        worker.ask("run 1")
        steps[name] = max(1, round(TURN_SECONDS / worker.ask("run 1")["seconds"]))
    for _ in range(TURNS):
        for name, worker in workers.items():
            answer = worker.ask(f"run {steps[name]}")
            turns[name].append([answer[key] / steps[name] / atoms * 1e6 for key in ("seconds", "cpu")])
    return {name: {"us": median([t[0] for t in all_turns]), "best_us": min(t[0] for t in all_turns),
                   "cpu_us": median([t[1] for t in all_turns]), "turns_us": [t[0] for t in all_turns]}
            for name, all_turns in turns.items()}


def compare(sides, reference, atoms, precision, compressed, threads):
    ours = sides.ours(atoms, precision, compressed, threads)
    workers = {way: sides.theirs(way, atoms, precision, compressed, threads) for way in sides.ways(threads)}
    workers["ours"] = ours
    row = {"atoms": atoms, "precision": precision, "compressed": compressed, "threads": threads}
    verify(sides, workers, row, reference)
    times = in_turns(workers, atoms)
    best = min(sides.ways(threads), key=lambda way: times[way]["us"])
    row.update(theirs=times[best], theirs_way=best, theirs_all_us={way: times[way]["us"] for way in sides.ways(threads)})
    each = [a / b for a, b in zip(times[best]["turns_us"], times["ours"]["turns_us"])]
    row.update(ours=times["ours"], isa=ours.about["isa"], ratio=median(each), ratio_each=each,
               ratio_best=times[best]["best_us"] / times["ours"]["best_us"],
               ratio_cpu=times[best]["cpu_us"] / times["ours"]["cpu_us"])
    if threads == 1 and precision != "mix16":
        row.update(floor(ours, atoms))
        row["of_floor"] = row["floor_us"] / times["ours"]["best_us"]
    for worker in workers.values():
        worker.close()
    print(summary(row), flush=True)
    return row


def summary(row):
    return (f"{row['atoms']} atoms, {row['precision']}, {'compressed' if row['compressed'] else 'nets'}, "
            f"{row['threads']} thread(s): DeePMD-kit {row['theirs']['us']:.1f} µs/atom ({row['theirs_way']}), "
            f"ours {row['ours']['us']:.1f}, {row['ratio']:.2f} times")


def start_up(sides):
    """Seconds from the start of a process to its first force, 192 atoms."""
    makers = {"ours": lambda: sides.ours(192), "ours, compressed": lambda: sides.ours(192, compressed=True),
              "C": lambda: sides.theirs("C", 192), "Python": lambda: sides.theirs("Python", 192)}
    result = {}
    for name, make in makers.items():
        seconds = []
        for _ in range(7 if name.startswith("ours") else 3):
            worker = make()
            seconds.append(worker.start_seconds)
            worker.close()
        result[name] = {"best": min(seconds), "median": median(seconds)}
    return result


def memory(sides, seconds=4):
    """Resident MiB after 50 steps and after `seconds` of steps; uncompressed, one thread."""
    result = {}
    for name, make in (("ours", lambda n: sides.ours(n)), ("theirs", lambda n: sides.theirs("C", n))):
        for atoms in sides.frames:
            worker = make(atoms)
            first = 50 if atoms < 1000 else 5
            steps = max(first, round(seconds / worker.ask(f"run {first}")["seconds"] * first))
            early = worker.ask("memory")["now"]
            worker.ask(f"run {steps}")
            result[f"{name}, {atoms} atoms"] = {"early_mib": early, "late_mib": worker.ask("memory")["now"],
                                                "steps": first, "late_steps": first + steps}
            worker.close()
    return result


def infer(sides):
    runs = []
    for atoms in sides.frames:
        worker = sides.theirs("C", atoms)
        reference = worker.forces(os.path.join(sides.folder, "forces"))
        worker.close()
        for precision, compressed, threads in ROWS:
            if threads <= len(os.sched_getaffinity(0)):
                runs.append(compare(sides, reference, atoms, precision, compressed, threads))
    return {"runs": runs, "start_up_s": start_up(sides), "memory": memory(sides)}


def machine():
    cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo")
                if line.startswith("model name")), "unknown")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True,
                            check=False).stdout.strip()
    return {"cpu": cpu, "cores": len(os.sched_getaffinity(0)), "commit": os.environ.get("COX_BENCH_COMMIT", commit),
            "when": time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime()), "load_before": os.getloadavg()[0],
            "note": os.environ.get("COX_BENCH_NOTE", "")}


def main():
    build, peers, data, path = sys.argv[1:5]
    parts = sys.argv[5:] or ["infer", "train"]
    out = {}
    if os.path.exists(path):
        with open(path) as file:
            out = json.load(file)
    with tempfile.TemporaryDirectory(prefix="cox-potential-") as folder:
        sides = Sides(os.path.abspath(build), os.path.abspath(peers), data, folder)
        with open(os.path.join(sides.models, "about")) as file:
            about = file.read().strip()
        for part, run in (("infer", infer), ("train", potential_train.measure)):
            if part in parts:
                out[part] = {"machine": machine(), "deepmd": sides.versions, "model": about, "results": run(sides)}
    with open(path + ".new", "w") as file:
        json.dump(out, file, indent=1)
        file.write("\n")
    os.replace(path + ".new", path)


if __name__ == "__main__":
    main()
