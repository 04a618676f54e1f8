# SPDX-License-Identifier: BSD-2-Clause
"""What a reader gets of a run: tables in Markdown and a plot."""

from plot import figure
from results import METRICS

# Where a run's results go in the page: those of the fast path alone have a place of their own.
MARKERS = {
    False: ("<!-- results: generated -->", "<!-- end of results -->"),
    True: ("<!-- fast path: generated -->", "<!-- end of the fast path -->"),
}

HEADINGS = {"bulk": "Bulk", "short": "Short connections", "pingpong": "Ping-pong",
            "idle": "Idle connections"}

# Title, metric, (label, work, variant)…
PANELS = [
    ("Ping-pong, one CPU", "CPU µs a request over direct", "over_direct_us",
     [("1 connection", "pingpong-1", "pinned"), ("64", "pingpong-64", "pinned")]),
    ("Short connections, one CPU", "CPU µs a connection over direct", "over_direct_us",
     [("64 in flight", "short-64", "pinned")]),
    ("Bulk, one CPU", "CPU s/GB over direct", "over_direct_s_per_gb",
     [("8 streams", "bulk-8", "pinned")]),
    ("Idle connections", "user-space bytes each", "user_bytes",
     [("1 worker", "idle", "1 worker"), ("2 workers", "idle", "2 workers")]),
    ("Ping-pong, two workers", "requests/s by connections", "rate",
     [(f"{n:,}", f"pingpong-{n}", "2 workers") for n in (1, 64, 1000, 5000)]),
    ("Short connections, two workers", "connections/s by how many are in flight", "rate",
     [(f"{n}", f"short-{n}", "2 workers") for n in (1, 64, 512)]),
    ("Bulk, client to server, two workers", "machine CPU s/GB by streams", "cpu_s_per_gb",
     [(f"{n}", f"bulk-{n}", "2 workers") for n in (1, 8, 64)]),
    ("Bulk, server to client, two workers", "machine CPU s/GB by streams", "cpu_s_per_gb",
     [(f"{n}", f"bulk-{n}-reverse", "2 workers") for n in (1, 8, 64)]),
]


def _format(row, key, form):
    if key not in row:
        return ""
    value = row[key]
    text = form.format(value["median"])
    if row["trials"] > 1:
        text += f" ({form.format(value['min'])} – {form.format(value['max'])})"
    return text


def _table(heading, align, lines):
    yield "| " + " | ".join(heading) + " |"
    yield "|" + "|".join("---:" if a == "r" else "---" for a in align) + "|"
    for line in lines:
        yield "| " + " | ".join(line) + " |"
    yield ""


def _work_tables(run):
    works = {w["name"]: w for w in run["works"]}
    shown = None
    for work in run["works"]:
        rows = [r for r in run["medians"] if r["work"] == work["name"]]
        if not rows:
            continue
        kind = works[work["name"]]["kind"]
        if kind != shown:
            yield f"### {HEADINGS[kind]}"
            yield ""
            shown = kind
        yield f"**{work['name']}**: {work['about']}."
        yield ""
        metrics = [m for m in METRICS[kind] if any(m[0] in r for r in rows)]
        names = [s["name"] for s in run["systems"]]
        order = ["–", "1 worker", "2 workers"]
        rows.sort(key=lambda r: (r["variant"] == "pinned",
                                 order.index(r["variant"]) if r["variant"] in order else 9,
                                 names.index(r["system"])))
        yield from _table(["", "system", *(heading for _, heading, _ in metrics)],
                          "ll" + "r" * len(metrics),
                          [[r["variant"], r["system"] + _remark(r),
                            *(_format(r, key, form) for key, _, form in metrics)]
                           for r in rows])


def _remark(row):
    failed = f" ({row['failed']} failed)" if row["failed"] else ""
    starved = f" ({row['starved']} starved)" if row["starved"] else ""
    return failed + starved


def _goal_tables(run):
    for lb4, verdicts in run["goals"].items():
        if not verdicts:
            continue
        several = len(run["goals"]) > 1
        met = sum(v["met"] is True for v in verdicts)
        yield f"### Goals{f': {lb4}' if several else ''}"
        yield ""
        yield (f"{met} of {len(verdicts)} met."
               + ("" if run.get("fastpath") else
                  " “Best” is the best proxy at that work in this run."))
        yield ""
        lines = []
        for v in verdicts:
            form = _form(v["metric"])
            best = f"{v['best']} {form.format(v['best_value'])}" if v["best"] else ""
            ratio = v.get("ratio")
            lines.append([v["goal"], v["variant"], best, form.format(v["lb4"]),
                          "" if ratio is None else f"{ratio:.2f}", v["bound"],
                          {True: "met", False: "**missed**", None: "too noisy"}[v["met"]]])
        other = "against" if run.get("fastpath") else "best"
        yield from _table(["work", "", other, lb4, "ratio", "goal", ""], "lllrrrl", lines)


