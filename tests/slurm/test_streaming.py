#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The helix example, streaming, as a job over several nodes (tcp, CURVE): a node dies, the allocation
ends early, Slurm loses sight of the first node whose processes live on. Every time the run completes,
every frame is there once and the catalog agrees. Usage: test_streaming.py COX ROOT"""
import os
import sys
import unittest

import cluster
import jobs
from jobs import rows

COX = os.path.abspath(sys.argv[1])
ROOT = sys.argv[2]
sys.path.insert(0, os.path.join(ROOT, "tests", "streaming"))


def coordinators(run):
    """The processes of cox that lead a run."""
    return {pid for pid, (_, _, words) in cluster.processes().items()
            if words[:1] == [COX] and words[1:2] in (["run"], ["resume"]) and run in words}


class Streaming(jobs.Jobs):
    cox_program, file = COX, os.path.join(ROOT, "examples", "helix", "helix.yaml")
    settings = ["coordination=streaming", "simulation.segment_ps=10", "simulation.frame_ps=1",
                "simulation.replicas=32", "simulation.minimize_steps=50", "streaming.simulations=4",
                "streaming.silence_s=5", "streaming.heartbeat_s=0.5", "streaming.checkpoint_s=1",
                "learn.filters=[8]", "learn.strides=[1]", "learn.dense=16", "learn.latent=3",
                "learn.max_samples=400", "streaming.train_first_frames=200",
                "streaming.train_after_frames=400", "agent.window=1000", "agent.outliers=none",
                "stop.target.rmsd_A=0.001", "stop.simulated_ns=1",
                "slurm.nodes=3", "slurm.cores_per_node=2", "slurm.time_minutes=10"]

    def some_segments(self, run, more=16):
        before = len(rows(run, "SELECT 1 FROM segment"))
        self.wait(run, lambda: len(rows(run, "SELECT 1 FROM segment")) >= before + more,
                  f"{more} more segments")

    def assert_sound(self, run):
        from run_check import problems
        self.assertEqual(problems(run), [], self.logs(run))

    def test_a_node_dies(self):
        run, job = self.submit("node.run")
        self.some_segments(run, 40)
        hosts = {h for h, in rows(run, "SELECT host FROM attempt")}
        self.assertEqual(hosts, {"n1", "n2", "n3"})
        self.slurm.kill_node("n3", noticed=True)
        summary = self.finish(run, job)
        self.assertEqual(self.said(run).count(", start "), 1)
        lost = rows(run, "SELECT task, end, reason FROM attempt WHERE reason LIKE '%lost%'")
        self.assertTrue(lost, rows(run, "SELECT * FROM attempt"))
        self.assertGreaterEqual(summary["simulated_ns"], 1 - 1e-6)
        self.assert_sound(run)
        self.slurm.start_node("n3")
        self.slurm.wait(self.slurm.all_idle, 30, "n3 to come back")

    def test_the_allocation_ends_early(self):
        run, job = self.submit("early.run")
        self.some_segments(run, 40)
        self.slurm.run("scancel", "--signal=TERM", "--batch", job)
        self.wait(run, lambda: "back into the queue" in self.said(run), "the job's return")
        self.assert_sound(run)
        self.wait(run, lambda: "start 1" in self.said(run), "the next start")
        self.finish(run, job)
        self.assert_sound(run)

    def first_node_dies(self, name, orphans):
        self.slurm.env["COX_LOOKOUT_S"] = "1"  # else the orphans may be done before
        run, job = self.submit(name, "slurm.nodes=2", "stop.simulated_ns=2")
        self.some_segments(run, 40)
        before = coordinators(run)
        self.assertEqual(len(before), 1)
        self.slurm.kill_node("n1", orphans=orphans, noticed=True)
        self.wait(run, lambda: self.slurm.job_state(job) == "PENDING", "the requeue")
        self.assertEqual(coordinators(run), before if orphans else set())
        self.wait(run, lambda: "on n[2-3], start 1" in self.said(run), "the next start")
        self.finish(run, job)
        self.assertEqual(coordinators(run), set())
        self.assertEqual("this one ends" in self.said(run), orphans)
        self.assert_sound(run)
        self.slurm.start_node("n1")
        self.slurm.wait(self.slurm.all_idle, 30, "n1 to come back")

    def test_processes_that_slurm_lost_sight_of_are_fenced(self):
        """Only slurmd of the first node dies: the script, the coordinator and workers live on, and
        the job starts again on other nodes."""
        self.first_node_dies("orphans.run", True)

    def test_the_first_node_dies(self):
        if not os.environ.get("COX_LONG"):
            self.skipTest("as the orphans, without them; set COX_LONG")
        self.first_node_dies("first.run", False)


if __name__ == "__main__":
    cluster.skip_unless_possible()
    try:
        import h5py  # noqa: F401
    except ImportError:
        print("skipped: no h5py")
        sys.exit(cluster.SKIP)
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
