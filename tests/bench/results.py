# SPDX-License-Identifier: BSD-2-Clause
"""From trials to medians, and from medians to the goals of lb4: no figure comes from elsewhere."""

import dataclasses
import statistics

# What a kind of work is told by: key, heading, format.
METRICS = {
    "bulk": [
        ("gbits", "Gbit/s", "{:.2f}"),
        ("cpu_s_per_gb", "machine CPU s/GB", "{:.3f}"),
        ("over_direct_s_per_gb", "over direct s/GB", "{:.3f}"),
        ("process_cpu_s_per_gb", "balancer CPU s/GB", "{:.3f}"),
    ],
    "short": [
        ("rate", "connections/s", "{:,.0f}"),
        ("cpu_us", "machine CPU µs", "{:.1f}"),
        ("over_direct_us", "over direct µs", "{:.1f}"),
        ("process_cpu_us", "balancer CPU µs", "{:.1f}"),
        ("p50_us", "p50 µs", "{:,.0f}"),
        ("p99_us", "p99 µs", "{:,.0f}"),
        ("p999_us", "p99.9 µs", "{:,.0f}"),
    ],
    "pingpong": [
        ("rate", "requests/s", "{:,.0f}"),
        ("cpu_us", "machine CPU µs", "{:.2f}"),
        ("over_direct_us", "over direct µs", "{:.2f}"),
        ("process_cpu_us", "balancer CPU µs", "{:.2f}"),
        ("p50_us", "p50 µs", "{:,.1f}"),
        ("added_p50_us", "added p50 µs", "{:,.1f}"),
        ("p99_us", "p99 µs", "{:,.0f}"),
        ("p999_us", "p99.9 µs", "{:,.0f}"),
    ],
    "idle": [
        ("user_bytes", "user bytes/connection", "{:,.0f}"),
        ("kernel_bytes", "kernel bytes/connection", "{:,.0f}"),
        ("over_direct_kernel_bytes", "over direct kernel bytes", "{:,.0f}"),
        ("idle_cpu_percent", "balancer CPU % of a core", "{:.2f}"),
    ],
}

# What a trial has over the median of `direct` in the same run.
OVER_DIRECT = {
    "over_direct_s_per_gb": "cpu_s_per_gb",
    "over_direct_us": "cpu_us",
    "added_p50_us": "p50_us",
    "over_direct_kernel_bytes": "kernel_bytes",
}


def is_pinned(trial):
    return trial["variant"] == "pinned"


def add_over_direct(trials):
    for key, of in OVER_DIRECT.items():
        direct = {}
        for trial in trials:
            if trial["system"] == "direct" and of in trial:
                direct.setdefault((trial["work"], is_pinned(trial)), []).append(trial[of])
        for trial in trials:
            base = direct.get((trial["work"], is_pinned(trial)))
            if base and trial["system"] != "direct" and of in trial:
                trial[key] = trial[of] - statistics.median(base)


def summarize(trials, works):
    """A list of {work, system, variant, trials, failed, starved, metric: {median, min, max}}."""
    groups = {}
    for trial in trials:
        groups.setdefault((trial["work"], trial["system"], trial["variant"]), []).append(trial)
    rows = []
    for (work, system, variant), group in groups.items():
        good = [t for t in group if "failed" not in t]
        row = {"work": work, "system": system, "variant": variant, "trials": len(good),
               "failed": len(group) - len(good),
               "starved": sum(t.get("starved", 0) for t in good)}
        for key, _, _ in METRICS[works[work]["kind"]]:
            values = [t[key] for t in good if key in t]
            if values:
                row[key] = {"median": statistics.median(values),
                            "min": min(values), "max": max(values)}
        rows.append(row)
    return rows


def steal_percent(trials):
    """How much of the measured time the hypervisor took away: median and worst trial."""
    shares = [100 * sum(t["steal_us"]) / (t["seconds"] * 1e6 * len(t["steal_us"]))
              for t in trials if "steal_us" in t]
    return (statistics.median(shares), max(shares)) if shares else (0.0, 0.0)


@dataclasses.dataclass(frozen=True)
class Goal:
    """lb4's median has to be at most, or at least, `factor` times another system's."""

    text: str
    work: str
    variant: str
    metric: str
    factor: float
    high: bool = False  # more is better
    absolute: bool = False  # `factor` is the bound itself
    forward: str = "splice"  # of lb4 when it forwards so
    against: str = ""  # that system; none: the best proxy

    @property
    def bound(self):
        return f"{'≥' if self.high else '≤'} {self.factor:,g}{'' if self.absolute else ' ×'}"


