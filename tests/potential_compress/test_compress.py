# SPDX-License-Identifier: BSD-3-Clause
"""`cox potential compress` as a user runs it: from every kind of file, by tolerance or stride, what
it says, what it refuses, and that nothing is left of a failure."""
import os
import re
import subprocess
import sys
import tempfile

cox, oracles = sys.argv[1:3]


def run(*arguments, code=0):
    done = subprocess.run([cox, "potential", "compress", *arguments], capture_output=True, text=True)
    assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
    assert bool(done.stderr) == (code != 0), done.stderr
    return done.stdout + done.stderr


def error_of(text):
    return float(re.search(r"largest error of G ([0-9.e+-]+)", text).group(1).rstrip(","))


def stride_of(text):
    return float(re.search(r"cells of ([0-9.e+-]+)", text).group(1))


with tempfile.TemporaryDirectory() as folder:
    out = os.path.join(folder, "out.dp")
    for name in ("se_a.dp", "se_a_two_sided.dp", "se_r.dp", "hybrid.dp", "se_a.pb", "se_a_fparam.yaml"):
        said = run("-i", os.path.join(oracles, name), "-o", out)
        assert 0 < error_of(said) <= 1e-9, said
        os.remove(out)
    model = os.path.join(oracles, "se_a.dp")
    run("-i", model, "-o", out)
    size = os.path.getsize(out)
    assert size < os.path.getsize(model) + 20000  # the nets, and how to make the tables
    finer = run(out, "-o", out, "--tolerance", "1e-12")  # again, over itself
    assert error_of(finer) <= 1e-12 and abs(os.path.getsize(out) - size) < 1000
    coarse = run("-i", out, "-o", out, "--stride", "0.25", "--nearest-A", "0.5")
    assert stride_of(coarse) == 0.25 and error_of(coarse) > 1e-9 and "0.5 A" in coarse

    before = open(out, "rb").read()
    missing = os.path.join(folder, "none.dp")
    assert "none.dp" in run("-i", missing, "-o", out, code=1)
    assert "stride" in run("-i", model, "-o", out, "--stride", "1e-4", "--nearest-A", "0.06", code=1)
    run("-i", model, "-o", out, "--tolerance", "0", code=2)
    run("-i", model, "-o", out, "--stride", "nan", code=2)
    assert "-o" in run("-i", model, code=2)
    assert "-i" in run("-o", out, code=2)
    run("-i", model, model, "-o", out, code=2)
    assert open(out, "rb").read() == before
    run("-i", model, "-o", os.path.join(folder, "no", "such.dp"), code=1)
    assert sorted(os.listdir(folder)) == ["out.dp"], os.listdir(folder)
print("compress: as it says")
