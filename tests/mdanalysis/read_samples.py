#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Reads with MDAnalysis what write_samples wrote, and compares every coordinate."""
import glob
import os
import subprocess
import sys
import tempfile
import warnings

try:
    import h5py
    import MDAnalysis
    import numpy as np
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)
warnings.simplefilter("ignore")

FRAMES = 37
# ångström: rounding to 0.01 Å (half, and float32 of large numbers), to 0.001 Å
TOLERANCE = {".dcd": 1e-6, ".xtc": 0.0051, ".pdb": 0.000501}


def check_file(path, exact):
    n = exact.shape[1]
    topology = MDAnalysis.Universe.empty(n, trajectory=True)
    reader = MDAnalysis.Universe(topology._topology, path).trajectory
    assert len(reader) == FRAMES, (path, len(reader))
    suffix = os.path.splitext(path)[1]
    for i, ts in enumerate(reader):
        worst = np.abs(ts.positions.astype(float) - exact[i]).max()
        allowed = TOLERANCE[suffix] + 4e-7 * np.abs(exact[i]).max()
        assert worst <= allowed, (path, i, worst, allowed)
        if suffix == ".xtc":
            assert ts.data["step"] == 250 * i and abs(ts.time - i) < 1e-4, (path, i, ts.time)
    if suffix == ".dcd":
        assert abs(reader.dt - 1.0) < 1e-3, reader.dt


def check_pdb_names(path):
    universe = MDAnalysis.Universe(path)
    atoms = universe.atoms
    assert list(atoms.names[:5]) == ["N", "CA", "C", "O", "HA"]
    assert list(atoms.elements[:5]) == ["N", "C", "C", "O", "H"]
    assert list(universe.residues.resnames[:2]) == ["GLY", "HIS"]
    assert universe.select_atoms("name CA and resid 3").n_atoms == 1


def check_h5md(path, exact):
    n = exact.shape[1]
    topology = MDAnalysis.Universe.empty(n, trajectory=True)
    universe = MDAnalysis.Universe(topology._topology, path, format="H5MD")
    reader = universe.trajectory
    assert type(reader).__name__ == "H5MDReader"
    assert len(reader) == FRAMES
    for i, ts in enumerate(reader):
        assert np.allclose(ts.positions, exact[i], rtol=1e-6, atol=1e-6)
        assert ts.has_velocities and abs(ts.time - i) < 1e-9
        assert ts.data["step"] == 250 * i
        assert ts.data["lane"] == i % 4 and ts.data["rmsd_A"] == 0.5 * i
    with h5py.File(path, "r") as file:
        value = file["particles/trajectory/position/value"]
        assert value.dtype == np.float32 and value.chunks == (16, n, 3)
        assert np.array_equal(value[:], exact.astype(np.float32) / np.float32(10)) or np.allclose(
            value[:], exact / 10, rtol=1e-7)
        assert list(file["h5md"].attrs["version"]) == [1, 1]
        box = file["particles/trajectory/box"].attrs
        assert box["dimension"] == 3
        assert [str(b) for b in box["boundary"]] == ["none"] * 3, box["boundary"]
        assert file["connectivity/bonds"].shape == (n - 1, 2)
        assert file["observables/lane/step"] == file["particles/trajectory/position/step"]


def main():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.argv[1], folder], check=True)
        count = 0
        for raw in sorted(glob.glob(os.path.join(folder, "*.f32"))):
            base = raw[:-4]
            n = int(base.rsplit("-", 1)[1])
            exact = np.fromfile(raw, np.float32).reshape(FRAMES, n, 3).astype(float) * 10
            for suffix in TOLERANCE:
                if os.path.exists(base + suffix):
                    check_file(base + suffix, exact)
                    count += 1
            if os.path.basename(base) == "chain-52":
                check_pdb_names(base + ".pdb")
                check_h5md(base + ".h5", exact)
                count += 1
        assert count == 7 * 11 + 1, count
        print(f"{count} files agree")


main()
