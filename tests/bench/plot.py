# SPDX-License-Identifier: BSD-2-Clause
"""Grouped bars with their ranges, as SVG that can be read on a light page and on a dark one."""

import html
import math

PANEL_WIDTH, PANEL_HEIGHT, COLUMNS = 440, 250, 2
LEFT, RIGHT, TOP, BOTTOM = 54, 10, 46, 30
LEGEND = 40

# Blue is lb4's; each hue is far from the others in brightness, too.
LIGHT = ["#0b62c4", "#c2410c", "#e8a13a", "#3f7d20", "#93b858", "#7c3aed", "#9aa0a6", "#4b5563"]
DARK = ["#5aa9ff", "#f08a5d", "#ffd166", "#6fbf4b", "#c5e384", "#b794f6", "#c0c4c9", "#8b95a3"]


def _style():
    def colours(list_):
        return "".join(f".c{i}{{fill:{c}}}" for i, c in enumerate(list_))

    return ("<style>text{font:12px system-ui,sans-serif;fill:#24292f}.title{font-weight:600}"
            ".small{font-size:11px;fill:#57606a}.grid{stroke:#d0d7de}.range{stroke:#24292f}"
            f"{colours(LIGHT)}"
            "@media (prefers-color-scheme:dark){text{fill:#e6edf3}.small{fill:#9ea7b3}"
            f".grid{{stroke:#3d444d}}.range{{stroke:#e6edf3}}{colours(DARK)}}}</style>")


def _text(x, y, what, anchor="start", css=""):
    css = f' class="{css}"' if css else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{css}>{html.escape(what)}</text>'


def _step(top):
    """Of the grid: 1, 2 or 5 times a power of ten, for four lines or a few more."""
    rough = top / 4
    power = 10 ** math.floor(math.log10(rough))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= rough)


def _number(value):
    if value >= 1000:
        return f"{value / 1000:g} k"
    return f"{value:g}"


def _panel(x0, y0, title, subtitle, groups, order):
    """groups: (label, {system: (median, min, max)})"""
    parts = [_text(x0 + 8, y0 + 16, title, css="title"), _text(x0 + 8, y0 + 32, subtitle,
                                                               css="small")]
    top = max((r[2] for _, bars in groups for r in bars.values()), default=0)
    if top <= 0:
        return parts
    step = _step(top)
    top = math.ceil(top / step) * step
    left, bottom = x0 + LEFT, y0 + PANEL_HEIGHT - BOTTOM
    width, height = PANEL_WIDTH - LEFT - RIGHT, PANEL_HEIGHT - BOTTOM - TOP

    def y_of(value):
        return bottom - height * min(max(value, 0), top) / top

    for i in range(round(top / step) + 1):
        y = y_of(i * step)
        parts.append(f'<line class="grid" x1="{left}" x2="{left + width}" '
                     f'y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_text(left - 6, y + 4, _number(round(i * step, 6)), "end", "small"))
    slot = width / len(groups)
    for g, (label, bars) in enumerate(groups):
        here = [name for name in order if name in bars]
        bar = min(slot * 0.84 / max(len(here), 1), 34)
        begin = left + slot * (g + 0.5) - bar * len(here) / 2
        for i, name in enumerate(here):
            median, low, high = bars[name]
            x, middle = begin + bar * i, begin + bar * (i + 0.5)
            parts.append(
                f'<rect class="c{order.index(name) % len(LIGHT)}" x="{x + 0.5:.1f}" '
                f'y="{y_of(median):.1f}" width="{bar - 1:.1f}" '
                f'height="{bottom - y_of(median):.1f}">'
                f"<title>{html.escape(f'{name}: {median:,.4g} ({low:,.4g} – {high:,.4g})')}"
                "</title></rect>")
            parts.append(f'<line class="range" x1="{middle:.1f}" x2="{middle:.1f}" '
                         f'y1="{y_of(low):.1f}" y2="{y_of(high):.1f}"/>')
        parts.append(_text(left + slot * (g + 0.5), bottom + 17, label, "middle", "small"))
    return parts


def figure(panels, order):
    """panels: (title, subtitle, groups) as _panel() has them; order: the systems, lb4 first."""
    panels = [p for p in panels if any(bars for _, bars in p[2])]
    used = [name for name in order if any(name in bars for p in panels for _, bars in p[2])]
    width = PANEL_WIDTH * COLUMNS
    height = LEGEND + PANEL_HEIGHT * math.ceil(len(panels) / COLUMNS)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
             f'width="{width}" height="{height}">', _style()]
    x = 8
    for name in used:
        parts.append(f'<rect class="c{order.index(name) % len(LIGHT)}" x="{x}" y="10" '
                     'width="12" height="12"/>')
        parts.append(_text(x + 17, 20, name))
        x += 34 + 7 * len(name)
    for i, panel in enumerate(panels):
        parts += _panel(i % COLUMNS * PANEL_WIDTH, LEGEND + i // COLUMNS * PANEL_HEIGHT,
                        *panel, order)
    return "\n".join([*parts, "</svg>", ""])
