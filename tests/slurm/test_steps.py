#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Starts a cluster of 3 nodes and runs test_steps in an allocation of them, doing to the nodes what
it asks for. Usage: test_steps.py TEST_STEPS"""
import os
import subprocess
import sys

import cluster


def obey(slurm, words):
    if words[:2] == ["stop", "slurmd"]:
        slurm.kill_node(words[2], orphans=True)
    elif words[:2] == ["start", "slurmd"]:
        slurm.start_node(words[2])
    elif words[0] == "kill":
        slurm.kill_node(words[1], noticed=not os.environ.get("COX_LONG"))
    else:
        raise ValueError(f"asked to do '{' '.join(words)}'")


def main():
    cluster.skip_unless_possible()
    with cluster.Cluster(nodes=3, cpus=2) as slurm:
        print(f"cluster up in {slurm.up_s:.2f} s", flush=True)
        # --no-kill: the death of a node is not the end of the allocation
        inside = subprocess.Popen(["salloc", "-Q", "--nodes=3", "--ntasks-per-node=1",
                                   "--cpus-per-task=2", "--no-kill", sys.argv[1], slurm.dir],
                                  env=slurm.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  text=True)
        for line in inside.stdout:
            if line.startswith("do: "):
                obey(slurm, line[4:].split())
                inside.stdin.write("done\n")
                inside.stdin.flush()
            else:
                print(line, end="", flush=True)
        code = inside.wait(timeout=60)
        if code:
            print(slurm.logs())
        return 1 if code else 0


if __name__ == "__main__":
    sys.exit(main())
