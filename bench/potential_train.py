# SPDX-License-Identifier: BSD-3-Clause
"""Steps per second of training, in turns, for bench/potential.py: one frame of 192 water molecules' atoms a step, the
input of potential-water-10000.json without validation. Each turn is a whole run of a few steps; only the time
between steps counts, not the start."""
import json
import os
import re
import subprocess
import sys

from potential_sides import HERE

TURNS = 2
OUR_STEPS = 240
STEPS, SHOWN_EVERY = 90, 30   # DeePMD-kit leaves the first SHOWN_EVERY steps out of its mean


def make_folder(sides, name, steps):
    folder = os.path.join(sides.folder, name)
    os.makedirs(folder)
    with open(os.path.join(HERE, "potential-water-10000.json")) as file:
        script = json.load(file)
    training = script["training"]
    training.update(numb_steps=steps, disp_freq=SHOWN_EVERY, save_freq=steps)
    training.pop("validation_data")
    with open(os.path.join(folder, "input.json"), "w") as file:
        json.dump(script, file)
    os.symlink(os.path.abspath(sides.data), os.path.join(folder, "data"))
    return folder


def theirs(sides, name, threads):
    """Its own figure: the mean time of a step without the first SHOWN_EVERY and without what it writes."""
    folder = make_folder(sides, name, STEPS)
    done = subprocess.run([sides.dp, "train", "--skip-neighbor-stat", "input.json"], cwd=folder, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=dict(sides.environment(threads), TF_CPP_MIN_LOG_LEVEL="2"))
    found = re.search(r"average training time: ([0-9.]+) s/batch \(exclude", done.stdout)
    if done.returncode or not found:
        sys.exit("dp train failed:\n" + done.stdout[-2000:])
    return 1 / float(found.group(1))


def ours(sides, name, threads):
    """All of its steps, and what it writes."""
    folder = make_folder(sides, name, OUR_STEPS)
    done = subprocess.run([sides.cox, "potential", "train", "--json", "--threads", str(threads), "input.json"],
                          cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit("cox potential train failed:\n" + done.stderr[-2000:])
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if not rows[-2]["rmse_f_trn"] < 0.8 * rows[0]["rmse_f_trn"]:
        sys.exit(f"training does not lower the error of forces: {rows[0]}, {rows[-2]}")
    return OUR_STEPS / rows[-1]["seconds"]


def measure(sides):
    rows = []
    for threads in (1, 2):
        mine, peer = [], []
        for turn in range(TURNS):
            mine.append(ours(sides, f"ours-{threads}-{turn}", threads))
            peer.append(theirs(sides, f"theirs-{threads}-{turn}", threads))
        row = {"threads": threads, "ours_steps_per_s": max(mine), "ours_each": mine, "theirs_steps_per_s": max(peer),
               "theirs_each": peer, "ratio_each": [a / b for a, b in zip(mine, peer)],
               "ratio": max(mine) / max(peer)}
        print(f"training, {threads} thread(s): DeePMD-kit {max(peer):.2f} steps/s, ours {max(mine):.2f}, "
              f"{row['ratio']:.2f} times", flush=True)
        rows.append(row)
    return rows
