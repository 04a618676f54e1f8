# SPDX-License-Identifier: BSD-2-Clause
"""What must be there before the first trial: packages, a build of its own, and their versions."""

import dataclasses
import datetime
import json
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build-bench"

PACKAGES = ["haproxy", "nginx", "libnginx-mod-stream", "iperf3", "nftables", "iproute2"]


@dataclasses.dataclass
class Build:
    load: pathlib.Path
    packets: pathlib.Path
    lb4: pathlib.Path
    about: str


def install_packages():
    subprocess.run(["bash", "-euo", "pipefail", "-c",
                    f'. "{ROOT}/tools/lib/setup.sh"; install_packages build bench'], check=True)


def build(with_lb4):
    """A release build of this tree, and of nothing else: its directory is the benchmark's own."""
    if not (BUILD / "build.ninja").exists():
        _quietly("meson", "setup", "-Dbuildtype=release", str(BUILD), str(ROOT))
    _quietly("ninja", "-C", str(BUILD), "tests/bench/load/lb4-load",
             "tests/bench/packets/lb4-packets", *(["lb4/lb4"] if with_lb4 else []))
    return of_directory(BUILD)


def _quietly(*words):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    if done.returncode:
        raise SystemExit(f"{done.stdout[-4000:]}\n{' '.join(words)} failed")


def of_directory(directory):
    directory = pathlib.Path(directory).resolve()
    lb4, load = directory / "lb4/lb4", directory / "tests/bench/load/lb4-load"
    packets = directory / "tests/bench/packets/lb4-packets"
    for program in load, packets:
        if not program.exists():
            raise SystemExit(f"{program} is not built")
    return Build(load, packets, lb4, f"{describe(lb4)}, {_revision()}" if lb4.exists() else "")


def describe(program):
    """Version and build type, which are read off the program and its build directory."""
    said = _first_line(str(program), "--version") or "unknown version"
    options = pathlib.Path(program).resolve().parents[1] / "meson-info/intro-buildoptions.json"
    if not options.exists():
        return f"{said}, unknown build type"
    values = {o["name"]: o["value"] for o in json.loads(options.read_text(encoding="utf-8"))}
    extra = "" if values["b_sanitize"] == "none" else f", sanitizers {values['b_sanitize']}"
    return f"{said}, buildtype {values['buildtype']} (-O{values['optimization']}){extra}"


def _revision():
    """Of the tree, and whether what lb4 is built from differs from it."""
    revision = _first_line("git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD")
    if not revision:
        return "not from git"
    changed = _first_line("git", "-C", str(ROOT), "status", "--porcelain", "--", "lb4", "bpf",
                          "meson.build", "meson_options.txt")
    return f"git {revision}{', with uncommitted changes' if changed else ''}"


def _first_line(*words):
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return (done.stdout or done.stderr).strip().partition("\n")[0]


def environment():
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"^model name\s*: (.*)$", cpuinfo, re.MULTILINE)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    versions = {name: _first_line("dpkg-query", "-Wf", "${Version}", name) for name in PACKAGES}
    return {
        "date": datetime.date.today().isoformat(),
        "kernel": f"{os.uname().sysname} {os.uname().release}",
        "cpu": model.group(1) if model else os.uname().machine,
        "cpus": len(os.sched_getaffinity(0)),
        "memory_gb": memory,
        "versions": {name: version for name, version in versions.items() if version},
    }