VARIANTS = ("1 worker", "2 workers")


def _goals():
    yield Goal("ping-pong, 64 connections: CPU over direct", "pingpong-64", "pinned",
               "over_direct_us", 0.45)
    yield Goal("ping-pong, 1 connection: added p50", "pingpong-1", "pinned",
               "added_p50_us", 0.75)
    for n in (1000, 5000):
        yield Goal(f"ping-pong, {n:,} connections: requests/s", f"pingpong-{n}", "2 workers",
                   "rate", 1.4, high=True)
    yield Goal("bulk, 8 streams: CPU over direct", "bulk-8", "pinned", "over_direct_s_per_gb", 0.5)
    yield Goal("short connections, 64 in flight: CPU over direct", "short-64", "pinned",
               "over_direct_us", 0.6)
    for n in (64, 512):
        yield Goal(f"short connections, {n} in flight: connections/s", f"short-{n}", "2 workers",
                   "rate", 1.25, high=True)
    for variant in VARIANTS:
        for n in (1, 8, 64):
            for way in ("", "-reverse"):
                name = f"bulk, {n} stream{'s' if n > 1 else ''}{', reverse' if way else ''}"
                yield Goal(f"{name}: machine CPU s/GB", f"bulk-{n}{way}", variant,
                           "cpu_s_per_gb", 0.85)
                yield Goal(f"{name}: Gbit/s", f"bulk-{n}{way}", variant, "gbits", 1, high=True)
    for variant, works in (("pinned", ("pingpong-1", "pingpong-64", "short-64")),
                           *((v, ("pingpong-1", "pingpong-64", "pingpong-1000", "pingpong-5000",
                                  "short-1", "short-64", "short-512")) for v in VARIANTS)):
        for work in works:
            kind, n = work.split("-")
            name = ("ping-pong, {} connection{}" if kind == "pingpong"
                    else "short connections, {} in flight").format(
                        f"{int(n):,}", "s" if n != "1" else "")
            yield Goal(f"{name}: p99", work, variant, "p99_us", 1)
    for variant in VARIANTS:
        yield Goal("idle: user bytes a connection", "idle", variant, "user_bytes", 1024,
                   absolute=True)
        yield Goal("idle: CPU % of a core", "idle", variant, "idle_cpu_percent", 0.5,
                   absolute=True)


def _nat_goals():
    for n, way in ((8, ""), (8, "-reverse")):
        yield Goal(f"bulk, {n} streams{', reverse' if way else ''}: machine CPU s/GB",
                   f"bulk-{n}{way}", "pinned", "cpu_s_per_gb", 1.05, forward="nat",
                   against="direct")
    for factor, against in ((1, "direct"), (0.75, "nft")):
        yield Goal("short connections, 64 in flight: machine CPU", "short-64", "pinned", "cpu_us",
                   factor, forward="nat", against=against)


GOALS = [*_goals(), *_nat_goals()]


def judge(rows, systems, lb4):
    """What the run's own medians say about each goal of that system that it measured."""
    forward = next(s.get("forward", "splice") for s in systems if s["name"] == lb4)
    proxies = {s["name"] for s in systems if s["proxy"] and not s["lb4"]}
    verdicts = []
    for goal in (g for g in GOALS if g.forward == forward):
        here = {r["system"]: r[goal.metric]["median"] for r in rows
                if r["work"] == goal.work and r["variant"] == goal.variant and goal.metric in r}
        against = {goal.against} if goal.against else proxies
        peers = {name: value for name, value in here.items() if name in against}
        if lb4 not in here or not (peers or goal.absolute):
            continue
        best = (max if goal.high else min)(peers, key=peers.get, default=None)
        verdict = {"goal": goal.text, "variant": goal.variant, "metric": goal.metric,
                   "work": goal.work, "lb4": here[lb4], "bound": goal.bound,
                   "best": best, "best_value": peers.get(best)}
        value = here[lb4]
        if not goal.absolute:
            # Where the best costs nothing that can be told from noise, a ratio means nothing.
            value = value / peers[best] if peers[best] > 0 else None
            verdict["ratio"] = value
        verdict["met"] = None if value is None else (
            value >= goal.factor if goal.high else value <= goal.factor)
        verdicts.append(verdict)
    return verdicts
