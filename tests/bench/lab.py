# SPDX-License-Identifier: BSD-2-Clause
"""Network namespaces of one trial, and the processes in them.

    client 10.4.0.2 … .17 ───── 10.4.0.1 lb 10.4.1.1 ───── 10.4.1.2 b1
                                          └ 10.4.2.1 ───── 10.4.2.2 b2

Every trial gets new ones: no TIME_WAIT, no tracked connection and no port taken by one trial is
there in the next. lb also routes, so that the client reaches the backends without a balancer.
"""

import os
import signal
import subprocess
import time

LB = "10.4.0.1"
BACKENDS = {"b1": "10.4.1.2", "b2": "10.4.2.2"}
CLIENTS = [f"10.4.0.{i}" for i in range(2, 18)]

SYSCTLS = [
    # Neighbours of IPv6 would be looked for in the middle of a trial.
    "net.ipv6.conf.all.disable_ipv6=1",
    "net.ipv6.conf.default.disable_ipv6=1",
    # Ports, TIME_WAIT and queues as a host has them that opens thousands of connections a second.
    "net.ipv4.ip_local_port_range=1024 65535",
    "net.ipv4.tcp_tw_reuse=1",
    "net.core.somaxconn=4096",
    "net.ipv4.tcp_max_syn_backlog=4096",
    "net.ipv4.ip_forward=1",
]

# A route's own congestion control, which needs no permission of the host: its default may be a
# noisy one, such as bbr, whose timers cost CPU time.
CUBIC = "congctl cubic"


class LabError(Exception):
    """Something that had to work did not: the trial is void."""


def command(*words, **options):
    """Runs a short command; what it says is told when it fails."""
    done = subprocess.run(words, stdin=subprocess.DEVNULL if "input" not in options else None,
                          capture_output=True, text=True, check=False, **options)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise LabError(f"{' '.join(words)}: {said or f'status {done.returncode}'}")
    return done.stdout


class Lab:
    """Up from `with` to its end, whatever happens in between."""

    serial = 0

    def __init__(self, directory, cpu=None):
        Lab.serial += 1
        self.directory = directory
        self.cpu = cpu  # everything runs there, or None
        self.prefix = f"lb4-bench-{os.getpid()}-{Lab.serial}-"
        self.processes = []
        self.names = ["lb", "client", *BACKENDS]

    def netns(self, where):
        return self.prefix + where

    def __enter__(self):
        try:
            self._up()
        except BaseException:
            self._down()
            raise
        return self

    def __exit__(self, *_):
        self._down()

    def _up(self):
        command("ip", "-batch", "-", input="".join(
            f"netns add {self.netns(name)}\n" for name in self.names))
        for name in self.names:
            command("nsenter", f"--net=/run/netns/{self.netns(name)}", "sysctl", "-qw", *SYSCTLS)
        lb, links = "link set lo up\n", ""
        for number, name in enumerate(["client", *BACKENDS]):
            near = f"10.4.{number}.1"
            links += (f"link add to-{name} netns {self.netns('lb')} type veth "
                      f"peer name lb netns {self.netns(name)}\n")
            lb += (f"address add {near}/24 dev to-{name} noprefixroute\n"
                   f"link set to-{name} up\n"
                   f"route add 10.4.{number}.0/24 dev to-{name} src {near} {CUBIC}\n")
        command("ip", "-batch", "-", input=links)
        command("ip", "-n", self.netns("lb"), "-batch", "-", input=lb)
        for number, name in enumerate(["client", *BACKENDS]):
            own = CLIENTS if name == "client" else [BACKENDS[name]]
            command("ip", "-n", self.netns(name), "-batch", "-", input=(
                "link set lo up\n"
                + "".join(f"address add {ip}/32 dev lb\n" for ip in own)
                + "link set lb up\n"
                + f"route add 10.4.{number}.0/24 dev lb src {own[0]} {CUBIC}\n"
                + f"route add default via 10.4.{number}.1 src {own[0]} {CUBIC}\n"))

    def _down(self):
        # Not interrupted: what is left behind would be there for ever.
        old = {s: signal.signal(s, signal.SIG_IGN) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            for process in self.processes:
                if process.poll() is None:
                    process.kill()
            for process in self.processes:
                process.wait()
                for stream in (process.stdin, process.stdout, process.stderr):
                    if stream:
                        stream.close()
            for name in self.names:
                self._remove(name)
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)

    def _remove(self, name):
        path = f"/run/netns/{self.netns(name)}"
        if not os.path.exists(path):
            return
        # Children of those that were killed, such as nginx's workers: all in there is ours.
        for pid in pids_in(path):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        subprocess.run(["ip", "netns", "delete", self.netns(name)], check=False,
                       stdin=subprocess.DEVNULL)

    def spawn(self, where, *words, pinned=True, **options):
        """A process in a namespace, on the lab's CPU if it has one; it does not outlive us."""
        line = ["setpriv", "--pdeathsig", "KILL",
                "nsenter", f"--net=/run/netns/{self.netns(where)}"]
        if self.cpu is not None and pinned:
            line += ["taskset", "-c", str(self.cpu)]
        options.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen([*line, *map(str, words)], text=True,
                                   start_new_session=True, **options)
        process.program = os.path.basename(str(words[0]))
        process.log_path = None
        self.processes.append(process)
        return process

    def spawn_logged(self, where, name, *words):
        """The same with its output in a file, which check_alive() shows when it has died."""
        path = f"{self.directory}/{name}.log"
        with open(path, "w", encoding="utf-8") as log:
            process = self.spawn(where, *words, stdout=log, stderr=log)
        process.log_path = path
        return process

    def run(self, where, *words, timeout, **options):
        """Its standard output, once it has ended with status 0."""
        return self.finish(self.spawn(where, *words, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, **options), timeout)

    @staticmethod
    def finish(process, timeout):
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise LabError(f"{process.program} did not end within {timeout:.0f} s") from error
        if process.returncode:
            raise LabError(f"{process.program} ended with status {process.returncode}: "
                           f"{(err or out or '').strip()[-600:]}")
        return out


def pids_in(netns_path):
    """Those whose network namespace is this one."""
    inode = os.stat(netns_path).st_ino
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.stat(f"/proc/{pid}/ns/net").st_ino == inode:
                found.append(int(pid))
        except OSError:
            pass
    return found


def check_alive(process):
    if process.poll() is None:
        return
    said = ""
    if process.log_path:
        with open(process.log_path, encoding="utf-8", errors="replace") as log:
            said = ": " + log.read().strip()[-600:]
    raise LabError(f"{process.program} ended with status {process.returncode}{said}")


def wait_listening(process, port, timeout=5):
    """Looks at the namespace's sockets: a connection to try would be one for the backend, too."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        check_alive(process)
        if _listens(process.pid, port):
            return
        time.sleep(0.005)
    raise LabError(f"nobody listens on port {port} after {timeout} s")


def _listens(pid, port):
    for table in ("tcp", "tcp6"):
        try:
            with open(f"/proc/{pid}/net/{table}", encoding="ascii") as sockets:
                for line in sockets:
                    fields = line.split()
                    if fields[3] == "0A" and fields[1].endswith(f":{port:04X}"):
                        return True
        except OSError:
            pass
    return False
