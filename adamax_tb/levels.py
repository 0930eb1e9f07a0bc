"""Levels of detail: many records as one row that keeps their range and whatever was not finite among them.

Nothing is sampled: the largest of all rows is the largest of all records. Pure functions of arrays.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adamax_tb.schema import NOT_RECORDED, recorded

#: What `Rows.marks` adds up.
NAN, POSITIVE_INFINITY, NEGATIVE_INFINITY, MISSING = 1, 2, 4, 8


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that stand for one or more consecutive records each.

    Attributes:
        records: (R,) int64, how many records a row stands for.
        high: (R, C) float32, the largest finite number; `NOT_RECORDED` without any.
        low: (R, C) float32, the smallest.
        mean: (R, C) float32, the mean of the finite numbers; None where nobody asked for it.
        marks: (R, C) uint8, the sum of `NAN`, `POSITIVE_INFINITY`, `NEGATIVE_INFINITY` and `MISSING` (not recorded) for
            those that occur.
    """

    records: NDArray[np.int64]
    high: NDArray[np.float32]
    low: NDArray[np.float32]
    mean: NDArray[np.float32] | None
    marks: NDArray[np.uint8]

    def __getitem__(self, which: slice) -> "Rows":
        mean = None if self.mean is None else self.mean[which]
        return Rows(self.records[which], self.high[which], self.low[which], mean, self.marks[which])

    def columns(self, which: slice) -> "Rows":
        """Returns only some columns."""
        mean = None if self.mean is None else self.mean[:, which]
        return Rows(
            self.records, self.high[:, which], self.low[:, which], mean, self.marks[:, which]
        )


def reduced(values: NDArray[np.float32], per: int, mean: bool = False) -> Rows:
    """Reduces records to rows of `per` each; the last row stands for what is left.

    Args:
        values: (N, C), one record a row.
        per: 1 or more.
        mean: whether to compute it.
    """
    counts = _counts(len(values), per)
    high = _by(values, per, np.maximum)
    low = _by(values, per, np.minimum)
    means = _mean(values, per) if mean else None
    marks = np.zeros(high.shape, np.uint8)
    # NaN and infinity pass through maximum or minimum: only those cells are looked at again
    bad = ~(np.isfinite(high) & np.isfinite(low))
    for row in np.nonzero(bad.any(axis=1))[0].tolist():
        (columns,) = np.nonzero(bad[row])
        cells = values[row * per : row * per + int(counts[row]), columns]
        finite = np.isfinite(cells)
        some = np.any(finite, axis=0, keepdims=True)[0]
        high[row, columns] = _or_missing(cells.max(axis=0, where=finite, initial=-np.inf), some)
        low[row, columns] = _or_missing(cells.min(axis=0, where=finite, initial=np.inf), some)
        if means is not None:
            total = cells.sum(axis=0, where=finite, dtype=np.float64)
            means[row, columns] = _or_missing(total / np.maximum(finite.sum(axis=0), 1), some)
        marks[row, columns] = _marks(cells)
    return Rows(counts, high, low, means, marks)


def merged(rows: Rows, group: int) -> Rows:
    """Makes one row of each `group` consecutive ones; the last one of what is left.

    Means are weighted by the numbers of records, also of those that were not finite.
    """
    if group == 1 or not len(rows.records):
        return rows
    starts = np.arange(0, len(rows.records), group)
    mean = None
    if rows.mean is not None:
        known = recorded(rows.mean)
        weights = np.where(known, rows.records[:, None], 0).astype(np.float64)
        total = np.add.reduceat(np.where(known, rows.mean, 0) * weights, starts, axis=0)
        weight = np.add.reduceat(weights, starts, axis=0)
        mean = _or_missing(total / np.maximum(weight, 1), weight > 0)
    # fmax and fmin pass over the rows that have no number
    high, low = (f.reduceat(x, starts) for f, x in ((np.fmax, rows.high), (np.fmin, rows.low)))
    return Rows(
        records=np.add.reduceat(rows.records, starts),
        high=_or_missing(high, ~np.isnan(high)),
        low=_or_missing(low, ~np.isnan(low)),
        mean=mean,
        marks=np.bitwise_or.reduceat(rows.marks, starts, axis=0),
    )


