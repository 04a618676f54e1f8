# SPDX-License-Identifier: BSD-2-Clause
"""The systems that are compared: how each is set up as its manual advises, and started.

A system gets a service, which is a port and the backends behind it, and answers with where the
client connects to and which processes it consists of.
"""

import dataclasses
import http.client
import json
import os
import resource
import socket
import time

from lab import BACKENDS, LB, LabError, check_alive, command, wait_listening


@dataclasses.dataclass
class Service:
    port: int
    backends: list  # names

    @property
    def servers(self):
        return [(name, BACKENDS[name]) for name in self.backends]


def descriptors():
    """A process may have so many, whatever its configuration says."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


class System:
    """One way from client to backend."""

    workers = True  # has threads or processes whose number can be chosen
    proxy = True  # ends TCP in the middle, as lb4 does: what lb4 is measured against
    kinds = None  # of work that it takes part in; None: all
    lb4 = ""  # how a build of lb4 forwards, as goals have it

    def __init__(self, name, about):
        self.name = name
        self.about = about
        self.process = None

    def start(self, lab, service, workers):
        """Returns the addresses to connect to, without ports."""
        raise NotImplementedError

    def pids(self):
        return [self.process.pid] if self.process else []

    def check_alive(self):
        if self.process:
            check_alive(self.process)

    def check(self):
        """Raises LabError unless all is as it should be when a trial ends."""
        self.check_alive()


class Direct(System):
    """The namespace in the middle only routes."""

    workers = proxy = False

    def start(self, lab, service, workers):
        self.process = None
        return [ip for _, ip in service.servers]


class Nft(System):
    """The kernel rewrites addresses: no TCP ends in the middle."""

    workers = proxy = False

    def start(self, lab, service, workers):
        self.process = None
        targets = ", ".join(f"{i} : {ip}" for i, (_, ip) in enumerate(service.servers))
        spread = f"numgen inc mod {len(service.servers)} map {{ {targets} }}"
        rules = f"""
            table ip balance {{
                chain in {{
                    type nat hook prerouting priority dstnat
                    ip daddr {LB} tcp dport {service.port} dnat to {spread}
                }}
                chain out {{
                    type nat hook postrouting priority srcnat
                    oifname "to-b*" masquerade
                }}
            }}"""
        inside = ["nsenter", f"--net=/run/netns/{lab.netns('lb')}"]
        command(*inside, "nft", "-f", "-", input=rules)
        # Ports come back as early as tcp_tw_reuse gives them back to the proxies.
        command(*inside, "sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_timeout_time_wait=1")
        return [LB]


class Haproxy(System):
    """TCP mode, quiet, with the options for fewer packets."""

    def __init__(self, name, about, splice=False):
        super().__init__(name, about)
        self.splice = splice

    def start(self, lab, service, workers):
        # Each connection takes two descriptors, each pipe two more.
        pipes = 400 if self.splice else 0
        connections = (descriptors() - 2 * pipes - 200) // 2
        splice = "option splice-request\n    option splice-response" if self.splice else ""
        servers = "\n    ".join(f"server {name} {ip}:{service.port}"
                                for name, ip in service.servers)
        path = f"{lab.directory}/haproxy.cfg"
        with open(path, "w", encoding="ascii") as file:
            file.write(f"""\
global
    nbthread {workers}
    maxconn {connections}
    {f"maxpipes {pipes}" if pipes else ""}

defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    option tcp-smart-accept
    option tcp-smart-connect
    {splice}

listen bench
    bind {LB}:{service.port} backlog 4096
    balance roundrobin
    {servers}
