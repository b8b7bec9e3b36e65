# SPDX-License-Identifier: BSD-3-Clause
"""A stage of a streaming run in Python: docs/protocol.md. Knows nothing of what the stage does.

    stage = Stage("train")        # reads the command line and RUN/config.yaml, says hello
    while not stage.stopping:
        for message in stage.tend(0.2): ...
"""
import argparse
import os
import signal
import socket
import sys
import time
import uuid

import msgpack
import yaml
import zmq

VERSION = 1
LEAVE = 130  # fenced, or nobody is there: as after a signal; not a failure of ours


class Stage:
    def __init__(self, role):
        words = argparse.ArgumentParser(description=f"the {role} role of a streaming run; started by cox")
        words.add_argument("role", choices=[role])
        words.add_argument("run")
        words.add_argument("--name", required=True)
        words.add_argument("--epoch", required=True, type=int)
        words.add_argument("--hub", required=True)
        self.options = words.parse_args()
        self.run = self.options.run
        self.epoch = self.options.epoch
        with open(os.path.join(self.run, "config.yaml"), encoding="utf-8") as file:
            self.settings = yaml.safe_load(file)
        self.streaming = self.settings["streaming"]
        self.figures = {}      # goes out with every heartbeat
        self.stopping = False
        self.cores = None      # None: nobody spoke of them yet; []: wait
        self.told = self.asked = 0.0
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "stopping", True))
        self.socket = self.connect()
        self.welcome = self.join()

    def connect(self):
        dealer = zmq.Context.instance().socket(zmq.DEALER)
        dealer.setsockopt(zmq.ROUTING_ID, f"{self.options.name}.{uuid.uuid4().hex[:8]}".encode())
        dealer.setsockopt(zmq.LINGER, 1000)
        if self.options.hub.startswith("tcp"):
            with open(os.path.join(self.run, "control", "keys"), encoding="ascii") as file:
                keys = dict(line.split() for line in file)
            dealer.curve_serverkey = keys["server_public"].encode()
            dealer.curve_publickey = keys["client_public"].encode()
            dealer.curve_secretkey = keys["client_secret"].encode()
        dealer.connect(self.options.hub)
        return dealer

    def join(self):
        said = 0.0
        self.asked = time.monotonic()
        while not self.stopping:
            if time.monotonic() - said > 2:
                said = time.monotonic()
                self.send("hello", role=self.options.role, name=self.options.name, version=VERSION,
                          pid=os.getpid(), host=socket.gethostname())
            for message in self.tend(0.2):
                if message.get("type") == "welcome":
                    return message
        self.leave(LEAVE)

    def send(self, message_type, **values):
        self.socket.send(msgpack.packb({"type": message_type, "epoch": self.epoch, **values}))

    def task(self, kind, began, more=False, **values):
        """Something that ran from `began` (time.time) until now, for the timeline."""
        self.send("task", kind=kind, began=began, ended=time.time(), cores=len(self.cores or [0]), more=int(more), **values)

    def tend(self, timeout_s=0.0):
        """Heartbeats and messages; to be called at least every few seconds. Returns what is for the role."""
        mine = []
        end = time.monotonic() + timeout_s
        while True:
            now = time.monotonic()
            if now - self.told >= self.streaming["heartbeat_s"]:
                self.send("heartbeat", **self.figures)
                self.told = now
                self.asked = self.asked or now
            due = self.told + self.streaming["heartbeat_s"]
            wait = max(0.0, min(end, due) - now)
            if self.socket.poll(1000 * wait):
                self.asked = 0.0
                message = msgpack.unpackb(self.socket.recv(), strict_map_key=False)
                if not self.handle(message):
                    mine.append(message)
                continue
            if self.asked and time.monotonic() - self.asked > self.streaming["silence_s"]:
                print("the coordinator is silent", file=sys.stderr)
                self.leave(LEAVE)
            if self.stopping or mine or time.monotonic() >= end:
                return mine

    def handle(self, message):
        kind = message.get("type")
        if kind == "fenced" and message.get("epoch", self.epoch) == self.epoch:
            print("another attempt has taken the place of this one", file=sys.stderr)
            self.leave(LEAVE)
        if kind == "stop":
            self.stopping = True
        if kind == "cores":
            self.cores = list(message.get("list") or [])
            if self.cores:
                os.sched_setaffinity(0, self.cores)
        return kind in ("fenced", "stop", "cores", "alive")

    def leave(self, code=0):
        if not code:
            self.send("bye")
        self.socket.close()
        zmq.Context.instance().term()
        sys.exit(code)
