"""Draw line charts as SVG, for light and dark backgrounds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree as ET

WIDTH, HEIGHT = 760, 360
LEFT, RIGHT, TOP, BOTTOM = 72, 24, 48, 56
FEW_TICKS = 6
COLOURS = ("a", "b", "c", "d")
STYLE = """
text { font: 14px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; \
fill: #1f2328; }
.title { font-size: 16px; font-weight: 600; }
.small { font-size: 13px; fill: #57606a; }
.grid { stroke: #d0d7de; stroke-width: 1; }
.axis { stroke: #57606a; stroke-width: 1.5; }
.line { fill: none; stroke-width: 2.5; stroke-linejoin: round; }
.level { fill: none; stroke-width: 1.5; stroke-dasharray: 6 4; stroke: #57606a; }
.a { stroke: #0969da; } .b { stroke: #bc4c00; } .c { stroke: #1a7f37; } .d { stroke: #8250df; }
circle.a, text.a { fill: #0969da; } circle.b, text.b { fill: #bc4c00; }
circle.c, text.c { fill: #1a7f37; } circle.d, text.d { fill: #8250df; }
text.a, text.b, text.c, text.d { stroke: none; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; } .small { fill: #9198a1; }
  .grid { stroke: #30363d; } .axis, .level { stroke: #9198a1; }
  .a { stroke: #58a6ff; } .b { stroke: #f0883e; } .c { stroke: #3fb950; } .d { stroke: #bc8cff; }
  circle.a, text.a { fill: #58a6ff; } circle.b, text.b { fill: #f0883e; }
  circle.c, text.c { fill: #3fb950; } circle.d, text.d { fill: #bc8cff; }
}
"""
Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True)
class Series:
    """A line through points (x, y)."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Level:
    """A dashed horizontal line with a label."""

    name: str
    y: float


@dataclass(frozen=True)
class Panel:
    """One chart. `x_ticks` are values of x with labels. `is_log` makes the x axis logarithmic."""

    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    levels: Sequence[Level]
    x_ticks: Sequence[tuple[float, str]]
    is_log: bool = False


def draw(title: str, panels: Sequence[Panel]) -> str:
    """Return an SVG document with the panels one below the other."""
    height = HEIGHT * len(panels)
    root = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {WIDTH} {height}",
            "role": "img",
            "aria-label": title,
        },
    )
    ET.SubElement(root, "title").text = title
    ET.SubElement(root, "style").text = STYLE
    for number, panel in enumerate(panels):
        group = ET.SubElement(root, "g", {"transform": f"translate(0 {number * HEIGHT})"})
        _Drawing(group, panel).draw()
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


class _Drawing:
    """A panel, and the SVG group into which the panel is drawn."""

    def __init__(self, group: ET.Element, panel: Panel) -> None:
        self._group = group
        self._panel = panel
        places = [x for x, _ in panel.x_ticks]
        self._x_range = (self._x_of(places[0]), self._x_of(places[-1]))
        heights = [y for series in panel.series for _, y in series.points]
        heights += [level.y for level in panel.levels]
        self._y_ticks = ticks(max(heights, default=1.0))

    def draw(self) -> None:
        """Draw the panel's title, axes, levels and series, from back to front."""
        panel = self._panel
        self._text(panel.title, (LEFT, 24), "start", "title")
        self._axes()
        for level in panel.levels:
            y = self._y(level.y)
            self._line((LEFT, y), (WIDTH - RIGHT, y), "level")
            self._text(level.name, (WIDTH - RIGHT, y - 6), "end", "small")
        for number, series in enumerate(panel.series):
            self._series(series, COLOURS[number % len(COLOURS)], number)

    def _axes(self) -> None:
        bottom = HEIGHT - BOTTOM
        for tick in self._y_ticks:
            y = self._y(tick)
            self._line((LEFT, y), (WIDTH - RIGHT, y), "grid")
            self._text(f"{tick:g}", (LEFT - 8, y + 5), "end", "small")
        for x, name in self._panel.x_ticks:
            self._text(name, (self._x(x), bottom + 20), "middle", "small")
        self._line((LEFT, bottom), (WIDTH - RIGHT, bottom), "axis")
        middle = (LEFT + WIDTH - RIGHT) / 2
        self._text(self._panel.x_label, (middle, HEIGHT - 12), "middle", "")
        side = self._text(self._panel.y_label, (0, 0), "middle", "")
        side.set("transform", f"translate(18 {(TOP + bottom) / 2:.1f}) rotate(-90)")

    def _series(self, series: Series, colour: str, number: int) -> None:
        points = [(self._x(x), self._y(y)) for x, y in series.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        ET.SubElement(self._group, "polyline", {"class": f"line {colour}", "points": path})
        for x, y in points:
            place = {"class": colour, "cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": "4"}
            ET.SubElement(self._group, "circle", place)
        self._text(series.name, (WIDTH - RIGHT - 140 * number, 24), "end", colour)

    def _x_of(self, value: float) -> float:
        return math.log10(value) if self._panel.is_log else value

    def _x(self, value: float) -> float:
        low, high = self._x_range
        share = (self._x_of(value) - low) / ((high - low) or 1.0)
        inner = WIDTH - LEFT - RIGHT - 48
        return LEFT + 24 + share * inner

    def _y(self, value: float) -> float:
        inner = HEIGHT - TOP - BOTTOM
        return HEIGHT - BOTTOM - value / self._y_ticks[-1] * inner

    def _line(self, start: tuple[float, float], end: tuple[float, float], kind: str) -> None:
        place = {"x1": start[0], "y1": start[1], "x2": end[0], "y2": end[1]}
        rounded = {name: f"{value:.1f}" for name, value in place.items()}
        ET.SubElement(self._group, "line", {"class": kind, **rounded})

    def _text(self, text: str, at: tuple[float, float], anchor: Anchor, kind: str) -> ET.Element:
        place = {"x": f"{at[0]:.1f}", "y": f"{at[1]:.1f}", "text-anchor": anchor}
        element = ET.SubElement(self._group, "text", place | ({"class": kind} if kind else {}))
        element.text = text
        return element


def ticks(highest: float) -> list[float]:
    """Return a few round numbers for an axis, from 0 to at least `highest`.

    The last number is above 0 even if `highest` is 0.
    """
    step = 10 ** math.floor(math.log10(highest / FEW_TICKS or 1.0))
    step = next(step * factor for factor in (1, 2, 5, 10) if highest / (step * factor) <= FEW_TICKS)
    return [step * number for number in range(max(1, math.ceil(highest / step)) + 1)]
