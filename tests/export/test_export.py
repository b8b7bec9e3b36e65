# SPDX-License-Identifier: BSD-3-Clause
"""cox export and cox lineage on the run that make_run made; the x of every atom is its row in nm."""
import json
import os
import subprocess
import sys
import tempfile

COX, MAKE_RUN = sys.argv[1:3]


def cox(*words, code=0):
    done = subprocess.run([COX, *words], capture_output=True, text=True)
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout if code == 0 else done.stderr


def models(path):
    """Of every model of a PDB: the atoms' x in Å, the names."""
    out = []
    with open(path) as file:
        for line in file:
            if line.startswith("MODEL"):
                out.append(([], []))
            elif line.startswith("ATOM"):
                out[-1][0].append(float(line[30:38]))
                out[-1][1].append(line[12:16].strip())
    return out


def rows(path):
    return [round(x[0] / 10) for x, _ in models(path)]


def test_export(run, pdb):
    assert "60 frames of 10 atoms" in cox("export", run, "--pdb", pdb)
    assert rows(pdb) == list(range(60))
    answer = json.loads(cox("export", run, "--pdb", pdb, "--frames", "3:20:4", "--json"))
    assert answer["frames"] == 5 and answer["atoms"] == 10 and answer["files"] == [pdb]
    assert rows(pdb) == [3, 7, 11, 15, 19]
    cox("export", run, "--pdb", pdb, "--lane", "2", "--frames", ":6")
    assert rows(pdb) == [10, 11, 12, 13, 14, 30]
    cox("export", run, "--pdb", pdb, "--frames=-1", "--select", "name CA or resid 2 and name N")
    assert rows(pdb) == [59] and models(pdb)[0][1] == ["CA", "N", "CA"]
    cox("export", run + "/frames-0.h5", "--pdb", pdb, "--superpose")
    assert rows(pdb) == [0] * 60
    dcd, xtc = pdb[:-3] + "dcd", pdb[:-3] + "xtc"
    cox("export", run, "--dcd", dcd, "--xtc", xtc)
    assert os.path.getsize(dcd) == 8 + 84 + 8 + 84 + 8 + 4 + 60 * 3 * (8 + 40)
    assert os.path.getsize(xtc) > 60 * 90


def test_export_errors(run, pdb):
    os.remove(pdb)
    for words, code, part in [
        ([run], 2, "say what to write"),
        ([], 2, "argument is missing"),
        ([run, "--pdb", "x.xtc"], 1, "'x.xtc' must end in .pdb"),
        ([run, "--pdb", pdb, "--frames", "60"], 1, "there is no frame 60: they are 0 to 59"),
        ([run, "--pdb", pdb, "--frames", "a:b"], 1, "a slice first:end:step"),
        ([run, "--pdb", pdb, "--lane", "7"], 1, "lanes are 0 to 3"),
        ([run, "--pdb", pdb, "--select", "nmae CA"], 1, "column 1: 'nmae' where"),
        ([run + "/nothing", "--pdb", pdb], 1, "No such file"),
        ([os.path.dirname(run), "--pdb", pdb], 1, "is no run"),
        ([run, "--pdb", "/nowhere/x.pdb"], 1, "cannot write '/nowhere/x.pdb'"),
    ]:
        message = cox("export", *words, code=code)
        assert part in message, (words, message)
    assert not os.path.exists(pdb)


def test_lineage(run, pdb):
    table = cox("lineage", run, "58", "-o", pdb)
    assert "unfolded (unfolded.pdb)" in table and "3 segments, 12 frames, 0.0120 ns" in table, table
    # segment 3 (rows 15-17), 7 (35-39), 11 goes on (55-58)
    assert rows(pdb) == [15, 16, 17, 35, 36, 37, 38, 39, 55, 56, 57, 58]
    answer = json.loads(cox("lineage", run, "-2", "--json"))
    assert answer["frame"] == 58 and answer["frames"] == 12 and abs(answer["ns"] - 0.012) < 1e-12
    assert [s["segment"] for s in answer["segments"]] == [3, 7, 11]
    assert answer["segments"][1]["parent_frame"] == 17
    assert answer["segments"][0]["seed"] == "18446744073709551003"
    h5 = pdb[:-3] + "h5"
    cox("lineage", run, "17", "-o", h5)
    cox("export", h5, "--pdb", pdb)
    assert rows(pdb) == [15, 16, 17]
    for words, code, part in [
        ([run, "60"], 1, "no segment holds frame 60; there are 60 frames"),
        ([run, "x"], 2, "whole number"),
        ([run], 2, "argument is missing"),
        ([run + "/frames-0.h5", "1"], 1, "a run directory is needed"),
        ([run, "1", "-o", "x.trr"], 1, "must end in .dcd, .xtc, .pdb or .h5"),
    ]:
        message = cox("lineage", *words, code=code)
        assert part in message, (words, message)


def frame_id(row, files):
    """As make_run stores it."""
    segment, place = divmod(row, 5)
    turn, lane = divmod(segment, 4)
    return ((turn * 5 + place) * (4 // files) + lane // files) * files + lane % files


def test_streaming(run, pdb, files):
    """The same frames, stored as a streaming run does: mixed, in several files."""
    stored = sorted(range(60), key=lambda row: frame_id(row, files))
    assert "60 frames of 10 atoms" in cox("export", run, "--pdb", pdb)
    assert rows(pdb) == stored
    cox("export", run, "--pdb", pdb, "--frames", "3:20:4")
    assert rows(pdb) == stored[3:20:4]
    cox("export", run, "--pdb", pdb, "--lane", "2", "--frames", ":6")
    assert rows(pdb) == [10, 11, 12, 13, 14, 30]
    table = cox("lineage", run, str(frame_id(58, files)), "-o", pdb)
    assert "unfolded (unfolded.pdb)" in table and "3 segments, 12 frames, 0.0120 ns" in table, table
    assert f"{frame_id(15, files)}..{frame_id(17, files)} (3)" in table, table
    assert rows(pdb) == [15, 16, 17, 35, 36, 37, 38, 39, 55, 56, 57, 58]
    answer = json.loads(cox("lineage", run, "-1", "--json"))
    assert [s["segment"] for s in answer["segments"]] == [3, 7, 11], answer
    assert answer["segments"][1]["parent_frame"] == frame_id(17, files)
    assert answer["segments"][1]["frames"] == 5 and "first_frame" in answer["segments"][1]
    assert "there is no frame 60" in cox("lineage", run, "60", code=1)
    if files > 1:
        one = run + "/frames-1.h5"
        cox("export", one, "--pdb", pdb)
        assert rows(pdb) == [row for row in stored if frame_id(row, files) % files == 1]
        os.rename(one, one + ".away")
        assert "frames-1.h5': No such file" in cox("export", run, "--pdb", pdb, code=1)


def main():
    with tempfile.TemporaryDirectory() as folder:
        run, pdb = os.path.join(folder, "run"), os.path.join(folder, "out.pdb")
        subprocess.run([MAKE_RUN, run], check=True)
        test_export(run, pdb)
        test_export_errors(run, pdb)
        test_lineage(run, pdb)
        for files in 1, 2, 4:
            streaming = f"{run}-{files}"
            subprocess.run([MAKE_RUN, streaming, str(files)], check=True)
            test_streaming(streaming, pdb, files)
        left = [name for name in os.listdir(folder) if ".tmp" in name]
        assert not left, left


main()
