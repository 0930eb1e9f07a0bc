"""Statistics of an optimizer's updates on TensorFlow: reduced on the device to raw columns.

It keeps no state and decides nothing: `recorder` says when, `slots` how an update is made, `reduction` what is counted,
and `columns` finishes it on the host.

A record of a small model costs what its operations cost, not its numbers: variables of few entries are joined into one
matrix whose rows belong to one variable each, reduced row by row, and their rows added up.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from adamax_tb.branch import run_if
from adamax_tb.columns import COLUMNS, MAXIMA, NORMS, SUMS
from adamax_tb.reduction import Update, faded_units, fans, reduce_entries, unused_units
from adamax_tb.slots import Entries, Kind

try:
    from tensorflow.compiler.tf2xla.ops.gen_xla_ops import xla_optimization_barrier
except ImportError:  # not public: without it the sums are right, and slower
    xla_optimization_barrier = None

Tensor = Any  # TensorFlow ships no types

#: On a CPU arrays are reduced in pieces of about this many entries: they stay in the cache, and TensorFlow takes them
#: on one thread, without the 50 µs that waking the others costs.
PIECE = 2**16

#: So many pieces are reduced in one iteration of the loop over them, which is a call of a function.
AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Reducer:
    """How to reduce fast where the program runs: a `reduction.Reducer`.

    Attributes:
        xla: whether the program is compiled by XLA.
        pieces: whether to reduce large variables piece by piece, as a CPU's cache likes it, and join few: XLA compiles
            operations slowly, and a GPU starts them slowly.
        rows: whether to reduce each row of a matrix for itself.
    """

    xla: bool
    pieces: bool
    rows: bool = False

    @property
    def joined(self) -> int:
        """Variables of up to so many entries are joined."""
        return 2**18 if not self.pieces else PIECE // 8

    @property
    def batch(self) -> int:
        """How many entries are joined at most."""
        return 2**22 if not self.pieces else PIECE

    @property
    def width(self) -> int:
        """The length of the rows of joined variables."""
        return 256 if not self.pieces else 64

    def _apart(self, x: Tensor) -> Tensor:
        # XLA on the CPU reduces what it fused into the reduction on one thread and without vectors; behind a barrier
        # it does not: 0.5 ms in place of 2.9 ms for the sum of 4 M squares
        if not self.xla or xla_optimization_barrier is None:
            return x
        return xla_optimization_barrier(input=[x])[0]

    def _axis(self, x: Tensor) -> tuple[Tensor, int]:
        return (x, 1) if self.rows else (tf.reshape(x, [-1]), 0)

    def sum(self, x: Tensor) -> Tensor:
        """Returns the () or (rows,) sum of `x`."""
        if self.rows and not self.xla:
            return tf.matmul(x, tf.ones([x.shape[1], 1]))[:, 0]
        x, axis = self._axis(self._apart(x))
        return tf.reduce_sum(x, axis=axis)

    def max(self, x: Tensor) -> Tensor:
        """Returns the () or (rows,) largest entry of `x`; whether NaN counts depends on the device."""
        x, axis = self._axis(self._apart(x))
        return tf.reduce_max(x, axis=axis)

    def min(self, x: Tensor) -> Tensor:
        """Returns the () or (rows,) smallest entry of `x`; whether NaN counts depends on the device."""
        x, axis = self._axis(self._apart(x))
        return tf.reduce_min(x, axis=axis)

    def l2(self, x: Tensor) -> Tensor:
        """Returns the () or (rows,) float32 Euclidean norm of `x`; infinite when the sum of squares overflows."""
        x = tf.cast(x, tf.float32)
        if self.xla:  # EuclideanNorm has no XLA kernel
            x, axis = self._axis(x)
            return tf.sqrt(tf.reduce_sum(self._apart(tf.square(x)), axis=axis))
        return tf.raw_ops.EuclideanNorm(input=x, axis=[1] if self.rows else [*range(len(x.shape))])

    def count(self, signs: Tensor) -> Tensor:
        """Returns the () or (rows,) number of entries of `signs` that are 1 or -1; the others are 0."""
        if self.xla:
            return self.sum(tf.abs(signs))
        return tf.round(tf.square(self.l2(signs)))  # one pass, and exact for pieces and rows

    def unit_sums(self, x: Tensor) -> Tensor:
        """Returns (units,), the sums of the columns of `x`, which is (fan_in, units)."""
        if self.xla:
            return tf.reduce_sum(self._apart(x), axis=0)
        return tf.matmul(tf.ones([1, x.shape[0]]), x)[0]  # a third of the time of reduce_sum


# Joining


@dataclass(frozen=True, slots=True)
class _Join:
    """Where some variables lie in a matrix of rows that each belong to one of them.

    Attributes:
        groups: variables of one shape, by their places among the joined ones.
        width: the length of a row.
    """

    groups: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
    width: int

    def rows_of(self, shape: tuple[int, ...]) -> int:
        """Returns how many rows a variable of this shape takes."""
        return -(-int(np.prod(shape)) // self.width)

    def matrix(self, arrays: Sequence[Tensor]) -> Tensor:
        """Returns (rows, width) float32, the arrays one after the other, the rest of their last rows 0."""
        parts = []
        for shape, places in self.groups:
            flat = tf.stack([tf.reshape(tf.cast(arrays[i], tf.float32), [-1]) for i in places])
            padding = self.rows_of(shape) * self.width - flat.shape[1]
            if padding:
                flat = tf.pad(flat, [[0, 0], [0, padding]])
            parts.append(tf.reshape(flat, [-1, self.width]))
        return parts[0] if len(parts) == 1 else tf.concat(parts, axis=0)

    @property
    def order(self) -> list[int]:
        """The places of the variables in the order of their rows."""
        return [i for _, places in self.groups for i in places]

    @property
    def owners(self) -> NDArray[np.int32]:
        """(rows,), the place of the variable that each row belongs to."""
        counts = [self.rows_of(shape) for shape, places in self.groups for _ in places]
        return np.repeat(np.array(self.order, np.int32), counts)

    @property
    def padding(self) -> NDArray[np.float32]:
        """(rows, width), 0 where an entry of a variable lies, infinity elsewhere."""
        rows = []
        for shape, places in self.groups:
            row = np.zeros(self.rows_of(shape) * self.width, np.float32)
            row[int(np.prod(shape)) :] = np.inf
            rows += [row] * len(places)
        return np.concatenate(rows).reshape(-1, self.width)

    def units(self, matrix: Tensor) -> list[tuple[tuple[int, ...], Tensor]]:
        """Returns for each group its places, and (variables, fan_in, units) of `matrix`."""
        result, start = [], 0
        for shape, places in self.groups:
            stop = start + self.rows_of(shape) * len(places)
            flat = tf.reshape(matrix[start:stop], [len(places), -1])[:, : int(np.prod(shape))]
            result.append((places, tf.reshape(flat, [len(places), *fans(shape)])))
            start = stop
        return result


def _join(shapes: Sequence[tuple[int, ...]], width: int) -> _Join:
    groups: dict[tuple[int, ...], list[int]] = {}
    for i, shape in enumerate(shapes):
        groups.setdefault(shape, []).append(i)
    return _Join(tuple((shape, tuple(places)) for shape, places in groups.items()), width)


def _batches(updates: Sequence[Update], reducer: Reducer) -> tuple[list[list[int]], list[int]]:
    """Returns which variables to join with which, and which to reduce alone."""
    joined: list[list[int]] = []
    alone: list[int] = []
    room: dict[Kind, int] = {}  # entries that the kind's last batch still takes
    last: dict[Kind, list[int]] = {}
    for i, update in enumerate(updates):
        if update.touched is not None or update.size > reducer.joined or not update.size:
            alone.append(i)
            continue
        kind = update.kind
        if room.get(kind, 0) < update.size:
            last[kind], room[kind] = [], reducer.batch
            joined.append(last[kind])
        last[kind].append(i)
        room[kind] -= update.size
    for batch in [batch for batch in joined if len(batch) == 1]:
        joined.remove(batch)
        alone += batch
    return joined, alone


def norms(arrays: Sequence[Tensor], reducer: Reducer) -> list[Tensor]:
    """Returns the () float32 Euclidean norm of each array; infinite where a sum of squares overflows."""
    shapes = [tuple(x.shape) for x in arrays]
    known = [None not in shape for shape in shapes]
    small = [
        i
        for i, shape in enumerate(shapes)
        if reducer.xla and known[i] and 0 < int(np.prod(shape)) <= reducer.joined
    ]
    result: list[Any] = [None] * len(arrays)
    if len(small) > 1:  # XLA compiles one reduction in the time of one, however many rows it has
        join = _join([shapes[i] for i in small], reducer.width)
        by_row = replace(reducer, rows=True).l2(join.matrix([arrays[i] for i in small]))
        squares = tf.math.unsorted_segment_sum(tf.square(by_row), join.owners, len(small))
        for i, norm in zip(small, tf.unstack(tf.sqrt(squares)), strict=True):
            result[i] = norm
    for i, x in enumerate(arrays):
        if result[i] is None:
            result[i] = reducer.l2(x)
    return result


# Reducing


def columns(optimizer: Any, updates: Sequence[Update], reducer: Reducer) -> Tensor:
    """Reduces updates to the raw columns `COLUMNS`.

    Args:
        optimizer: which made them.
        updates: one per variable.
        reducer: how to reduce.

    Returns:
        (len(updates), len(COLUMNS)) float32. Sums and counts, not means: `finished` divides. A column that the kind of
        optimizer does not have is 0. NaN in, NaN out, but for maxima.
    """
    joined, alone = _batches(updates, reducer)
    parts = [_joined_columns(optimizer, [updates[i] for i in batch], reducer) for batch in joined]
    parts += [_columns(optimizer, updates[i], reducer)[tf.newaxis] for i in alone]
    found = parts[0] if len(parts) == 1 else tf.concat(parts, axis=0)
    order = np.argsort([*(i for batch in joined for i in batch), *alone])
    if order.tolist() != list(range(len(order))):
        found = tf.gather(found, order)
    given = [update.norm for update in updates]
    lacking = [u.gradient for u in updates if u.norm is None]
    counted = iter(norms(lacking, reducer))
    gradient = tf.stack([next(counted) if norm is None else norm for norm in given])
    return tf.concat([gradient[:, tf.newaxis], found], axis=1)


def _joined_columns(optimizer: Any, updates: list[Update], reducer: Reducer) -> Tensor:
    join = _join([update.shape for update in updates], reducer.width)
    kind, count = updates[0].kind, len(updates)
    entries = Entries(
        optimizer,
        join.matrix([update.gradient for update in updates]),
        tuple(join.matrix(list(x)) for x in zip(*(u.slots for u in updates), strict=True)),
        updates[0].scalars,
    )
    weight = join.matrix([update.weight for update in updates])
    by_row = replace(reducer, rows=True)
    reduced = reduce_entries(kind, entries, weight, by_row, None, join.padding)
    roots, sums, maxima = reduced.norms, reduced.sums, reduced.maxima
    added = tf.math.unsorted_segment_sum(
        tf.concat([tf.square(roots), sums], axis=1), join.owners, count
    )
    largest = tf.math.unsorted_segment_max(maxima, join.owners, count)
    dead = _joined_dead(kind, join, reduced.memory, entries.g, count, reducer)
    return tf.concat(
        [tf.sqrt(added[:, : len(NORMS)]), added[:, len(NORMS) :], largest, dead], axis=1
    )


def _joined_dead(
    kind: Kind, join: _Join, memory: Tensor | None, g: Tensor, count: int, reducer: Reducer
) -> Tensor:
    """Returns (count, 1), each variable's number of dead units."""
    if memory is None:
        return tf.zeros([count, 1])

    def candidates(memory: Tensor) -> list[Tensor]:
        return [faded_units(kind, tf.reduce_mean(x, axis=1)) for _, x in join.units(memory)]

    def counted(memory: Tensor, g: Tensor) -> Tensor:
        dead = [
            tf.reduce_sum(faded * unused_units(tf.reduce_max(tf.abs(x), axis=1)), axis=1)
            for faded, (_, x) in zip(candidates(memory), join.units(g), strict=True)
        ]
        by_place = np.argsort(join.order)
        return tf.gather(tf.concat(dead, axis=0), by_place)[:, tf.newaxis]

    if reducer.xla:
        return counted(memory, g)
    some = tf.add_n([tf.reduce_sum(faded) for faded in candidates(memory)]) > 0
    # usually no unit is a candidate: whether it has a gradient is looked at only then
    return run_if(some, counted, [memory, g], otherwise=lambda memory, g: tf.zeros([count, 1]))


