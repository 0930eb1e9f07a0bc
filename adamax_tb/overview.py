"""A run's statistics as rows that a picture has pixels for: each keeps its records' range and what was not finite.

Nothing is sampled, and of a statistic only some records are in memory at a time. It draws nothing.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from adamax_tb import levels
from adamax_tb.levels import Rows
from adamax_tb.schema import STEP_STATS, Flight, Run

RECORDS_AT_ONCE = 2048

_Array = TypeVar("_Array", NDArray[np.float32], NDArray[np.uint8])


@dataclass(frozen=True, slots=True)
class Overview:
    """Rows, with means, and the steps of their records.

    Attributes:
        first: (R,) int64, the step of a row's first record.
        last: (R,) int64, of its last one.
        rows: R rows.
    """

    first: NDArray[np.int64]
    last: NDArray[np.int64]
    rows: Rows

    @property
    def middle(self) -> NDArray[np.float64]:
        """(R,) float64, where a row stands."""
        return (self.first + self.last) / 2


@dataclass(frozen=True, slots=True)
class Course:
    """One number's course: a row of an `Overview` that has a single column, the range that it covers and its mean.

    Attributes:
        steps: (R,) float64.
        low: (R,) float64; NaN without a finite number, as in `mean` and `high`.
        mean: (R,) float64.
        high: (R,) float64.
        marks: (R,) uint8, as in `levels.Rows`.
        per: how many records a row stands for.
    """

    steps: NDArray[np.float64]
    low: NDArray[np.float64]
    mean: NDArray[np.float64]
    high: NDArray[np.float64]
    marks: NDArray[np.uint8]
    per: int = 1


def overview(run: Run, name: str, most: int, layers: Sequence[int] | None = None) -> Overview:
    """Returns a statistic of `layers` (all by default), or a step statistic, in at most `most` rows."""
    per = max(1, -(-len(run.steps) // most))
    at_once = per * max(1, RECORDS_AT_ONCE // per)
    parts = []
    for part in run.parts(at_once):
        values = part.step_stat(name)[:, np.newaxis] if name in STEP_STATS else part.stat(name)
        parts.append(
            levels.reduced(values if layers is None else values[:, layers], per, mean=True)
        )
    starts = np.arange(0, len(run.steps), per)
    ends = np.minimum(starts + per, len(run.steps)) - 1
    return Overview(run.steps[starts], run.steps[ends], levels.joined(parts))


def course(run: Run, name: str, most: int, layer: int | None = None) -> Course:
    """Returns the course of a statistic of one layer, of a step statistic, or (None) of a statistic in all layers.

    The last has the range of all layers and, as its mean, their median.
    """
    single = name in STEP_STATS or layer is not None
    seen = overview(run, name, most, [layer] if layer is not None else None)
    low, high, mean = seen.rows.low, seen.rows.high, seen.rows.mean
    assert mean is not None
    marks = np.bitwise_or.reduce(seen.rows.marks, axis=1)
    middle = mean[:, 0].astype(np.float64) if single else _by_row(np.nanmedian, mean)
    lowest, highest = _by_row(np.nanmin, low), _by_row(np.nanmax, high)
    return Course(seen.middle, lowest, middle, highest, marks, int(seen.rows.records[0]))


def reaching(course: Course, peaks: Course) -> Course:
    """Returns `course` with a range and marks that reach as far as those of `peaks`, of the same rows, do."""
    marks = course.marks | (peaks.marks & ~np.uint8(levels.MISSING))
    high = np.fmax(course.high, peaks.high)
    return dataclasses.replace(course, high=high, marks=marks)


def flown(flight: Flight, layer: int, step: int) -> Course | None:
    """Returns the gradient norm of a layer in the stretch of updates around `step`, None if there is none."""
    breaks = np.nonzero(np.diff(flight.steps) > 1)[0] + 1
    for at in np.split(np.arange(len(flight.steps)), breaks):
        if flight.steps[at[0]] <= step <= flight.steps[at[-1]]:
            rows = levels.reduced(flight.gradient_norm[at][:, [layer]], 1, mean=True)
            value = rows.high[:, 0].astype(np.float64)
            return Course(
                flight.steps[at].astype(np.float64), value, value, value, rows.marks[:, 0]
            )
    return None


def cells(seen: Overview, across: int, down: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Returns the largest finite number and the marks in each cell of a grid over steps and layers.

    A record reaches half-way to its neighbours. One that lies in several columns is in all of them, so is one of
    several in a column.

    Args:
        seen: C columns, the layers.
        across: columns of the grid, of equal width in steps.
        down: rows of the grid, C at most: neighbouring layers share one.

    Returns:
        (down, across) float32, NaN without a finite number; (down, across) uint8, as in `levels.Rows`.
    """
    edges = np.linspace(seen.middle[0], seen.middle[-1], across + 1)
    between = (seen.last[:-1] + seen.first[1:]) / 2
    start = np.searchsorted(between, edges[:-1], side="right")
    stop = np.searchsorted(between, edges[1:], side="left") + 1
    layer_edges = np.linspace(0, seen.rows.high.shape[1], down + 1).astype(np.intp)
    ranges = (start, np.maximum(stop, start + 1)), (layer_edges[:-1], layer_edges[1:])
    high, marks = seen.rows.high, seen.rows.marks
    for axis, (begin, end) in enumerate(ranges):
        high = _reduced_ranges(np.fmax, high, begin, end, axis)
        marks = _reduced_ranges(np.bitwise_or, marks, begin, end, axis)
    return high.T, marks.T


def _reduced_ranges(
    function: np.ufunc, values: _Array, start: NDArray[np.intp], stop: NDArray[np.intp], axis: int
) -> _Array:
    """Reduces ranges, which may overlap and hold one or more, along an axis."""
    pairs = np.stack([start, stop], axis=1).reshape(-1)
    # the last range may end where the values do, which reduceat has no index for
    padded = np.concatenate([values, values.take([-1], axis)], axis)
    reduced: _Array = function.reduceat(padded, pairs, axis).take(np.arange(0, len(pairs), 2), axis)
    return reduced


def _by_row(
    function: Callable[..., NDArray[np.float64]], values: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Reduces each row's numbers by `function`; NaN without any."""
    some = ~np.isnan(values).all(axis=1)
    result = np.full(len(values), np.nan)
    if some.any():
        result[some] = function(values[some].astype(np.float64), axis=1)
    return result
