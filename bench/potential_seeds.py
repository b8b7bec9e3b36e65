#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""potential_seeds.py COX PEERS DATA OUT.json [--steps 2000] [--theirs 3] [--ours 6]: errors on data_3 after equally many
steps on data_0 to data_2, of DeePMD-kit's training and ours, each with several seeds. The input is that of
potential-water-10000.json with the learning rate's course scaled to --steps; seed s is descriptor's and fitting net's, the
order of frames has 9 + s. One thread, one training at a time. Both models are tested by `cox potential test`. Runs that
OUT.json has already are not made again. At the end: means, standard deviations, and their difference with its error."""
import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from statistics import mean, stdev

HERE = os.path.dirname(os.path.abspath(__file__))
ONE_THREAD = {"OMP_NUM_THREADS": "1", "DP_INTRA_OP_PARALLELISM_THREADS": "1", "DP_INTER_OP_PARALLELISM_THREADS": "1",
              "TF_CPP_MIN_LOG_LEVEL": "2"}
QUANTITIES = {"energy_per_atom": ("meV/atom", 1e3), "force": ("meV/Å", 1e3)}


def make_input(folder, data, steps, seed):
    with open(os.path.join(HERE, "potential-water-10000.json")) as file:
        script = json.load(file)
    model, training = script["model"], script["training"]
    script["learning_rate"]["decay_steps"] = max(1, round(script["learning_rate"]["decay_steps"] * steps / training["numb_steps"]))
    model["descriptor"]["seed"] = model["fitting_net"]["seed"] = seed
    training.update(numb_steps=steps, seed=9 + seed, save_freq=steps)
    os.symlink(os.path.abspath(data), os.path.join(folder, "data"))
    with open(os.path.join(folder, "input.json"), "w") as file:
        json.dump(script, file)


def call(command, folder):
    """Runs to the end; the processor's seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=folder, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=dict(os.environ, **ONE_THREAD))
    if done.returncode:
        sys.exit(" ".join(command) + " failed:\n" + done.stdout[-2000:])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def train(side, seed, args):
    with tempfile.TemporaryDirectory() as folder:
        make_input(folder, args.data, args.steps, seed)
        if side == "ours":
            model, seconds = "model.dp", call([args.cox, "potential", "train", "-q", "--threads", "1", "input.json"], folder)
        else:
            dp = os.path.join(args.peers, "dp", "bin", "dp")
            model, seconds = "model.pb", call([dp, "train", "--skip-neighbor-stat", "input.json"], folder)
            call([dp, "freeze", "-o", model], folder)
        report = subprocess.run([args.cox, "potential", "test", "--json", "--threads", "1", "-m", model, "-s", "data/data_3"],
                                cwd=folder, check=True, capture_output=True, text=True).stdout
        with open(os.path.join(folder, "lcurve.out")) as file:
            curve = [line.split() for line in file if not line.startswith("#")]
    tested = json.loads(report)
    errors = tested["average"]
    run = {"side": side, "seed": seed, "steps": args.steps, "cpu_seconds": round(seconds, 1)}
    run.update({name: errors[name]["rmse"] for name in QUANTITIES})
    run["curve"] = {row[0]: float(row[5]) for row in curve}   # of the forces, three frames of data_3
    return run


def load(path):
    if not os.path.exists(path):
        return []
    with open(path) as file:
        return json.load(file)["runs"]


def summary(runs):
    print(f"{'':<12} {'runs':>4}" + "".join(f" {name + ', ' + unit:>28}" for name, (unit, _) in QUANTITIES.items()))
    sides = {side: [r for r in runs if r["side"] == side] for side in ("DeePMD-kit", "ours")}
    for side, of in sides.items():
        for run in of:
            print(f"{side:<12} {run['seed']:>4}" + "".join(f" {run[name] * by:28.3f}" for name, (_, by) in QUANTITIES.items()))
    for side, of in sides.items():
        if len(of) > 1:
            print(f"{side:<12} {len(of):>4}" + "".join(
                f" {mean(r[name] * by for r in of):20.3f} ± {stdev(r[name] * by for r in of):.3f}"
                for name, (_, by) in QUANTITIES.items()))
    if all(len(of) > 1 for of in sides.values()):
        for name, (unit, by) in QUANTITIES.items():
            theirs, ours = ([r[name] * by for r in of] for of in sides.values())
            error = (stdev(theirs) ** 2 / len(theirs) + stdev(ours) ** 2 / len(ours)) ** 0.5
            print(f"{name}: ours less DeePMD-kit's {mean(ours) - mean(theirs):+.3f} ± {error:.3f} {unit} (standard error)")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("cox", "peers", "data", "out"):
        parser.add_argument(name)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--theirs", type=int, default=3)
    parser.add_argument("--ours", type=int, default=6)
    args = parser.parse_args()
    args.cox = os.path.abspath(args.cox)
    for side, n in (("ours", args.ours), ("DeePMD-kit", args.theirs)):
        for seed in range(1, n + 1):
            if not any((r["side"], r["seed"], r["steps"]) == (side, seed, args.steps) for r in load(args.out)):
                run = train(side, seed, args)
                runs = load(args.out) + [run]   # another of these may have written meanwhile
                with open(args.out, "w") as file:
                    json.dump({"runs": runs}, file, indent=1)
                    file.write("\n")
    summary([r for r in load(args.out) if r["steps"] == args.steps])


if __name__ == "__main__":
    main()
