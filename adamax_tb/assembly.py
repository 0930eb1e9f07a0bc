"""Puts a run together from the events of its files, one after the other, and can give it at any time.

A step that is written again replaces what followed it: the run was resumed from an earlier checkpoint. When the layers
changed on the way, the last set counts; values of a layer that did not exist at a step are `NOT_RECORDED`. It opens
no file.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from tensorboard.compat.proto import event_pb2, tensor_pb2, types_pb2

from adamax_tb import schema
from adamax_tb.blocks import (
    Block,
    BlockValues,
    Places,
    Summary,
    block_records,
    first_record,
    places,
    summarized,
    summarized_until,
)
from adamax_tb.schema import (
    FLIGHT_REASONS,
    FLIGHT_STEP_STATS,
    NOT_RECORDED,
    STEP_STATS,
    Flight,
    LayerTable,
    Run,
)
from adamax_tb.wire import too_large

_PREFIX = f"{schema.PLUGIN_NAME}/"
#: What rows may take in memory: so many times what came for them, and so much beside. A writer may have the loss at
#: each step, and the layers at each thousandth; a table of a million layers with records of nothing is none of ours.
MOST_SPARSE, SPARE_BYTES = 1000, 2**30
#: What a NaN has that no computation warns of.
_QUIET = np.uint32(0x00400000)
#: No variable has more.
_MOST_ENTRIES = 2**53
#: Vectors of more than this are copied one by one.
_JOINED_BYTES = 2**16
#: How many times coarser a summary is than what it takes the place of.
SUMMARY = 16


@dataclass(slots=True)
class _Flown:
    """One update of a flight record, and whose layers its numbers are."""

    step: int
    gradient_norm: NDArray[np.float32]
    numbers: NDArray[np.float32]
    layers: tuple[str, ...]


@dataclass(slots=True)
class Assembly:
    """The records of one run, as far as its events were added.

    Attributes:
        generations: counts, for all assemblies that may take each other's place.
        generation: grows whenever records changed that were there before; while it stays, they are only added to.
        replaced: how many records were replaced by resuming from an earlier step.
        lost: how many records were summarised in one row with some that were replaced, and are gone with these.
        started: the wall time of the first record, also when that is summarised; None without one.
    """

    generations: Iterator[int] = field(default_factory=itertools.count)
    generation: int = field(init=False)
    replaced: int = 0
    lost: int = 0
    started: float | None = None
    _table: LayerTable | None = None
    _layers: tuple[str, ...] = ()
    _statistics: tuple[str, ...] = ()
    _tags: tuple[str, ...] = ()  # of the statistics
    _step_places: Places = field(default_factory=lambda: places((), ()))
    _step_numbers: int = 0
    _blocks: list[Block | Summary] = field(default_factory=list)
    _first: Block | None = None  # the first record by itself, where it is summarised
    _block_records: int = 0
    _flown: list[_Flown] = field(default_factory=list)
    _tags_there: set[str] = field(default_factory=set)  # of the last record
    _claimed_bytes: int = 0  # what rows were made for
    _held_bytes: int = 0  # what came for them

    def __post_init__(self) -> None:
        self.generation = next(self.generations)

    def add(self, event: event_pb2.Event) -> None:
        """Takes over what `event` holds of ours; events come in the order they were written.

        Raises:
            ValueError: a layer table is not of this format, or names far more than the records hold.
        """
        values = {
            value.tag: value.tensor
            for value in event.summary.value
            if value.tag.startswith(_PREFIX)
        }
        if not values:
            return
        # as where nobody wrote one
        wall_time = event.wall_time if math.isfinite(event.wall_time) else 0.0
        table = values.pop(schema.LAYERS_TAG, None)
        if table is not None:
            self._take_table(_table(table))
        if self._table is None:
            return
        if schema.FLIGHT_STEP_TAG in values:
            if _whole_vectors(values):
                self._claim(4 * len(self._layers))
                self._held_bytes += len(_content(values, schema.FLIGHT_TAG))
                self._fly(event.step, values)
        elif schema.STEP_TAG in values or not values.keys().isdisjoint(self._tags):
            self._record(event.step, wall_time, values)

    @property
    def size_bytes(self) -> int:
        """What the records take in memory."""
        first = 0 if self._first is None else self._first.size_bytes
        return first + sum(block.size_bytes for block in self._blocks)

    def run(self, name: str, notes: Sequence[str] = ()) -> Run | None:
        """Returns the run as it is now, None without a record; what is added later does not change it."""
        if self._table is None or not any(block.count for block in self._blocks):
            return None
        if self.replaced:
            notes = [
                *notes,
                f"{self.replaced} earlier records were replaced when the run was started again from an earlier step.",
            ]
        if self.lost:
            notes = [
                *notes,
                f"{self.lost} records around the step at which it was started again had been summarised, and are not "
                "shown. The files hold them.",
            ]
        blocks = self.blocks()
        count = sum(block.records for block in blocks)
        if self._first is not None:
            blocks = (self._first, *blocks)
        values = BlockValues(blocks, self._statistics)
        steps = np.concatenate([block.steps for block in blocks])
        until = summarized_until(blocks)
        times = np.concatenate([block.wall_times[: block.count] for block in blocks])
        hyperparameters = sorted(self._table.hyperparameters.items(), key=_learning_rate_first)
        return Run(
            name=name,
            steps=steps,
            wall_times=times,
            layers=self._layers,
            shapes=tuple(tuple(layer.shape) for layer in self._table.layers),
            statistics=self._statistics,
            optimizer=self._table.optimizer,
            hyperparameters=dict(hyperparameters),
            planned_step=self._table.planned_step or None,
            head=self._table.head if self._table.HasField("head") else None,
            notes=tuple(notes),
            flight=self._flight(),
            summarized_until=until,
            _stats=values,
            _step_stats=values,
            _record_count=None if until is None else count,
        )

    def blocks(self) -> tuple[Block | Summary, ...]:
        """Returns the records as they are now; what is added later does not change them."""
        return tuple(block.as_it_is() for block in self._blocks if block.count)

    def summarize(self) -> bool:
        """Gives up detail of the oldest records that have most of it: their rows stand for 16 times as many.

        Returns:
            False when there is nothing left to give up: records that a block has still room beside are kept.
        """
        done = [
            block
            for block in self._blocks
            if isinstance(block, Summary) or block.count == block.room
        ]
        finest = min(done, key=lambda block: block.per, default=None)  # of equals the oldest
        if finest is None or finest.per >= self._block_records:
            return False
        at = next(i for i, block in enumerate(self._blocks) if block is finest)
        if at == 0 and isinstance(finest, Block):
            self._first = first_record(finest)
        self._blocks[at] = summarized(finest, min(finest.per * SUMMARY, self._block_records))
        return True

    def _take_table(self, table: LayerTable) -> None:
        layers = tuple(layer.name for layer in table.layers)
        statistics = tuple(s.name for s in schema.STATS if s.name in table.statistics)
        row_bytes = 4 * (len(layers) * len(statistics) + len(STEP_STATS))
        if not self._block_records:
            self._block_records = block_records(row_bytes)
        if self._blocks and (layers, statistics) != (self._layers, self._statistics):
            self._claimed_bytes = sum(block.count for block in self._blocks) * row_bytes
            self._demand_numbers(layers, statistics)
            moved = places(self._statistics, statistics), places(self._layers, layers)
            shape = len(statistics), len(layers)
            self._blocks = [block.fitted(*moved, shape) for block in self._blocks]
            if self._first is not None:
                self._first = self._first.fitted(*moved, shape)
            self.generation = next(self.generations)
        self._table, self._layers, self._statistics = table, layers, statistics
        self._tags = tuple(schema.statistic_tag(name) for name in statistics)
        self._step_places = places(table.step_statistics, STEP_STATS)
        self._step_numbers = len(table.step_statistics)

    def _record(
        self, step: int, wall_time: float, values: dict[str, tensor_pb2.TensorProto]
    ) -> None:
        block = self._blocks[-1] if self._blocks else None
        last = int(block.steps[-1]) if block is not None and block.count else None
        same = last == step and self._tags_there.isdisjoint(values)
        if same and isinstance(block, Summary):  # it comes too late
            return
        if last is not None and step <= last and not same:
            self._truncate(step)
        if not same:
            self._ground(step)  # records come before the flight that ends with them
            self._start(step, wall_time)
        block = self._blocks[-1]
        assert isinstance(block, Block)
        self._fill(block, block.count - 1, values, fresh=not same)
        self._tags_there |= set(values)

    def _fill(
        self, block: Block, row: int, values: dict[str, tensor_pb2.TensorProto], fresh: bool
    ) -> None:
        """Puts what an event holds into a row; a `fresh` one has nothing yet, and the rest stays `NOT_RECORDED`."""
        numbers = _content(values, schema.STEP_TAG)
        if fresh:
            block.step_stats[:, row] = NOT_RECORDED
        if len(numbers) == 4 * self._step_numbers:
            targets, sources = self._step_places
            block.step_stats[targets, row] = _floats(numbers)[sources]
        stats: NDArray[np.float32] = np.asarray(
            block.stats
        )  # one array already, where there is room
        size = 4 * len(self._layers)
        if 0 < size <= _JOINED_BYTES:
            contents = [_content(values, tag) for tag in self._tags]
            if contents and all(len(content) == size for content in contents):
                # as records are, at once
                stats[:, row] = _floats(b"".join(contents)).reshape(len(contents), -1)
                self._held_bytes += size * len(contents)
                return
        for i, tag in enumerate(self._tags):
            content = _content(values, tag)
            if len(content) == size:
                stats[i, row] = _floats(content)
                self._held_bytes += size
            elif fresh:
                stats[i, row] = NOT_RECORDED

    def _start(self, step: int, wall_time: float) -> None:
        """Begins the record of `step`, which holds nothing sensible yet."""
        self._claim(4 * (len(self._statistics) * len(self._layers) + len(STEP_STATS)))
        block = self._blocks[-1] if self._blocks else None
        if block is None:
            self.started = wall_time
        if not isinstance(block, Block) or block.count == block.room:
            # the one before the last: a run that is started again and again packs no block each time
            full = self._blocks[-2] if len(self._blocks) > 1 else None
            if isinstance(full, Block) and isinstance(full.stats, np.ndarray):
                self._blocks[-2] = full.packed()
            block = Block.empty(self._block_records, len(self._statistics), len(self._layers))
            self._blocks.append(block)
        row = block.count
        block.first_steps[row], block.wall_times[row] = step, wall_time
        block.count += 1
        self._tags_there = set()

    def _truncate(self, step: int) -> None:
        """Forgets the records from `step` on."""
        while self._blocks and int(self._blocks[-1].first_steps[0]) >= step:
            self.replaced += self._blocks.pop().records
        if self._blocks:
            whole, records = self._blocks[-1], self._blocks[-1].records
            kept = whole.before(step)
            gone = records - kept.records
            if isinstance(whole, Summary):  # a row may stand for records before the step, too
                gone -= (straddling := whole.records_across(step))
                self.lost += straddling
            self.replaced += gone
            self._blocks[-1:] = [kept] if kept.count else []
        if not self._blocks or isinstance(self._blocks[0], Block):
            self._first = None
        self.generation = next(self.generations)

    def _claim(self, size_bytes: int) -> None:
        """Takes note of a row that is to come, if the rows so far hold something."""
        self._demand_numbers(self._layers, self._statistics)
        self._claimed_bytes += size_bytes

    def _demand_numbers(self, layers: Sequence[str], statistics: Sequence[str]) -> None:
        if self._claimed_bytes > SPARE_BYTES + MOST_SPARSE * self._held_bytes:
            raise ValueError(
                f"The layer table names {len(layers):,} layers and {len(statistics)} statistics, of which the records "
                f"hold next to nothing: in memory they would take {self._claimed_bytes / 1e6:,.0f} MB, and the files "
                f"hold {self._held_bytes / 1e6:,.1f} MB of numbers."
            )

    def _ground(self, step: int) -> None:
        """Forgets the updates of the flight record from `step` on."""
        while self._flown and self._flown[-1].step >= step:
            self._flown.pop()

    def _fly(self, step: int, values: dict[str, tensor_pb2.TensorProto]) -> None:
        self._ground(step)
        norms = values.get(schema.FLIGHT_TAG)
        vector = np.frombuffer(norms.tensor_content if norms is not None else b"", "<f4")
        numbers = np.frombuffer(values[schema.FLIGHT_STEP_TAG].tensor_content, "<f4")
        self._flown.append(_Flown(step, vector, numbers, self._layers))

    def _flight(self) -> Flight | None:
        """Returns the flight record."""
        if not self._flown:
            return None
        kept = self._flown
        numbers = np.full((len(kept), len(FLIGHT_STEP_STATS)), NOT_RECORDED)
        norms = np.full((len(kept), len(self._layers)), NOT_RECORDED)
        for i, update in enumerate(kept):
            if len(update.numbers) == numbers.shape[1]:
                numbers[i] = update.numbers
            if len(update.gradient_norm) == len(update.layers):
                targets, sources = places(update.layers, self._layers)
                norms[i, targets] = update.gradient_norm[sources]
        loss, learning_rate, loss_scale, reason = numbers.T
        codes = np.clip(np.nan_to_num(reason), 0, len(FLIGHT_REASONS) - 1).astype(int)
        return Flight(
            steps=np.array([update.step for update in kept], np.int64),
            gradient_norm=norms,
            loss=loss,
            learning_rate=learning_rate,
            loss_scale=loss_scale,
            reasons=tuple(FLIGHT_REASONS[code] for code in codes),
        )


def _content(values: dict[str, tensor_pb2.TensorProto], tag: str) -> bytes:
    """Returns the bytes of a vector of float32; none where there is no such vector."""
    tensor = values.get(tag)
    if tensor is None or tensor.dtype != types_pb2.DT_FLOAT:
        return b""
    return tensor.tensor_content


def _floats(content: bytes) -> NDArray[np.float32]:
    """Returns the numbers of a vector, to the bit but for NaNs that signal: no computation yields these, each warns."""
    numbers = np.frombuffer(content, "<f4")
    nan = np.isnan(numbers)
    if nan.any():
        bits = numbers.view("<u4")
        loud = nan & (bits & _QUIET == 0)
        if loud.any():
            numbers = np.where(loud, bits | _QUIET, bits).view("<f4")
    return numbers


def _whole_vectors(values: dict[str, tensor_pb2.TensorProto]) -> bool:
    """Tells whether what a flight record holds are vectors of float32."""
    return all(
        tensor.dtype == types_pb2.DT_FLOAT and len(tensor.tensor_content) % 4 == 0
        for tensor in values.values()
    )


def _learning_rate_first(item: tuple[str, float]) -> tuple[bool, str]:
    return item[0] != "learning_rate", item[0]


def _table(tensor: tensor_pb2.TensorProto) -> LayerTable:
    if tensor.dtype != types_pb2.DT_STRING:
        raise ValueError("The layer table is not a string tensor.")
    content = tensor.string_val[0] if tensor.string_val else b""
    if too_large(content, LayerTable.DESCRIPTOR):
        raise ValueError(
            f"The layer table of {len(content):,} bytes would take many times as much memory."
        )
    try:
        table = LayerTable.FromString(content)
    except Exception as error:
        raise ValueError(f"The layer table cannot be parsed: {error}") from error
    if table.version > schema.VERSION:
        raise ValueError(
            f"The run was written by a newer adamax-tb (format {table.version}, this one reads up to "
            f"{schema.VERSION}). Upgrade with: pip install --upgrade adamax-tb"
        )
    names = [layer.name for layer in table.layers]
    if not names:
        raise ValueError("The layer table names no layer.")
    if len(set(names)) < len(names):
        raise ValueError("The layer table names two layers alike.")
    for layer in table.layers:
        if not 0 <= math.prod(layer.shape) <= _MOST_ENTRIES or min(layer.shape, default=0) < 0:
            raise ValueError(
                f"The layer table gives a layer a shape that none has: {layer.name!r}."
            )
    return table
