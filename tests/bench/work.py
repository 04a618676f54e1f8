# SPDX-License-Identifier: BSD-2-Clause
"""The kinds of work, and one trial of each: what is started in which order, and what is read."""

import dataclasses
import json
import math
import subprocess
import time

from lab import BACKENDS, CLIENTS, Lab, LabError, wait_listening
from peers import Service

LOAD_PORT = 7100
IPERF_PORT = 5201

# What of a packet is not payload: Ethernet, IPv4, TCP with timestamps.
HEADERS = 14 + 20 + 32

# iperf3 opens its streams, and windows grow.
BULK_WARMUP = 0.4

IDLE_CONNECTIONS = 9000
IDLE_SECONDS = 5

# Caches of the kernel that a connection has objects in: sockets, their files, their places in epoll
# and io_uring, and what is allocated by size. What processes and directories need is left out: it
# comes and goes with whatever else the machine does.
CACHES = ("TCP", "sock_inode_cache", "filp", "dentry", "eventpoll_", "ep_head", "io_kiocb",
          "lsm_", "kmalloc-", "skbuff_")

# Two looks at memory that differ by less have seen the same: 20 bytes a connection.
SETTLED = 20 * IDLE_CONNECTIONS


@dataclasses.dataclass(frozen=True)
class Work:
    name: str
    kind: str  # bulk, short, pingpong, idle
    count: int  # streams, connections in flight, connections
    reverse: bool = False
    pinned: bool = False  # also with everything on one CPU

    @property
    def about(self):
        plural = "s" if self.count > 1 else ""
        return {
            "bulk": f"iperf3, {self.count} stream{plural}, "
                    f"{'server to client' if self.reverse else 'client to server'}",
            "short": f"connect, 64 B request, 64 B reply, close; {self.count} in flight",
            "pingpong": f"64 B requests and replies on {self.count:,} "
                        f"connection{plural} kept open",
            "idle": f"memory and CPU of {self.count:,} connections that do nothing",
        }[self.kind]


WORKS = [
    *(Work(f"bulk-{n}{'-reverse' if reverse else ''}", "bulk", n, reverse,
           pinned=n == 8 and not reverse)
      for n in (1, 8, 64) for reverse in (False, True)),
    *(Work(f"short-{n}", "short", n, pinned=n == 64) for n in (1, 64, 512)),
    *(Work(f"pingpong-{n}", "pingpong", n, pinned=n <= 64) for n in (1, 64, 1000, 5000)),
    Work("idle", "idle", IDLE_CONNECTIONS),
]


@dataclasses.dataclass
class Timing:
    seconds: float
    warmup: float
    idle_seconds: float = IDLE_SECONDS
    idle_settle: float = 1.5  # after the last one was opened


