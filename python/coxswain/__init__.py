# SPDX-License-Identifier: BSD-3-Clause
"""Coxswain's machine-learned potentials in Python: a thin layer over libcoxswain.so.

    from coxswain import Potential
    potential = Potential("model.dp")
    result = potential.compute(positions, types, cell)      # Å; eV, eV/Å
    result.energy, result.forces, result.virial

coxswain.ase has a calculator for ASE. docs/potential-api.md tells more.
"""

import collections
import ctypes
import os
import pathlib

import numpy

__all__ = ["Error", "Potential", "Result"]

Result = collections.namedtuple(
    "Result", "energy forces virial atom_energies atom_virials left_out")
Result.__doc__ = """energy in eV; forces [n, 3] in eV/Å; virial [3, 3] in eV, −∂E/∂strain; atom_energies [n]
and atom_virials [n, 3, 3] in eV, None unless asked for; left_out: how many neighbours were beyond what
the model was trained to see, and counted for nothing."""


class Error(RuntimeError):
    """What the library says; `status` is one of include/cox/err.h."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


# ---- the library ----

class _Err(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("text", ctypes.c_char * 1024)]


class _Sized(ctypes.Structure):
    """Structures that begin with their size."""

    def __init__(self, **values):
        super().__init__(size=ctypes.sizeof(self), **values)


class _Options(_Sized):
    _fields_ = [("size", ctypes.c_size_t), ("precision", ctypes.c_int), ("threads", ctypes.c_int)]


class _Atoms(_Sized):
    _fields_ = [("size", ctypes.c_size_t), ("n", ctypes.c_int), ("x", ctypes.c_void_p),
                ("type", ctypes.c_void_p), ("box", ctypes.c_void_p),
                ("frame_parameters", ctypes.c_void_p)]


class _List(_Sized):
    _fields_ = [("size", ctypes.c_size_t), ("n_centres", ctypes.c_int), ("first", ctypes.c_void_p),
                ("neighbour", ctypes.c_void_p)]


class _Result(_Sized):
    _fields_ = [("size", ctypes.c_size_t), ("energy", ctypes.c_double),
                ("virial", ctypes.c_double * 9), ("force", ctypes.c_void_p),
                ("atom_energy", ctypes.c_void_p), ("atom_virial", ctypes.c_void_p),
                ("left_out", ctypes.c_longlong)]


def _candidates():
    """Where the library may be: told, beside this module's share/coxswain/python, the system's."""
    told = os.environ.get("COXSWAIN_LIBRARY")
    if told:
        yield told
        return
    prefix = pathlib.Path(__file__).resolve().parents[4]
    for pattern in ("lib/libcoxswain.so.0", "lib64/libcoxswain.so.0", "lib/*/libcoxswain.so.0"):
        yield from map(str, sorted(prefix.glob(pattern)))
    yield "libcoxswain.so.0"


_POTENTIAL = ctypes.c_void_p
_P = ctypes.POINTER
_FUNCTIONS = {
    "open": (ctypes.c_int, [_P(_POTENTIAL), ctypes.c_char_p, _P(_Options), _P(_Err)]),
    "close": (None, [_POTENTIAL]),
    "types": (ctypes.c_int, [_POTENTIAL]),
    "type_name": (ctypes.c_char_p, [_POTENTIAL, ctypes.c_int]),
    "cutoff_A": (ctypes.c_double, [_POTENTIAL]),
    "frame_parameters": (ctypes.c_int, [_POTENTIAL]),
    "compute": (ctypes.c_int, [_POTENTIAL, _P(_Result), _P(_Atoms), _P(_Err)]),
    "compute_with_list": (ctypes.c_int, [_POTENTIAL, _P(_Result), _P(_Atoms), _P(_List), _P(_Err)]),
}
_library = None


def _load():
    global _library
    if _library is None:
        tried = []
        for path in _candidates():
            try:
                library = ctypes.CDLL(path)
                break
            except OSError as error:
                tried.append(str(error))
        else:
            raise ImportError("libcoxswain.so.0 cannot be loaded (COXSWAIN_LIBRARY=PATH tells where it is): "
                              + "; ".join(tried))
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, "cox_potential_" + name)
            function.restype = result
            function.argtypes = arguments
        _library = library
    return _library


def _call(name, *arguments):
    err = _Err()
    status = getattr(_load(), "cox_potential_" + name)(*arguments, ctypes.byref(err))
    if status:
        raise Error(status, err.text.decode("utf-8", "replace"))


def _array(values, kind, shape, what):
    array = numpy.ascontiguousarray(values, dtype=kind)
    if array.shape != shape:
        raise ValueError(f"{what} must be of shape {shape}, not {array.shape}")
    return array


def _integers(values, what):
    array = numpy.asarray(values)
    if array.size and not numpy.issubdtype(array.dtype, numpy.integer):
        raise ValueError(f"{what} must be whole numbers, not {array.dtype}")
    return array


# ---- potentials ----

class Potential:
    """A model file, opened. It may be used from several threads, whose calls wait for each other;
    several potentials compute at the same time (the library runs without Python's lock)."""

    def __init__(self, path, precision="float64", threads=1):
        """precision: "float64", "float32" or "mix16"; threads: that a call may use, 0: all processors."""
        self._handle = None
        kinds = {"float64": 0, "float32": 1, "mix16": 2}
        if precision not in kinds:
            raise ValueError(f"precision {precision!r} is none of {', '.join(kinds)}")
        handle = _POTENTIAL()
        options = _Options(precision=kinds[precision], threads=threads)
        _call("open", ctypes.byref(handle), os.fsencode(path), ctypes.byref(options))
        self._handle = handle
        library = _load()
        self.path = os.fspath(path)
        self.precision = precision
        self.threads = threads
        self.type_names = [library.cox_potential_type_name(handle, t).decode()
                           for t in range(library.cox_potential_types(handle))]
        self.cutoff = library.cox_potential_cutoff_A(handle)
        self.n_frame_parameters = library.cox_potential_frame_parameters(handle)

    def close(self):
        if self._handle is not None:
            _load().cox_potential_close(self._handle)
            self._handle = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def __del__(self):
        if getattr(self, "_handle", None) is not None and _library is not None:
            self.close()

    def __repr__(self):
        return (f"Potential({self.path!r}: {' '.join(self.type_names)}, cutoff {self.cutoff:g} Å, "
                f"{self.precision})")

    def types_of(self, names):
        """The numbers of types with these names (chemical symbols, say)."""
        known = {name: t for t, name in enumerate(self.type_names)}
        absent = sorted({name for name in names if name not in known})
        if absent:
            raise ValueError(f"{self.path} knows {', '.join(self.type_names)}, not {', '.join(absent)}")
        return numpy.array([known[name] for name in names], dtype=numpy.int32)

    def compute(self, positions, types, cell=None, frame_parameters=None, atom_energies=False,
                atom_virials=False):
        """positions [n, 3] in Å, types [n]; cell [3, 3], its rows the edges, None: not periodic."""
        box = None if cell is None else _array(cell, numpy.float64, (3, 3), "cell")
        return self._compute(positions, types, box, frame_parameters, atom_energies, atom_virials, None)

    def compute_with_list(self, positions, types, first, neighbours, frame_parameters=None,
                          atom_energies=False, atom_virials=False):
        """With neighbours of one's own: those of atom i are neighbours[first[i]:first[i + 1]], all
        within the cutoff at least; atoms beyond len(first) − 1 are ghosts, which are there only as
        neighbours. The forces on ghosts belong to the atoms that they stand for."""
        first = numpy.ascontiguousarray(_integers(first, "first"), dtype=numpy.int64)
        neighbours = numpy.ascontiguousarray(_integers(neighbours, "neighbours"), dtype=numpy.int32)
        if first.ndim != 1 or neighbours.ndim != 1 or not len(first) or first[-1] > len(neighbours):
            raise ValueError(f"first must end within the {neighbours.size} neighbours")
        return self._compute(positions, types, None, frame_parameters, atom_energies, atom_virials,
                             (first, neighbours))

    def _compute(self, positions, types, box, parameters, atom_energies, atom_virials, own):
        if self._handle is None:
            raise ValueError(f"{self.path} is closed")
        n = len(positions)
        x = _array(positions if n else numpy.zeros((0, 3)), numpy.float64, (n, 3), "positions")
        types = _array(_integers(types, "types"), numpy.int32, (n,), "types")
        if parameters is not None:
            parameters = _array(parameters, numpy.float64, (self.n_frame_parameters,),
                                "frame_parameters")
        centres = n if own is None else len(own[0]) - 1
        forces = numpy.zeros((n, 3))
        energies = numpy.zeros(centres) if atom_energies else None
        virials = numpy.zeros((n, 3, 3)) if atom_virials else None

        def address(array):
            return None if array is None else array.ctypes.data

        atoms = _Atoms(n=n, x=address(x), type=address(types), box=address(box),
                       frame_parameters=address(parameters))
        result = _Result(force=address(forces), atom_energy=address(energies),
                         atom_virial=address(virials))
        if own is None:
            _call("compute", self._handle, ctypes.byref(result), ctypes.byref(atoms))
        else:
            neighbours = _List(n_centres=centres, first=address(own[0]), neighbour=address(own[1]))
            _call("compute_with_list", self._handle, ctypes.byref(result), ctypes.byref(atoms),
                  ctypes.byref(neighbours))
        return Result(result.energy, forces, numpy.array(result.virial).reshape(3, 3), energies, virials,
                      result.left_out)
