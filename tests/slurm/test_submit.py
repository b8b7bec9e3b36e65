#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""cox run --submit on a real Slurm: jobs that are stopped before the run is done put themselves back
into the queue and go on; those that are cancelled do not. Usage: test_submit.py COX ROOT"""
import os
import sys
import unittest

import cluster
import jobs
from jobs import rows

COX = os.path.abspath(sys.argv[1])
HELIX = os.path.join(sys.argv[2], "examples", "helix", "helix.yaml")
ROUNDS = 6


def rounds(run):
    return len(rows(run, "SELECT 1 FROM round"))


class Submit(jobs.Jobs):
    cox_program, file = COX, HELIX
    settings = ["simulation.segment_ps=4", "simulation.frame_ps=0.4", "simulation.replicas=16",
                "simulation.minimize_steps=50", "simulation.threads=1", "learn.enabled=false",
                "agent.outliers=none", f"stop.rounds={ROUNDS}",
                "slurm.nodes=1", "slurm.cores_per_node=1", "slurm.time_minutes=10"]

    def finish(self, run, job):
        summary = super().finish(run, job)
        self.assertEqual(summary["rounds"], ROUNDS)
        self.assertEqual(rounds(run), ROUNDS)

    def test_a_job_that_must_stop_comes_back_and_completes(self):
        run, job = self.submit("it's 100% \"fine\" \\ here.run")
        self.wait(run, lambda: rounds(run) > 0, "a round")
        # as --signal=B:TERM@60 does, only sooner
        self.slurm.run("scancel", "--signal=TERM", "--batch", job)
        self.wait(run, lambda: "back into the queue" in self.said(run), "the job's return")
        self.assertLess(rounds(run), ROUNDS)
        # It waits (cluster.py: 5 s) until the node has forgotten the job. Its owner could move its
        # start forward, but too soon means "Job credential revoked", and that is the end of it.
        self.wait(run, lambda: "start 1" in self.said(run), "the next start")
        self.finish(run, job)
        said = self.said(run)
        self.assertEqual(said.count(", start "), 2, said)

    def test_a_cancelled_job_stays_away_and_its_script_goes_on(self):
        run, job = self.submit("cancelled.run")
        self.wait(run, lambda: rounds(run) > 0, "a round")
        self.slurm.run("scancel", job)
        self.wait(run, lambda: "does not come back" in self.said(run), "the script's word")
        self.wait(run, lambda: self.slurm.job_state(job) == "CANCELLED", "the end of the job")
        self.assertLess(rounds(run), ROUNDS)
        job = self.slurm.run("sbatch", "--parsable", os.path.join(run, "job.sh")).stdout.strip()
        self.finish(run, job)

    def test_the_limit_of_time_is_foreseen(self):
        """The real signal; 15 s before the end of a minute, looked at by Slurm every 30 s or so."""
        if not os.environ.get("COX_LONG"):
            self.skipTest("takes a minute and a half; set COX_LONG")
        run, job = self.submit("limit.run", "slurm.time_minutes=1", "stop.rounds=100000")
        self.wait(run, lambda: "back into the queue" in self.said(run), "the foreseen end", 150)
        self.slurm.run("scancel", job)

    def test_a_killed_cox_is_started_again(self):
        run, job = self.submit("killed.run")
        self.wait(run, lambda: rounds(run) > 0, "a round")
        victims = [p for p, (_, _, words) in cluster.processes().items()
                   if words and words[0] == COX and run in words]
        self.assertEqual(len(victims), 1)
        os.kill(victims[0], 9)
        self.finish(run, job)
        self.assertIn("cox was killed (status 137); going on, attempt 1", self.said(run))

    def test_what_cannot_be_is_refused(self):
        run = os.path.join(self.slurm.dir, "refused.run")
        done = self.cox("run", HELIX, "-o", run, "--submit", "--set", "slurm.partition=nowhere")
        self.assertEqual(done.returncode, 1)
        self.assertIn("sbatch refused", done.stderr)
        self.assertIn("invalid partition", done.stderr)
        done = self.cox("run", HELIX, "-o", run, "--submit", "--set", "slurm.extra=qos")
        self.assertEqual(done.returncode, 2)
        self.assertIn("'qos' is no option of sbatch", done.stderr)
        done = self.cox("run", HELIX, "-o", run, "--submit", env=dict(self.slurm.env, PATH="/none"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot start 'sbatch'", done.stderr)


if __name__ == "__main__":
    cluster.skip_unless_possible()
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
