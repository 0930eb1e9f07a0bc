"""The heat map of layers and steps in Matplotlib axes: what the report's has, on its scale of colours."""

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from adamax_tb.axis import Axis, short
from adamax_tb.heatmap import (
    ACROSS,
    COLORS,
    MOST_ROWS,
    SPECIALS,
    Scale,
    colored,
    enlarged,
    scale_of,
    without_common_group,
)
from adamax_tb.matplot import badge, legend, matplotlib, severity_color
from adamax_tb.names import printable
from adamax_tb.overview import cells, overview
from adamax_tb.pictures import MAP_ROWS
from adamax_tb.rules.story import Numbered
from adamax_tb.schema import STATS, Run, layer_group

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: How lines in cells that are no number run, so that they are told apart without hue, too.
HATCHES = {"nan": "////", "posinf": "\\\\\\\\", "neginf": "----", "zero": "..."}
#: Points from one label of a row to the next, and the characters of one; of longer ones it is the last.
LABEL, LONGEST = 9.5, 36

_STATISTICS = {statistic.name: statistic for statistic in STATS}


def draw_map(ax: "Axes", run: Run, statistic: str, numbers: Numbered) -> None:
    """Draws the largest number of each cell, in rows of layers; findings where they began.

    Of gradient norms it is that of every update, where their peaks were recorded.
    """
    peaks = statistic == "gradient_norm" and "gradient_norm_peak" in run.statistics
    seen = overview(run, "gradient_norm_peak" if peaks else statistic, MAP_ROWS)
    box, count = ax.get_window_extent(), len(run.layers)
    across = max(ACROSS // 4, min(round(box.width / 2), 4 * ACROSS))
    values, marks = cells(seen, across, min(MOST_ROWS, count))
    log = _STATISTICS[statistic].scale == "log"
    first, last = float(seen.middle[0]), float(seen.middle[-1])
    left, right = (first, last) if last > first else (first - 0.5, last + 0.5)
    norm, extend = _norm(values, log)
    place = ~np.isnan(values) & ((values > 0) | (not log))
    image = ax.imshow(
        np.ma.masked_where(~place, values.astype(np.float64)),
        cmap="viridis",
        norm=norm,
        extent=(left, right, count - 0.5, -0.5),
        aspect="auto",
        interpolation="nearest",
    )
    row_px = box.height / len(values)
    _draw_specials(ax, np.where(place, 1, values), marks, row_px)
    if place.any():
        bar = ax.figure.colorbar(
            image,
            ax=ax,
            label=f"{_STATISTICS[statistic].label}\n({_STATISTICS[statistic].unit})",
            extend=extend,
            ticks=Axis(float(norm.vmin), float(norm.vmax), log).ticks(6),
            format=_spelled,
            pad=0.015,
            aspect=30,
        )
        bar.minorticks_off()
    _label_rows(ax, run, box.height / ax.figure.figure.dpi)
    _mark_cells(ax, run, numbers, (left, right))


def row_labels(names: Sequence[str], most: int) -> tuple[list[tuple[float, str]], list[int]]:
    """Returns labels of rows in model order, `most` at most, and the rows that a line is to be drawn above.

    Where there is no room for every path, its first parts that fit name the rows of a block together.

    Args:
        names: paths.
        most: 1 or more.

    Returns:
        The middle of a label's rows, row 0 at 0.0, with the label; rows at which another layer or block begins.
    """
    paths = [name.split("/") for name in without_common_group(names)]
    deepest = max(map(len, paths))
    for depth in range(deepest, 0, -1):
        blocks = _blocks(["/".join(path[:depth]) for path in paths])
        if len(blocks) <= most:
            break
    begun = _blocks([layer_group(name) for name in names]) if depth == deepest else blocks
    each = -(-len(blocks) // most)
    labels = [(begin + (count - 1) / 2, name) for begin, count, name in blocks[::each]]
    return labels, [begin for begin, _, _ in begun[1:]] if each == 1 else []


def _blocks(names: Sequence[str]) -> list[tuple[int, int, str]]:
    """Returns where each stretch of the same name begins, its length and the name."""
    found, begin = [], 0
    for name, those in itertools.groupby(names):
        count = len([*those])
        found.append((begin, count, name))
        begin += count
    return found


def _spelled(value: float, _: int | None = None) -> str:
    return short(value)


def _norm(values: NDArray[np.float32], log: bool) -> tuple[Any, str]:
    """Returns how numbers become colours, and at which end of them others have the same."""
    colors = matplotlib("colors")
    if log:
        scale = scale_of(values)
        apart = 1.0 if scale.high > scale.low else 1.3
        extend = "min" if scale.clipped else "neither"
        return colors.LogNorm(scale.low / apart, scale.high * apart), extend
    finite = values[np.isfinite(values)].astype(np.float64)
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    return colors.Normalize(low, high if high > low else low + 1.0), "neither"


def _draw_specials(
    ax: "Axes", values: NDArray[np.float32], marks: NDArray[np.uint8], row_px: float
) -> None:
    """Covers what is no number on the scale by its colour and pattern, and explains those that occur."""
    numbers = colored(values, marks, Scale(1.0, 10.0, clipped=False))
    if row_px < 4:
        numbers = enlarged(numbers)
    x = np.linspace(*ax.get_xlim(), numbers.shape[1] + 1)
    y = np.linspace(*ax.get_ylim()[::-1], numbers.shape[0] + 1)
    kinds: list[tuple[str, Any, str, str]] = [
        (special.label, special.color, special.ink, HATCHES[name])
        for name, special in SPECIALS.items()
    ]
    kinds.append(("not recorded", ax.get_facecolor(), "#888888", "///"))
    handles = []
    for i, (label, color, ink, hatch) in enumerate(kinds):
        boxes = [
            [(x[start], y[row]), (x[stop], y[row]), (x[stop], y[row + 1]), (x[start], y[row + 1])]
            for row, start, stop in _stretches(numbers == COLORS + 2 * i)
        ]
        if boxes:
            style = {"facecolor": color, "edgecolor": ink, "hatch": hatch, "linewidth": 0.0}
            polygons = matplotlib("collections").PolyCollection(boxes, **style)
            ax.add_collection(polygons, autolim=False)
            handles.append(matplotlib("patches").Patch(label=label, **style))
    legend(ax, handles)


def _stretches(at: NDArray[np.bool_]) -> Iterator[tuple[int, int, int]]:
    """Yields each stretch of cells in a row that holds: the row, the first column and the one after the last."""
    edges = np.diff(np.pad(at, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    _, stops = np.nonzero(edges == -1)
    yield from zip(rows.tolist(), starts.tolist(), stops.tolist(), strict=True)


def _label_rows(ax: "Axes", run: Run, inches: float) -> None:
    labels, begun = row_labels(run.layers, max(1, int(72 * inches / LABEL)))
    ax.set_yticks(
        [at for at, _ in labels],
        [_ended(printable(label)) for _, label in labels],
        fontsize=0.8 * LABEL,
        parse_math=False,
    )
    if 72 * inches / (len(begun) + 1) >= LABEL / 2:
        ax.hlines(np.array(begun) - 0.5, *ax.get_xlim(), color=ax.get_facecolor(), linewidth=0.8)


def _ended(label: str) -> str:
    return label if len(label) <= LONGEST else f"…{label[1 - LONGEST :]}"


def _mark_cells(ax: "Axes", run: Run, numbers: Numbered, steps: tuple[float, float]) -> None:
    """Puts each finding's number at the step and the layer where it began; of those at one place the first."""
    paper, places = ax.get_facecolor(), set()
    for number, finding in numbers:
        at = float(np.clip(finding.first_step, *steps))
        row = run.layers.index(finding.layer) if finding.layer in run.layers else None
        if row is None or (at, row) in places:
            continue
        places.add((at, row))
        halo = matplotlib("patheffects").withStroke(linewidth=4, foreground=paper)
        arrow = {"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0, "path_effects": [halo]}
        arrow["color"] = severity_color(paper, finding.severity)
        beside = (14 if at < sum(steps) / 2 else -24, 11)
        badge(ax, number, finding.severity, (at, row), xytext=beside, arrowprops=arrow)
