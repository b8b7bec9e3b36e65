#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""`cox potential train` as a user runs it. Usage: test_train.py COX"""
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

try:
    import h5py
    import numpy as np
    import systems
except ImportError as missing:
    print("skipped:", missing)
    sys.exit(77)

COX = os.path.abspath(sys.argv[1])
ROOT = tempfile.mkdtemp(prefix="cox-train-")
TYPES, FRAMES = systems.frames(40, 1)


def settings(**training):
    return {
        "_comment": "a small net",
        "model": {
            "type_map": ["A", "B"],
            "descriptor": {"type": "se_e2_a", "sel": "auto", "rcut": 4.5, "rcut_smth": 1.0,
                           "neuron": [6, 12], "axis_neuron": 4, "type_one_side": True, "seed": 1},
            "fitting_net": {"neuron": [16, 16], "seed": 2}},
        "learning_rate": {"start_lr": 0.01, "stop_lr": 1e-5, "decay_steps": 20},
        "loss": {"start_pref_e": 0.02, "limit_pref_e": 1, "start_pref_f": 100, "limit_pref_f": 10,
                 "start_pref_v": 0.02, "limit_pref_v": 0.5},
        "training": {
            "training_data": {"systems": ["../a", "../b"], "batch_size": "auto"},
            "validation_data": {"systems": ["../v"], "batch_size": 2, "numb_btch": 2},
            "numb_steps": 300, "seed": 7, "disp_freq": 50, "save_freq": 60, **training}}


def folder(name, values):
    path = os.path.join(ROOT, name)
    os.makedirs(path)
    with open(os.path.join(path, "input.json"), "w", encoding="utf-8") as f:
        json.dump(values, f, indent=2)
    return path


def train(path, *words, threads=1, check=True):
    done = subprocess.run([COX, "potential", "train", "input.json", "--threads", str(threads),
                           *words], cwd=path, capture_output=True, text=True, timeout=250)
    if check and done.returncode:
        raise AssertionError(f"{done.returncode}: {done.stderr}")
    return done


def read(path, name):
    with open(os.path.join(path, name), "rb") as f:
        return f.read()


def curve(path):
    with open(os.path.join(path, "lcurve.out"), encoding="utf-8") as f:
        return np.array([[float(x) for x in line.split()] for line in f if line[0] != "#"])


def weights(path, name="model.dp"):
    with h5py.File(os.path.join(path, name), "r") as f:
        return {key: f[key][()] for key in f if key.startswith("variable")}


def model_json(path):
    with h5py.File(os.path.join(path, "model.dp"), "r") as f:
        return json.loads(f.attrs["json"])