@dataclasses.dataclass
class Trial:
    """One system at one work."""

    work: Work
    system: object
    workers: int  # 0: the system has none
    cpu: int = None  # everything on it

    @property
    def variant(self):
        if self.cpu is not None:
            return "pinned"
        return f"{self.workers} worker{'s' if self.workers > 1 else ''}" if self.workers else "–"

    def run(self, load, directory, timing):
        """A dictionary of what was measured. Raises LabError when any of it would be wrong."""
        with Lab(directory, self.cpu) as lab:
            measure = {"bulk": self._bulk, "idle": self._idle}.get(self.work.kind, self._requests)
            result = measure(lab, load, timing)
            self.system.check()
        return result

    def _pid_options(self):
        return [word for pid in self.system.pids() for word in ("--pid", pid)]

    def _serve(self, lab, load):
        servers = [lab.spawn_logged(name, f"serve-{name}", load, "serve", "--listen",
                                    f"{BACKENDS[name]}:{LOAD_PORT}") for name in BACKENDS]
        for server in servers:
            wait_listening(server, LOAD_PORT)
        return self.system.start(lab, Service(LOAD_PORT, list(BACKENDS)), self.workers)

    def _client_options(self, targets):
        return [*(word for ip in targets for word in ("--to", f"{ip}:{LOAD_PORT}")),
                *(word for ip in CLIENTS for word in ("--from", ip))]

    def _requests(self, lab, load, timing):
        targets = self._serve(lab, load)
        count = "--in-flight" if self.work.kind == "short" else "--connections"
        out = lab.run("client", load, self.work.kind, *self._client_options(targets),
                      count, self.work.count, "--seconds", timing.seconds,
                      "--warmup", timing.warmup, *self._pid_options(),
                      timeout=timing.seconds + timing.warmup + 30)
        result = json.loads(out)
        if result["errors"] or not result["operations"]:
            raise LabError(f"{result['errors']} errors, {result['operations']} operations")
        result["cpu_us"] = sum(result["busy_us"]) / result["operations"]
        if "process_us" in result:
            result["process_cpu_us"] = result["process_us"] / result["operations"]
        return result

    def _bulk(self, lab, load, timing):
        server = lab.spawn_logged("b1", "iperf3-server", "iperf3", "--server", "--one-off",
                                  "--port", IPERF_PORT)
        wait_listening(server, IPERF_PORT)
        # Its control connection must reach the server that its streams reach.
        target = self.system.start(lab, Service(IPERF_PORT, ["b1"]), self.workers)[0]
        duration = math.ceil(BULK_WARMUP + timing.seconds)  # whole seconds are what it takes
        client = lab.spawn("client", "iperf3", "--client", target, "--port", IPERF_PORT,
                           "--parallel", self.work.count, "--time", duration, "--json",
                           *(["--reverse"] if self.work.reverse else []),
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        watch = lab.spawn("client", load, "watch", "--warmup", BULK_WARMUP, "--seconds",
                          timing.seconds, "--device", "lb", *self._pid_options(), pinned=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        said = json.loads(lab.finish(client, duration + 30))
        result = json.loads(lab.finish(watch, 10))
        if said.get("error"):
            raise LabError(f"iperf3: {said['error']}")
        way = "rx" if self.work.reverse else "tx"
        size = result[f"{way}_bytes"] - HEADERS * result[f"{way}_packets"]
        if size <= 0:
            raise LabError("no bytes passed")
        result["bytes"] = size
        result["gbits"] = size * 8 / result["seconds"] / 1e9
        result["cpu_s_per_gb"] = sum(result["busy_us"]) / 1e6 / (size / 1e9)
        if "process_us" in result:
            result["process_cpu_s_per_gb"] = result["process_us"] / 1e6 / (size / 1e9)
        # To see that both agree, and that nothing was lost on the way.
        result["iperf3_gbits"] = said["end"]["sum_received"]["bits_per_second"] / 1e9
        result["retransmits"] = said["end"]["sum_sent"].get("retransmits")
        return result

    def _idle(self, lab, load, timing):
        targets = self._serve(lab, load)
        before = Memory.settled(self.system.pids())
        client = lab.spawn("client", load, "idle", *self._client_options(targets),
                           "--connections", self.work.count, stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if client.stdout.readline() != "ready\n":
            raise LabError(f"connections do not open: {client.communicate()[1]}")
        time.sleep(timing.idle_settle)
        result = json.loads(lab.run("client", load, "watch", "--seconds", timing.idle_seconds,
                                    *self._pid_options(), timeout=timing.idle_seconds + 10))
        after = Memory(self.system.pids())
        lab.finish(client, 10)  # an error of any connection is its status
        result["user_bytes"] = (after.user - before.user) / self.work.count
        result["kernel_bytes"] = (after.kernel - before.kernel) / self.work.count
        if "process_us" in result:
            result["idle_cpu_percent"] = result["process_us"] / 1e4 / result["seconds"]
        return result


class Memory:
    """What the balancer holds for itself, and the kernel for everybody's connections; bytes."""

    def __init__(self, pids):
        self.user = sum(_kilobytes(f"/proc/{pid}/smaps_rollup")["Pss"] for pid in pids)
        self.kernel = 0
        with open("/proc/slabinfo", encoding="ascii") as file:
            for line in file:
                name, active, _, size = line.split()[:4]
                if name.startswith(CACHES):
                    self.kernel += int(active) * int(size)

    @classmethod
    def settled(cls, pids):
        """Once the kernel has freed what the trial before has left, and what starts has started."""
        memory = cls(pids)
        for _ in range(25):
            time.sleep(0.3)
            last, memory = memory, cls(pids)
            if abs(memory.kernel - last.kernel) < SETTLED:
                break
        return memory


def _kilobytes(path):
    values = {}
    with open(path, encoding="ascii") as file:
        for line in file:
            name, _, rest = line.partition(":")
            if rest.endswith("kB\n"):
                values[name] = int(rest.split()[0]) * 1024
    return values