def _packet_tables(packets):
    if not packets or "failed" in packets:
        return
    yield "### A packet in the program"
    yield ""
    yield (f"Nanoseconds over a program that drops it at once, {packets['rounds']} rounds. “Swaps”: "
           "times an exchange of MAC addresses at the same hook, with the writing of the packet.")
    yield ""
    lines = []
    for case in packets["cases"]:
        ns, goal = case["ns"], ""
        if case["goal_ns"]:
            verdict = "met" if case["verdict"] == "met" else "**missed**"
            goal = f"≤ {case['goal_ns']:.0f}: {verdict}"
        lines.append([case["name"], f"{ns['median']:.1f} ({ns['min']:.1f} – {ns['max']:.1f})",
                      f"{case['swaps']:.1f}", goal])
    yield from _table(["", "ns", "swaps", "goal"], "lrrl", lines)
    if packets["begun"]:
        begun, memory = packets["begun"], packets["memory_bytes"]
        yield (f"Of {begun + packets['homeless']:,} connections {begun:,} became flows and "
               f"{packets['homeless']:,} found no room, in tables of {memory / 2**20:.0f} MiB: "
               f"{memory / begun:.0f} bytes a flow. All were closed; to look at them and end them "
               f"took {packets['walk_ms']:.0f} ms, and {packets['left']} places were left taken.")
        yield ""


def _form(metric):
    return next(form for metrics in METRICS.values() for key, _, form in metrics if key == metric)


def _environment(run):
    e = run["environment"]
    yield f"Measured on {e['date']} with:"
    yield ""
    yield "```sh"
    yield run["command"]
    yield "```"
    yield ""
    median, worst = e["steal_percent"]
    yield from _table(["", ""], "ll", [
        ["machine", f"{e['cpu']}, {e['cpus']} CPUs, {e['memory_gb']:.0f} GB"],
        ["kernel", e["kernel"]],
        ["taken by the hypervisor", f"{median:.1f} % of the time (median of the trials), "
                                    f"{worst:.1f} % (worst)"],
        *([name, about] for name, about in e["versions"].items()),
        ["trials", f"{len(run['trials'])}, of which "
                   f"{sum('failed' in t for t in run['trials'])} failed; "
                   f"{e['rounds']} rounds, {e['seconds']:g} s each"],
        ["noise", f"{e['repeated']} trials were repeated because the machine was slow meanwhile; "
                  f"{e['kept_noisy']} were kept all the same"],
    ])
    yield from _table(["system", ""], "ll",
                      [[s["name"], s["about"]] for s in run["systems"]])


def markdown(run, plot=None):
    lines = [*_environment(run)]
    if plot:
        lines += [f"![{len(run['systems'])} systems compared]({plot})", ""]
    lines += [*_goal_tables(run), *_packet_tables(run.get("packets")), *_work_tables(run)]
    return "\n".join(lines).rstrip() + "\n"


def svg(run):
    rows = {(r["work"], r["variant"], r["system"]): r for r in run["medians"]}
    systems = sorted(run["systems"], key=lambda s: not s["lb4"])
    panels = []
    for title, subtitle, metric, groups in PANELS:
        panels.append((title, subtitle, [
            (label, {s["name"]: tuple(row[metric][k] for k in ("median", "min", "max"))
                     for s in systems
                     for row in [rows.get((work, variant, s["name"]))
                                 or rows.get((work, "–", s["name"]), {})]
                     if metric in row})
            for label, work, variant in groups]))
    return figure(panels, [s["name"] for s in systems])


def write_docs(run, page, plot):
    """Puts the results between the page's markers, and the plot beside the page."""
    text = page.read_text(encoding="utf-8")
    fastpath = bool(run.get("fastpath"))
    begin, end = MARKERS[fastpath]
    if text.count(begin) != 1 or text.count(end) != 1:
        raise SystemExit(f"{page.name} has not the markers {begin} and {end}")
    before, _, rest = text.partition(begin)
    after = rest.partition(end)[2]
    if not fastpath:
        plot.write_text(svg(run), encoding="utf-8")
    text = markdown(run, None if fastpath else plot.name)
    page.write_text(f"{before}{begin}\n\n{text}\n{end}{after}", encoding="utf-8")
