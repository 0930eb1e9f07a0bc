"""Charts of lines, as SVG: a number's course over steps with its range, and a profile over layers. Pure functions.

Each chart says in words what it shows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adamax_tb import heatmap
from adamax_tb.axis import Axis, short, step_ticks
from adamax_tb.figure import (
    Pin,
    figure,
    key,
    pins_described,
    pins_from,
    step_labels,
    steps_axis,
    text,
)
from adamax_tb.levels import NAN, NEGATIVE_INFINITY, POSITIVE_INFINITY
from adamax_tb.overview import Course

#: What an SVG's sides are divided into.
UNITS = 2000


@dataclass(frozen=True, slots=True)
class Band:
    """A range of values that a chart shows behind its line, and what it is."""

    low: float
    high: float
    label: str


def line_chart(
    title: str,
    course: Course,
    axis: Axis,
    pins: Sequence[Pin] = (),
    band: Band | None = None,
    range_label: str = "",
) -> str:
    """Returns a figure: the mean as a line, the range behind it, and as columns where it was not finite, or 0.

    Args:
        title: what is shown, with its unit.
        course: one row or more.
        axis: of the values.
        pins: marks at steps; those beyond the course are left out.
        band: a range to show.
        range_label: what the area around the line is, if it is to be explained.
    """
    steps = steps_axis(float(course.steps[0]), float(course.steps[-1]))
    x = steps.place(course.steps)
    low, mean, high = (axis.place(values) for values in (course.low, course.mean, course.high))
    shown, legend = [], []
    if band is not None:
        bottom, top = np.clip(axis.place([band.low, band.high]), 0, 1)
        box = f'y="{_unit(1 - top)}" height="{_unit(top - bottom)}" width="{UNITS}"'
        shown.append(f'<rect class="usual" {box}/>')
        legend.append(key("usual", band.label))
    for name, label, at in _special_columns(course, axis.log):
        if at.any():
            columns = "".join(_columns(x, at))
            shown.append(f'<g class="{name}">{columns}</g>')
            legend.append(key(name, label))
    if np.any(high > np.nan_to_num(low)):  # without a place it is at the bottom, 0
        shown.append(f'<path class="range" d="{area_path(x, low, high)}"/>')
        if range_label:
            legend.append(key("range", range_label))
    shown.append(f'<path class="line" d="{line_path(x, mean)}"/>')
    shown.append(f'<path class="dots" d="{lone_points(x, mean)}"/>')
    pinned = [pin for pin in pins if steps.low <= pin.step <= steps.high]
    marks = pins_from(pinned, steps)
    svg = f'<svg aria-hidden="true" viewBox="0 0 {UNITS} {UNITS}" preserveAspectRatio="none">{"".join(shown)}</svg>'
    ticks = [(1 - float(axis.place(tick)), short(tick)) for tick in axis.ticks(5)]
    kind = " (logarithmic)" if axis.log else ""
    words = f"{title}{kind}: {described(course)}{pins_described(pinned)}"
    return figure(
        title + kind,
        words,
        svg + "".join(marks),
        ticks,
        step_labels(steps),
        legend,
        "by-step",
    )


def profile_chart(
    title: str, values: NDArray[np.float64], axis: Axis, marked: int, names: Sequence[str]
) -> str:
    """Returns a figure of one value per layer, from the input to the output, with one of them marked."""
    place = Axis(0.5, len(values) + 0.5)
    x, y = place.place(np.arange(1, len(values) + 1)), axis.place(values)
    dots = "".join(lone_points(x[[i]], y[[i]]) for i in range(len(values)))
    shown = f'<path class="line" d="{line_path(x, y)}"/><path class="dots" d="{dots}"/>'
    if 0 <= marked < len(values):
        shown += f'<path class="marked" d="{lone_points(x[[marked]], y[[marked]])}"/>'
    svg = f'<svg aria-hidden="true" viewBox="0 0 {UNITS} {UNITS}" preserveAspectRatio="none">{shown}</svg>'
    numbers = [tick for tick in step_ticks(1, len(values), 6) if tick >= 1]
    labels = [(float(place.place(n)), short(n)) for n in dict.fromkeys([1, *numbers])]
    legend = [key("marked", f"{marked + 1}: {names[marked]}")] if marked >= 0 else []
    legend += [text(f"1 is {names[0]}, {len(names)} is {names[-1]}")]
    ticks = [(1 - float(axis.place(tick)), short(tick)) for tick in axis.ticks(5)]
    words = f"{title}: " + ", ".join(f"{short(v)} in {n}" for v, n in _ends(values, names))
    return figure(title, words, svg, ticks, labels, legend, "by-kernel")


def line_path(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    """Returns an SVG path through the points, from the bottom left at 0, 0 to the top right at 1, 1.

    Where `y` is NaN it has a gap.
    """
    parts = []
    for at in _stretches(np.isfinite(y)):
        points = [f"{_unit(x[i])} {_unit(1 - y[i])}" for i in at]
        if len(points) > 1:
            parts.append("M" + "L".join(points))
    return "".join(parts)


def lone_points(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    """Returns an SVG path of dots at the points between two gaps, which `line_path` leaves out."""
    alone = [at[0] for at in _stretches(np.isfinite(y)) if len(at) == 1]
    return "".join(f"M{_unit(x[i])} {_unit(1 - y[i])}h0" for i in alone)


def area_path(x: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> str:
    """Returns an SVG path around what lies between `low` and `high`; what has no place in `low` reaches the bottom."""
    low = np.where(np.isnan(low), 0.0, low)
    parts = []
    for at in _stretches(np.isfinite(high)):
        there = [f"{_unit(x[i])} {_unit(1 - high[i])}" for i in at]
        back = [f"{_unit(x[i])} {_unit(1 - low[i])}" for i in at[::-1]]
        parts.append("M" + "L".join([*there, *back]) + "Z")
    return "".join(parts)


def described(course: Course) -> str:
    """Returns a course in words: how it begins and ends, its largest, and how much of it was not finite."""
    (known,) = np.nonzero(np.isfinite(course.mean))
    if not known.size:
        return "no finite number"
    first, last = known[0], known[-1]
    top = known[np.argmax(course.high[known])]
    bad = np.nonzero(course.marks & (NAN | POSITIVE_INFINITY | NEGATIVE_INFINITY))[0]
    lost = f"; NaN or infinite first at step {course.steps[bad[0]]:.0f}" if bad.size else ""
    return (
        f"{short(course.mean[first])} at step {course.steps[first]:.0f}, {short(course.mean[last])} at step "
        f"{course.steps[last]:.0f}, largest {short(course.high[top])} at step {course.steps[top]:.0f}{lost}"
    )


def _special_columns(course: Course, log: bool) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    for name, mark in (("nan", NAN), ("posinf", POSITIVE_INFINITY), ("neginf", NEGATIVE_INFINITY)):
        yield name, heatmap.SPECIALS[name].label, course.marks & mark > 0
    if log:
        yield "zero", "exactly 0, below any logarithm", course.mean == 0


def _columns(x: NDArray[np.float64], at: NDArray[np.bool_]) -> Iterator[str]:
    """Yields a rectangle for each stretch, half-way to the points beside it."""
    half = np.diff(x) / 2
    left, right = x - np.append(0.0, half), x + np.append(half, 0.0)
    for indices in _stretches(at):
        start, end = _unit(left[indices[0]]), _unit(right[indices[-1]])
        yield f'<rect x="{start}" width="{max(1, end - start)}" height="{UNITS}"/>'


def _stretches(at: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
    """Returns the indices of each stretch where `at` holds."""
    edges = np.nonzero(np.diff(at, prepend=False, append=False))[0].reshape(-1, 2)
    return [np.arange(start, stop) for start, stop in edges]


def _unit(place: float) -> int:
    return round(min(max(float(place), -0.5), 1.5) * UNITS)


def _ends(values: NDArray[np.float64], names: Sequence[str]) -> list[tuple[float, str]]:
    """Returns the smallest and the largest number with their names, as far as there are any."""
    (known,) = np.nonzero(~np.isnan(values))
    if not known.size:
        return []
    ends = known[np.argmin(values[known])], known[np.argmax(values[known])]
    return [(float(values[i]), names[i]) for i in ends]
