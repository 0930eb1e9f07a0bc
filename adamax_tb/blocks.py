"""The records of a run in memory: blocks of consecutive ones, which grow at the end and may be summarised.

It knows arrays, not events or files. A block never changes what a reader of it has seen: rows are added behind those,
and whatever takes rows away makes a new block.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adamax_tb import levels
from adamax_tb.levels import Rows
from adamax_tb.schema import NOT_RECORDED, STEP_COUNTS, STEP_STATS, recorded

#: What a block takes: little beside a large run, and not so little that a large run has thousands of them.
BLOCK_BYTES = 4 * 2**20
LEAST_RECORDS, MOST_RECORDS = 64, 4096
#: Where even 64 records take more than this they are 16: of fewer, a summary would save little.
MOST_BLOCK_BYTES, LEAST_LARGE_RECORDS = 2**30, 16

#: Which places of a new order take which of an old one: (targets, sources).
Places = tuple[NDArray[np.intp], NDArray[np.intp]]


def places(have: Sequence[str], want: Sequence[str]) -> Places:
    """Returns the indices in `want` of the names that are in `have`, too, and their indices there."""
    at = {name: i for i, name in enumerate(have)}
    targets = [i for i, name in enumerate(want) if name in at]
    return np.array(targets, np.intp), np.array([at[want[i]] for i in targets], np.intp)


def block_records(row_bytes: int) -> int:
    """Returns how many records of `row_bytes` a block holds: a power of two, so that rows of 2^k lie within blocks."""
    if row_bytes * LEAST_RECORDS > MOST_BLOCK_BYTES:
        return LEAST_LARGE_RECORDS
    wanted = max(LEAST_RECORDS, min(MOST_RECORDS, BLOCK_BYTES // max(1, row_bytes)))
    return 1 << (wanted.bit_length() - 1)


@dataclass(slots=True)
class Block:
    """Up to K records, each of them whole; the first `count` of them are there.

    Attributes:
        first_steps: (K,) int64.
        wall_times: (K,) float64, seconds since the epoch.
        stats: S of (K, L) float32, one for each statistic; while the block has room one array.
        step_stats: (P, K) float32, of all `schema.STEP_STATS`.
        count: how many records it holds.
        seen: how many of them a reader has been given: they stay.
    """

    first_steps: NDArray[np.int64]
    wall_times: NDArray[np.float64]
    stats: NDArray[np.float32] | Sequence[NDArray[np.float32]]
    step_stats: NDArray[np.float32]
    count: int = 0
    seen: int = 0

    @classmethod
    def empty(cls, records: int, statistics: int, layers: int) -> "Block":
        """Returns a block without records that has room for `records`; memory is taken as they come."""
        return cls(
            first_steps=np.empty(records, np.int64),
            wall_times=np.empty(records, np.float64),
            stats=np.empty((statistics, records, layers), np.float32),
            step_stats=np.empty((len(STEP_STATS), records), np.float32),
        )

    @property
    def room(self) -> int:
        """How many records it can hold."""
        return len(self.first_steps)

    @property
    def per(self) -> int:
        """How many records a row stands for."""
        return 1

    @property
    def records(self) -> int:
        """How many records it stands for."""
        return self.count

    @property
    def steps(self) -> NDArray[np.int64]:
        """(count,), the step of the last record of each row."""
        return self.first_steps[: self.count]

    @property
    def size_bytes(self) -> int:
        """What its records take."""
        cells = sum(values.shape[1] for values in self.stats if values.strides[0])
        return 4 * (cells + len(self.step_stats) + 4) * self.count

    def packed(self) -> "Block":
        """Returns the same records, where a statistic that is one number throughout takes next to nothing.

        Counts of what does not happen are: entries that are not finite, units that are dead.
        """
        return dataclasses.replace(self, stats=[_packed(values) for values in self.stats])

    def as_it_is(self) -> "Block":
        """Returns the same block, to which nothing will be added."""
        self.seen = self.count
        return dataclasses.replace(self)

    def before(self, step: int) -> "Block":
        """Returns a block of the records before `step`, with room for as many as this one: itself, if it can be."""
        count = int(np.searchsorted(self.steps, step))
        if self.seen <= count and isinstance(self.stats, np.ndarray):
            self.count = count
            return self
        layers = self.stats[0].shape[1] if len(self.stats) else 0
        left = Block.empty(self.room, len(self.stats), layers)
        left.first_steps[:count] = self.first_steps[:count]
        left.wall_times[:count] = self.wall_times[:count]
        for mine, its in zip(left.stats, self.stats, strict=True):
            mine[:count] = its[:count]
        left.step_stats[:, :count] = self.step_stats[:, :count]
        left.count = count
        return left

    def fitted(self, statistics: Places, layers: Places, shape: tuple[int, int]) -> "Block":
        """Returns one of `shape` (S, L) whose statistics and layers lie elsewhere, or are gone or new."""
        moved = np.empty((shape[0], self.room, shape[1]), np.float32)
        moved[:, : self.count] = NOT_RECORDED
        for target, source in zip(*statistics, strict=True):
            kept = self.stats[source][: self.count]
            moved[target, : self.count, layers[0]] = kept[:, layers[1]].T
        return dataclasses.replace(self, stats=moved)

    def stat(self, index: int, name: str) -> NDArray[np.float32]:
        """Returns (count, L), the values of the statistic `name`, the one at `index`."""
        return self.stats[index][: self.count]

    def step_stat(self, name: str) -> NDArray[np.float32]:
        """Returns (count,), one of `schema.STEP_STATS`."""
        return self.step_stats[STEP_STATS.index(name), : self.count]


@dataclass(frozen=True, slots=True)
class Summary:
    """Records that are kept as rows of several, with the range of their values.

    Attributes:
        room: how many records the block that it stands for could hold.
        per: how many records a row stands for; its last row may stand for fewer.
        first_steps: (R,) int64, the step of the first record of each row.
        steps: (R,) int64, of the last.
        wall_times: (R,) float64, of the last.
        stats: S rows of `levels.Rows`, (R, L) each.
        step_stats: `levels.Rows` of all `schema.STEP_STATS`, (R, P).
    """

    room: int
    per: int
    first_steps: NDArray[np.int64]
    steps: NDArray[np.int64]
    wall_times: NDArray[np.float64]
    stats: tuple[Rows, ...]
    step_stats: Rows

    @property
    def count(self) -> int:
        """How many rows it has."""
        return len(self.steps)

    @property
    def records(self) -> int:
        """How many records it stands for."""
        return int(self.step_stats.records.sum())

    @property
    def size_bytes(self) -> int:
        """What its rows take: three numbers and a byte of marks for each."""
        row = sum(rows.high.shape[1] for rows in self.stats) + self.step_stats.high.shape[1]
        return (13 * row + 32) * self.count

    def as_it_is(self) -> "Summary":
        """Returns the same summary: none ever changes."""
        return self

    def records_across(self, step: int) -> int:
        """Returns how many records stand in a row with some before `step` and some from it on; 0 without one."""
        row = int(np.searchsorted(self.steps, step))
        across = row < self.count and self.first_steps[row] < step
        return int(self.step_stats.records[row]) if across else 0

    def before(self, step: int) -> "Summary":
        """Returns the rows whose records all lie before `step`."""
        kept = slice(0, int(np.searchsorted(self.steps, step)))
        return Summary(
            self.room,
            self.per,
            self.first_steps[kept],
            self.steps[kept],
            self.wall_times[kept],
            tuple(rows[kept] for rows in self.stats),
            self.step_stats[kept],
        )

    def fitted(self, statistics: Places, layers: Places, shape: tuple[int, int]) -> "Summary":
        """Returns one of `shape` (S, L) whose statistics and layers lie elsewhere, or are gone or new."""
        stats = [levels.missing(self.step_stats.records, shape[1])] * shape[0]
        for target, source in zip(*statistics, strict=True):
            stats[target] = levels.rearranged(self.stats[source], *layers, shape[1])
        return dataclasses.replace(self, stats=tuple(stats))

    def stat(self, index: int, name: str) -> NDArray[np.float32]:
        """Returns (R, L), one number for each row of the statistic `name`, the one at `index`."""
        return _stand_in(name, self.stats[index])

    def step_stat(self, name: str) -> NDArray[np.float32]:
        """Returns (R,), one number for each row, of one of `schema.STEP_STATS`."""
        return _stand_in(name, self.step_stats)[:, STEP_STATS.index(name)]


Blocks = Sequence[Block | Summary]


def summarized(block: Block | Summary, per: int) -> Summary:
    """Returns `block` in rows of `per` records each, `per` being a multiple of what its rows stand for so far."""
    group = per // block.per
    starts = np.arange(0, block.count, group)
    ends = np.append(starts[1:], block.count) - 1
    if isinstance(block, Block):
        by_step = np.ascontiguousarray(block.step_stats[:, : block.count].T)
        stats = tuple(levels.reduced(x[: block.count], per, mean=True) for x in block.stats)
        step_stats = levels.reduced(by_step, per, mean=True)
    else:
        stats = tuple(levels.merged(rows, group) for rows in block.stats)
        step_stats = levels.merged(block.step_stats, group)
    _set_since_restart(step_stats, block, starts, ends)
    return Summary(
        room=block.room,
        per=per,
        first_steps=block.first_steps[starts],
        steps=block.steps[ends],
        wall_times=block.wall_times[ends],
        stats=stats,
        step_stats=step_stats,
    )


def summarized_until(blocks: Blocks) -> int | None:
    """Returns the step up to which only summaries are kept, None if all records are."""
    ends = (int(block.steps[-1]) for block in blocks if isinstance(block, Summary))
    return max(ends, default=None)


def first_record(block: Block) -> Block:
    """Returns the first record of `block` by itself, to stand before the rows of which one stands for it, too.

    Nothing is counted twice: what it counted is left to that row.
    """
    step_stats = block.step_stats[:, :1].copy()
    for name in STEP_COUNTS:
        row = step_stats[STEP_STATS.index(name)]
        row[recorded(row)] = 0
    step_stats[STEP_STATS.index("since_restart")] = NOT_RECORDED
    return Block(
        first_steps=block.first_steps[:1].copy(),
        wall_times=block.wall_times[:1].copy(),
        stats=[np.array(values[:1]) for values in block.stats],
        step_stats=step_stats,
        count=1,
        seen=1,
    )


def _set_since_restart(
    rows: Rows, block: Block | Summary, starts: NDArray[np.intp], ends: NDArray[np.intp]
) -> None:
    """Gives each row the updates from the last restart within it to its end: neither a mean nor an extreme is that."""
    assert rows.mean is not None
    since = block.step_stat("since_restart")
    at = np.where(np.isfinite(since), np.arange(block.count), -1)
    last = np.maximum.reduceat(at, starts)
    restarted = last >= 0
    values = np.full(len(starts), NOT_RECORDED)
    values[restarted] = (since[last] + block.steps[ends] - block.steps[last])[restarted]
    column = STEP_STATS.index("since_restart")
    rows.mean[:, column] = values
    rows.marks[:, column] = np.where(restarted, 0, levels.MISSING)


class BlockValues:
    """`schema.Values` of consecutive blocks, put together when they are asked for.

    Args:
        blocks: as they are now, see `as_it_is`.
        statistics: the names of the blocks' statistics; the step statistics are known.
    """

    def __init__(self, blocks: Blocks, statistics: Sequence[str]) -> None:
        self._blocks = blocks
        self._statistics = tuple(statistics)

    def __getitem__(self, name: str, /) -> NDArray[np.float32]:
        """Returns (T, L) of a statistic, (T,) of a step statistic."""
        return np.concatenate([self._value(block, name) for block in self._blocks])

    def between(self, name: str, start: int, stop: int, /) -> NDArray[np.float32]:
        """Returns rows `start` to `stop` (exclusive) of `self[name]`, at the cost of these."""
        parts, before = [], 0
        for block in self._blocks:
            if before < stop and start < before + block.count:
                rows = slice(max(0, start - before), stop - before)
                parts.append(self._value(block, name)[rows])
            before += block.count
        return np.concatenate(parts) if parts else self[name][:0]

    def _value(self, block: Block | Summary, name: str) -> NDArray[np.float32]:
        if name in STEP_STATS:
            return block.step_stat(name)
        if name not in self._statistics:
            raise KeyError(name)
        return block.stat(self._statistics.index(name), name)


def _packed(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns a copy of `values`, (K, L), or one number in the shape of all of them if they are all the same."""
    bits = values.view(np.uint32)
    if bits.size and np.all(bits == bits[0, 0]):
        return np.broadcast_to(values[0, 0].copy(), values.shape)
    return values.copy()


def _stand_in(name: str, rows: Rows) -> NDArray[np.float32]:
    """Returns one number for each cell of `rows`, as a single record in the place of all of them would have it.

    Counts are added up, of peaks it is the largest, of the others the mean; NaN or infinity if one of them was.
    """
    assert rows.mean is not None
    if name in STEP_COUNTS:
        values = rows.mean * rows.records[:, np.newaxis].astype(np.float32)
    elif name.endswith(("_peak", "_max")) or name == "nonfinite":
        values = rows.high.copy()
    else:
        values = rows.mean.copy()
    for mark, number in (
        (levels.NEGATIVE_INFINITY, -np.inf),
        (levels.POSITIVE_INFINITY, np.inf),
        (levels.NAN, np.nan),
    ):
        values[rows.marks & mark > 0] = number
    return values
