#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""read_live.py WRITE_LIVE COX: h5py and MDAnalysis read a frames file while it is written, when its
writer was killed, and in order again after cox repair."""
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import warnings

try:
    import h5py
    from MDAnalysis.coordinates.H5MD import H5MDReader
    import numpy as np
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)
warnings.simplefilter("ignore")

ATOMS = 30
KILLS = 8
atoms, axes = np.meshgrid(np.arange(ATOMS), np.arange(3), indexing="ij")
offsets = atoms / 10 + axes / 100


def read(path, at_least, swmr):
    """Every frame that all datasets have, through both."""
    with h5py.File(path, "r", swmr=swmr) as file:
        group = file["particles/trajectory/position"]
        n = len(group["time"])
        assert n >= at_least, (n, at_least)
        x = group["value"][:n]
        rows = np.arange(n)
        assert np.allclose(x, (rows % 1000)[:, None, None] + offsets, atol=1e-4)
        assert (group["step"][:n] == rows).all() and (group["time"][:n] == 0.5 * rows).all()
        assert (file["observables/index/value"][:n] == rows % 10).all()
        if not n:
            return 0
        reader = H5MDReader(file if swmr else path, n_atoms=ATOMS)
        assert len(reader) >= n
        for i in random.sample(range(n), min(n, 20)):
            ts = reader[i]
            assert np.allclose(ts.positions, 10 * (i % 1000 + offsets), atol=1e-2), i
            assert ts.time == 0.5 * i and ts.data["index"] == i % 10
        reader.close()
    return n


def cox(*arguments):
    return subprocess.run([sys.argv[2], "repair", *arguments], capture_output=True, text=True)


def main():
    random.seed(5)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "frames-0.h5")
        safe = 0
        for kill in range(KILLS):
            writer = subprocess.Popen([sys.argv[1], path], stdout=subprocess.PIPE, text=True)
            safe = int(writer.stdout.readline())
            read(path, safe, swmr=True)  # while it is written
            if kill == 2:
                said = cox(path)
                assert said.returncode == 1 and "being written by another" in said.stderr, said
                assert cox(path, "--check").returncode == 0
            time.sleep(random.uniform(0, 0.05))
            writer.kill()
            safe = int((writer.stdout.read().split() or [safe])[-1])
            writer.wait()
            n = read(path, safe, swmr=True)  # as the killed writer left it
            if kill % 2:
                said = cox(path, "--check", "--json")
                found = json.loads(said.stdout)["files"][0]
                assert said.returncode == 1 and found["state"] == "needs repair", said
                assert found["frames"] == n and found["status_flags"], found
                said = cox(path)
                assert said.returncode == 0 and ": repaired: " in said.stdout, said
                assert f" {n} frames" in said.stdout, said
                said = cox(path, "--check")
                assert said.returncode == 0 and ": good: " in said.stdout, said
                assert read(path, n, swmr=False) == n
        subprocess.run([sys.argv[1], path, str(n + 1)], check=True, stdout=subprocess.PIPE)
        assert n + 1 <= read(path, n, swmr=False) <= n + 16
        size = os.path.getsize(path)
        os.truncate(path, size // 2)
        said = cox(path)
        assert said.returncode == 1 and "damaged beyond repair, left as it is" in said.stdout, said
        assert os.path.getsize(path) == size // 2
        said = cox(folder)
        assert said.returncode == 1 and "is no run" in said.stderr, said
    print(f"{KILLS} killed writers, {n} frames at last")


if __name__ == "__main__":
    main()
