"""`Run.plot`: a run as a Matplotlib figure, with its loss, its heat map or curves of layers, and the findings on them.

It draws what the report and the panel show, from the same rows; it judges nothing and opens no window. Matplotlib is
imported when it is asked for.
"""

import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from adamax_tb.check import when, where, worst
from adamax_tb.matplot import matplotlib, severity_color
from adamax_tb.names import printable
from adamax_tb.plot_curves import NAMED, draw_curves
from adamax_tb.plot_map import draw_map
from adamax_tb.rules import HISTORY, Finding, diagnose
from adamax_tb.rules.story import Numbered, numbered
from adamax_tb.schema import STEP_STATS, Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

#: Findings that are listed above a figure.
LISTED = 4
#: Inches: of a figure across, of the loss, of a row of the heat map, of the whole map at least and at most.
WIDTH, LOSS, ROW, LEAST, MOST = 10.0, 1.6, 0.19, 1.3, 5.6


def plot(
    run: Run,
    statistic: str = "gradient_norm",
    layers: str | Sequence[str] | None = None,
    ax: "Axes | None" = None,
    figure: "Figure | SubFigure | None" = None,
) -> "Figure":
    """Draws as `Run.plot` says."""
    if ax is not None and figure is not None:
        raise ValueError("Arguments `ax` and `figure`: give one of them, or neither.")
    _check(run, statistic)
    if layers is not None and statistic in STEP_STATS:
        raise ValueError(f"Argument `layers`: {statistic!r} is of each step, not of a layer.")
    chosen = None if layers is None else chosen_layers(run, layers)
    matplotlib()
    found = diagnose(run)
    numbers = [*numbered(found)]
    if ax is not None:
        words, color = _title(run, found, ax.get_facecolor())
        ax.set_title(words, loc="left", color=color, parse_math=False)
        _draw(ax, run, statistic, chosen, numbers)
        return ax.figure.figure
    both = statistic != "loss" and not np.isnan(run.loss).all()
    height = _height(run, statistic, chosen)
    if figure is None:
        inches = height + LOSS * both + 0.19 * min(len(numbers), LISTED) + 1.1
        from adamax_tb.plot_figure import RunFigure  # needs Matplotlib at once

        figure = RunFigure(figsize=(WIDTH, inches), layout="constrained")
    elif figure.figure.get_layout_engine() is None:
        figure.figure.set_layout_engine("constrained")
    ratios = [LOSS, height] if both else [height]
    axes = figure.subplots(len(ratios), 1, sharex=True, height_ratios=ratios, squeeze=False)[:, 0]
    words, color = _title(run, found, figure.get_facecolor())
    wrapped = textwrap.fill(words, max(20, int(9 * figure.bbox.width / figure.figure.dpi)))
    figure.suptitle(wrapped, x=0.01, ha="left", fontweight="bold", color=color, parse_math=False)
    listed = "\n".join(_listed(run, numbers))
    axes[0].set_title(listed, loc="left", fontsize="small", parse_math=False)
    if both:
        _draw(axes[0], run, "loss", None, numbers)
        axes[0].set_xlabel("")
        axes[0].tick_params(labelbottom=False)
    _draw(axes[-1], run, statistic, chosen, numbers)
    return figure.figure


def chosen_layers(run: Run, layers: str | Sequence[str]) -> list[int]:
    """Returns the rows of the layers that `Run.plot` is asked for.

    Raises:
        ValueError: there is none, or the expression is none.
    """
    there = f"It has: {', '.join(run.layers)}."
    if not isinstance(layers, str):
        unknown = [name for name in layers if name not in run.layers]
        if unknown or not layers:
            what = f"has no {unknown[0]!r}" if unknown else "is to be asked for one or more"
            raise ValueError(f"Argument `layers`: run {run.name!r} {what}. {there}")
        return [run.layers.index(name) for name in layers]
    if layers in run.layers:
        return [run.layers.index(layers)]
    try:
        chosen = [i for i, name in enumerate(run.layers) if re.search(layers, name)]
    except re.error as error:
        raise ValueError(
            f"Argument `layers`: {layers!r} is no regular expression: {error}."
        ) from error
    if not chosen:
        raise ValueError(
            f"Argument `layers`: no layer of run {run.name!r} has {layers!r} in it. {there}"
        )
    return chosen


def headline(run: Run, found: Sequence[Finding]) -> str:
    """Returns the verdict as the panel has it: "critical since step 240: exploding-gradient"."""
    if not found:
        return "too early to judge" if run.record_count < HISTORY else "healthy, no finding"
    what = found[0].rule if len(found) == 1 else f"{len(found)} findings"
    return f"{worst(found)} since step {min(f.first_step for f in found)}: {what}"


def _check(run: Run, statistic: str) -> None:
    if not len(run.steps) or not run.layers:
        raise ValueError(f"Run {run.name!r} has no record of a layer to draw.")
    if statistic not in (*run.statistics, *STEP_STATS):
        raise ValueError(
            f"Argument `statistic`: run {run.name!r} has no {statistic!r}. It has: {', '.join(run.statistics)}; and of "
            f"each step: {', '.join(STEP_STATS)}."
        )


def _height(run: Run, statistic: str, layers: Sequence[int] | None) -> float:
    """Returns the inches that the map or the curves are to have."""
    if statistic in STEP_STATS or layers is not None:
        return 2.4 + 0.07 * min(NAMED, len(layers or ()))
    return float(np.clip(ROW * len(run.layers), LEAST, MOST))


def _title(run: Run, found: Sequence[Finding], paper: Any) -> tuple[str, Any]:
    """Returns the verdict in words, and the colour that it has on `paper`."""
    judged = found or run.record_count >= HISTORY
    plain = matplotlib().rcParams["text.color"]
    color = severity_color(paper, worst(found)) if judged else plain
    return printable(f"{run.name}: {headline(run, found)}"), color


def _listed(run: Run, numbers: Numbered) -> Iterator[str]:
    for number, finding in numbers[:LISTED]:
        place = f"in {where(finding)}, {when(run, finding)}"
        yield f"{number}  {finding.severity}: {finding.rule} {place}"
    if len(numbers) > LISTED:
        yield f"… and {len(numbers) - LISTED} more: adamax_tb.diagnose(run)"


def _draw(
    ax: "Axes", run: Run, statistic: str, layers: Sequence[int] | None, numbers: Numbered
) -> None:
    if statistic not in STEP_STATS and layers is None:
        draw_map(ax, run, statistic, numbers)
    else:
        draw_curves(ax, run, statistic, layers, numbers)
    ticker = matplotlib("ticker")
    ax.set_xlabel("step", loc="right")
    ax.xaxis.set_major_locator(
        ticker.MaxNLocator(8, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)
    )
    ax.xaxis.set_major_formatter(_spelled)


def _spelled(step: float, _: float) -> str:
    return f"{step:,.0f}"
