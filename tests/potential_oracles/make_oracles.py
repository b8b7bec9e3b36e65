#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes the files of this folder: small models with random numbers, and what DeePMD-kit says of them.

    python3 -m venv v && v/bin/pip install deepmd-kit[torch]==3.2.0
    v/bin/python make_oracles.py FOLDER

Models are built by DeePMD-kit's numpy backend, evaluated by its PyTorch backend (float64; the
float32 model's nets in float32). oracles.txt lists, for each model and each of the boxes below,
energy, forces, virial, and each atom's energy and virial. Everything follows from the seeds.
`make_oracles.py --graphs FOLDER`, with deepmd-kit[cpu] instead, makes graphs.txt and the
.pb files by its TensorFlow backend; `make_oracles.py --evaluate MODEL…` prints the same for other models.
"""
import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np

SEED = 20261121
N = 11


def box_of_atoms(n_types, periodic):
    """A jittered lattice in a skewed box smaller than twice the cutoff, or the same atoms alone."""
    rng = np.random.default_rng(SEED + n_types + 10 * periodic)
    h = np.array([[5.1, 0, 0], [0.9, 5.4, 0], [-0.6, 0.8, 5.9]])
    s = np.array([[(i % 2 + 0.5) / 2, (i // 2 % 2 + 0.5) / 2, (i // 4 + 0.5) / 3] for i in range(N)])
    x = np.round(s @ h + rng.uniform(-0.3, 0.3, (N, 3)), 4)
    return x, (h if periodic else None), np.array([i % n_types for i in range(N)])


def few(types):
    return [15, 14] if len(types) == 2 else [11, 10, 10]


def se_a(rng, types, rcut=4.0, smth=0.75, sel=None, zero=False, **more):
    from deepmd.dpmodel.descriptor.se_e2_a import DescrptSeA

    d = DescrptSeA(rcut, smth, sel or few(types), neuron=more.pop("neuron", [3, 6]),
                   axis_neuron=more.pop("axis", 3), type_map=types, seed=int(rng.integers(1 << 30)), **more)
    statistics(d, rng, 4, zero)
    return d


def se_r(rng, types, rcut=4.0, smth=0.75, sel=None, zero=False, **more):
    from deepmd.dpmodel.descriptor.se_r import DescrptSeR

    d = DescrptSeR(rcut, smth, sel or few(types), neuron=more.pop("neuron", [4, 8]),
                   type_map=types, seed=int(rng.integers(1 << 30)), **more)
    statistics(d, rng, 1, zero)
    return d


def statistics(d, rng, width, zero):
    avg, std = np.zeros_like(d.davg), np.zeros_like(d.dstd)
    for t in range(avg.shape[0]):
        avg[t, :, 0] = 0 if zero else 0.05 + 0.01 * rng.uniform()
        std[t, :, 0] = 0.12 + 0.02 * rng.uniform()
        if width == 4:
            std[t, :, 1:] = 0.08 + 0.01 * rng.uniform()
    d.davg, d.dstd = avg.astype(d.davg.dtype), std.astype(d.dstd.dtype)


def model(rng, descriptor, types, n_fparam=0, **more):
    from deepmd.dpmodel.fitting.ener_fitting import EnergyFittingNet
    from deepmd.dpmodel.model.ener_model import EnergyModel

    pairs = more.pop("pair_exclude_types", [])
    f = EnergyFittingNet(len(types), descriptor.get_dim_out(), neuron=more.pop("fit", [7, 7]), numb_fparam=n_fparam,
                         mixed_types=False, type_map=types, seed=int(rng.integers(1 << 30)), **more)
    f.bias_atom_e = np.array([[-3.0 * (t + 1)] for t in range(len(types))])
    if n_fparam:
        f.fparam_avg = np.array([0.1, -0.2])[:n_fparam]
        f.fparam_inv_std = np.array([1.5, 0.7])[:n_fparam]
    return EnergyModel(descriptor, f, type_map=types, pair_exclude_types=pairs)


def models():
    """name, file suffix, model"""
    from deepmd.dpmodel.descriptor.hybrid import DescrptHybrid

    two, three = ["O", "H"], ["Cu", "O", "H"]

    def make(name, suffix, build):
        return name, suffix, build(np.random.default_rng(SEED + sum(map(ord, name))))

    yield make("se_a", "dp", lambda r: model(r, se_a(r, two, type_one_side=True, resnet_dt=True), two))
    yield make("se_a_two_sided", "dp", lambda r: model(r, se_a(r, three, type_one_side=False), three))
    yield make("se_a_exclude", "yaml",
               lambda r: model(r, se_a(r, two, type_one_side=True, exclude_types=[[0, 1]]), two))
    yield make("se_a_exclude_two_sided", "yaml",
               lambda r: model(r, se_a(r, two, type_one_side=False, exclude_types=[[0, 0]]), two))
    yield make("se_a_exclude_zero", "yaml",
               lambda r: model(r, se_a(r, two, type_one_side=False, exclude_types=[[0, 1]], zero=True,
                                       set_davg_zero=True), two))
    yield make("se_a_pair_exclude", "yaml",
               lambda r: model(r, se_a(r, two, type_one_side=True), two, pair_exclude_types=[(0, 1)]))
    yield make("se_a_fparam", "yaml",
               lambda r: model(r, se_a(r, two, type_one_side=True), two, n_fparam=2, resnet_dt=False))
    yield make("se_a_atom_ener", "yaml",
               lambda r: model(r, se_a(r, two, type_one_side=True), two, atom_ener=[-1.0, None]))
    yield make("se_a_float32", "dp",
               lambda r: model(r, se_a(r, two, type_one_side=True, precision="float32"), two, precision="float32"))
    yield make("se_r", "dp", lambda r: model(r, se_r(r, three), three))
    yield make("se_r_exclude", "yaml", lambda r: model(r, se_r(r, two, exclude_types=[[0, 1], [1, 1]]), two))
    yield make("hybrid", "dp",
               lambda r: model(r, DescrptHybrid([se_a(r, two, 3.25, 0.5, [9, 8], type_one_side=True),
                                                 se_r(r, two, 4.375, 1.0, [17, 16], resnet_dt=True)]), two))
    yield make("hybrid_two_cutoffs", "yaml",
               lambda r: model(r, DescrptHybrid([se_a(r, three, 4.2, 0.5, [12, 12, 11], type_one_side=False),
                                                 se_a(r, three, 2.6, 0.3, [5, 6, 5], type_one_side=True, axis=2,
                                                      neuron=[2, 4])]), three))


def graphs():
    """The same for graphs of TensorFlow, whose cutoffs are single precision: they are exact there. Where a pair is excluded, and where slots are too few, its
    backend does something else than the others."""
    from deepmd.dpmodel.descriptor.hybrid import DescrptHybrid

    two, three = ["O", "H"], ["Cu", "O", "H"]

    def make(name, build):
        return name, build(np.random.default_rng(SEED + sum(map(ord, name))))

    yield make("se_a", lambda r: model(r, se_a(r, two, type_one_side=True, resnet_dt=True), two))
    yield make("se_a_few_slots", lambda r: model(r, se_a(r, two, sel=[6, 5], type_one_side=True), two))
    yield make("se_a_exclude", lambda r: model(r, se_a(r, two, type_one_side=True, exclude_types=[[0, 1]]), two))
    yield make("se_a_exclude_two_sided",
               lambda r: model(r, se_a(r, two, type_one_side=False, exclude_types=[[0, 0]]), two))
    yield make("se_a_fparam", lambda r: model(r, se_a(r, two, type_one_side=True), two, n_fparam=2))
    yield make("se_a_float32",
               lambda r: model(r, se_a(r, two, type_one_side=True, precision="float32"), two, precision="float32"))
    yield make("se_r", lambda r: model(r, se_r(r, three), three))
    yield make("se_r_exclude", lambda r: model(r, se_r(r, two, exclude_types=[[0, 1], [1, 1]]), two))
    yield make("hybrid",
               lambda r: model(r, DescrptHybrid([se_a(r, two, 3.25, 0.5, [9, 8], type_one_side=True),
                                                 se_r(r, two, 4.375, 1.0, [17, 16], resnet_dt=True)]), two))


def tokens(out, name, values):
    print(name, " ".join(f"{v:.17g}" for v in np.ravel(values)), file=out)


def by_differences(pot, x, h, t):
    """The numpy backend has no derivatives: central differences of its energies, good to 1e-8."""

    def energy(x, h):
        return pot.eval(x.reshape(1, -1), None if h is None else h.reshape(1, -1), t)[0][0, 0]

    d = 1e-4
    f, w = np.zeros_like(x), np.zeros((3, 3))
    for i in np.ndindex(*x.shape):
        step = np.zeros_like(x)
        step[i] = d
        f[i] = (energy(x - step, h) - energy(x + step, h)) / (2 * d)
    for i in np.ndindex(3, 3):
        strain = np.zeros((3, 3))
        strain[i] = d / 10
        moved = [energy(x + k * x @ strain.T, None if h is None else h + k * h @ strain.T) for k in (1, -1)]
        w[i] = (moved[1] - moved[0]) / (2 * d / 10)
    return energy(x, h), f, w


def evaluate(out, path, n_types, n_fparam):
    from deepmd.infer.deep_pot import DeepPot

    pot = DeepPot(path)
    fparam = [0.3, -0.7][:n_fparam]
    for periodic in (True, False):
        x, h, t = box_of_atoms(n_types, periodic)
        if path.endswith(".dp"):
            values = by_differences(pot, x, h, t)
            e, f, v, ae, av = *values, [], []
        else:
            e, f, v, ae, av = pot.eval(x.reshape(1, -1), None if h is None else h.reshape(1, -1), t, atomic=True,
                                       fparam=np.array([fparam]) if n_fparam else None)
        print("periodic", int(periodic), file=out)
        print("atoms", N, file=out)
        tokens(out, "type", t)
        tokens(out, "x", x)
        tokens(out, "box", np.zeros(9) if h is None else h)
        print("n_fparam", n_fparam, file=out)
        tokens(out, "fparam", fparam)
        for name, values in (("energy", e), ("force", f), ("virial", v), ("atom_energy", ae), ("atom_virial", av)):
            tokens(out, name, values)


def main(folder):
    from deepmd.dpmodel.utils.serialization import save_dp_model
    from deepmd.entrypoints.convert_backend import convert_backend

    with open(os.path.join(folder, "oracles.txt"), "w") as out:
        for name, suffix, m in models():
            path = os.path.join(folder, f"{name}.{suffix}")
            data = m.serialize()
            save_dp_model(path, {"model": data, "model_def_script": {}, "backend": "dpmodel",
                                 "@variables": {}, "min_nbor_dist": 0.9})
            # 3.2.0's PyTorch backend cannot run its own model with atom_ener ("in-place operation")
            numpy = "atom_ener" in name
            other = f"/tmp/oracle-{os.getpid()}.{'dp' if numpy else 'pth'}"
            convert_backend(INPUT=path, OUTPUT=other)
            n_types = len(data["type_map"])
            n_fparam = data["fitting"]["numb_fparam"]
            print("model", os.path.basename(path), file=out)
            evaluate(out, other, n_types, n_fparam)
            os.unlink(other)
        print("end", file=out)


def main_graphs(folder):
    from deepmd.dpmodel.utils.serialization import save_dp_model
    from deepmd.entrypoints.convert_backend import convert_backend
    from tensorflow.compat.v1 import GraphDef

    with open(os.path.join(folder, "graphs.txt"), "w") as out:
        for name, m in graphs():
            path = os.path.join(folder, name + ".pb")
            data = m.serialize()
            other = f"/tmp/oracle-{os.getpid()}.dp"
            save_dp_model(other, {"model": data, "model_def_script": {}, "backend": "dpmodel",
                                  "@variables": {}, "min_nbor_dist": 0.9})
            convert_backend(INPUT=other, OUTPUT=path)
            os.unlink(other)
            print("model", os.path.basename(path), file=out)
            evaluate(out, path, len(data["type_map"]), data["fitting"]["numb_fparam"])
            g = GraphDef()  # the nodes that take derivatives are five sixths of the file
            g.ParseFromString(open(path, "rb").read())
            kept = [n for n in g.node if not n.name.startswith("gradients/")]
            del g.node[:]
            g.node.extend(kept)
            open(path, "wb").write(g.SerializeToString())
        print("end", file=out)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--evaluate"]:
        for path in sys.argv[2:]:
            from deepmd.infer.deep_pot import DeepPot

            pot = DeepPot(path)
            print("model", os.path.basename(path))
            evaluate(sys.stdout, path, pot.get_ntypes(), pot.get_dim_fparam())
        print("end")
    elif sys.argv[1:2] == ["--graphs"] and len(sys.argv) == 3:
        main_graphs(sys.argv[2])
    elif len(sys.argv) == 2:
        main(sys.argv[1])
    else:
        sys.exit(__doc__)