def _columns(optimizer: Any, update: Update, reducer: Reducer) -> Tensor:
    """Returns (len(COLUMNS) - 1,), one variable's columns but for the gradient's norm."""
    if not update.size:
        return tf.zeros([len(COLUMNS) - 1])
    fan_in, units = fans(update.shape)
    whole = [
        tf.reshape(tf.cast(x, tf.float32), [fan_in, units])
        for x in (update.gradient, update.weight, *update.slots)
    ]
    if update.touched is not None:
        touched = tf.cast(update.touched, tf.float32)
        whole.append(tf.reshape(tf.repeat(touched, fan_in // touched.shape[0]), [fan_in, 1]))

    def reduced(arrays: list[Tensor]) -> tuple[Tensor, ...]:
        g, w, *rest = arrays
        touched = rest.pop() if update.touched is not None else None
        entries = Entries(optimizer, g, tuple(rest), update.scalars)
        found = reduce_entries(update.kind, entries, w, reducer, touched)
        memory = [] if found.memory is None else [found.memory]
        return (found.norms, found.sums, found.maxima, *memory)

    def piece(start: Any, rows: int) -> tuple[Tensor, ...]:
        return reduced([tf.slice(x, [start, 0], [rows, x.shape[1]]) for x in whole])

    rows = max(1, PIECE // units)
    if not reducer.pieces or fan_in <= 2 * rows:
        total = reduced(whole)
    else:
        stride = rows * AT_ONCE
        starts = range(fan_in - fan_in % stride, fan_in, rows)
        pieces = [piece(start, min(rows, fan_in - start)) for start in starts]
        if fan_in >= stride:

            def add_pieces(start: Tensor, *so_far: Tensor) -> tuple[Tensor, ...]:
                more = [piece(start + i * rows, rows) for i in range(AT_ONCE)]
                return start + stride, *_merged([so_far, *more])

            _, *found = tf.while_loop(
                lambda start, *_: start < starts.start,
                add_pieces,
                (0, *_nothing(units, "memory" in update.kind.has)),
                parallel_iterations=1,
            )
            pieces.append(tuple(found))
        total = _merged(pieces)
    roots, sums, maxima, *memory = total
    if memory:
        faded = faded_units(update.kind, memory[0] / fan_in)
        dead = _alone_dead(faded, whole[0], reducer)
    else:
        dead = tf.zeros([1])
    return tf.concat([roots, sums, maxima, dead], axis=0)


def _alone_dead(faded: Tensor, g: Tensor, reducer: Reducer) -> Tensor:
    """Returns (1,), how many of the `faded` units, (units,), have a gradient of 0 in `g`, (fan_in, units)."""

    def counted(faded: Tensor, g: Tensor) -> Tensor:
        return tf.reduce_sum(faded * unused_units(reducer.unit_sums(tf.abs(g))), keepdims=True)

    if reducer.xla:
        return counted(faded, g)
    some = tf.reduce_sum(faded) > 0
    return run_if(some, counted, [faded, g], otherwise=lambda faded, g: tf.zeros([1]))


def _nothing(units: int, memory: bool) -> tuple[Tensor, ...]:
    """Returns what no entries give: norms, sums, maxima and, if there is a `memory`, its sums by unit."""
    sums = [tf.zeros([len(NORMS)]), tf.zeros([len(SUMS)]), tf.fill([len(MAXIMA)], -np.inf)]
    return (*sums, tf.zeros([units])) if memory else (*sums,)


def _merged(parts: Sequence[Sequence[Tensor]]) -> tuple[Tensor, ...]:
    """Returns what several pieces give together."""
    norms, sums, maxima, *memory = (list(column) for column in zip(*parts, strict=True))
    squares = [tf.square(x) for x in norms]
    largest = tf.reduce_max(tf.stack(maxima), axis=0)
    return tf.sqrt(tf.add_n(squares)), tf.add_n(sums), largest, *map(tf.add_n, memory)
