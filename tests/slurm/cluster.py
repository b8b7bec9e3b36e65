#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A real Slurm on this machine for tests: munge, slurmctld and n virtual nodes on loopback, all in
one private directory on free ports, up in about a second. Several may run side by side.

    with Cluster(nodes=3, cpus=2) as slurm:
        slurm.run("srun", "-N3", "hostname")
        slurm.kill_node("n2")      # slurmd and all that it runs, as a power cut would

By hand: `cluster.py 3` starts one, opens a shell in it, and ends it with the shell."""
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

SKIP = 77
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
LIBC = ctypes.CDLL(None)
NEEDED = ("munged", "slurmctld", "slurmd", "srun", "sbatch", "salloc", "scontrol", "squeue", "scancel")

# cred_expire: how long a requeued job waits before it may start again, 120 s if not said
CONFIGURATION = """ClusterName=cox
SlurmctldHost=localhost
SlurmctldPort={port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={dir}/munge/socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={dir}/state
SlurmdSpoolDir={dir}/spool.%n
SlurmctldPidFile={dir}/slurmctld.pid
SlurmdPidFile={dir}/slurmd-%n.pid
TmpFS={dir}/tmp.%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=512
ReturnToService=2
SlurmdTimeout={slurmd_timeout}
SlurmctldTimeout=10
KillWait={kill_wait}
OverTimeLimit=0
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,bf_interval=1
JobCompType=jobcomp/filetxt
JobCompLoc={dir}/jobcomp.txt
JobRequeue=1
MpiDefault=none
SlurmdParameters=config_overrides
SlurmctldParameters=idle_on_node_suspend
MailProg=/bin/true
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=60 State=UP
"""


def missing():
    """What keeps a cluster from starting here, in words; None: nothing."""
    if os.geteuid() != 0:
        return "a virtual Slurm cluster needs root"
    absent = [name for name in NEEDED if not shutil.which(name, path=search_path())]
    return "not installed: " + " ".join(absent) if absent else None


def search_path():
    return os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"


def skip_unless_possible():
    why = missing()
    if why:
        print(f"skipped: {why}")
        sys.exit(SKIP)


def free_ports(n):
    held = [socket.socket() for _ in range(n)]
    for s in held:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


def processes():
    """{pid: (parent, session, words)} of every process."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as f:
                    fields = f.read().rpartition(")")[2].split()
                with open(f"/proc/{name}/cmdline", "rb") as f:
                    words = f.read().decode(errors="replace").split("\0")[:-1]
                found[int(name)] = (int(fields[1]), int(fields[3]), words)
            except (OSError, IndexError):
                pass  # it ended meanwhile
    return found


class Cluster:
    def __init__(self, nodes=2, cpus=2, memory_mb=8192, kill_wait=5, slurmd_timeout=6):
        self.names = [f"n{i + 1}" for i in range(nodes)]
        self.cpus, self.memory_mb = cpus, memory_mb
        self.kill_wait, self.slurmd_timeout = kill_wait, slurmd_timeout
        self.daemons = {}  # name: Popen
        self.dir = None

    # -- up and down

    def __enter__(self):
        began = time.monotonic()
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # orphans become ours to reap
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that __exit__ is called
        self.dir = tempfile.mkdtemp(prefix="cox-slurm-")
        os.chmod(self.dir, 0o755)  # a job's user must get through
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        self.up_s = time.monotonic() - began
        return self

    def _start(self):
        for name in ["munge", "state"] + [f"{kind}.{n}" for kind in ("spool", "tmp")
                                          for n in self.names]:
            os.mkdir(os.path.join(self.dir, name), 0o755)
        ports = free_ports(1 + len(self.names))
        nodes = "\n".join(f"NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} "
                          f"CPUs={self.cpus} RealMemory={self.memory_mb} State=UNKNOWN"
                          for name, port in zip(self.names, ports[1:]))
        self.conf = os.path.join(self.dir, "slurm.conf")
        with open(self.conf, "w") as f:
            f.write(CONFIGURATION.format(dir=self.dir, port=ports[0], nodes=nodes,
                                         kill_wait=self.kill_wait,
                                         slurmd_timeout=self.slurmd_timeout))
        self.env = dict(os.environ, SLURM_CONF=self.conf, PATH=search_path())
        for name in list(self.env):  # of an allocation that this test itself may run in
            if name.startswith(("SLURM_", "SRUN_", "SBATCH_")) and name != "SLURM_CONF":
                del self.env[name]
        self._start_munge()
        self._daemon("slurmctld", "slurmctld", "-D", "-c")
        for name in self.names:
            self.start_node(name)
        self.wait(self.all_idle, 20, "the nodes to come up")

    def _start_munge(self):
        folder = os.path.join(self.dir, "munge")
        key = os.path.join(folder, "key")
        with open(os.open(key, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as f:
            f.write(os.urandom(128))
        where = [f"--{what}={folder}/{name}" for what, name in
                 (("key-file", "key"), ("socket", "socket"), ("pid-file", "pid"),
                  ("log-file", "log"), ("seed-file", "seed"))]
        self._daemon("munged", "munged", "--foreground", "--force", *where)
        self.wait(lambda: os.path.exists(os.path.join(folder, "socket")), 10, "munged")

    def _daemon(self, key, *argv):
        with open(os.path.join(self.dir, key + ".log"), "ab") as log:
            self.daemons[key] = subprocess.Popen(argv, env=self.env, stdin=subprocess.DEVNULL,
                                                 stdout=log, stderr=log, start_new_session=True,
                                                 preexec_fn=self._die_with_us)

    @staticmethod
    def _die_with_us():
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    def __exit__(self, *_):
        for name in self.names:
            self.kill_node(name)
        for daemon in self.daemons.values():
            if daemon.poll() is None:
                daemon.kill()
            daemon.wait()
        self._kill(self._ours())
        self._reap()
        shutil.rmtree(self.dir, ignore_errors=True)

    # -- nodes

    def start_node(self, name):
        self._daemon(name, "slurmd", "-D", "-N", name)

    def processes_of(self, node):
        """The processes that a node runs: its slurmd, its step daemons, all their children."""
        everything = processes()
        spool = f"SLURMD_NODENAME={node}"
        found = set()
        if node in self.daemons:
            found.add(self.daemons[node].pid)
        for pid in everything:
            try:
                with open(f"/proc/{pid}/environ", "rb") as f:
                    words = f.read().decode(errors="replace").split("\0")
            except OSError:
                continue
            if spool in words and f"SLURM_CONF={self.conf}" in words:
                found.add(pid)
        for pid, (parent, _, words) in everything.items():
            if words and words[0].startswith("slurmstepd"):
                # a step daemon has slurmd's environment; its tasks tell whose it is
                if any(everything[child][0] == pid for child in found if child in everything):
                    found.add(pid)
        return found

    def kill_node(self, node, orphans=False, noticed=False):
        """A power cut: SIGKILL to slurmd and to all that the node runs. `orphans`: only slurmd
        dies, as far as Slurm can tell the node is dead, but its steps go on. `noticed`: Slurm takes
        it for dead at once, not after its own half minute."""
        victims = {self.daemons[node].pid} if orphans else self.processes_of(node)
        self._kill(victims)
        if node in self.daemons:
            self.daemons[node].wait()
        if noticed:
            self.run("scontrol", "update", "NodeName=" + node, "State=DOWN", "Reason=killed")
        return victims

    @staticmethod
    def _kill(pids):
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    @staticmethod
    def _reap():
        """Step daemons outlive their slurmd and end as our children."""
        for pid, (parent, _, words) in processes().items():
            if parent == os.getpid() and not words:  # a zombie has no command line
                try:
                    os.waitpid(pid, os.WNOHANG)
                except ChildProcessError:
                    pass

    def _ours(self):
        """Whatever still has this cluster's configuration in its environment."""
        mark = f"SLURM_CONF={self.conf}".encode() if self.dir and hasattr(self, "conf") else None
        found = set()
        for pid in processes():
            try:
                with open(f"/proc/{pid}/environ", "rb") as f:
                    if mark and mark in f.read().split(b"\0") and pid != os.getpid():
                        found.add(pid)
            except OSError:
                pass
        return found

    # -- commands

    def run(self, *argv, timeout=60, check=True, **more):
        done = subprocess.run(argv, env=dict(self.env, **more.pop("env", {})), capture_output=True,
                              text=True, timeout=timeout, stdin=subprocess.DEVNULL, **more)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(argv)}: status {done.returncode}: {done.stderr}")
        return done

    def all_idle(self):
        return self.states() == {name: "idle" for name in self.names}

    def states(self):
        done = self.run("sinfo", "-h", "-N", "-o", "%N %t", check=False)
        return dict(line.split() for line in done.stdout.splitlines())

    def job(self, job):
        """The fields of `scontrol show job`, {} when it is gone."""
        done = self.run("scontrol", "-o", "show", "job", str(job), check=False)
        return dict(word.split("=", 1) for word in done.stdout.split() if "=" in word)

    def job_state(self, job):
        return self.job(job).get("JobState", "GONE")

    def wait(self, condition, timeout, what):
        """Polls until `condition` holds; says what it waited for when it never does."""
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            if condition():
                return
            time.sleep(0.05)
        raise TimeoutError(f"waited {timeout} s for {what}\n{self.logs()}")

    def logs(self, lines=15):
        text = []
        for name in sorted(os.listdir(self.dir)):
            if name.endswith(".log"):
                with open(os.path.join(self.dir, name), errors="replace") as f:
                    text.append(f"--- {name}\n" + "".join(f.readlines()[-lines:]))
        return "".join(text)


def main():
    skip_unless_possible()
    with Cluster(nodes=int(sys.argv[1]) if len(sys.argv) > 1 else 2) as slurm:
        print(f"up in {slurm.up_s:.2f} s, in {slurm.dir}")
        shell = sys.argv[2:] or [os.environ.get("SHELL", "/bin/bash")]
        return subprocess.run(shell, env=slurm.env).returncode


if __name__ == "__main__":
    sys.exit(main())
