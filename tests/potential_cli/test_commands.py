#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""cox potential test, model-devi, neighbor-stat, show, convert, on models and numbers of DeePMD-kit
(../potential_oracles). Usage: test_commands.py COX ORACLES"""
import itertools
import json
import math
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

COX = os.path.abspath(sys.argv[1])
ORACLES = os.path.abspath(sys.argv[2])


def cox(*words, **options):
    return subprocess.run([COX, "potential", *words], capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL, **options)


def oracles(name):
    """{(model, periodic): {key: [numbers]}}"""
    found, model, entry = {}, None, None
    with open(os.path.join(ORACLES, name)) as lines:
        for line in lines:
            key, *values = line.split()
            if key == "model":
                model = values[0]
            elif key == "periodic":
                entry = found[model, bool(int(values[0]))] = {}
            elif key != "end":
                entry[key] = [float(v) for v in values]
    return found


ALL = oracles("oracles.txt")


def path_of(model):
    return os.path.join(ORACLES, model)


def save_npy(path, rows):
    rows = [list(r) for r in rows]
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (%d, %d), }" % (len(rows), len(rows[0]))
    header += " " * (63 - (len(header) + 10) % 64) + "\n"
    with open(path, "wb") as out:
        out.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
        for row in rows:
            out.write(struct.pack("<%dd" % len(row), *row))


def save_system(folder, frames, names=("O", "H"), periodic=True):
    """frames: oracles of the same atoms"""
    os.makedirs(os.path.join(folder, "set.000"))
    with open(os.path.join(folder, "type.raw"), "w") as out:
        out.writelines("%d\n" % t for t in frames[0]["type"])
    with open(os.path.join(folder, "type_map.raw"), "w") as out:
        out.writelines(n + "\n" for n in names)
    for key, file in (("x", "coord"), ("energy", "energy"), ("force", "force"), ("virial", "virial"),
                      ("box", "box"), ("fparam", "fparam")):
        if (key in ("box", "virial") and not periodic) or not frames[0][key]:
            continue
        save_npy(os.path.join(folder, "set.000", file + ".npy"), [f[key] for f in frames])
    if not periodic:
        open(os.path.join(folder, "nopbc"), "w").close()
    return folder


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="cox-potential-")
        self.addCleanup(shutil.rmtree, self.folder)

    def at(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, content):
        with open(self.at(name), "wb") as out:
            out.write(content)
        return self.at(name)

    def refused(self, done, *words, code=1):
        self.assertEqual(done.returncode, code, done.stderr + done.stdout)
        self.assertEqual(done.stdout, "")
        self.assertEqual(len(done.stderr.strip().splitlines()) if code == 1 else 1, 1, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)


class Help(Case):
    def test_every_command(self):
        for name in ("test", "model-devi", "neighbor-stat", "show", "convert"):
            done = cox(name, "--help")
            self.assertEqual(done.returncode, 0)
            self.assertIn("usage: cox potential " + name, done.stdout)
            self.assertIn("  cox potential " + name, done.stdout)  # an example
            self.assertEqual(cox(name).returncode, 2)
            self.assertEqual(cox(name, "--no-such-option").returncode, 2)

    def test_what_is_missing_is_said(self):
        self.refused(cox("test", "-s", "x"), "-m MODEL", code=2)
        self.refused(cox("test", "-m", "x"), "-s SYSTEM", code=2)
        self.refused(cox("test", "-m", "x", "-s", "x", "-a"), "-d PREFIX", code=2)
        self.refused(cox("model-devi", "-m", "x", "-s", "x"), "two models", code=2)
        self.refused(cox("neighbor-stat", "-s", "x", "-r", "6"), "-t O H", code=2)
        self.refused(cox("convert", path_of("se_a.dp")), "-o FILE.dp", code=2)
        self.refused(cox("convert", path_of("se_a.dp"), "-o", "x.pb"), ".dp", code=2)


class Show(Case):
    def test_every_model(self):
        models = [m for m in os.listdir(ORACLES) if m.endswith((".dp", ".yaml", ".pb"))]
        self.assertGreater(len(models), 15)
        for model in models:
            done = cox("show", path_of(model), "--json")
            self.assertEqual(done.returncode, 0, done.stderr)
            shown = json.loads(done.stdout)
            self.assertEqual(len(shown["descriptors"]), 2 if "hybrid" in model else 1)
            self.assertIn("." + model.split(".")[1], shown["format"])
            self.assertEqual(cox("show", path_of(model)).returncode, 0)

    def test_text(self):
        text = cox("show", path_of("se_a_two_sided.dp")).stdout
        for word in ("Cu, O, H", "se_e2_a", "smooth from 0.75", "9 nets of one pair of types", "deepmd-kit 3.2.0"):
            self.assertIn(word, text)
        self.assertIn("neighbours count nothing, empty slots do", cox("show", path_of("se_a_exclude.yaml")).stdout)
        self.assertIn("O-H: counts nothing", cox("show", path_of("se_a_exclude.pb")).stdout)

    def test_content_tells_not_the_name(self):
        for model in ("se_a.dp", "se_a_exclude.yaml", "se_a.pb"):
            other = self.at("model.pth")
            shutil.copy(path_of(model), other)
            done = cox("show", other)
            self.assertEqual(done.returncode, 0, done.stderr)
            os.unlink(other)


class Refused(Case):
    def test_other_programs_files(self):
        self.refused(cox("show", self.write("m.pth", b"PK\3\4 and so on")), "PyTorch", "dp convert-backend", "m.pth")
        self.refused(cox("show", self.write("m.pt2", b"PK\3\4 and so on")), "PyTorch", "dp convert-backend")
        self.refused(cox("show", self.write("m.pt", b"PK\3\4 and so on")), "checkpoint", "freeze")
        os.makedirs(self.at("saved"))
        self.refused(cox("show", self.at("saved")), "is a folder")
        self.write("saved/saved_model.pb", b"x")
        self.refused(cox("show", self.at("saved")), "SavedModel", "dp convert-backend")
        self.refused(cox("show", self.write("m.dp", b"")), "is empty")
        self.refused(cox("show", self.write("m.gz", b"\x1f\x8b\x08")), "gunzip")
        self.refused(cox("show", self.write("m.dp", b"\x7fELF\x00\x01")), "is no model")
        self.refused(cox("show", self.at("absent.dp")), "absent.dp", "No such file")
        self.refused(cox("show", self.write("i.json", b'{"model": {"type_map": ["O"], "descriptor": {}, "fitting_net": {}}}')),
                     "input script")

    def test_cut_short(self):
        for model in ("se_a.dp", "se_a_exclude.yaml", "se_a.pb"):
            with open(path_of(model), "rb") as f:
                whole = f.read()
            for part in (0.02, 0.3, 0.9):
                self.refused(cox("show", self.write("cut", whole[: int(len(whole) * part)])), "cut")

    def test_what_does_not_fit(self):
        with open(path_of("se_a_exclude.yaml")) as f:
            text = f.read()
        for old, new, words in ((" se_e2_a", " se_atten", ("se_atten", "se_e2_a")),
                                ("activation_function: tanh", "activation_function: relu", ("relu", "tanh")),
                                ("numb_aparam: 0", "numb_aparam: 2", ("aparam", "fparam")),
                                ("numb_fparam: 0", "numb_fparam: 1", ("frame parameters",)),
                                ("mixed_types: false", "mixed_types: true", ("mixed_types",)),
                                ("type: ener", "type: dipole", ("dipole", "ener")),
                                ("axis_neuron: 3", "axis_neuron: 30", ("axis_neuron",)),
                                ("rcut: 4.0", "rcut: 0.1", ("cutoff",)),
                                ("atom_exclude_types: []", "atom_exclude_types: [0]", ("atom_exclude_types",)),
                                ("env_protection: 0.0", "env_protection: 0.1", ("env_protection",)),
                                ("      - 15\n", "      - 16\n", ()),
                                ("exclude_types:\n    - - 0\n      - 1", "exclude_types:\n    - - 0\n      - 7", ("types",))):
            if old not in text:
                continue
            self.refused(cox("show", self.write("m.yaml", text.replace(old, new).encode())), "m.yaml", *words)
        number = text.index("- -0.")
        for bad in (".nan", "1e999", "none"):
            changed = text[:number] + "- " + bad + text[text.index("\n", number):]
            self.refused(cox("show", self.write("m.yaml", changed.encode())), "m.yaml")

    def test_damaged_hdf5(self):
        """Bytes changed at random: an answer, never a crash (tests of many more: fuzz_dp_hdf5)."""
        with open(path_of("se_a.dp"), "rb") as f:
            whole = f.read()
        draw = random.Random(5)
        for _ in range(25):
            changed = bytearray(whole)
            for _ in range(20):
                changed[draw.randrange(8, len(whole))] = draw.randrange(256)
            done = cox("show", self.write("m.dp", bytes(changed)))
            self.assertIn(done.returncode, (0, 1), done.stderr)


class Convert(Case):
    def test_the_same_potential(self):
        for model in ("se_a_fparam.yaml", "se_a_exclude.yaml", "hybrid.dp"):
            frame = ALL[model, True]
            system = save_system(self.at(model + ".system"), [frame])
            self.assertEqual(cox("convert", path_of(model), "-o", self.at("new.dp")).returncode, 0)
            done = cox("test", "-m", self.at("new.dp"), "-s", system, "--json")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertLess(json.loads(done.stdout)["average"]["force"]["rmse"], 1e-11)

    def test_a_failure_leaves_what_was_there(self):
        kept = self.write("kept.dp", b"mine")
        self.refused(cox("convert", self.write("bad.yaml", b"model: 1\n"), "-o", kept), "bad.yaml")
        with open(kept, "rb") as f:
            self.assertEqual(f.read(), b"mine")
        self.refused(cox("convert", path_of("se_a.dp"), "-o", self.at("no", "such", "folder.dp")), "folder.dp")
        self.assertEqual(sorted(os.listdir(self.folder)), ["bad.yaml", "kept.dp"])


class Test(Case):
    def errors(self, model, system, *more):
        done = cox("test", "-m", path_of(model), "-s", system, "--json", *more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_no_error_against_its_own_numbers(self):
        for (model, periodic), frame in ALL.items():
            if "three" in model or len(set(frame["type"])) != 2:
                continue
            system = save_system(self.at(model + str(periodic)), [frame], periodic=periodic)
            average = self.errors(model, system)["average"]
            loose = 3e-6 if "float32" in model else 1e-7 if "atom_ener" in model else 1e-10
            self.assertLess(average["energy"]["rmse"], 5 * loose, model)
            self.assertLess(average["force"]["rmse"], loose, model)
            self.assertEqual("virial" in average, periodic)
            if periodic:
                self.assertLess(average["virial"]["rmse"], 20 * loose, model)

    def test_figures(self):
        """MAE and RMSE of labels that are off by known amounts, weighted over two systems."""
        frame = ALL["se_a.dp", True]
        off = dict(frame, energy=[frame["energy"][0] + 0.3], force=[f + 0.01 for f in frame["force"]])
        far = dict(frame, energy=[frame["energy"][0] - 0.6], force=[f - 0.04 for f in frame["force"]])
        a = save_system(self.at("a"), [off, off, off])
        b = save_system(self.at("b"), [far])
        done = cox("test", "-m", path_of("se_a.dp"), "-s", a, b, "--json")
        report = json.loads(done.stdout)
        n = len(frame["type"])
        self.assertEqual([s["frames"] for s in report["systems"]], [3, 1])
        average = report["average"]
        self.assertAlmostEqual(average["energy"]["mae"], (3 * 0.3 + 0.6) / 4, 9)
        self.assertAlmostEqual(average["energy"]["rmse"], math.sqrt((3 * 0.09 + 0.36) / 4), 9)
        self.assertAlmostEqual(average["energy_per_atom"]["mae"], (3 * 0.3 + 0.6) / 4 / n, 9)
        self.assertAlmostEqual(average["force"]["rmse"], math.sqrt((3 * 0.01**2 + 0.04**2) / 4), 9)
        self.assertEqual(average["force"]["values"], 4 * 3 * n)
        text = cox("test", "-m", path_of("se_a.dp"), "-s", a, b).stdout
        self.assertIn("# number of systems : 2", text)
        self.assertIn("Energy MAE         : 3.750000e-01 eV", text)
        self.assertEqual(self.errors("se_a.dp", self.folder, "-n", "1")["systems"][0]["frames"], 1)

    def test_shuffle(self):
        frame = ALL["se_a.dp", True]
        frames = [dict(frame, energy=[frame["energy"][0] + k]) for k in range(20)]
        system = save_system(self.at("a"), frames)
        drawn = [self.errors("se_a.dp", system, "-n", "3", "--shuffle", str(s))["average"]["energy"]["mae"]
                 for s in (1, 1, 2, 3)]
        self.assertEqual(drawn[0], drawn[1])
        self.assertGreater(len(set(drawn)), 1)
        self.assertAlmostEqual(self.errors("se_a.dp", system, "-n", "3")["average"]["energy"]["mae"], 1, 9)

    def test_details(self):
        frame = ALL["se_a.dp", True]
        system = save_system(self.at("a"), [frame, frame])
        done = cox("test", "-m", path_of("se_a.dp"), "-s", system, "-d", self.at("det"), "-a")
        self.assertEqual(done.returncode, 0, done.stderr)
        n = len(frame["type"])
        for suffix, rows, columns in ((".e.out", 2, 2), (".e_peratom.out", 2, 2), (".f.out", 2 * n, 6),
                                      (".v.out", 2, 18), (".v_peratom.out", 2, 18), (".ae.out", 2 * n, 1)):
            with open(self.at("det" + suffix)) as f:
                lines = f.read().splitlines()
            self.assertTrue(lines[0].startswith("# " + system))
            table = [[float(v) for v in line.split()] for line in lines[1:]]
            self.assertEqual((len(table), len(table[0])), (rows, columns))
            for row in table if columns > 1 else []:
                for label, predicted in zip(row[: columns // 2], row[columns // 2:]):
                    self.assertAlmostEqual(label, predicted, 8)

    def test_a_box_smaller_than_the_cutoff_is_its_copies(self):
        frame = ALL["se_a.dp", True]
        n = len(frame["type"])
        h = [frame["box"][3 * k: 3 * k + 3] for k in range(3)]
        big = {"type": frame["type"] * 8, "x": [], "fparam": [], "energy": [8 * frame["energy"][0]],
               "force": frame["force"] * 8, "virial": [8 * v for v in frame["virial"]],
               "box": [2 * v for v in frame["box"]]}
        for cell in itertools.product((0, 1), repeat=3):
            for i in range(n):
                big["x"] += [frame["x"][3 * i + c] + sum(cell[k] * h[k][c] for k in range(3)) for c in range(3)]
        average = self.errors("se_a.dp", save_system(self.at("big"), [big]))["average"]
        self.assertLess(average["energy"]["rmse"], 1e-9)
        self.assertLess(average["force"]["rmse"], 1e-11)

    def test_bad_data(self):
        frame = ALL["se_a.dp", True]
        good = save_system(self.at("good"), [frame])
        for name, changed, words in (
                ("nan", dict(frame, x=[float("nan")] + frame["x"][1:]), ("coord.npy",)),
                ("top", dict(frame, x=frame["x"][3:6] + frame["x"][3:]), ("frame 0", "atoms")),
                ("flat", dict(frame, box=frame["box"][:6] + frame["box"][3:6]), ("frame 0", "volume")),
                ("short", dict(frame, force=frame["force"][:-3]), ("force.npy",))):
            system = save_system(self.at(name), [changed])
            done = cox("test", "-m", path_of("se_a.dp"), "-s", good, system, "-d", self.at("det"))
            self.assertEqual(done.returncode, 1, name)
            for word in (system, *words):
                self.assertIn(word, done.stderr, name)
        strange = save_system(self.at("strange"), [frame], names=("O", "Xx"))
        self.refused(cox("test", "-m", path_of("se_a.dp"), "-s", strange), "does not know")
        self.refused(cox("test", "-m", path_of("se_a.dp"), "-s", self.at("absent")), "absent")
        self.refused(cox("test", "-m", path_of("se_a_fparam.yaml"), "-s", good), "2 frame parameters")
        self.assertFalse([f for f in os.listdir(self.folder) if f.startswith("det")])

    def test_interrupted(self):
        system = save_system(self.at("a"), [ALL["se_a.dp", True]])
        with open(self.at("list"), "w") as out:
            out.writelines([system + "\n"] * 100000)
        with subprocess.Popen([COX, "potential", "test", "-m", path_of("se_a.dp"), "-f", self.at("list"),
                               "-d", self.at("det")], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
            for _ in range(600):
                if any(f.startswith("det") for f in os.listdir(self.folder)):
                    break
                time.sleep(0.1)
            child.send_signal(signal.SIGINT)
            self.assertEqual(child.wait(60), 130)
            self.assertEqual(child.stderr.read(), b"")
        self.assertEqual(sorted(os.listdir(self.folder)), ["a", "list"])


class Deviation(Case):
    def test_formula(self):
        models = ["se_a.dp", "se_a_exclude_zero.yaml"]
        frames = [ALL[m, True] for m in models]
        self.assertEqual(frames[0]["x"], frames[1]["x"])
        n = len(frames[0]["type"])
        system = save_system(self.at("a"), [frames[0]])
        done = cox("model-devi", "-m", *map(path_of, models), "-s", system, "-o", self.at("d.out"), "-f", "10",
                   "--atomic")
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(self.at("d.out")) as f:
            lines = f.read().splitlines()
        self.assertTrue(lines[1].startswith("# step"))
        row = [float(v) for v in lines[2].split()]
        force = [math.dist(frames[0]["force"][3 * i: 3 * i + 3], frames[1]["force"][3 * i: 3 * i + 3]) / 2
                 for i in range(n)]
        virial = [abs(a - b) / 2 / n for a, b in zip(frames[0]["virial"], frames[1]["virial"])]
        wanted = [0, max(virial), min(virial), math.sqrt(sum(v * v for v in virial)) / 3, max(force), min(force),
                  sum(force) / n, abs(frames[0]["energy"][0] - frames[1]["energy"][0]) / 2 / n, *force]
        self.assertEqual(len(row), len(wanted))
        for got, value in zip(row, wanted):
            self.assertAlmostEqual(got, value, delta=1e-6 * abs(value) + 1e-12)

    def test_alike(self):
        system = save_system(self.at("a"), [ALL["se_a.dp", True]])
        done = cox("model-devi", "-m", path_of("se_a.dp"), "-m", path_of("se_a.dp"), "-s", system, "-o",
                   self.at("d.out"), "--json")
        self.assertEqual(json.loads(done.stdout)["max_devi_f"], 0)
        self.refused(cox("model-devi", "-m", path_of("se_a.dp"), path_of("se_r.dp"), "-s", system, "-o",
                         self.at("no.out")), "same types")
        self.assertFalse(os.path.exists(self.at("no.out")))


class Neighbours(Case):
    def test_against_a_plain_count(self):
        frame = ALL["se_a.dp", True]
        n = len(frame["type"])
        x = [frame["x"][3 * i: 3 * i + 3] for i in range(n)]
        h = [frame["box"][3 * k: 3 * k + 3] for k in range(3)]
        rcut, nearest, most = 4.5, 1e9, [0, 0]
        for i in range(n):
            count = [0, 0]
            for j, cell in itertools.product(range(n), itertools.product(range(-2, 3), repeat=3)):
                d = math.dist(x[i], [x[j][c] + sum(cell[k] * h[k][c] for k in range(3)) for c in range(3)])
                if (j, cell) != (i, (0, 0, 0)) and d <= rcut:
                    count[int(frame["type"][j])] += 1
                    nearest = min(nearest, d)
            most = [max(a, b) for a, b in zip(most, count)]
        system = save_system(self.at("a"), [frame])
        done = cox("neighbor-stat", "-s", system, "-r", str(rcut), "-t", "O", "H", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads(done.stdout)
        self.assertAlmostEqual(report["min_nbor_dist"], nearest, 12)
        self.assertEqual([t["max_nbor_size"] for t in report["types"]], most)
        self.assertEqual([t["sel"] for t in report["types"]], [math.ceil(math.ceil(m * 1.1) / 4) * 4 for m in most])
        text = cox("neighbor-stat", "-s", system, "-r", str(rcut), "-t", "O", "H").stdout
        self.assertIn("max_nbor_size: [%d, %d]" % tuple(most), text)
        both = cox("neighbor-stat", "-s", system, "-r", str(rcut), "-t", "O", "H", "--mixed-type", "--json")
        self.assertGreaterEqual(json.loads(both.stdout)["types"][0]["max_nbor_size"], max(most))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
