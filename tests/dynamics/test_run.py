#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""`cox potential run` and `cox potential rdf`: what a run writes, as others read it; restarts to the
same bits; what is refused. Usage: test_run.py COX WRITE_RANDOM_MODEL"""
import csv
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import warnings

try:
    import ase.io
    import h5py
    import MDAnalysis
    import numpy as np
    from MDAnalysis.analysis.rdf import InterRDF
except ImportError as absent:
    print(f"skipped: {absent}")
    sys.exit(77)
warnings.simplefilter("ignore")

COX, WRITER = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
BOX = np.array([[9, 0, 0], [1.1, 9.6, 0], [-0.7, 0.9, 10.3]])


def cox(*words, ok=True, **options):
    done = subprocess.run([COX, "potential", *map(str, words)], capture_output=True, text=True,
                          timeout=120, stdin=subprocess.DEVNULL, **options)
    assert not ok or done.returncode == 0, done.stderr
    return done


def atoms():
    """24 atoms on a jittered lattice."""
    random = np.random.default_rng(4)
    fraction = np.array([[(i % 2 + 0.5) / 2, (i // 2 % 3 + 0.5) / 3, (i // 6 + 0.5) / 4]
                         for i in range(24)])
    return fraction @ BOX + 0.4 * (random.random((24, 3)) - 0.5), ["OHH"[i % 3] for i in range(24)]


def write_xyz(path, x, names, box=BOX, v=None):
    with open(path, "w") as file:
        lattice = 'Lattice="%s" ' % " ".join("%.17g" % e for e in box.flatten()) if box is not None else ""
        file.write("%d\n%sProperties=species:S:1:pos:R:3%s\n" % (len(x), lattice, ":vel:R:3" if v is not None else ""))
        for i, name in enumerate(names):
            row = x[i] if v is None else np.concatenate([x[i], v[i]])
            file.write(name + "".join(" %.17g" % c for c in row) + "\n")


def table(folder):
    with open(os.path.join(folder, "thermo.csv")) as file:
        rows = list(csv.DictReader(file))
    return {key: np.array([float(r[key]) for r in rows]) for key in rows[0]}


def read(*path):
    with open(os.path.join(*path), "rb") as file:
        return file.read()


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.home = os.getcwd()
        os.chdir(cls.temporary.name)
        subprocess.run([WRITER, "model.dp"], check=True)
        cls.x, cls.names = atoms()
        write_xyz("start.xyz", cls.x, cls.names)

    @classmethod
    def tearDownClass(cls):
        os.chdir(cls.home)
        cls.temporary.cleanup()

    def refused(self, text, *words, code=1):
        done = cox("run", "-m", "model.dp", *words, ok=False)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn(text, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1 if code == 1 else done.stderr.count("\n"))


NVT = ("run", "-m", "model.dp", "-x", "start.xyz", "--nvt", "50", "--timestep-fs", "0.2", "-t", "2")


class Files(Case):
    def test_what_a_run_writes(self):
        done = cox(*NVT, "-o", "a", "--steps", "300", "--every", "20", "--thermo-every", "10", "--format",
                   "both", "--velocities", "--forces", "--rdf", "4.2", "--rdf-every", "20", "--rdf-bins", "60")
        self.assertIn("300 steps of 0.2 fs, 24 atoms", done.stdout)
        self.assertEqual(done.stderr, "")
        thermo = table("a")
        self.assertEqual(list(thermo["step"]), list(range(0, 301, 10)))
        np.testing.assert_allclose(thermo["time_ps"], thermo["step"] * 2e-4, atol=1e-12)
        np.testing.assert_allclose(thermo["volume_A3"], np.linalg.det(BOX), rtol=1e-9)
        mass = 8 * 15.999 + 16 * 1.008
        np.testing.assert_allclose(thermo["density_g_cm3"], mass * 1.66053906660 / np.linalg.det(BOX), rtol=1e-6)
        frames = ase.io.read("a/traj.xyz", index=":")
        self.assertEqual(len(frames), 16)
        universe = MDAnalysis.Universe("a/traj.xyz", "a/traj.h5", format="H5MD")
        self.assertEqual(len(universe.trajectory), 16)
        for i, ts in enumerate(universe.trajectory):
            np.testing.assert_allclose(ts.positions, frames[i].positions, atol=3e-6)
            np.testing.assert_allclose(ts.dimensions, frames[i].cell.cellpar(), rtol=1e-6)
            self.assertAlmostEqual(ts.time, 20 * i * 2e-4, places=9)
            self.assertAlmostEqual(frames[i].get_potential_energy(), thermo["potential_eV"][2 * i], places=7)
            self.assertLess(np.abs(frames[i].get_forces().sum(axis=0)).max(), 1e-6)
            self.assertEqual(ts.data["step"], 20 * i)
            kinetic = 0.5 * (frames[i].get_masses()[:, None] * (ts.velocities * 1e0) ** 2).sum() * 1.0364269656e-4
            self.assertTrue(kinetic > 0)
        settings = json.loads(read("a/run.json"))
        self.assertEqual(settings["status"], "done")
        self.assertEqual((settings["steps"], settings["nvt"], settings["seed"]), (300, 50, 1))
        self.assertEqual(settings["result"]["step"], 300)
        final = ase.io.read("a/final.xyz")
        np.testing.assert_allclose(final.positions, frames[-1].positions, atol=1e-8)
        # the same functions from the trajectory, to its rounding, and as MDAnalysis has them
        cox("rdf", "a/traj.xyz", "-o", "rdf.csv", "-o", "rdf.svg", "-r", "4.2", "-b", "60", "--from", "1")
        cox("rdf", "a/traj.h5", "-o", "h5.csv", "-r", "4.2", "-b", "60", "--from", "1")
        direct, xyz, h5 = (np.genfromtxt(f, delimiter=",", names=True) for f in ("a/rdf.csv", "rdf.csv", "h5.csv"))
        self.assertEqual(direct.dtype.names, ("r_A", "OO", "OH", "HH"))
        self.assertIn(b"<svg", read("a/rdf.svg"))
        for pair in "OO", "OH", "HH":
            np.testing.assert_allclose(xyz[pair], direct[pair], atol=0.35)  # a pair more or less in a bin
            first, second = universe.select_atoms("name " + pair[0]), universe.select_atoms("name " + pair[1])
            block = (1, 1) if pair[0] == pair[1] else None
            theirs = InterRDF(first, second, nbins=60, range=(0, 4.2), exclusion_block=block).run(start=1)
            np.testing.assert_allclose(theirs.results.rdf, h5[pair], atol=1e-6)
            np.testing.assert_allclose(theirs.results.bins, h5["r_A"], atol=1e-9)
            self.assertGreater(h5[pair].max(), 1)

    def test_the_same_start_in_other_formats(self):
        v = 1e-3 * np.random.default_rng(5).normal(size=(24, 3))
        write_xyz("v.xyz", self.x, self.names, v=v)
        with open("v.data", "w") as f:
            f.write("made for a test, units = real\n\n24 atoms\n2 atom types\n\n1 10 xlo xhi\n2 11.6 ylo yhi\n"
                    "-3 7.3 zlo zhi\n1.1 -0.7 0.9 xy xz yz\n\nMasses\n\n1 1.008 # H\n2 15.999 # O\n\n"
                    "Atoms # full\n\n")
            order = list(range(24))[::-1]
            for i in order:
                x = self.x[i] + (1, 2, -3)
                f.write("%d 1 %d -0.5 %.17g %.17g %.17g 0 0 0\n" % (i + 1, 1 + (self.names[i] == "O"), *x))
            f.write("\nVelocities\n\n" + "".join("%d %.17g %.17g %.17g\n" % (i + 1, *v[i]) for i in order))
            f.write("\nBonds\n\n1 1 1 2\n")
        os.makedirs("npy/set.000")
        with open("npy/type.raw", "w") as f:
            f.write("\n".join(str("HO".index(n)) for n in self.names))
        with open("npy/type_map.raw", "w") as f:
            f.write("H O")
        np.save("npy/set.000/coord.npy", np.stack([self.x + 1, self.x]).reshape(2, -1))
        np.save("npy/set.000/box.npy", np.stack([BOX, BOX]).reshape(2, -1))
        # turned in space: put upright again
        turn = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0.0]])
        write_xyz("turned.xyz", self.x @ turn, self.names, BOX @ turn, v @ turn)
        ends = []
        for start, words in (("v.xyz", ()), ("v.data", ()), ("v.data", ("--type-map", "H,O")), ("turned.xyz", ())):
            out = "f%d" % len(ends)
            cox("run", "-m", "model.dp", "-x", start, "--nve", "--steps", "20", "-o", out, "--thermo-every", "1", *words)
            ends.append(table(out))
        for end in ends[1:]:
            for key in "potential_eV", "kinetic_eV", "pressure_bar", "pxy_bar", "gamma_deg":
                np.testing.assert_allclose(end[key], ends[0][key], rtol=1e-7, atol=1e-7)
        cox("run", "-m", "model.dp", "-x", "npy", "--frame", "-1", "--nve", "--initial-K", "9", "--steps", "1", "-o",
            "f9", "--thermo-every", "1")
        self.assertAlmostEqual(table("f9")["potential_eV"][0], ends[0]["potential_eV"][0], places=7)
        cox("run", "model.dp", "-x", "start.xyz", "--replicate", "2", "1", "3", "--nvt", "9", "--steps", "1", "-o", "f10")
        six = table("f10")
        self.assertAlmostEqual(six["potential_eV"][0], 6 * ends[0]["potential_eV"][0], places=6)
        self.assertAlmostEqual(six["volume_A3"][0], 6 * ends[0]["volume_A3"][0], places=6)
        with h5py.File("npy.h5", "w") as f:
            for name in "coord", "box":
                f["a/set.000/" + name + ".npy"] = np.load("npy/set.000/" + name + ".npy")
            f["a/type.raw"] = ["HO".index(n) for n in self.names]
            f["a/type_map.raw"] = ["H", "O"]
        cox("run", "-m", "model.dp", "-x", "npy.h5#/a", "--frame", "1", "--nvt", "9", "--steps", "1", "-o", "f12")
        self.assertAlmostEqual(table("f12")["potential_eV"][0], ends[0]["potential_eV"][0], places=7)
        for source in "npy", "npy.h5#/a", "start.xyz,v.xyz":
            cox("rdf", source, "-o", "r.csv")
            with open("r.csv") as f:
                rows = [sorted(line.strip().split(",")[1:]) for line in f]
            if source == "npy":
                first = rows
            else:
                self.assertEqual([len(r) for r in rows], [len(r) for r in first])
                for r, q in list(zip(rows, first))[1:]:
                    np.testing.assert_allclose([float(c) for c in r], [float(c) for c in q], rtol=1e-6, atol=1e-9)
        self.refused("has 2 frames; frame 2 (from 0) was asked for", "-x", "npy", "--frame", "2", "--nvt", "9", "--steps",
                     "1", "-o", "f11")

    def test_without_a_box(self):
        write_xyz("free.xyz", self.x, self.names, box=None)
        cox("run", "-m", "model.dp", "-x", "free.xyz", "--nvt", "10", "--thermostat", "nose-hoover", "--steps", "50", "-o",
            "free", "--format", "both", "--every", "10", "--timestep-fs", "0.1")
        self.assertNotIn("pressure_bar", table("free"))
        self.assertEqual(len(ase.io.read("free/traj.xyz", index=":")), 6)
        self.assertFalse(ase.io.read("free/traj.xyz").pbc.any())
        self.refused("--rdf needs a periodic box", "-x", "free.xyz", "--nvt", "9", "--steps", "1", "-o", "no", "--rdf", "5")
        self.refused("a barostat or a deformation needs a periodic box", "-x", "free.xyz", "--npt", "9", "--steps", "1",
                     "-o", "no")
        self.refused("only a periodic box can be replicated", "-x", "free.xyz", "--nvt", "9", "--steps", "1", "-o", "no",
                     "--replicate", "2x1x1")

    def test_the_box_moves(self):
        for i, words in enumerate((("--coupling", "tri"), ("--coupling", "xy", "--deform", "z=2"))):
            out = "npt%d" % i
            cox("run", "-m", "model.dp", "-x", "start.xyz", "--npt", "30", "--pressure-bar", "3000", *words, "--steps", "200",
                "-o", out, "--every", "20", "--thermo-every", "20", "--barostat-every", "5", "--timestep-fs", "0.2",
                "--tau-p-ps", "0.05")
            thermo = table(out)
            universe = MDAnalysis.Universe("start.xyz", out + "/traj.h5", format="H5MD")
            names = "a_A", "b_A", "c_A", "alpha_deg", "beta_deg", "gamma_deg"
            for k, ts in enumerate(universe.trajectory):
                np.testing.assert_allclose(ts.dimensions, [thermo[n][k] for n in names], rtol=1e-5)
                self.assertAlmostEqual(ts.volume / thermo["volume_A3"][k], 1, places=5)
            self.assertGreater(np.ptp(thermo["a_A"]), 1e-4)
            self.assertGreater(thermo["barostat_accepted"][-1], 0)
            if not i:
                self.assertGreater(np.ptp(thermo["gamma_deg"]), 1e-4)
        # z is stretched by 2 × 0.04 of its length
        self.assertAlmostEqual(json.loads(read("npt1/run.json"))["result"]["time_ps"], 0.04, places=12)
        h = ase.io.read("npt1/final.xyz").cell
        self.assertAlmostEqual(h[2, 2], 10.3 * 1.08, places=9)

    def test_float32(self):
        for name in "float64", "float32":
            cox(*NVT, "-o", name, "--steps", "50", "--precision", name, "--thermo-every", "1")
        a, b = table("float64"), table("float32")
        self.assertLess(np.abs(a["potential_eV"] - b["potential_eV"]).max(), 1e-3)
        self.assertFalse((a["potential_eV"] == b["potential_eV"]).all())

    def test_json(self):
        done = cox(*NVT, "-o", "json", "--steps", "100", "--json")
        result = json.loads(done.stdout)
        self.assertEqual((result["step"], result["atoms"], result["interrupted"]), (100, 24, False))
        self.assertGreater(result["steps_per_s"], 0)


class Restarts(Case):
    WORDS = ("--steps", "3000", "--every", "50", "--thermo-every", "10", "--checkpoint-every", "100", "--format", "both",
             "--rdf", "4", "--npt", "50", "--barostat-every", "7")
    RUN = tuple(w for w in NVT if w not in ("--nvt", "50"))

    def same(self, a, b):
        for name in "thermo.csv", "traj.xyz", "final.xyz", "rdf.csv":
            self.assertEqual(read(a, name), read(b, name), name)
        for name in a, b:
            universe = MDAnalysis.Universe("start.xyz", name + "/traj.h5", format="H5MD")
            self.assertEqual(len(universe.trajectory), 61)
        # but for lengths of files, which are the same, too
        self.assertEqual(read(a, "checkpoint"), read(b, "checkpoint"))

    def begin(self, out, wait_for):
        child = subprocess.Popen([COX, "potential", *self.RUN, *self.WORDS, "-o", out, "-q"], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
        limit = time.time() + 60
        while time.time() < limit and child.poll() is None:
            try:
                if read(out, "traj.xyz").count(b"Lattice") >= wait_for:
                    break
            except FileNotFoundError:
                pass
            time.sleep(0.001)
        return child

    def test_bits(self):
        cox(*self.RUN, *self.WORDS, "-o", "straight", "-q")
        for attempt, wait_for in enumerate((3, 12)):
            out = "killed%d" % attempt
            child = self.begin(out, wait_for)
            child.kill()
            child.communicate()
            self.assertNotEqual(child.returncode, 0, "too fast to be killed")
            self.assertEqual(json.loads(read(out, "run.json"))["status"], "running")
            cox("run", "--restart", out, "-q")
            self.same("straight", out)
        child = self.begin("interrupted", 5)
        child.send_signal(signal.SIGINT)
        said = child.communicate()
        self.assertEqual(child.returncode, 130, said)
        self.assertIn("interrupted: ", said[0])
        self.assertIn("cox potential run --restart interrupted", said[0])
        self.assertEqual(json.loads(read("interrupted/run.json"))["status"], "interrupted")
        cox("run", "--restart", "interrupted", "-q")
        self.same("straight", "interrupted")
        # done is done; more steps may be asked for
        self.assertIn("nothing left to do", cox("run", "--restart", "interrupted").stdout)
        short = [w if w != "3000" else "1030" for w in self.WORDS]
        cox(*self.RUN, *short, "-o", "short", "-q")
        cox("run", "--restart", "short", "--steps", "3000", "-q")
        self.same("straight", "short")
        # refusals
        for words, text, code in ((("--seed", "4"), "--seed cannot be given with --restart", 2),
                                  (("--nvt", "4"), "--nvt cannot be given with --restart", 2)):
            done = cox("run", "--restart", "short", *words, ok=False)
            self.assertEqual(done.returncode, code)
            self.assertIn(text, done.stderr)
        self.refused("'short/run.json' exists: go on with that run (--restart short)", "-x", "start.xyz", "--nvt", "9",
                     "--steps", "1", "-o", "short")
        whole = read("short/checkpoint")
        with open("short/checkpoint", "wb") as f:
            f.write(whole[:700] + bytes([whole[700] ^ 1]) + whole[701:])
        done = cox("run", "--restart", "short", "--steps", "4000", ok=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("'short/checkpoint' is damaged", done.stderr)
        with open("short/checkpoint", "wb") as f:
            f.write(whole)
        model = read("model.dp")
        with open("model.dp", "ab") as f:
            f.write(b" ")
        done = cox("run", "--restart", "short", "--steps", "4000", ok=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("is another model than the run began with", done.stderr)
        with open("model.dp", "wb") as f:
            f.write(model)
        done = cox("run", "--restart", "nowhere", ok=False)
        self.assertIn("nowhere/run.json", done.stderr)


class Wrong(Case):
    def bad(self, text, change, name="bad.xyz"):
        with open("start.xyz") as f:
            lines = f.read().split("\n")
        change(lines)
        with open(name, "w") as f:
            f.write("\n".join(lines))
        self.refused(text, "-x", name, "--nvt", "9", "--steps", "1", "-o", "no")
        self.assertFalse(os.path.exists("no"))

    def test_xyz(self):
        def put(line, text):
            def change(lines):
                lines[line] = text
            return change
        self.bad("bad.xyz, line 1: the number of atoms is 'x', not a whole number", put(0, "x"))
        self.bad("bad.xyz, line 1: the number of atoms is 0", put(0, "0"))
        self.bad("bad.xyz, line 26: the file ends after 24 of 25 atoms", lambda lines: (lines.pop(), put(0, "25")(lines)))
        self.bad("line 2: Lattice has 8 numbers; the three edges have 9", put(1, 'Lattice="1 0 0 0 1 0 0 0"'))
        self.bad("line 2: a number of Lattice is '1x'", put(1, 'Lattice="1x 0 0 0 1 0 0 0 1"'))
        self.bad("line 2: pbc must be", put(1, 'Lattice="9 0 0 0 9 0 0 0 9" pbc="T T F"'))
        self.bad("line 2: property 'pos' has 2 columns; 3 are expected", put(1, "Properties=species:S:1:pos:R:2"))
        self.bad("line 4: a coordinate is 'nan', not a number", put(3, "H nan 2 3"))
        self.bad("line 4: atom 1 of 24 has 3 columns; 4 are expected", put(3, "H 2 3"))
        self.bad("atom 1 is 'Xe'; the model knows O, H", put(3, "Xe 1 2 3"))
        self.bad("the box has a volume of 0", put(1, 'Lattice="1 0 0 0 1 0 0 1 0"'))
        self.bad("on top of each other", lambda lines: put(4, lines[3])(lines))

    def test_lammps(self):
        head = "title\n\n2 atoms\n1 atom types\n0 9 xlo xhi\n0 9 ylo yhi\n0 9 zlo zhi\n\n"
        cases = (
            (head + "Atoms # atomic\n\n1 1 1 2 3\n2 1 4 5 6\n", "does not say what atom type 1 is"),
            (head + "Atoms # sphere\n\n1 1 1 2 3\n2 1 4 5 6\n", "line 11: atom style 'sphere'"),
            (head + "Atoms\n\n1 1 0.5 1 2 3\n2 1 0.5 4 5 6\n", "line 11: 6 columns: say the atom style"),
            (head + "Atoms # atomic\n\n1 1 1 2 3\n1 1 4 5 6\n", "line 12: atom 1 is there twice"),
            (head + "Atoms # atomic\n\n1 2 1 2 3\n2 1 4 5 6\n", "line 11: an atom's type is 2; 1 to 1 are allowed"),
            (head + "Atoms # atomic\n\n1 1 1 2 3\n", "section Atoms has 1 lines; 2 are expected"),
            (head + "Atomes\n\n", "'Atomes' is no section of a LAMMPS data file"),
            ("title\n\n2 atoms\n\nAtoms\n\n", "the header lacks one of"),
            (head.replace("0 9 x", "9 0 x") + "Atoms\n\n", "line 5: the box goes from 9 to 0"),
            ("", "is empty"), ("hello\n", "no section Atoms"))
        for text, wanted in cases:
            with self.subTest(wanted):
                with open("bad.data", "w") as f:
                    f.write(text)
                self.refused(wanted, "-x", "bad.data", "--nvt", "9", "--steps", "1", "-o", "no")
        with open("bad.data", "w") as f:
            f.write(cases[0][0])
        self.refused("has 1 atom types, --type-map names 2", "-x", "bad.data", "--nvt", "9", "--steps", "1", "-o", "no",
                     "--type-map", "O,H")

    def test_options(self):
        start = ("-x", "start.xyz", "--steps", "1", "-o", "no")
        self.refused("say one of --nve, --nvt K and --npt K", *start, code=2)
        self.refused("say one of", *start, "--nvt", "3", "--nve", code=2)
        self.refused("-x START is missing", "--nvt", "3", code=2)
        self.refused("--steps N is missing", "-x", "start.xyz", "-o", "no", "--nvt", "3", code=2)
        self.refused("did you mean '--thermostat'", *start, "--nvt", "3", "--termostat", "x", code=2)
        self.refused("--thermostat is langevin or nose-hoover, not 'x'", *start, "--nvt", "3", "--thermostat", "x")
        self.refused("--coupling is iso, tri, or axes", *start, "--npt", "3", "--coupling", "w")
        self.refused("--deform is AXIS=RATE", *start, "--nvt", "3", "--deform", "w=3")
        self.refused("both move z", *start, "--npt", "3", "--deform", "z=3")
        self.refused("--format is h5, xyz or both, not 'pdb'", *start, "--nvt", "3", "--format", "pdb")
        self.refused("float64, float32 or mix16", *start, "--nvt", "3", "--precision", "half")
        self.refused("--replicate is AxBxC", *start, "--nvt", "3", "--replicate", "2x2")
        self.refused("--mass is NAME=MASS", *start, "--nvt", "3", "--mass", "O=0")
        self.refused("a mass of 'C' was given, which no atom is", *start, "--nvt", "3", "--mass", "C=12")
        self.refused("start.xyz has no velocities: --nve needs --initial-K", *start, "--nve")
        self.refused("the model has 0 frame parameters, --fparam gives 1", *start, "--nvt", "3", "--fparam", "1")
        self.refused("nowhere", "-x", "nowhere.xyz", "--steps", "1", "-o", "no", "--nvt", "3")
        self.assertFalse(os.path.exists("no"))

    def test_blow_up(self):
        """Close atoms, a long step: one clear message, the wreck, and the last checkpoint."""
        x = self.x.copy()
        x[1] = x[0] + (0.05, 0, 0)
        write_xyz("close.xyz", x, self.names)
        done = cox("run", "-m", "model.dp", "-x", "close.xyz", "--nve", "--initial-K", "300", "--steps", "1000", "-o", "blown",
                   "--timestep-fs", "2", "-q", ok=False)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"^cox: blown/blown.xyz written: step \d+: .*atom \d+.*blown up; try a shorter timestep")
        self.assertEqual(done.stderr.count("\n"), 1)
        self.assertEqual(json.loads(read("blown/run.json"))["status"], "failed")
        self.assertEqual(len(ase.io.read("blown/blown.xyz")), 24)

    def test_overflow_is_said_once(self):
        """Twice as dense as sel allows."""
        write_xyz("dense.xyz", 0.42 * self.x, self.names, 0.42 * BOX)
        done = cox("run", "-m", "model.dp", "-x", "dense.xyz", "--nvt", "1", "--steps", "20", "-o", "dense", "--timestep-fs",
                   "0.01", "--json")
        self.assertEqual(done.stderr.count("beyond the model's sel"), 1)
        self.assertRegex(done.stderr, r"step 0: \d+ neighbours")
        self.assertGreater(json.loads(done.stdout)["most_overflow"], 0)

    def test_rdf(self):
        for words, text in ((("nowhere.xyz",), "nowhere.xyz"), (("start.txt",), "trajectories are .h5, .xyz"),
                            (("start.xyz", "-o", "x.png"), "output is a .csv or a .svg"),
                            (("start.xyz", "--from", "3"), "has no frame from 3 on")):
            done = cox("rdf", *words, ok=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(text, done.stderr)
        write_xyz("free.xyz", self.x, self.names, box=None)
        done = cox("rdf", "free.xyz", ok=False)
        self.assertIn("free.xyz, frame 0: radial distribution functions need a periodic box", done.stderr)
        done = cox("rdf", "one=start.xyz,start.xyz", "two=start.xyz", "-o", "r.csv", "-o", "r.svg", "--json")
        self.assertEqual([p["frames"] for p in json.loads(done.stdout)], [2, 2, 2, 1, 1, 1])
        self.assertTrue(read("r.csv").startswith(b"r_A,one O-O,one O-H,one H-H,two O-O"))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
