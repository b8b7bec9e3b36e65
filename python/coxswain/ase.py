# SPDX-License-Identifier: BSD-3-Clause
"""A calculator for ASE.

    from coxswain.ase import Potential
    atoms.calc = Potential("model.dp")
    atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()
"""

import warnings

import numpy
from ase.calculators.calculator import (Calculator, CalculatorSetupError, PropertyNotImplementedError,
                                        all_changes)

import coxswain

__all__ = ["Potential"]


class Potential(Calculator):
    """Energies, forces, stresses and the atoms' energies of a Deep Potential.

    types: the model's name of each chemical symbol, where it is another ({"Na": "Na+"}).
    frame_parameters: for models that need some; calc.set(frame_parameters=…) changes them.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress", "energies", "virial"]
    default_parameters = {"frame_parameters": None}

    def __init__(self, model, precision="float64", threads=1, types=None, **keywords):
        self.potential = coxswain.Potential(model, precision=precision, threads=threads)
        self.types = dict(types or {})
        self._told = False
        super().__init__(**keywords)

    def set(self, **keywords):
        changed = super().set(**keywords)
        if changed:
            self.reset()
        return changed

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        atoms = self.atoms
        names = [self.types.get(symbol, symbol) for symbol in atoms.get_chemical_symbols()]
        try:
            types = self.potential.types_of(names)
        except ValueError as error:
            raise CalculatorSetupError(str(error)) from error
        positions = atoms.get_positions()
        if "stress" in properties and atoms.cell.rank < 3:
            raise PropertyNotImplementedError("a stress needs a cell with a volume")
        result = self.potential.compute(positions, types, self._box(atoms, positions),
                                        self.parameters.frame_parameters, atom_energies=True)
        if result.left_out and not self._told:
            self._told = True
            warnings.warn(f"{result.left_out} neighbours were left out: the atoms are denser than those that "
                          f"{self.potential.path} was trained with (said once)")
        self.results = {"energy": result.energy, "free_energy": result.energy, "forces": result.forces,
                        "energies": result.atom_energies, "virial": result.virial}
        if atoms.cell.rank == 3:
            stress = -0.5 * (result.virial + result.virial.T) / atoms.get_volume()
            self.results["stress"] = stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]

    def _box(self, atoms, positions):
        """The cell; where it is not periodic, an edge so long that no image is felt."""
        if not atoms.pbc.any():
            return None
        cell = atoms.cell.copy()
        if (numpy.linalg.norm(cell.array[atoms.pbc], axis=1) == 0).any():
            raise CalculatorSetupError("periodic along an edge of the cell that has no length")
        if atoms.pbc.all():
            return cell.array
        cell.array[~atoms.pbc] = 0
        box = cell.complete().array  # with unit vectors across the periodic edges
        for axis in numpy.flatnonzero(~atoms.pbc):
            along = positions @ box[axis]
            box[axis] *= along.max() - along.min() + 2 * self.potential.cutoff
        return box