def joined(parts: Sequence[Rows]) -> Rows:
    """Puts rows that follow each other together; one part or more."""
    records = np.concatenate([part.records for part in parts])
    return _together(records, parts, axis=0)


def beside(parts: Sequence[Rows]) -> Rows:
    """Puts the columns of the same records together; one part or more."""
    return _together(parts[0].records, parts, axis=1)


def _together(records: NDArray[np.int64], parts: Sequence[Rows], axis: int) -> Rows:
    means = [part.mean for part in parts if part.mean is not None]
    return Rows(
        records=records,
        high=np.concatenate([part.high for part in parts], axis),
        low=np.concatenate([part.low for part in parts], axis),
        mean=np.concatenate(means, axis) if len(means) == len(parts) else None,
        marks=np.concatenate([part.marks for part in parts], axis),
    )


def _counts(length: int, per: int) -> NDArray[np.int64]:
    counts = np.full(-(-length // per), per, np.int64)
    if length % per:
        counts[-1] = length % per
    return counts


def _by(values: NDArray[np.float32], per: int, function: np.ufunc) -> NDArray[np.float32]:
    """Reduces every `per` rows by `function`, which passes NaN on."""
    if per == 1:
        return values.copy()
    whole = len(values) // per * per
    result: NDArray[np.float32] = function.reduce(
        values[:whole].reshape(whole // per, per, values.shape[1]), axis=1
    )
    if whole < len(values):
        result = np.concatenate([result, function.reduce(values[whole:], axis=0)[np.newaxis]])
    return result


def _mean(values: NDArray[np.float32], per: int) -> NDArray[np.float32]:
    """Returns the mean of every `per` rows; where it is not finite, it is of no use."""
    starts = np.arange(0, len(values), per)
    with np.errstate(invalid="ignore", over="ignore"):
        total = np.add.reduceat(values.astype(np.float64), starts, axis=0)
        return (total / _counts(len(values), per)[:, None]).astype(np.float32)


def _marks(cells: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Returns (C,), the marks of the records `cells`, (N, C)."""
    there = recorded(cells)
    found = {
        NAN: np.isnan(cells) & there,
        POSITIVE_INFINITY: np.isposinf(cells),
        NEGATIVE_INFINITY: np.isneginf(cells),
        MISSING: ~there,
    }
    return np.sum([mark * at.any(axis=0) for mark, at in found.items()], axis=0, dtype=np.uint8)


def _or_missing(values: NDArray[np.generic], there: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Returns `values` in float32, `NOT_RECORDED` where they are not `there`."""
    result = values.astype(np.float32)
    result[~there] = NOT_RECORDED
    return result


def missing(records: NDArray[np.int64], columns: int) -> Rows:
    """Returns rows of `columns` that stand for `records` without a value."""
    shape = len(records), columns
    nothing = np.full(shape, NOT_RECORDED)
    return Rows(records, nothing, nothing, nothing, np.full(shape, MISSING, np.uint8))


def rearranged(
    rows: Rows, targets: NDArray[np.intp], sources: NDArray[np.intp], columns: int
) -> Rows:
    """Returns rows of `columns`, in which `targets` are the columns `sources` of `rows`, and the others missing."""
    result = missing(rows.records, columns)
    high, low, marks = np.copy(result.high), np.copy(result.low), result.marks
    high[:, targets], low[:, targets] = rows.high[:, sources], rows.low[:, sources]
    marks[:, targets] = rows.marks[:, sources]
    mean = None
    if rows.mean is not None:
        mean = np.copy(result.high)
        mean[:, targets] = rows.mean[:, sources]
    return Rows(rows.records, high, low, mean, marks)
