# SPDX-License-Identifier: BSD-3-Clause
"""Who takes part in bench/potential.py: worker processes of ours and of DeePMD-kit, and where their parts lie."""
import json
import os
import subprocess
import sys
import time

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))


class Worker:
    """A process that prints one line of JSON after its first force, and one for each command."""

    def __init__(self, command, environment=None):
        began = time.perf_counter()
        self.command = command
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True, env=environment)
        self.about = self.answer()
        self.start_seconds = time.perf_counter() - began

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit("a worker ended early: " + " ".join(self.command))
        return json.loads(line)

    def ask(self, request):
        self.process.stdin.write(f"{request}\n")
        self.process.stdin.flush()
        return self.answer()

    def forces(self, path):
        energy = self.ask(f"forces {path}")["energy"]
        return energy, np.fromfile(path).reshape(-1, 3)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def write_frame(path, system, cells):
    """The first frame of a system, repeated `cells` times along each edge; returns the number of atoms."""
    with open(os.path.join(system, "type.raw")) as file:
        types = [int(word) for word in file.read().split()]
    x = np.load(os.path.join(system, "set.000", "coord.npy"))[0].reshape(-1, 3).astype(float)
    box = np.load(os.path.join(system, "set.000", "box.npy"))[0].reshape(3, 3).astype(float)
    shifts = [np.array([i, j, k]) @ box for i in range(cells) for j in range(cells) for k in range(cells)]
    rows = [np.column_stack([types, x + shift]) for shift in shifts]
    n = len(types) * len(shifts)
    np.concatenate([[float(n)], (box * cells).ravel(), np.concatenate(rows).ravel()]).tofile(path)
    return n


class Sides:
    def __init__(self, build, peers, data, folder):
        self.programs = os.path.join(build, "bench")
        self.cox = os.path.join(build, "cox")
        self.models = os.path.join(peers, "models")
        self.dp = os.path.join(peers, "dp", "bin", "dp")
        self.python = os.path.join(peers, "dp", "bin", "python")
        self.data, self.folder = data, folder
        about = subprocess.run([self.python, "-c", "import json, sysconfig; from importlib.metadata import version;"
                                "print(json.dumps({'site': sysconfig.get_paths()['purelib'],"
                                "'deepmd-kit': version('deepmd-kit'), 'tensorflow-cpu': version('tensorflow-cpu')}))"],
                               capture_output=True, text=True, check=True)
        self.versions = json.loads(about.stdout)
        self.site = self.versions.pop("site")
        self.frames = {}
        for cells in (1, 2):
            path = os.path.join(folder, f"frame{cells}")
            self.frames[write_frame(path, os.path.join(data, "data_3"), cells)] = path

        self.our_models = {False: os.path.join(self.models, "water.dp"), True: os.path.join(folder, "compressed.dp")}
        subprocess.run([self.cox, "potential", "compress", "-i", self.our_models[False], "-o", self.our_models[True]],
                       stdout=subprocess.DEVNULL, check=True)

    def environment(self, threads, between=1):
        """DeePMD-kit's three settings of threads."""
        return dict(os.environ, OMP_NUM_THREADS=str(threads), DP_INTRA_OP_PARALLELISM_THREADS=str(threads),
                    DP_INTER_OP_PARALLELISM_THREADS=str(between), TF_CPP_MIN_LOG_LEVEL="3",
                    LD_LIBRARY_PATH=os.path.join(self.site, "tensorflow"))

    def ours(self, atoms, precision="f64", compressed=False, threads=1):
        return Worker([os.path.join(self.programs, "potential_infer"), self.our_models[compressed],
                       self.frames[atoms], precision, str(threads)])

    def theirs(self, way, atoms, precision="f64", compressed=False, threads=1):
        model = os.path.join(self.models, f"water{'' if precision == 'f64' else '32'}{'z' if compressed else ''}.pb")
        if way == "Python":
            command = [self.python, os.path.join(HERE, "potential_deepmd.py")]
        else:
            command = [os.path.join(self.programs, "potential_peer"),
                       os.path.join(self.site, "deepmd", "lib", "libdeepmd_c.so")]
        between = threads if way == "C, inter-op too" else 1
        return Worker(command + [model, self.frames[atoms]], self.environment(threads, between))

    @staticmethod
    def ways(threads):
        return ["C", "Python"] + (["C, inter-op too"] if threads > 1 else [])
