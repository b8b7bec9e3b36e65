# SPDX-License-Identifier: BSD-3-Clause
"""Runs LAMMPS with models of ours in a folder of its own, and reads what it wrote."""
import os
import random
import shutil
import subprocess
import sys
import tempfile

BAR = 1.6021765e6  # LAMMPS's own: eV/A^3 in bar, units metal
MASSES = {"O": 15.999, "H": 1.008, "Cu": 63.546}


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def skip_unless_possible():
    if not shutil.which("lmp"):
        skip("there is no lmp (Debian: lammps)")
    told = subprocess.run(["lmp", "-h"], capture_output=True, text=True).stdout
    packages = told.split("Installed packages:")[-1].split("List of")[0].split()
    if "KIM" not in packages:
        skip("this lmp was built without its KIM package")


class Frame:
    """A box (lower triangular rows a, b, c) and atoms [(type from 0, x, y, z)]."""

    def __init__(self, box, atoms):
        self.box, self.atoms = box, atoms

    @property
    def volume(self):
        return self.box[0][0] * self.box[1][1] * self.box[2][2]

    def write_plain(self, path):
        with open(path, "w", encoding="utf-8") as out:
            out.write(" ".join(repr(v) for row in self.box for v in row) + "\n")
            for atom in self.atoms:
                out.write(" ".join(repr(v) for v in atom) + "\n")

    def write_data(self, path, types, scale=1.0):
        (lx, _, _), (xy, ly, _), (xz, yz, lz) = [[v * scale for v in row] for row in self.box]
        with open(path, "w", encoding="utf-8") as out:
            out.write(f"a test\n\n{len(self.atoms)} atoms\n{len(types)} atom types\n\n"
                      f"0 {lx!r} xlo xhi\n0 {ly!r} ylo yhi\n0 {lz!r} zlo zhi\n"
                      f"{xy!r} {xz!r} {yz!r} xy xz yz\n\nMasses\n\n")
            for k, name in enumerate(types, 1):
                out.write(f"{k} {MASSES[name]}\n")
            out.write("\nAtoms # atomic\n\n")
            for k, (t, *x) in enumerate(self.atoms, 1):
                out.write(f"{k} {t + 1} " + " ".join(repr(v * scale) for v in x) + "\n")


def jittered(counts, spacing, seed, tilt=(0.0, 0.0, 0.0), jitter=0.5):
    """A lattice with every atom moved at random, two thirds of type 1, in a box that may be skewed."""
    rng = random.Random(seed)
    nx, ny, nz = counts
    box = [[nx * spacing, 0.0, 0.0], [tilt[0], ny * spacing, 0.0], [tilt[1], tilt[2], nz * spacing]]
    atoms = []
    for k in range(nx * ny * nz):
        s = [(k % nx + .5) / nx, (k // nx % ny + .5) / ny, (k // nx // ny + .5) / nz]
        x = [sum(s[r] * box[r][p] for r in range(3)) + jitter * (rng.random() - .5) for p in range(3)]
        atoms.append((1 if k % 3 else 0, *x))
    return Frame(box, atoms)


class Lammps:
    """A folder with a collection of models of ours; every run has its files in it."""

    def __init__(self, cox, reference):
        self.cox, self.reference = cox, reference
        self.keep = tempfile.TemporaryDirectory(prefix="cox-lammps-")
        self.dir = self.keep.name
        self.collection = os.path.join(self.dir, "models")
        self.env = dict(os.environ, KIM_API_MODEL_DRIVERS_DIR=self.collection,
                        KIM_API_PORTABLE_MODELS_DIR=self.collection, HOME=self.dir,
                        OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                        OMPI_MCA_rmaps_base_oversubscribe="1", OMPI_MCA_hwloc_base_binding_policy="none",
                        OMPI_MCA_mpi_yield_when_idle="1")  # ranks that wait let others work
        self.env.pop("COX_THREADS", None)
        self.env["OMP_NUM_THREADS"] = "1"

    def path(self, name):
        return os.path.join(self.dir, name)

    def install(self, *args, good=True):
        done = subprocess.run([self.cox, "potential", "kim-install", *args, "--collection",
                               self.collection], capture_output=True, text=True, cwd=self.dir,
                              env=self.env)
        assert (done.returncode == 0) == good, done
        return done.stdout if good else done.stderr

    def run(self, script, ranks=1, good=True, env=None, timeout=120):
        with open(self.path("in.lammps"), "w", encoding="utf-8") as out:
            out.write(script)
        command = ["lmp", "-in", "in.lammps", "-log", "log.lammps"]
        if ranks > 1:
            command = ["mpirun", "-np", str(ranks)] + command
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.dir, timeout=timeout,
                              env={**self.env, **(env or {})})
        assert (done.returncode == 0) == good, (done.stdout[-3000:], done.stderr[-3000:])
        return done.stdout + done.stderr

    def compute(self, model, frame):
        """Energy, virial [9], forces [n][3], of atoms energies and virials [n][10], by the reference."""
        frame.write_plain(self.path("frame.txt"))
        done = subprocess.run([self.reference, "compute", model, "frame.txt"], capture_output=True,
                              text=True, cwd=self.dir, check=True)
        lines = [line.split() for line in done.stdout.splitlines()]
        rows = [[float(v) for v in line[1:]] for line in lines]
        return rows[0][0], rows[1], [row[:3] for row in rows[2:]], [row[3:] for row in rows[2:]]

    def read_dump(self):
        """Rows of the last frame of forces.dump, by identity."""
        with open(self.path("forces.dump"), encoding="utf-8") as file:
            lines = file.read().splitlines()
        first = max(k for k, line in enumerate(lines) if line.startswith("ITEM: ATOMS"))
        rows = sorted([float(v) for v in line.split()] for line in lines[first + 1:])
        return [row[1:] for row in rows]


def one_step(model, types, units="metal", newton="on", style="atomic", extra=""):
    """Prints energy and pressure tensor; forces and energies of atoms go to forces.dump."""
    return f"""units {units}
newton {newton}
atom_style {style}
boundary p p p
box tilt large
read_data frame.data
pair_style kim {model}
pair_coeff * * {" ".join(types)}
neighbor {"1.0" if units != "si" else "1e-10"} bin
{extra}
compute ea all pe/atom
compute sa all stress/atom NULL virial
compute w all pressure NULL virial
thermo_style custom step pe c_w[1] c_w[2] c_w[3] c_w[4] c_w[5] c_w[6]
variable e equal pe
dump 1 all custom 1 forces.dump id fx fy fz c_ea c_sa[1] c_sa[2] c_sa[3] c_sa[4] c_sa[5] c_sa[6]
dump_modify 1 format float %.17g
run 0
print "E= $(v_e:%.17g) $(c_w[1]:%.17g) $(c_w[2]:%.17g) $(c_w[3]:%.17g) $(c_w[4]:%.17g) $(c_w[5]:%.17g) $(c_w[6]:%.17g)"
"""


def energy_and_pressure(output):
    line = [line for line in output.splitlines() if line.startswith("E= ")][-1]
    values = [float(v) for v in line.split()[1:]]
    return values[0], values[1:]
