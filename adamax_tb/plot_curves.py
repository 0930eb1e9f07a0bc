"""Curves over steps in Matplotlib axes, of a number of each step or of some layers, with the findings' first steps."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from adamax_tb import levels
from adamax_tb.axis import Axis, axis_of
from adamax_tb.heatmap import SPECIALS, without_common_group
from adamax_tb.matplot import badge, legend, matplotlib, severity_color
from adamax_tb.names import printable
from adamax_tb.overview import Course, course, reaching
from adamax_tb.pictures import LINE_ROWS
from adamax_tb.rules.story import Numbered
from adamax_tb.schema import STATS, STEP_STATS, Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Lines that a legend names one by one; of more it names so many.
NAMED = 10
#: Where a curve has no place: the mark, and where it stands, from the bottom at 0 to the top at 1.
MARKERS = {"nan": ("x", 1.0), "posinf": ("^", 1.0), "neginf": ("v", 0.0), "zero": ("o", 0.0)}

_STATISTICS = {statistic.name: statistic for statistic in STATS}
_MARKS = {
    "nan": levels.NAN,
    "posinf": levels.POSITIVE_INFINITY,
    "neginf": levels.NEGATIVE_INFINITY,
}


def draw_curves(
    ax: "Axes", run: Run, statistic: str, layers: Sequence[int] | None, numbers: Numbered
) -> None:
    """Draws the mean of the records that a point stands for, and the range of all updates behind it."""
    chosen: Sequence[int | None] = [None] if layers is None else layers
    curves = [_curve(run, statistic, layer) for layer in chosen]
    log = None if layers is None else _STATISTICS[statistic].scale == "log"
    axis = axis_of(np.concatenate([[c.low, c.mean, c.high] for c in curves], axis=None), log)
    if axis.log:
        ax.set_yscale("log")
    ax.set_ylim(axis.low, axis.high)
    first, last = curves[0].steps[0], curves[0].steps[-1]
    ax.set_xlim(*((first, last) if last > first else (first - 0.5, last + 0.5)))
    ax.grid(True, alpha=0.3)
    ax.set_ylabel(_label(statistic), fontsize="small")
    colors = _line_colors(len(curves))
    alpha = 0.25 if len(curves) <= NAMED else 0.08
    for curve, color in zip(curves, colors, strict=True):
        _draw_curve(ax, curve, axis, color, alpha)
    handles = [] if layers is None else _line_keys(run, layers, colors)
    there = {
        name for curve in curves for name, at in _placeless(curve, axis.log).items() if at.any()
    }
    for name in MARKERS:
        if name in there:
            style = {"color": "#888888", "linestyle": "", "marker": MARKERS[name][0]}
            handles.append(matplotlib("lines").Line2D([], [], label=SPECIALS[name].label, **style))
    legend(ax, handles, inside=layers is None)
    _mark_steps(ax, numbers)


def _curve(run: Run, statistic: str, layer: int | None) -> Course:
    """Returns the course of a statistic, reaching as far as the peaks between the records where these are known."""
    curve = course(run, statistic, LINE_ROWS, layer)
    peak = f"{statistic}_peak"
    if peak in (*run.statistics, *STEP_STATS):
        curve = reaching(curve, course(run, peak, LINE_ROWS, layer))
    return curve


def _draw_curve(ax: "Axes", curve: Course, axis: Axis, color: Any, alpha: float) -> None:
    low, mean, high = curve.low, curve.mean, curve.high
    if axis.log:
        low, high = np.fmax(low, axis.low), np.where(high > 0, high, np.nan)
        mean = np.where(mean > 0, mean, np.nan)
    if np.any(high > low):
        # its edge is all there is of a point between two gaps
        ax.fill_between(curve.steps, low, high, color=color, alpha=alpha, linewidth=0.8)
    dot = "o" if len(curve.steps) == 1 else None
    ax.plot(curve.steps, mean, color=color, linewidth=1.4, marker=dot)
    for name, at in _placeless(curve, axis.log).items():
        if at.any():
            marker, y = MARKERS[name]
            ax.plot(
                curve.steps[at],
                np.full(int(at.sum()), y),
                transform=ax.get_xaxis_transform(),
                linestyle="",
                marker=marker,
                markersize=4,
                color=color,
                clip_on=False,
            )


def _placeless(curve: Course, log: bool) -> dict[str, Any]:
    """Returns by `MARKERS` which points of a curve have no place, or not only one, in its chart."""
    at = {name: curve.marks & mark > 0 for name, mark in _MARKS.items()}
    return {**at, "zero": (curve.mean == 0) & log}


def _label(statistic: str) -> str:
    if statistic in STEP_STATS:
        return statistic.replace("_", " ").capitalize()
    return f"{_STATISTICS[statistic].label}\n({_STATISTICS[statistic].unit})"


def _line_colors(count: int) -> list[Any]:
    """Returns the style's own colours for a few lines; of many, in model order, ever lighter ones."""
    cycle = matplotlib().rcParams["axes.prop_cycle"].by_key().get("color", ["C0"])
    if count <= len(cycle):
        return cycle[:count]
    return [*matplotlib().colormaps["viridis"](np.linspace(0, 0.95, count))]


def _line_keys(run: Run, layers: Sequence[int], colors: Sequence[Any]) -> list[Any]:
    """Returns what a legend says of the lines: of many, of some of them at even distances."""
    line, names = matplotlib("lines").Line2D, without_common_group(run.layers)
    count = min(NAMED, len(layers))
    shown = np.linspace(0, len(layers) - 1, count).round().astype(int).tolist()
    return [line([], [], color=colors[i], label=printable(names[layers[i]])) for i in shown]


def _mark_steps(ax: "Axes", numbers: Numbered) -> None:
    """Draws a line where each finding began; those that are close to each other share a label."""
    left, right = ax.get_xlim()
    placed: list[tuple[float, list[str], str]] = []
    for number, finding in sorted(numbers, key=lambda item: item[1].first_step):
        at = min(max(float(finding.first_step), left), right)
        color = severity_color(ax.get_facecolor(), finding.severity)
        ax.axvline(at, color=color, linestyle="--", linewidth=1.2)
        if placed and at - placed[-1][0] < 0.03 * (right - left):
            placed[-1][1].append(number)
        else:
            placed.append((at, [number], finding.severity))
    for at, those, severity in placed:
        words = ", ".join(those[:3] + ["…"] * (len(those) > 3))
        beside = {"xytext": (3, -3), "ha": "left"}
        if at > left + 0.95 * (right - left):
            beside = {"xytext": (-3, -3), "ha": "right"}
        badge(ax, words, severity, (at, 1), xycoords=ax.get_xaxis_transform(), va="top", **beside)
