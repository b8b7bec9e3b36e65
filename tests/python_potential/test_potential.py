# SPDX-License-Identifier: BSD-3-Clause
"""python/coxswain against DeePMD-kit's numbers (tests/potential_oracles), finite differences made by
ASE, and the conservation of energy. Usage: test_potential.py LIBRARY SOURCE"""

import os
import pathlib
import subprocess
import sys
import threading
import unittest
import warnings

os.environ["COXSWAIN_LIBRARY"], SOURCE = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
sys.path.insert(0, str(SOURCE / "python"))
try:
    import numpy
    import ase
    import ase.build
    from ase import units
    from ase.calculators.calculator import CalculatorSetupError
    from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
    from ase.md.verlet import VelocityVerlet
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

import coxswain
import coxswain.ase

try:
    from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
except ImportError:  # before ASE 3.24

    def calculate_numerical_forces(atoms, eps):
        return atoms.calc.calculate_numerical_forces(atoms, d=eps)

    def calculate_numerical_stress(atoms, eps):
        return atoms.calc.calculate_numerical_stress(atoms, d=eps)

MODELS = SOURCE / "tests/potential_oracles"
MODEL = MODELS / "se_a.dp"


def oracles():
    """Of oracles.txt: one dictionary for each set of atoms."""
    model, entry = None, {}
    for line in (MODELS / "oracles.txt").read_text().splitlines():
        if line.startswith("#") or not line:
            continue
        name, _, rest = line.partition(" ")
        if name == "model":
            model = rest
            continue
        try:
            entry[name] = numpy.array(rest.split(), dtype=float)
        except ValueError:
            entry[name] = None
        if name == "atom_virial":
            entry["model"] = model
            yield entry
            entry = {}


def box_of(oracle):
    return oracle["box"].reshape(3, 3) if oracle["periodic"][0] else None


def structure(oracle, symbols=("O", "H", "C")):
    atoms = ase.Atoms([symbols[int(t)] for t in oracle["type"]], positions=oracle["x"].reshape(-1, 3))
    if oracle["periodic"][0]:
        atoms.set_cell(oracle["box"].reshape(3, 3))
        atoms.pbc = True
    return atoms


def first(model, periodic=True):
    return next(o for o in oracles() if o["model"] == model and bool(o["periodic"][0]) == periodic)


