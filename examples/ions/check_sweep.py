#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Predictions of a sweep against simulations it never saw.
    check_sweep.py EXPORT.json DIRECTORY...        of cox sweep export; directories of job.py run at predicted points
    check_sweep.py --list N EXPORT.json            N predicted points, at random, as arguments of job.py"""
import csv
import json
import math
import os
import random
import sys


def predicted(path):
    with open(path) as file:
        return [p for p in json.load(file)["points"] if p["source"] == "predicted"]


def simulated(directory):
    with open(os.path.join(directory, "job.json")) as file:
        job = json.load(file)
    with open(os.path.join(directory, "result.json")) as file:
        result = json.load(file)
    with open(os.path.join(directory, "profile.csv"), newline="") as file:
        rows = [[float(x) for x in row] for row in list(csv.reader(file))[1:]]
    out = {"cation": [(r[1], r[2]) for r in rows], "anion": [(r[3], r[4]) for r in rows]}
    for name in ("contact_cation", "contact_anion", "mid_cation", "mid_anion"):
        out[name] = [(result[name + "_M"], result[name + "_error_M"])]
    return (job["h_nm"], job["c_M"], job["dp_nm"], job["sigma_C_m2"]), out


def rows(points, directories):
    """(output, c, deviation in the simulation's errors, relative deviation, predicted half-width in them)"""
    for directory in directories:
        inputs, truth = simulated(directory)
        near = min(points, key=lambda p: sum(abs(a - b) for a, b in zip(p["inputs"].values(), inputs)))
        if max(abs(a - b) for a, b in zip(near["inputs"].values(), inputs)) > 1e-9:
            sys.exit(f"'{directory}' is not a predicted point")
        for name, values in truth.items():
            found = near["outputs"][name]
            means, widths = found["value"], found["uncertainty"]
            if not isinstance(means, list):
                means, widths = [means], [widths]
            for (value, error), mean, width in zip(values, means, widths):
                yield name, inputs[1], (mean - value) / error, (mean - value) / max(value, 1e-9), width / error


def main(argv):
    if argv[:1] == ["--list"]:
        points = predicted(argv[2])
        random.Random(1).shuffle(points)
        for p in points[:int(argv[1])]:
            print(" ".join(f"--{k}={v!r}" for k, v in p["inputs"].items()))
        return
    if len(argv) < 2:
        sys.exit(__doc__)
    found = list(rows(predicted(argv[0]), argv[1:]))
    print("output,values,within_1_error,within_2_errors,within_5_errors,within_uncertainty,rms_in_errors,median_relative")
    for name in ("cation", "anion", "contact_cation", "contact_anion", "mid_cation", "mid_anion"):
        for low, high in ((0, 9), (0, 0.2), (0.2, 0.5), (0.5, 9)):
            x = [r for r in found if r[0] == name and low <= r[1] < high]
            if not x:
                continue
            relative = sorted(abs(r[3]) for r in x)
            label = name if high == 9 and low == 0 else f"{name} {low:g}-{min(high, 1):g} M"
            print(f"{label},{len(x)},{sum(abs(r[2]) <= 1 for r in x) / len(x):.3f},"
                  f"{sum(abs(r[2]) <= 2 for r in x) / len(x):.3f},{sum(abs(r[2]) <= 5 for r in x) / len(x):.3f},"
                  f"{sum(abs(r[2]) <= r[4] for r in x) / len(x):.3f},"
                  f"{math.sqrt(sum(r[2] ** 2 for r in x) / len(x)):.2f},{relative[len(relative) // 2]:.3f}")


if __name__ == "__main__":
    main(sys.argv[1:])
