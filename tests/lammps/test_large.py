#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""110,592 atoms on two ranks: a small box, repeated six times each way, has 216 times its energy and
the same forces everywhere; then some steps, and how much memory that took.
Usage: test_large.py COX KIM_REFERENCE"""
import resource
import subprocess
import sys
import time

import lammps

TIMES, STEPS = 6, 5


def main():
    lammps.skip_unless_possible()
    lmp = lammps.Lammps(sys.argv[1], sys.argv[2])
    subprocess.run([sys.argv[2], "model", "random.dp"], cwd=lmp.dir, check=True)
    lmp.install("random.dp", "random")
    frame = lammps.jittered((8, 8, 8), 2.4, 9, jitter=0.3)
    energy, virial, forces, _ = lmp.compute("random.dp", frame)
    frame.write_data(lmp.path("frame.data"), ["O", "H"])
    script = lammps.one_step("random", ["O", "H"])
    script = script.replace("pair_style", f"replicate {TIMES} {TIMES} {TIMES}\npair_style", 1)
    began = time.time()
    out = lmp.run(script + f"""undump 1
velocity all create 150 7
fix 1 all nve
timestep 0.0002
run {STEPS}
""", ranks=2, timeout=600)
    took = time.time() - began
    megabytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    e, pressure = lammps.energy_and_pressure(out)
    n, copies = len(frame.atoms), TIMES ** 3
    rows = lmp.read_dump()
    assert len(rows) == n * copies
    off = abs(e / copies - energy) / n
    off_pressure = abs(pressure[0] * frame.volume / lammps.BAR - virial[0]) / n
    # the copies come in any order: compare what they add up to by size
    sizes = sorted(row[0] for row in rows)
    wanted = sorted(force[0] for force in forces)
    off_force = max(abs(a - wanted[k // copies]) for k, a in enumerate(sizes))
    print(f"{n * copies} atoms on 2 ranks: energy off by {off:.1e} eV per atom, forces by {off_force:.1e}"
          f" eV/A, virial by {off_pressure:.1e} eV per atom; {STEPS} steps and all in {took:.1f} s, the "
          f"larger process has {megabytes:.0f} MiB at most ({megabytes * 2 * 1024 / n / copies:.1f} KiB "
          "per atom)")
    assert off < 1e-11 and off_force < 1e-11 and off_pressure < 1e-11
    assert megabytes < 1200
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