class Library(unittest.TestCase):
    def test_oracles(self):
        """DeePMD-kit 3.2.0 in double precision; the single one of models trained so is its own."""
        count = 0
        for o in oracles():
            if "float32" in o["model"] or o["model"].startswith("_"):
                continue
            potential = coxswain.Potential(MODELS / o["model"])
            parameters = o["fparam"] if len(o["fparam"]) else None
            got = potential.compute(o["x"].reshape(-1, 3), o["type"].astype(int), box_of(o), parameters,
                                    atom_energies=True, atom_virials=True)
            with self.subTest(model=o["model"], periodic=o["periodic"][0]):
                self.assertAlmostEqual(got.energy, o["energy"][0], delta=1e-9)
                numpy.testing.assert_allclose(got.forces.ravel(), o["force"], rtol=0, atol=1e-9)
                numpy.testing.assert_allclose(got.virial.ravel(), o["virial"], rtol=0, atol=1e-8)
                if len(o["atom_energy"]):  # where DeePMD-kit tells
                    numpy.testing.assert_allclose(got.atom_energies, o["atom_energy"], rtol=0, atol=1e-9)
                numpy.testing.assert_allclose(got.atom_energies.sum(), got.energy, rtol=0, atol=1e-9)
                numpy.testing.assert_allclose(got.atom_virials.sum(axis=0), got.virial, rtol=0, atol=1e-9)
            count += 1
        self.assertGreater(count, 10)

    def test_specification(self):
        """../shared/spec/deep-potential.md, where it is."""
        shared = pathlib.Path(os.environ.get("COX_SHARED", SOURCE.parent / "shared"))
        folder = shared / "data/deep-potential-oracle"
        if not folder.is_dir():
            self.skipTest(f"{folder} is absent")
        x = [[12.83, 2.56, 2.18], [12.09, 2.87, 2.74], [.25, 3.32, 1.68], [3.36, 3.00, 1.81],
             [3.51, 2.51, 2.60], [4.27, 3.22, 1.56]]
        types = [0, 1, 1, 0, 1, 1]
        potential = coxswain.Potential(folder / "deeppot.pbtxt")
        got = potential.compute(x, types, 13 * numpy.eye(3))
        self.assertAlmostEqual(got.energy, -930.9691834787726, delta=1e-9)
        numpy.testing.assert_allclose(got.forces[0], [-.3034045420701180, .8405844663871177,
                                                      .07696947487118486], rtol=0, atol=1e-10)
        self.assertAlmostEqual(got.virial[0, 0], -1.179031485227, delta=1e-10)
        self.assertAlmostEqual(potential.compute(x, types).energy, -930.1358316319, delta=1e-9)
        other = coxswain.Potential(folder / "deeppot_sea.yaml")
        self.assertAlmostEqual(other.compute(x, types, 13 * numpy.eye(3)).energy, -929.7371700503966,
                               delta=1e-9)

    def test_single_precision(self):
        o = first("se_a.dp")
        got = coxswain.Potential(MODEL, precision="float32").compute(o["x"].reshape(-1, 3),
                                                                     o["type"].astype(int), box_of(o))
        numpy.testing.assert_allclose(got.forces.ravel(), o["force"], rtol=0, atol=1e-5)
        self.assertGreater(abs(got.forces.ravel() - o["force"]).max(), 1e-12)

    def test_own_neighbours(self):
        o = first("se_a.dp", periodic=False)
        potential = coxswain.Potential(MODEL)
        x, types = o["x"].reshape(-1, 3), o["type"].astype(int)
        n = len(x)
        neighbours = [[j for j in range(n) if j != i] for i in range(n)]
        starts = numpy.arange(n + 1) * (n - 1)
        got = potential.compute_with_list(x, types, starts, numpy.ravel(neighbours))
        numpy.testing.assert_allclose(got.forces.ravel(), o["force"], rtol=0, atol=1e-9)
        # the last atom as a ghost: the others' energies are what they were
        part = potential.compute_with_list(x, types, starts[:-1], numpy.ravel(neighbours), atom_energies=True)
        numpy.testing.assert_allclose(part.atom_energies, o["atom_energy"][:-1], rtol=0, atol=1e-9)
        numpy.testing.assert_allclose(part.forces.sum(axis=0), 0, atol=1e-12)

    def test_threads(self):
        o = first("se_a.dp")
        shared = coxswain.Potential(MODEL)
        got = []

        def work(potential):
            for _ in range(20):
                got.append(potential.compute(o["x"].reshape(-1, 3), o["type"].astype(int), box_of(o)))

        several = [threading.Thread(target=work, args=(p,))
                   for p in (shared, shared, coxswain.Potential(MODEL), coxswain.Potential(MODEL))]
        for thread in several:
            thread.start()
        for thread in several:
            thread.join()
        self.assertEqual(len(got), 80)
        self.assertTrue(all((g.forces == got[0].forces).all() for g in got))

    def test_refusals(self):
        potential = coxswain.Potential(MODEL)
        x = numpy.zeros((2, 3))
        x[1, 0] = 1
        with self.assertRaisesRegex(coxswain.Error, "nowhere.dp"):
            coxswain.Potential("/nowhere.dp")
        with self.assertRaisesRegex(ValueError, "float16"):
            coxswain.Potential(MODEL, precision="float16")
        with self.assertRaisesRegex(ValueError, r"positions must be of shape \(2, 3\)"):
            potential.compute(numpy.zeros((2, 2)), [0, 0])
        with self.assertRaisesRegex(ValueError, "types must be of shape"):
            potential.compute(x, [0])
        with self.assertRaisesRegex(ValueError, "whole numbers"):
            potential.compute(x, [0.5, 0])
        with self.assertRaisesRegex(coxswain.Error, "atom 1 is of type 9"):
            potential.compute(x, [0, 9])
        with self.assertRaisesRegex(coxswain.Error, "not a number"):
            potential.compute([[0, 0, 0], [numpy.nan, 0, 0]], [0, 0])
        with self.assertRaisesRegex(ValueError, "first must end"):
            potential.compute_with_list(x, [0, 0], [0, 1, 5], [1, 0])
        with self.assertRaisesRegex(ValueError, "not Xe"):
            potential.types_of(["O", "Xe"])
        with potential:
            pass
        with self.assertRaisesRegex(ValueError, "closed"):
            potential.compute(x, [0, 0])


