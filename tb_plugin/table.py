"""The binary table of http_api.md: a window of a run's records, reduced to as many rows as are asked for.

Pure functions: it reads no request and no file.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adamax_tb import levels
from adamax_tb.blocks import Block, Blocks, Summary
from adamax_tb.levels import Rows
from adamax_tb.schema import STEP_STATS

MAGIC = b"AOH1"
MEAN, MARKS = 1, 2


@dataclass(frozen=True, slots=True)
class Columns:
    """Which numbers of the records are a table's columns.

    Attributes:
        exact: block → (count, C).
        rows: summary → its `Rows`, (R, C).
        mean: whether a reduced table has the mean.
    """

    exact: Callable[[Block], NDArray[np.float32]]
    rows: Callable[[Summary], Rows]
    mean: bool


def statistic_columns(index: int) -> Columns:
    """Returns a column for each layer, of the statistic at `index`."""
    return Columns(
        exact=lambda block: block.stats[index][: block.count],
        rows=lambda summary: summary.stats[index],
        mean=False,
    )


def layer_columns(index: int) -> Columns:
    """Returns a column for each statistic, of the layer at `index`."""
    return Columns(
        exact=lambda block: np.stack([x[: block.count, index] for x in block.stats], axis=1),
        rows=lambda summary: levels.beside(
            [rows.columns(slice(index, index + 1)) for rows in summary.stats]
        ),
        mean=True,
    )


def step_columns(name: str) -> Columns:
    """Returns one column: `name`, of `schema.STEP_STATS`."""
    index = STEP_STATS.index(name)
    return Columns(
        exact=lambda block: block.step_stats[index, : block.count, np.newaxis],
        rows=lambda summary: summary.step_stats.columns(slice(index, index + 1)),
        mean=True,
    )


@dataclass(frozen=True, slots=True)
class Window:
    """What is asked for: steps from `first` to `last`, in `pixels` rows at most, or `per` records a row, or exact."""

    first: float = -np.inf
    last: float = np.inf
    pixels: int | None = None
    per: int | None = None


def encoded(blocks: Blocks, columns: Columns, window: Window) -> Iterator[bytes]:
    """Returns the parts of the binary table.

    Args:
        blocks: the run's records, one or more.
        columns: which numbers.
        window: which records, and how many rows.
    """
    slices = _slices(blocks, window)
    if not slices:
        return _exact(blocks, slices, columns)
    per = window.per or _per(blocks, slices, window.pixels)
    exact = all(isinstance(blocks[i], Block) for i in slices)
    if exact and per == 1:
        return _exact(blocks, slices, columns)
    return _reduced(blocks, slices, columns, per)


def rows_of_all(blocks: Blocks, columns: Columns, most: int) -> tuple[int, Rows]:
    """Returns all records in rows: how many a row stands for, and the rows.

    Where summaries are coarser a row stands for a multiple of that, which its `records` tell. If each of these were as
    many rows, there would be `most` at most.

    Args:
        blocks: the run's records, one or more.
        columns: which numbers.
        most: 1 or more.
    """
    slices = _slices(blocks, Window())
    per = 1
    while _even_count(blocks, per) > most:
        per *= 2
    _, _, rows = _grid(blocks, slices, columns, per)
    return per, rows


def _even_count(blocks: Blocks, per: int) -> int:
    together = _blocks_a_row(blocks, per)
    if together > 1:
        return -(-len(blocks) // together)
    return sum(-(-block.records // per) for block in blocks)


def exact_table(
    steps: NDArray[np.int64], values: NDArray[np.float32]
) -> tuple[bytes, bytes, bytes]:
    """Returns the table of steps (T,) and values (T, C), a record a row."""
    header = MAGIC + struct.pack("<III", *values.shape, 0)
    return header, steps.astype("<f8").tobytes(), values.astype("<f4").tobytes()


_Slices = dict[int, tuple[int, int]]


def _slices(blocks: Blocks, window: Window) -> _Slices:
    """Returns block → its rows in the window, of the blocks that have some."""
    slices = {}
    for i, block in enumerate(blocks):
        start = int(np.searchsorted(block.steps, window.first))
        stop = int(np.searchsorted(block.first_steps[: block.count], window.last, side="right"))
        if start < stop:
            slices[i] = start, stop
    return slices


def _per(blocks: Blocks, slices: _Slices, pixels: int | None) -> int:
    """Returns the smallest power of two that makes no more than `pixels` rows."""
    per = 1
    largest = 2 * blocks[0].room * len(blocks)
    while pixels is not None and _row_count(blocks, slices, per) > pixels and per < largest:
        per *= 2
    return per


def _row_count(blocks: Blocks, slices: _Slices, per: int) -> int:
    together = _blocks_a_row(blocks, per)
    if together > 1:
        return len({i // together for i in slices})
    count = 0
    for i, (start, stop) in slices.items():
        group = max(1, per // blocks[i].per)
        count += -(-stop // group) - start // group
    return count


def _blocks_a_row(blocks: Blocks, per: int) -> int:
    """Returns how many whole blocks a row of `per` records takes; 1 when rows lie within blocks."""
    return max(1, per // blocks[0].room)


def _exact(blocks: Blocks, slices: _Slices, columns: Columns) -> Iterator[bytes]:
    steps, values = [np.empty(0, np.int64)], []
    for i, (start, stop) in slices.items():
        block = blocks[i]
        assert isinstance(block, Block)
        steps.append(block.steps[start:stop])
        values.append(columns.exact(block)[start:stop])
    none = _width(blocks, columns)
    joined = np.concatenate(values) if values else np.empty((0, none), np.float32)
    yield from exact_table(np.concatenate(steps), joined)


def _reduced(blocks: Blocks, slices: _Slices, columns: Columns, per: int) -> Iterator[bytes]:
    first, last, whole = _grid(blocks, slices, columns, per)
    marked = bool(whole.marks.any())
    mean = whole.mean if columns.mean else None
    planes = MEAN * (mean is not None) + MARKS * marked
    yield MAGIC + struct.pack("<IIIII", *whole.high.shape, per, planes, 0)
    yield first.astype("<f8").tobytes()
    yield last.astype("<f8").tobytes()
    yield whole.high.tobytes()
    yield whole.low.tobytes()
    if mean is not None:
        yield mean.tobytes()
    if marked:
        yield whole.marks.tobytes()


def _grid(
    blocks: Blocks, slices: _Slices, columns: Columns, per: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], Rows]:
    """Returns the first and last steps and the rows of `per` records each that `slices` lie in."""
    first, last, rows = [], [], []
    together = _blocks_a_row(blocks, per)
    if together > 1:
        begin, end = min(slices) // together * together, (max(slices) // together + 1) * together
        slices = {i: (0, blocks[i].count) for i in range(begin, min(end, len(blocks)))}
    for i, (start, stop) in slices.items():
        steps, part = _rows(blocks[i], start, stop, columns, min(per, blocks[i].room))
        first.append(steps[0])
        last.append(steps[1])
        rows.append(part)
    starts = np.arange(0, sum(map(len, first)), together)
    ends = np.minimum(starts + together, sum(map(len, first))) - 1
    whole = levels.merged(levels.joined(rows), together)
    return np.concatenate(first)[starts], np.concatenate(last)[ends], whole


def _rows(
    block: Block | Summary, start: int, stop: int, columns: Columns, per: int
) -> tuple[tuple[NDArray[np.int64], NDArray[np.int64]], Rows]:
    """Returns the first and last steps and the rows of `per` records each that `start` to `stop` lie in."""
    group = max(1, per // block.per)
    start, stop = start // group * group, min(-(-stop // group) * group, block.count)
    ends = np.minimum(np.arange(start + group, stop + group, group), stop) - 1
    steps = block.first_steps[start:stop:group], block.steps[ends]
    if isinstance(block, Block):
        return steps, levels.reduced(columns.exact(block)[start:stop], per, columns.mean)
    return steps, levels.merged(columns.rows(block)[start:stop], group)


def _width(blocks: Blocks, columns: Columns) -> int:
    block = blocks[0]
    if isinstance(block, Block):
        return columns.exact(block).shape[1]
    return columns.rows(block).high.shape[1]
