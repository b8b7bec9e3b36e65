#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""potential_curves.py OUT.json WHAT NAME FOLDER …: for each FOLDER its learning curve (lcurve.out), the errors that
`dp test` printed (test.log) and the processor seconds of its training (cpu_seconds), as potential_table.py wants them."""
import json
import os
import re
import sys

LINES = {"energy_per_atom_rmse": r"Energy RMSE/Natoms\s*:\s*(\S+)", "energy_per_atom_mae": r"Energy MAE/Natoms\s*:\s*(\S+)",
         "force_rmse": r"Force\s+RMSE\s*:\s*(\S+)", "force_mae": r"Force\s+MAE\s*:\s*(\S+)"}


def read(folder):
    with open(os.path.join(folder, "lcurve.out")) as file:
        lines = file.read().splitlines()
    names = lines[0].lstrip("# ").split()
    curve = [dict(zip(names, (float(word) for word in line.split()))) for line in lines if not line.startswith("#")]
    with open(os.path.join(folder, "test.log")) as file:
        log = file.read()
    with open(os.path.join(folder, "cpu_seconds")) as file:
        seconds = float(file.read())
    return {"test": {name: float(re.findall(pattern, log)[-1]) for name, pattern in LINES.items()},
            "cpu_seconds": seconds, "curve": [dict(row, step=int(row["step"])) for row in curve if row["step"] % 500 == 0]}


def main():
    path, what, sides = sys.argv[1], sys.argv[2], sys.argv[3:]
    data = {"what": what, "sides": {name: read(folder) for name, folder in zip(sides[::2], sides[1::2])}}
    with open(path, "w") as file:
        json.dump(data, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