class Calculator(unittest.TestCase):
    def calculator(self, **keywords):
        names = coxswain.Potential(MODEL).type_names
        return coxswain.ase.Potential(MODEL, types=dict(zip(("O", "H", "C"), names)), **keywords)

    def water(self, periodic=True):
        atoms = structure(first("se_a.dp", periodic))
        atoms.calc = self.calculator()
        return atoms

    def test_energies(self):
        for periodic in (True, False):
            o = first("se_a.dp", periodic)
            atoms = self.water(periodic)
            self.assertAlmostEqual(atoms.get_potential_energy(), o["energy"][0], delta=1e-9)
            self.assertAlmostEqual(atoms.get_potential_energy(force_consistent=True), o["energy"][0], delta=1e-9)
            numpy.testing.assert_allclose(atoms.get_potential_energies(), o["atom_energy"], rtol=0, atol=1e-9)
            numpy.testing.assert_allclose(atoms.get_forces().ravel(), o["force"], rtol=0, atol=1e-9)

    def test_differences(self):
        """Central differences with d = 1e-4 Å: their own error is about d² of a third derivative and
        1e-12/d of rounding; 1e-6 eV/Å is above both."""
        for periodic in (True, False):
            atoms = self.water(periodic)
            numpy.testing.assert_allclose(atoms.get_forces(), calculate_numerical_forces(atoms, eps=1e-4), rtol=0, atol=1e-6)
        atoms = self.water()
        numpy.testing.assert_allclose(atoms.get_stress(), calculate_numerical_stress(atoms, eps=1e-5), rtol=0, atol=1e-7)

    def test_conserves_energy(self):
        """The total energy over 0.1 ps; with half the step its excursions are a quarter as large."""
        ranges = []
        for step_fs, steps in ((0.1, 1000), (0.05, 2000)):
            atoms = self.water()
            MaxwellBoltzmannDistribution(atoms, temperature_K=300, rng=numpy.random.RandomState(1))
            run = VelocityVerlet(atoms, step_fs * units.fs)
            totals = [atoms.get_total_energy()]
            run.attach(lambda a=atoms, t=totals: t.append(a.get_total_energy()))
            run.run(steps)
            ranges.append(max(totals) - min(totals))
            self.assertGreater(atoms.get_kinetic_energy(), 0.01)
        print("total energy within", ranges, "eV")
        self.assertLess(ranges[0], 0.01)
        self.assertLess(abs(ranges[0] / ranges[1] - 4), 0.2)

    def test_partly_periodic(self):
        """A slab as in a cell so high that its images are not felt."""
        atoms = self.water()
        atoms.pbc = (True, True, False)
        high = structure(first("se_a.dp"))
        high.calc = self.calculator()
        normal = numpy.cross(high.cell[0], high.cell[1])
        high.cell[2] = normal / numpy.linalg.norm(normal) * 60
        self.assertAlmostEqual(atoms.get_potential_energy(), high.get_potential_energy(), delta=1e-10)
        numpy.testing.assert_allclose(atoms.get_forces(), high.get_forces(), rtol=0, atol=1e-10)
        atoms.pbc = (False, False, True)
        numpy.testing.assert_allclose(atoms.get_forces().sum(axis=0), 0, atol=1e-12)
        numpy.testing.assert_allclose(atoms.get_forces(), calculate_numerical_forces(atoms, eps=1e-4), rtol=0, atol=1e-6)

    def test_refusals(self):
        atoms = self.water(periodic=False)
        with self.assertRaises(NotImplementedError):
            atoms.get_stress()
        xenon = ase.Atoms("Xe", calculator=self.calculator())
        with self.assertRaisesRegex(CalculatorSetupError, "Xe"):
            xenon.get_potential_energy()
        atoms.pbc = (True, False, False)
        with self.assertRaisesRegex(CalculatorSetupError, "no length"):
            atoms.get_forces()

    def test_left_out(self):
        atoms = ase.build.bulk("O", "fcc", a=2.2, cubic=True)
        atoms.calc = self.calculator()
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            atoms.get_potential_energy()
            atoms.rattle(0.01)
            atoms.get_potential_energy()
        self.assertEqual(len([w for w in said if "left out" in str(w.message)]), 1)

    def test_frame_parameters(self):
        o = first("se_a_fparam.yaml")
        atoms = structure(o)
        names = coxswain.Potential(MODELS / "se_a_fparam.yaml").type_names
        atoms.calc = coxswain.ase.Potential(MODELS / "se_a_fparam.yaml", frame_parameters=o["fparam"],
                                            types=dict(zip(("O", "H", "C"), names)))
        before = atoms.get_potential_energy()
        self.assertAlmostEqual(before, o["energy"][0], delta=1e-9)
        atoms.calc.set(frame_parameters=o["fparam"] + 0.5)
        self.assertNotAlmostEqual(before, atoms.get_potential_energy(), delta=1e-9)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2, warnings="ignore")