class Trained(unittest.TestCase):
    """One training, looked at from all sides."""

    @classmethod
    def setUpClass(cls):
        systems.write(os.path.join(ROOT, "a"), TYPES, FRAMES[:20], sets=2)
        systems.write(os.path.join(ROOT, "b"), TYPES, FRAMES[20:30])
        systems.write(os.path.join(ROOT, "v"), TYPES, FRAMES[30:])
        cls.values = settings()
        cls.path = folder("whole", cls.values)
        cls.done = train(cls.path)

    def same(self, path, names=("model.dp", "lcurve.out")):
        for name in names:
            self.assertTrue(read(self.path, name) == read(path, name), name)

    def test_errors_fall(self):
        rows = curve(self.path)
        self.assertEqual(list(rows[:, 0]), [0, 50, 100, 150, 200, 250, 300])
        for column in (5, 6, 7, 8):  # force, virial
            self.assertLess(rows[-1, column], 0.4 * rows[0, column])
        self.assertLess(rows[-1, 3], 0.3 * 0.059)  # the spread of the data, eV/atom

    def test_lcurve_is_formatted_as_by_the_reference(self):
        lines = read(self.path, "lcurve.out").decode().split("\n")
        self.assertEqual(lines[0], "# step       rmse_val    rmse_trn    rmse_e_val  rmse_e_trn    "
                                   "rmse_f_val  rmse_f_trn    rmse_v_val  rmse_v_trn   lr      ")
        pair = r"      \d\.\d\de[+-]\d\d    \d\.\d\de[+-]\d\d"
        self.assertRegex(lines[2], r"^      0(%s){4}    1\.0e-02$" % pair)

    def test_seed_and_data_are_told(self):
        self.assertIn("seed 7", self.done.stdout)
        self.assertRegex(self.done.stdout, r"\.\./a: 12 atoms, 20 frames, 3 a step")

    def test_the_effective_input_is_an_input(self):
        values = json.loads(read(self.path, "out.json"))
        self.assertEqual(values["training"]["max_ckpt_keep"], 5)
        path = folder("again", values)
        train(path)
        self.same(path)

    def test_the_same_again_gives_the_same_bits(self):
        path = folder("twice", self.values)
        train(path)
        self.same(path)

    def test_two_threads_give_the_same_bits_twice(self):
        paths = [folder(f"threads{k}", self.values) for k in range(2)]
        for path in paths:
            train(path, threads=2)
        self.assertEqual(read(paths[0], "model.dp"), read(paths[1], "model.dp"))
        a, b = weights(paths[0]), weights(self.path)
        worst = max(np.abs(a[k] - b[k]).max() for k in a)
        self.assertLess(worst, 1e-5)  # other sums, 300 steps later

    def test_another_seed_gives_another_model(self):
        path = folder("seed", settings(seed=8))
        train(path)
        self.assertNotEqual(read(path, "model.dp"), read(self.path, "model.dp"))

    def test_checkpoints_are_kept_in_number(self):
        found = sorted(f for f in os.listdir(self.path) if f.endswith(".state"))
        self.assertEqual(found, [f"model.ckpt-{k}.state" for k in (120, 180, 240, 300, 60)])
        path = folder("two", settings(max_ckpt_keep=2, numb_steps=200))
        train(path)
        found = sorted(f for f in os.listdir(path) if f.startswith("model.ckpt"))
        self.assertEqual(found, ["model.ckpt-180.dp", "model.ckpt-180.state", "model.ckpt-200.dp",
                                 "model.ckpt-200.state"])

    def interrupted(self, name, number, times):
        """Ends a training by a signal several times; it goes on to the end by --restart."""
        path = folder(name, self.values)
        words = []
        codes = []
        for k in range(times):
            before = set(os.listdir(path))
            p = subprocess.Popen([COX, "potential", "train", "input.json", "--threads", "1",
                                  *words], cwd=path, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE, text=True)
            limit = time.time() + 60
            while p.poll() is None and time.time() < limit:
                new = {f for f in set(os.listdir(path)) - before if f.endswith(".state")}
                if new:
                    time.sleep(0.003 * k)
                    break
                time.sleep(0.001)
            p.send_signal(number)
            p.communicate(timeout=60)
            codes.append(p.returncode)
            words = ["--restart"]
        self.assertTrue(any(c in (-9, 130) for c in codes), codes)
        train(path, "--restart")
        self.same(path)
        return codes

    def test_kill_9_and_restart_is_as_if_nothing_had_been(self):
        self.interrupted("killed", signal.SIGKILL, 3)

    def test_ctrl_c_leaves_a_checkpoint(self):
        codes = self.interrupted("stopped", signal.SIGINT, 2)
        self.assertIn(130, codes)

    def test_checkpoints_of_another_training_are_not_lost(self):
        done = train(self.path, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("--restart", done.stderr)
        self.assertIn("--overwrite", done.stderr)
        path = folder("over", settings(numb_steps=10))
        train(path)
        train(path, "--overwrite")

    def test_restart_needs_a_checkpoint_of_this_training(self):
        path = folder("none", self.values)
        done = train(path, "--restart", check=False)
        self.assertIn("no 'model.ckpt-*.state'", done.stderr)
        path = folder("other", settings(numb_steps=60))
        train(path)
        values = settings()
        values["training"]["training_data"]["systems"] = ["../a"]
        with open(os.path.join(path, "input.json"), "w", encoding="utf-8") as f:
            json.dump(values, f)
        done = train(path, "--restart", check=False)
        self.assertIn("of a training with 2 systems (training), the input has 1", done.stderr)

    def test_longer_training_goes_on(self):
        path = folder("longer", settings(numb_steps=60))
        train(path)
        with open(os.path.join(path, "input.json"), "w", encoding="utf-8") as f:
            json.dump(settings(numb_steps=120), f)
        train(path, "--restart")
        self.assertEqual(list(curve(path)[:, 0]), [0, 50, 100, 120])

    def test_init_from_begins_with_the_model(self):
        path = folder("init", settings(numb_steps=1, disp_freq=1))
        train(path, "--init-from", "../whole/model.dp")
        here, there = curve(path)[0], curve(self.path)[-1]
        self.assertLess(here[5], 2 * there[5])  # rmse_f_val: other batches
        values = settings(numb_steps=1)
        values["model"]["fitting_net"]["neuron"] = [16, 17]
        done = train(folder("shape", values), "--init-from", "../whole/model.dp", check=False)
        self.assertIn("16 × 16 weights in the model, but 16 × 17 in the input", done.stderr)

    def test_finetune_takes_over_new_energies(self):
        moved = [(x, box, e + 5.0 * 4 - 2.5 * 8, f, v) for x, box, e, f, v in FRAMES[:20]]
        systems.write(os.path.join(ROOT, "moved"), TYPES, moved)
        values = settings(numb_steps=1, disp_freq=1)
        values["training"]["training_data"]["systems"] = ["../moved"]
        values["training"]["validation_data"]["systems"] = ["../moved"]
        path = folder("finetune", values)
        train(path, "--finetune", "../whole/model.dp")
        self.assertLess(curve(path)[0, 3], 0.02)

    def test_json_lines(self):
        path = folder("json", settings(numb_steps=20, disp_freq=10))
        lines = [json.loads(line) for line in train(path, "--json").stdout.splitlines()]
        self.assertEqual([x.get("step") for x in lines], [0, 10, 20, 20])
        self.assertIn("rmse_f_val", lines[0])
        self.assertEqual(lines[-1]["end"], "done")
        self.assertEqual(lines[-1]["seed"], 7)

    def test_single_precision_learns_as_well(self):
        values = settings()
        values["model"]["descriptor"]["precision"] = "float32"
        values["model"]["fitting_net"]["precision"] = "float32"
        path = folder("single", values)
        train(path)
        here, there = curve(path)[-1], curve(self.path)[-1]
        self.assertLess(abs(math.log(here[5] / there[5])), 0.3)

    def layout(self, name, where):
        values = settings()
        values["training"]["training_data"]["systems"] = where
        path = folder(name, values)
        train(path)
        self.same(path)

    def test_systems_in_a_file_are_the_same_systems(self):
        name = os.path.join(ROOT, "all.h5")
        with h5py.File(name, "w") as f:
            for system in ("a", "b"):
                g = f.create_group("x/" + system)
                g.create_dataset("type.raw", data=TYPES)
                g.create_dataset("type_map.raw", data=["A", "B"])
                for inner in os.listdir(os.path.join(ROOT, system)):
                    if inner.startswith("set."):
                        for file in os.listdir(os.path.join(ROOT, system, inner)):
                            g[inner + "/" + file] = np.load(os.path.join(ROOT, system, inner, file))
        self.layout("hdf5", "../all.h5")
        self.layout("hdf5b", ["../all.h5#/x/a", "../all.h5#/x/b"])

    def test_folders_are_searched(self):
        os.makedirs(os.path.join(ROOT, "deep/er"))
        shutil.copytree(os.path.join(ROOT, "a"), os.path.join(ROOT, "deep/a"))
        shutil.copytree(os.path.join(ROOT, "b"), os.path.join(ROOT, "deep/er/b"))
        self.layout("searched", "../deep")

    def test_mixed_types(self):
        """Frames with places without an atom, and of other types than type.raw says."""
        some = []
        for x, box, e, f, v in FRAMES[:20]:
            some.append((np.vstack([x, np.zeros((2, 3))]), box, e, np.vstack([f, np.zeros((2, 3))]),
                         v))
        real = np.tile(np.concatenate([TYPES, [-1, -1]]), (20, 1))
        systems.write(os.path.join(ROOT, "mixed"), np.zeros(14, int), some, real_atom_types=real)
        values = settings(disp_freq=300)
        values["training"]["training_data"] = {"systems": ["../mixed"], "batch_size": 3}
        path = folder("mixed_run", values)
        train(path)
        values["training"]["training_data"] = {"systems": ["../a"], "batch_size": 3}
        plain = folder("plain_run", values)
        train(plain)
        for a, b in zip(weights(path).values(), weights(plain).values()):
            # the bias comes from rows of other weights, so energies differ in the last digits
            self.assertTrue(np.allclose(a, b, rtol=1e-2, atol=1e-3))

    def test_frame_parameters(self):
        rng = np.random.default_rng(5)
        for name, some in (("fa", FRAMES[:20]), ("fv", FRAMES[30:])):
            fparam = rng.normal(300, 20, (len(some), 1))
            shifted = [(x, box, e + 0.01 * (p[0] - 300), f, v)
                       for (x, box, e, f, v), p in zip(some, fparam)]
            systems.write(os.path.join(ROOT, name), TYPES, shifted, fparam=fparam)
        values = settings()
        values["loss"].update(start_pref_e=1)
        values["model"]["fitting_net"]["numb_fparam"] = 1
        values["training"]["training_data"]["systems"] = ["../fa"]
        values["training"]["validation_data"]["systems"] = ["../fv"]
        path = folder("fparam", values)
        train(path)
        values["model"]["fitting_net"]["numb_fparam"] = 0
        blind = folder("fparam_unseen", values)
        train(blind)  # cannot do better than the spread of 0.017 eV/atom
        self.assertLess(curve(path)[-1, 3], 0.6 * curve(blind)[-1, 3])
        values["model"]["fitting_net"]["numb_fparam"] = 1
        values["training"]["training_data"]["systems"] = ["../a"]
        done = train(folder("no_fparam", values), check=False)
        self.assertIn("'numb_fparam' is 1, but '../a' has 0 numbers", done.stderr)

    def refused(self, name, words, **changes):
        values = settings(numb_steps=5)
        for key, value in changes.items():
            at = values
            *path, last = key.split("__")
            for part in path:
                at = at[part]
            at[last] = value
        path = folder(name, values)
        done = train(path, check=False)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn(words, done.stderr)
        self.assertFalse(os.path.exists(os.path.join(path, "model.dp")))

    def test_what_is_wrong_is_named(self):
        self.refused("key", "unknown key 'neurn' in 'fitting_net'; did you mean 'neuron'?",
                     model__fitting_net__neurn=[3])
        self.refused("map", "atom 1 is of a type that the model does not know",
                     model__type_map=["A"])
        self.refused("where", "there is no system '../nowhere'",
                     training__training_data__systems=["../nowhere"])
        systems.write(os.path.join(ROOT, "bare"), TYPES, FRAMES[:4], without=("virial",))
        self.refused("label", "no system has a virial.npy, but the weight of the virial",
                     training__training_data__systems=["../bare"])
        broken = [(x.copy(), *rest) for x, *rest in FRAMES[:4]]
        broken[2][0][1, 1] = np.nan
        systems.write(os.path.join(ROOT, "nan"), TYPES, broken)
        self.refused("nans", "/nan/set.000/coord.npy': row 2 holds nan",
                     training__training_data__systems=["../nan"])
        broken[2][0][:] = broken[2][0][0]
        systems.write(os.path.join(ROOT, "heap"), TYPES, [(np.nan_to_num(f[0]), *f[1:])
                                                         for f in broken])
        self.refused("heaps", "'../heap', frame 2",
                     training__training_data__systems=["../heap"])

    def test_a_loss_that_is_no_number_ends_the_training(self):
        path = folder("blown", settings(numb_steps=100))
        with open(os.path.join(path, "input.json"), encoding="utf-8") as f:
            values = json.load(f)
        values["learning_rate"] = {"start_lr": 10, "stop_lr": 10}
        values["loss"] = {"start_pref_e": 1e12, "limit_pref_e": 1e12}
        values["model"]["fitting_net"]["neuron"] = [16]
        with open(os.path.join(path, "input.json"), "w", encoding="utf-8") as f:
            json.dump(values, f)
        done = train(path, check=False)
        if done.returncode:  # tanh may well hold it; but if not, it must say so
            self.assertRegex(done.stderr, r"step \d+: the loss is")

    def test_too_few_slots_are_never_silent(self):
        values = settings(numb_steps=1)
        values["model"]["descriptor"]["sel"] = [4, 8]
        done = train(folder("slots", values))
        self.assertRegex(done.stderr, r"warning: up to \d+ neighbours of type A, sel has 4")

    def test_explain(self):
        done = subprocess.run([COX, "potential", "train", "--explain"], capture_output=True,
                              text=True, timeout=60)
        self.assertEqual(done.returncode, 0)
        for word in ("start_pref_e", "numb_btch", "type_one_side", "also 'stop_batch'"):
            self.assertIn(word, done.stdout)


if __name__ == "__main__":
    try:
        unittest.main(argv=[sys.argv[0]])
    finally:
        shutil.rmtree(ROOT, ignore_errors=True)