""")
        self.process = lab.spawn_logged("lb", "haproxy", "haproxy", "-db", "-f", path)
        wait_listening(self.process, service.port)
        return [LB]


class Nginx(System):
    """The stream module; a process for each worker, each with a listener of its own."""

    def __init__(self, name, about, buffer_size=None):
        super().__init__(name, about)
        self.buffer_size = buffer_size

    def start(self, lab, service, workers):
        servers = " ".join(f"server {ip}:{service.port};" for _, ip in service.servers)
        buffer_size = f"proxy_buffer_size {self.buffer_size};" if self.buffer_size else ""
        path = f"{lab.directory}/nginx.conf"
        with open(path, "w", encoding="ascii") as file:
            file.write(f"""\
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
user root;
daemon off;
pid {lab.directory}/nginx.pid;
error_log stderr warn;
worker_processes {workers};
worker_rlimit_nofile {descriptors()};
events {{ worker_connections {descriptors() - 100}; }}
stream {{
    access_log off;
    proxy_timeout 1h;
    {buffer_size}
    upstream backends {{ {servers} }}
    server {{
        listen {LB}:{service.port} reuseport backlog=4096;
        proxy_pass backends;
    }}
}}
""")
        self.process = lab.spawn_logged("lb", "nginx", "nginx", "-e", "stderr", "-p",
                                        lab.directory, "-c", path)
        wait_listening(self.process, service.port)
        # The listeners are there before the workers.
        deadline = time.monotonic() + 5
        while len(self.pids()) < workers + 1:
            self.check_alive()
            if time.monotonic() > deadline:
                raise LabError("nginx does not start its workers")
            time.sleep(0.005)
        return [LB]

    def pids(self):
        master = self.process.pid
        with open(f"/proc/{master}/task/{master}/children", encoding="ascii") as children:
            return [master, *map(int, children.read().split())]


class Lb4(System):
    """lb4 itself, or one of several builds of it."""

    lb4 = "splice"

    def __init__(self, name, about, program, settings=""):
        super().__init__(name, about)
        self.program = os.path.abspath(program)
        self.settings = settings

    def config(self, lab, service, workers):
        # As many as HAProxy, each with its descriptors: none has to be parked.
        connections = (descriptors() - 800) // 2
        settings = "".join(f"    {line}\n" for line in self.settings.splitlines())
        servers = "".join(f'      {name}: "{ip}:{service.port}"\n'
                          for name, ip in service.servers)
        return f"""\
admin: {{socket: {lab.directory}/lb4.sock}}
workers: {workers}
max_connections: {connections}
stop_timeout: 0
log: {{level: warning, connections: off}}
services:
  bench:
    listen: "{LB}:{service.port}"
{settings}    backends:
{servers}"""

    def start(self, lab, service, workers):
        path = f"{lab.directory}/{self.name}.yaml"
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.config(lab, service, workers))
        self.process = lab.spawn_logged("lb", self.name, self.program, "--config", path)
        wait_listening(self.process, service.port)
        return [LB]


# What goes up the stack though it is to be forwarded, as lb4's API names it.
PASSED = ("no-backend", "no-way", "no-port", "full", "off", "spliced")


class Lb4FastPath(Lb4):
    """The same, where a program forwards the packets and lb4 only looks after it."""

    workers = proxy = False

    def __init__(self, name, about, program, lb4, fastpath=""):
        super().__init__(name, about, program, f"forward: {lb4}")
        self.lb4 = lb4
        self.fastpath = fastpath  # more of that setting
        self.socket = None

    def config(self, lab, service, workers):
        # As many ports as the proxies and nftables have. No file system has the pins: flows end
        # with lb4.
        interfaces = ", ".join(["to-client", *(f"to-{name}" for name in BACKENDS)])
        pins = f"{lab.directory}/pins"
        return (super().config(lab, service, 1)
                + f"interfaces: [{interfaces}]\n"
                + f"fastpath: {{nat_ports: 1024-65535, pins: {pins}{self.fastpath}}}\n")

    def start(self, lab, service, workers):
        self.socket = f"{lab.directory}/lb4.sock"
        targets = super().start(lab, service, workers)
        deadline = time.monotonic() + 5
        while not self._is_on():
            self.check_alive()
            if time.monotonic() > deadline:
                raise LabError(f"the fast path is not on: {self._status()}")
            time.sleep(0.005)
        return targets

    def _status(self):
        connection = http.client.HTTPConnection("lb4", timeout=5)
        connection.sock = socket.socket(socket.AF_UNIX)
        try:
            connection.sock.connect(self.socket)
            connection.request("GET", "/v1/status")
            return json.loads(connection.getresponse().read())["fastpath"]
        finally:
            connection.close()

    def _is_on(self):
        try:
            status = self._status()
        except OSError:
            return False
        return status["state"] == "on" and all(i["hook"] for i in status["interfaces"])

    def check(self):
        """Also that the figures are the program's and not the splicer's."""
        self.check_alive()
        packets = self._status()["packets"]
        passed = {word: packets[word] for word in PASSED if packets[word]}
        if not packets["forwarded"] or passed:
            raise LabError(f"{packets['forwarded']} packets were forwarded; to the stack: {passed}")
