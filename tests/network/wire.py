# SPDX-License-Identifier: BSD-3-Clause
"""A bad wire between two network namespaces: packets go from one TUN device to the other through this
process, which delays and loses them, or holds the wire cut. (Kernels without netem can do no more.)

    wire = Wire("cox-a", "cox-b")          # 10.88.0.1 and 10.88.0.2; needs root
    wire.set(delay_s=0.05, loss=0.02)
    wire.set(cut=True)                     # a partition
    wire.close()
"""
import collections
import fcntl
import os
import random
import selectors
import struct
import subprocess
import threading
import time

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
ADDRESSES = ("10.88.0.1", "10.88.0.2")
LONGEST_QUEUE = 20000  # packets under way in one direction; more are lost, as on a real wire


def ip(*arguments):
    subprocess.run(("ip",) + arguments, check=True, capture_output=True)


def open_tun(namespace, address, peer):
    """A TUN device made inside the namespace, its descriptor usable out here."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    name = "wire-" + namespace[-6:]
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    ip("link", "set", name, "netns", namespace)
    inside = ("netns", "exec", namespace, "ip")
    ip(*inside, "addr", "add", address, "peer", peer, "dev", name)
    ip(*inside, "link", "set", name, "up", "mtu", "1400")
    ip(*inside, "link", "set", "lo", "up")
    return fd


class Wire:
    def __init__(self, a, b, seed=1):
        self.namespaces = (a, b)
        for namespace in self.namespaces:
            ip("netns", "add", namespace)
        self.fds = (open_tun(a, ADDRESSES[0], ADDRESSES[1]), open_tun(b, ADDRESSES[1], ADDRESSES[0]))
        self.random = random.Random(seed)
        self.delay_s, self.loss, self.cut = 0.0, 0.0, False
        self.carried, self.lost = 0, 0
        self.lock = threading.Lock()
        self.wake_read, self.wake_write = os.pipe()
        self.closing = False
        self.thread = threading.Thread(target=self._carry, daemon=True)
        self.thread.start()

    def set(self, **changes):
        with self.lock:
            for key, value in changes.items():
                assert hasattr(self, key), key
                setattr(self, key, value)

    def _take(self, side, queue):
        while True:
            try:
                packet = os.read(self.fds[side], 2048)
            except BlockingIOError:
                return
            with self.lock:
                gone = self.cut or self.random.random() < self.loss or len(queue) >= LONGEST_QUEUE
                delay = self.delay_s
                self.lost += gone
            if not gone:
                queue.append((time.monotonic() + delay, packet))

    def _carry(self):
        queues = (collections.deque(), collections.deque())  # from side 0, from side 1
        selector = selectors.DefaultSelector()
        for side in (0, 1):
            selector.register(self.fds[side], selectors.EVENT_READ, side)
        selector.register(self.wake_read, selectors.EVENT_READ, None)
        while not self.closing:
            due = [queue[0][0] for queue in queues if queue]
            timeout = max(0.0, min(due) - time.monotonic()) if due else None
            for key, _ in selector.select(timeout):
                if key.data is not None:
                    self._take(key.data, queues[key.data])
            now = time.monotonic()
            for side, queue in enumerate(queues):
                while queue and queue[0][0] <= now:
                    packet = queue.popleft()[1]
                    try:
                        os.write(self.fds[1 - side], packet)
                        self.carried += 1
                    except OSError:
                        self.lost += 1

    def close(self):
        self.closing = True
        os.write(self.wake_write, b"x")
        self.thread.join()
        for fd in self.fds + (self.wake_read, self.wake_write):
            os.close(fd)
        for namespace in self.namespaces:
            subprocess.run(("ip", "netns", "del", namespace), capture_output=True)
