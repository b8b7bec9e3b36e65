# SPDX-License-Identifier: BSD-3-Clause
"""potential_deepmd.py MODEL FRAME: DeePMD-kit's Python interface as a worker of bench/potential.py (runs in its
environment); the commands are those of potential_worker.h."""
import json
import os
import sys
import time

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)   # what libraries print is no answer

import numpy as np  # noqa: E402
from deepmd.infer import DeepPot  # noqa: E402

potential = DeepPot(sys.argv[1])
numbers = np.fromfile(sys.argv[2])
n, box, rows = int(numbers[0]), numbers[1:10].reshape(1, 9), numbers[10:].reshape(-1, 4)
kind, x0 = rows[:, 0].astype(int), np.ascontiguousarray(rows[:, 1:])
wave = 1 + (np.arange(n)[:, None] + np.arange(3)[None]) % 7
step = 0


def compute(x):
    energy, force, _ = potential.eval(x.reshape(1, -1), box, kind)
    return float(energy[0, 0]), force[0]


def answer(**what):
    print(json.dumps(what), file=answers, flush=True)


compute(x0)
answer(interface="Python")
for line in sys.stdin:
    words = line.split()
    if words[0] == "run":
        began, cpu = time.perf_counter(), time.process_time()
        for _ in range(int(words[1])):
            step += 1
            last = compute(x0 + 0.05 * np.sin(0.02 * step * wave))
        answer(seconds=time.perf_counter() - began, cpu=time.process_time() - cpu, energy=last[0])
    elif words[0] == "forces":
        last = compute(x0)
        last[1].tofile(words[1])
        answer(energy=last[0])
    else:
        sys.exit(f"unknown command '{line.strip()}'")
