#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The streaming run over a bad network between real hosts: coordinator, aggregator, trainer and agent
in one network namespace, the simulations in another, tcp with CURVE between them, over a wire that
delays, loses, and is cut (wire.py). Needs root and TUN devices; skipped with a word elsewhere.
Usage: test_network.py COX ROOT [TestClass.test …]; COX_PARTITION_S: how long the wire is cut (4)."""
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "streaming"))


def skip(word):
    print("skipped:", word)
    sys.exit(77)


if os.geteuid() != 0:
    skip("network namespaces need root")
if not os.path.exists("/dev/net/tun"):
    skip("there is no /dev/net/tun")
if subprocess.call(["ip", "netns", "list"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
    skip("no 'ip netns' here (Debian: iproute2)")
try:
    import h5py  # noqa: F401
except ImportError:
    skip("no h5py")
from run_check import problems, rows, stored  # noqa: E402
from wire import ADDRESSES, Wire  # noqa: E402

COX = os.path.abspath(sys.argv[1])
ROOT = sys.argv[2]
PARTITION_S = float(os.environ.get("COX_PARTITION_S", "4"))
HOSTS = ("cox-a", "cox-b")
FOLD = os.path.join(ROOT, "examples", "chignolin", "fold.yaml")
# Every frame costs a while, so that the run outlasts what is done to it.
SETTINGS = ["coordination=streaming", "simulation.engine=fake", "simulation.replicas=8",
            "streaming.simulations=2", "streaming.transport=tcp", "streaming.heartbeat_s=0.2",
            "streaming.checkpoint_s=0", "streaming.window_frames=16", "streaming.restarts=1000",
            "simulation.frame_ps=100", "simulation.segment_ps=1000", "learn.enabled=false",
            "stop.target.rmsd_A=0.0001", "runtime.wrapper=[%s]" % os.path.join(HERE, "wrap.sh")]


class BadNetwork(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="cox-network-")
        self.run_dir = os.path.join(self.folder.name, "a.run")
        # both hosts know the first one's name, which is what the coordinator tells its workers
        for host in HOSTS:
            os.makedirs("/etc/netns/" + host, exist_ok=True)
            with open("/etc/netns/%s/hosts" % host, "w") as file:
                file.write("127.0.0.1 localhost\n%s %s\n" % (ADDRESSES[0], socket.gethostname()))
        self.wire = Wire(*HOSTS)

    def tearDown(self):
        self.wire.close()
        for host in HOSTS:
            os.unlink("/etc/netns/%s/hosts" % host)
            os.rmdir("/etc/netns/" + host)
        self.folder.cleanup()

    def start(self, *more):
        words = [w for s in SETTINGS + list(more) for w in ("--set", s)]
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", HOSTS[0], COX, "run", FOLD, "-o", self.run_dir, "-q", *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.said = ""

        def listen():
            for line in self.process.stdout:
                self.said += line

        self.listener = threading.Thread(target=listen, daemon=True)
        self.listener.start()

    def frames(self):
        try:
            with open(os.path.join(self.run_dir, "status.json")) as file:
                return json.load(file)["frames"] or 0
        except (OSError, ValueError, KeyError):
            return 0

    def wait_for_frames(self, n, seconds=60):
        end = time.monotonic() + seconds
        while self.frames() < n:
            self.assertIsNone(self.process.poll(), self.said)
            self.assertLess(time.monotonic(), end, "%d frames only; %s" % (self.frames(), self.said))
            time.sleep(0.05)

    def stop(self):
        """Ends a run that has no end of its own, once it has shown that it goes on."""
        self.wait_for_frames(self.frames() + 100)
        self.process.send_signal(signal.SIGINT)
        self.finish(wanted=130)

    def finish(self, seconds=120, wanted=0):
        try:
            code = self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.fail("it did not end; " + self.said)
        self.listener.join()
        self.process.stdout.close()
        self.assertEqual(code, wanted, self.said)
        self.assertEqual(problems(self.run_dir), [])

    def summary(self):
        with open(os.path.join(self.run_dir, "summary.json")) as file:
            return json.load(file)

    def test_delay_and_loss(self):
        self.wire.set(delay_s=0.02, loss=0.02)
        self.start("stop.simulated_ns=60", "streaming.silence_s=120")
        self.finish()
        self.assertGreater(self.wire.lost, 10)
        self.assertEqual(self.summary()["restarts"], 0)
        print("delay and loss: %d packets, %d lost; %d frames" %
              (self.wire.carried, self.wire.lost, len(stored(self.run_dir))))

    def test_a_partition_that_is_sat_out(self):
        """Shorter than silence_s: everybody waits, nobody is restarted, nothing is lost."""
        self.start("stop.simulated_ns=1e6", "streaming.silence_s=%g" % (PARTITION_S * 3 + 10))
        self.wait_for_frames(100)
        self.wire.set(cut=True)
        time.sleep(1)  # what was under way has arrived
        before = self.frames()
        time.sleep(PARTITION_S - 1)
        during = self.frames()
        self.wire.set(cut=False)
        self.stop()
        # windows are full and the simulations stand still, but for what the status had yet to tell
        self.assertLess(during - before, 200)
        self.assertEqual(self.summary()["restarts"], 0)
        print("partition of %g s: %d frames before, %d at its end, %d in all" %
              (PARTITION_S, before, during, len(stored(self.run_dir))))

    def test_a_partition_that_is_not(self):
        """Longer than silence_s: the simulations are taken for dead and started again; their
        predecessors' frames do not count twice."""
        self.start("stop.simulated_ns=1e6", "streaming.silence_s=1.5")
        self.wait_for_frames(100)
        self.wire.set(cut=True)
        time.sleep(PARTITION_S)
        self.wire.set(cut=False)
        self.stop()
        self.assertGreater(self.summary()["restarts"], 1)  # both of them
        attempts = rows(self.run_dir, "select count(*) from attempt where task like 'sim-%'")[0][0]
        self.assertGreater(attempts, 2)
        print("partition of %g s, silence_s 1.5: %d attempts of 2 simulations, %d frames" %
              (PARTITION_S, attempts, len(stored(self.run_dir))))


if __name__ == "__main__":
    sys.argv = sys.argv[:1] + sys.argv[3:]
    unittest.main(verbosity=2)
