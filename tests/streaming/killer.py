# SPDX-License-Identifier: BSD-3-Clause
"""Kills processes of a streaming run at random moments until enough were killed, resuming it when
the coordinator was among them; then lets it end. Used by the short test and the long one."""
import json
import os
import random
import signal
import subprocess
import time

from run_check import problems, rows


def children(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
            return [int(p) for p in file.read().split()]
    except OSError:
        return []


def role_of(pid):
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            words = file.read().decode().split("\0")
    except OSError:
        return None
    return words[2] if len(words) > 2 and words[1] == "worker" else None


class Killer:
    """`start` begins the run, `resume` goes on with it: lists of words."""

    def __init__(self, start, resume, log, seed=1, period=0.3):
        self.start, self.resume, self.log = start, resume, log
        self.random = random.Random(seed)
        self.period = period
        self.killed = {}
        self.sessions = 0
        self.process = None

    def launch(self):
        words = self.resume if self.sessions else self.start
        self.sessions += 1
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log)

    def kill(self, pid, role):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        self.killed[role] = self.killed.get(role, 0) + 1
        return True

    def strike(self):
        """One kill of a role drawn at random (each as likely as the others, however many it has)."""
        by_role = {"coordinator": [self.process.pid]}
        for pid in children(self.process.pid):
            role = role_of(pid)
            if role:
                by_role.setdefault(role, []).append(pid)
        # a coordinator that is killed too often starts everybody else anew all the time
        roles = [r for r in by_role if r != "coordinator"]
        role = "coordinator" if not roles or self.random.random() < 0.15 else self.random.choice(roles)
        if role == "coordinator" and not roles:
            return  # it has only just begun: let it start somebody
        pid = self.random.choice(by_role[role])
        if self.kill(pid, role) and role == "coordinator":
            self.process.wait()
            self.launch()

    def run(self, kills, seconds, patience):
        """Strikes until `kills` were made or `seconds` are over, then waits for the end."""
        began = time.monotonic()
        self.launch()
        while sum(self.killed.values()) < kills and time.monotonic() - began < seconds:
            time.sleep(self.random.uniform(0, 2 * self.period))
            if self.process.poll() is not None:
                if self.process.returncode == 0:
                    break
                return "it ended by itself with code %d" % self.process.returncode
            self.strike()
        try:
            code = self.process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            return "it did not end within %g s after the last kill" % patience
        return None if code == 0 else "it ended with code %d" % code


def figures(run):
    with open(os.path.join(run, "summary.json")) as file:
        summary = json.load(file)
    return {"frames": summary["frames"], "segments": summary["segments"],
            "attempts": rows(run, "select count(*) from attempt")[0][0],
            "lost segments": summary["lost_segments"], "models": summary["models"],
            "picks": rows(run, "select count(*) from pick")[0][0]}


__all__ = ["Killer", "figures", "problems", "rows"]
