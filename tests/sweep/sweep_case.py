# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of `cox sweep` share: a folder with a bag.yaml, the program, the ledger."""
import json
import os
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
import unittest

COX = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else "cox"
COUNT = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else "sweep_count"


def expected_sum(n, x):
    return sum(x * (i % 7) for i in range(1, n + 1))


class SweepCase(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="cox-sweep-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.sweep = os.path.join(self.folder, "s")

    def bag(self, text, name="bag.yaml"):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def script(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o755)
        return path

    def cox(self, *arguments, code=0, timeout=120):
        done = subprocess.run([COX, "sweep", *arguments], capture_output=True, text=True,
                              timeout=timeout, cwd=self.folder, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def start(self, *arguments):
        return subprocess.Popen([COX, "sweep", *arguments], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, cwd=self.folder)

    def kill_after(self, seconds, *arguments, how=signal.SIGKILL):
        """Starts, kills after a while; the exit code, None where it had ended by itself."""
        process = self.start(*arguments)
        try:
            process.wait(seconds)
            killed = False
        except subprocess.TimeoutExpired:
            process.send_signal(how)
            killed = True
        text = process.communicate(timeout=60)[0]
        return process.returncode if killed else None, text

    def rows(self, sql):
        with sqlite3.connect(f"file:{self.sweep}/ledger.db?mode=ro", uri=True) as db:
            db.row_factory = sqlite3.Row
            return [dict(row) for row in db.execute(sql)]

    def results(self):
        """{point: values} of what is simulated."""
        return {row["point"]: struct.unpack(f"{len(row['value']) // 8}d", row["value"])
                for row in self.rows("SELECT * FROM result WHERE NOT predicted")}

    def inputs(self):
        return {row["id"]: struct.unpack(f"{len(row['x']) // 8}d", row["x"])
                for row in self.rows(f"SELECT * FROM point WHERE id < {1 << 40}")}

    def summary(self):
        with open(os.path.join(self.sweep, "summary.json"), encoding="utf-8") as file:
            return json.load(file)

    def lines(self, path):
        with open(path, encoding="utf-8") as file:
            return file.read().splitlines()

    def wait_for(self, condition, seconds=30):
        until = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), until, "waited in vain")
            time.sleep(0.01)


def main():
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
