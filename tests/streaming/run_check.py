# SPDX-License-Identifier: BSD-3-Clause
"""What must hold of every streaming run that has ended, whatever happened to it on the way."""
import glob
import os
import sqlite3

import h5py
import numpy as np


def rows(run, query):
    with sqlite3.connect(os.path.join(run, "catalog.db"), timeout=20) as db:
        return db.execute(query).fetchall()


def column(file, name):
    return file["observables/%s/value" % name][...]


def stored(run):
    """(segment, index, lane) of every stored frame, in the order of the files."""
    out = []
    for path in sorted(glob.glob(os.path.join(run, "frames-*.h5"))):
        with h5py.File(path, "r") as file:
            parts = [column(file, name) for name in ("segment", "index", "lane")]
            assert len({len(p) for p in parts}) == 1, path + ": columns of unequal length"
            out.append(np.stack(parts, axis=1))
    return np.concatenate(out) if out else np.zeros((0, 3), int)


def problems(run):
    """Everything that is wrong, as sentences; an empty list for a sound run."""
    wrong = []
    frames = stored(run)
    pairs = {(int(s), int(i)) for s, i, _ in frames}
    if len(pairs) != len(frames):
        wrong.append("%d frames are stored twice" % (len(frames) - len(pairs)))
    count = {}
    for s, _ in pairs:
        count[s] = count.get(s, 0) + 1
    for s, i in pairs:
        if not 0 <= i < count[s]:
            wrong.append("segment %d has %d frames but one with index %d" % (s, count[s], i))
    with sqlite3.connect(os.path.join(run, "catalog.db"), timeout=20) as db:
        if db.execute("pragma integrity_check").fetchone()[0] != "ok":
            wrong.append("the catalog is damaged")
        segments = {r[0]: r[1:] for r in db.execute(
            "select id, lane, n_frames, status, parent_segment, start, round from segment")}
        attempts = db.execute("select epoch, task, end from attempt order by epoch").fetchall()
        picks = db.execute("select count(*) from pick").fetchone()[0]
        restarts = db.execute("select count(*) from segment where parent_frame is not null "
                              "and status != 'lost'").fetchone()[0]
    lanes = {int(s): int(lane) for s, _, lane in frames}
    for s in count:
        if s not in segments:
            wrong.append("frames of segment %d, which the catalog does not know" % s)
        elif segments[s][0] != lanes[s]:
            wrong.append("segment %d is of lane %d in the catalog, %d in the files"
                         % (s, segments[s][0], lanes[s]))
    for s, (_, n, status, parent, start, _) in segments.items():
        if status == "running":
            continue
        if n != count.get(s, 0):
            wrong.append("segment %d (%s) has %d frames in the catalog, %d in the files"
                         % (s, status, n, count.get(s, 0)))
        if (parent is None) == (start is None):
            wrong.append("segment %d comes from nowhere" % s)
        if parent is not None and parent >= s:
            wrong.append("segment %d comes from a later one" % s)
    if picks > restarts:
        wrong.append("%d picks, but %d restarts" % (picks, restarts))
    wrong += ["attempt %d of %s has no end" % a[:2] for a in attempts if not a[2]]
    if [a[0] for a in attempts] != sorted({a[0] for a in attempts}):
        wrong.append("epochs are not unique")
    return wrong
