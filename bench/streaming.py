#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The sequential run against the streaming one on the same cores: simulations per hour, and wall time
to a share of the states, beside plain dynamics.

    bench/streaming.py build/release/cox OUT [--seeds 1-2] [--epochs 15,8] [--prefix 'nice -n -15'] [-- --set ...]

For each number of epochs and each seed, in turn: F (sequential), S (streaming, a training every so many
frames as in F), S2 (streaming, half as many trainings), and plain dynamics once per seed. Finished runs are
left alone. Then one 'cox compare' of all runs of that many epochs; OUT/streaming.json holds all figures.
Ratios of one session on one machine mean something, absolute rates on a busy one do not; --prefix is put
before every run."""
import argparse
import json
import os
import platform
import shlex
import sqlite3
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ARMS = {
    "F": [],
    "S": ["coordination=streaming", "title=streaming"],
    "S2": ["coordination=streaming", "title=streaming, half the trainings", "learn.retrain_every=4"],
    "P": ["control=true", "title=plain", "learn.enabled=false"],
}


def seeds(text):
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def run(arguments, folder, arm, seed, epochs):
    target = os.path.join(folder, f"{arm}-{seed}")
    if os.path.exists(os.path.join(target, "summary.json")):
        return target
    command = shlex.split(arguments.prefix) + [
        arguments.cox, "run", arguments.config, "-o", target, "-q", "--set", f"seed={seed}"]
    settings = ARMS[arm] + ([] if arm == "P" else
                            [f"learn.epochs={epochs}", f"learn.epochs_first={epochs}"])
    for setting in settings:
        command += ["--set", setting]
    with open(target + ".log", "w") as log:
        subprocess.run(command + arguments.extra, stdout=log, stderr=log, check=True)
    return target


def figures(target):
    """Of one run: rates over the whole wall time, shares of all core time."""
    with open(os.path.join(target, "summary.json"), encoding="utf-8") as file:
        summary = json.load(file)
    catalog = sqlite3.connect(f"file:{target}/catalog.db?mode=ro", uri=True)
    streaming = summary.get("coordination") == "streaming"
    seconds = dict(catalog.execute(
        "SELECT kind, SUM((ended_s - began_s) * %s) FROM task GROUP BY kind" %
        ("worker" if streaming else "1")))
    models = catalog.execute("SELECT COUNT(*) FROM model").fetchone()[0]
    cores = summary["wall_s"] * summary["threads"]
    learning = sum(seconds.get(kind, 0) for kind in ("train", "embed", "agent"))
    return {
        "ns": summary["simulated_ns"],
        "wall_s": summary["wall_s"],
        "ns_per_hour": summary["simulated_ns"] / summary["wall_s"] * 3600,
        "learning_share": learning / cores,
        "simulating_share": seconds.get("simulate", 0) / cores,
        "models_per_ns": models / summary["simulated_ns"],
        "cpu_share": summary["cpu_share"],
        "stream_share": summary.get("stream_share"),
    }


def compare(arguments, folder, targets):
    page = os.path.join(folder, "compare.html")
    out = subprocess.run([arguments.cox, "compare", *targets, "-o", page, "--json"],
                         stdout=subprocess.PIPE, check=True).stdout
    return json.loads(out)


def median(values):
    known = [v for v in values if v is not None]
    return statistics.median(known) if len(known) == len(values) and known else None


def show(value, form):
    return form % value if value is not None else "never"


def one(arguments, epochs):
    folder = os.path.join(arguments.out, f"epochs-{epochs}")
    plain = os.path.join(arguments.out, "plain")
    os.makedirs(folder, exist_ok=True)
    os.makedirs(plain, exist_ok=True)
    rows = []
    for seed in arguments.seeds:
        for arm in ("F", "S", "S2", "P"):
            target = run(arguments, plain if arm == "P" else folder, arm, seed, epochs)
            rows.append({"arm": arm, "seed": seed, "directory": target, **figures(target)})
    compared = compare(arguments, folder, [row["directory"] for row in rows])
    for row, arm in zip(rows, compared["arms"]):
        row.update({key: arm[key] for key in
                    ("coverage", "ns_to_50", "s_to_50", "ns_to_80", "s_to_80", "best_rmsd_A")})
    base = {row["seed"]: row for row in rows if row["arm"] == "F"}
    print(f"\n{epochs} epochs a training, {len(base)} seeds; medians\n")
    print("| run | learning, share of core time | models a ns | simulations an hour, F = 1 | states | "
          "s to 50 % | s to 80 % |")
    print("|---|---|---|---|---|---|---|")
    result = {"epochs": epochs, "rows": rows, "ratio": {}}
    for arm in ARMS:
        mine = [row for row in rows if row["arm"] == arm]
        ratios = [row["ns_per_hour"] / base[row["seed"]]["ns_per_hour"] for row in mine]
        result["ratio"][arm] = ratios
        print("| %s | %.0f %% | %.2f | %.2f (%s) | %.0f %% | %s | %s |" % (
            arm, 100 * median([row["learning_share"] for row in mine]),
            median([row["models_per_ns"] for row in mine]), median(ratios),
            ", ".join("%.2f" % r for r in ratios), 100 * median([row["coverage"] for row in mine]),
            show(median([row["s_to_50"] for row in mine]), "%.0f"),
            show(median([row["s_to_80"] for row in mine]), "%.0f")))
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cox")
    parser.add_argument("out")
    parser.add_argument("--config", default=os.path.join(HERE, "streaming.yaml"))
    parser.add_argument("--seeds", type=seeds, default=range(1, 3))
    parser.add_argument("--epochs", type=lambda t: [int(e) for e in t.split(",")], default=[15, 8])
    parser.add_argument("--prefix", default="")
    given = sys.argv[1:]
    cut = given.index("--") if "--" in given else len(given)
    arguments = parser.parse_args(given[:cut])
    arguments.extra = given[cut + 1:]
    os.makedirs(arguments.out, exist_ok=True)
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if "model name" in line),
               platform.machine())
    commit = subprocess.run(["git", "-C", HERE, "rev-parse", "--short", "HEAD"],
                            stdout=subprocess.PIPE, text=True).stdout.strip()
    results = {"cpu": cpu, "cores": os.cpu_count(), "commit": commit,
               "config": os.path.basename(arguments.config),
               "results": [one(arguments, epochs) for epochs in arguments.epochs]}
    with open(os.path.join(arguments.out, "streaming.json"), "w", encoding="utf-8") as file:
        json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
