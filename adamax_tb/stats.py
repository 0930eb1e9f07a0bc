"""Statistics of an optimizer's update: reduced on the device to raw columns, finished on the host.

It keeps no state and decides nothing: `recorder` says when, `slots` how an update is made, `schema` what the results
are called.

A record of a small model costs what its operations cost, not its numbers: variables of few entries are joined into one
matrix whose rows belong to one variable each, reduced row by row, and their rows added up.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from adamax_tb.branch import run_if
from adamax_tb.slots import Entries, Kind

try:
    from tensorflow.compiler.tf2xla.ops.gen_xla_ops import xla_optimization_barrier
except ImportError:  # not public: without it the sums are right, and slower
    xla_optimization_barrier = None

Tensor = Any  # TensorFlow ships no types

#: A unit whose mean |m|/u is below this has had no gradient for ln(DEAD)/ln(beta_1) updates.
DEAD = 1e-6

#: On a CPU arrays are reduced in pieces of about this many entries: they stay in the cache, and TensorFlow takes them
#: on one thread, without the 50 µs that waking the others costs.
PIECE = 2**16

#: So many pieces are reduced in one iteration of the loop over them, which is a call of a function.
AT_ONCE = 8

#: What `columns` returns, in order: norms, sums, maxima and the count of dead units.
NORMS = ("weight_l2", "state_l2", "update_l2")
SUMS = (
    "gradient_nonzeros",
    "scale_nonzeros",
    "scale_sum",
    "moved",
    "inverse_sum",
    "saturation_sum",
    "descent",
    "weight_product",
)
MAXIMA = ("gradient_max", "scale_max", "scale_min_negated", "update_max")
COLUMNS = ("gradient_l2", *NORMS, *SUMS, *MAXIMA, "dead_units")


@dataclass(frozen=True, slots=True)
class Update:
    """One variable's update, after it was made.

    Attributes:
        gradient: (*shape), dL/dw as it was applied.
        norm: () float32, its L2 norm if that is known, else None.
        weight: (*shape).
        slots: the optimizer's state, each (*shape).
        kind: how the optimizer works.
        scalars: what `kind.scalars` returned.
        touched: (rows,) bool, which rows of the first axis the update moved, if not all.
    """

    gradient: Tensor
    norm: Tensor | None
    weight: Tensor
    slots: tuple[Tensor, ...]
    kind: Kind
    scalars: tuple[Tensor, ...] = ()
    touched: Tensor | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The variable's shape."""
        return tuple(self.weight.shape)

    @property
    def size(self) -> int:
        """The number of entries."""
        return int(np.prod(self.shape))


@dataclass(frozen=True, slots=True)
class Reducer:
    """How to reduce fast where the program runs.

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


def nonfinite_count(x: Tensor) -> Tensor:
    """Returns the () float32 number of entries of `x` that are NaN or infinite."""
    return tf.reduce_sum(tf.cast(~tf.math.is_finite(x), tf.float32))


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
            result.append((places, tf.reshape(flat, [len(places), *_fans(shape)])))
            start = stop
        return result


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Returns (fan_in, units): the last axis are the units."""
    units = shape[-1] if shape else 1
    return int(np.prod(shape)) // max(1, units), units


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
    reduced = _reduced(kind, entries, weight, by_row, None, join.padding)
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
        return [_faded(kind, tf.reduce_mean(x, axis=1)) for _, x in join.units(memory)]

    def counted(memory: Tensor, g: Tensor) -> Tensor:
        dead = [
            tf.reduce_sum(faded * _unused(tf.reduce_max(tf.abs(x), axis=1)), axis=1)
            for faded, (_, x) in zip(candidates(memory), join.units(g), strict=True)
        ]
        by_place = np.argsort(join.order)
        return tf.gather(tf.concat(dead, axis=0), by_place)[:, tf.newaxis]

    if reducer.xla:
        return counted(memory, g)
    some = tf.add_n([tf.reduce_sum(faded) for faded in candidates(memory)]) > 0
    # usually no unit is a candidate: whether it has a gradient is looked at only then
    return run_if(some, counted, [memory, g], otherwise=lambda memory, g: tf.zeros([count, 1]))


def _faded(kind: Kind, means: Tensor) -> Tensor:
    """Returns 1 for each unit whose memory has faded, 0 for others; `means` is (..., units), of `Kind.memory`."""
    limit: Any = DEAD
    if kind.memory is not None:
        limit = DEAD * tf.reduce_max(means, axis=-1, keepdims=True)
    return tf.cast(means <= limit, tf.float32)


def _unused(sizes: Tensor) -> Tensor:
    """Returns 1 for each unit whose gradient has size 0, 0 for others."""
    return tf.cast(tf.equal(sizes, 0.0), tf.float32)


def _columns(optimizer: Any, update: Update, reducer: Reducer) -> Tensor:
    """Returns (len(COLUMNS) - 1,), one variable's columns but for the gradient's norm."""
    if not update.size:
        return tf.zeros([len(COLUMNS) - 1])
    fan_in, units = _fans(update.shape)
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
        found = _reduced(update.kind, entries, w, reducer, touched)
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
        faded = _faded(update.kind, memory[0] / fan_in)
        dead = _alone_dead(faded, whole[0], reducer)
    else:
        dead = tf.zeros([1])
    return tf.concat([roots, sums, maxima, dead], axis=0)


def _alone_dead(faded: Tensor, g: Tensor, reducer: Reducer) -> Tensor:
    """Returns (1,), how many of the `faded` units, (units,), have a gradient of 0 in `g`, (fan_in, units)."""

    def counted(faded: Tensor, g: Tensor) -> Tensor:
        return tf.reduce_sum(faded * _unused(reducer.unit_sums(tf.abs(g))), keepdims=True)

    if reducer.xla:
        return counted(faded, g)
    some = tf.reduce_sum(faded) > 0
    return run_if(some, counted, [faded, g], otherwise=lambda faded, g: tf.zeros([1]))


@dataclass(frozen=True, slots=True)
class _Reduced:
    """`NORMS`, `SUMS` and `MAXIMA` of some entries, on the last axis, and their memory, if any.

    Of joined variables that is each entry's, of one alone the sum of each unit's.
    """

    norms: Tensor
    sums: Tensor
    maxima: Tensor
    memory: Tensor | None


def _reduced(
    kind: Kind,
    e: Entries,
    w: Tensor,
    reducer: Reducer,
    touched: Tensor | None,
    padding: NDArray[np.float32] | None = None,
) -> _Reduced:
    """Reduces what happened to some entries; the `padding`, where it is infinite, counts nowhere."""
    zero = tf.zeros([w.shape[0]]) if reducer.rows else tf.zeros([])
    norm = dict.fromkeys(NORMS, zero)
    total = dict.fromkeys(SUMS, zero)
    largest = dict.fromkeys(MAXIMA, zero)
    norm["weight_l2"] = reducer.l2(w)
    total["gradient_nonzeros"] = reducer.count(tf.sign(e.g))
    largest["gradient_max"] = tf.maximum(reducer.max(e.g), -reducer.min(e.g))
    scale = inverse = direction = memory = size = None
    if {"m", "momentum"} & kind.has:
        norm["state_l2"] = reducer.l2(e.slots[0])
    if kind.scale is not None:
        scale = kind.scale(e)
        seen = tf.sign(scale)
        total["scale_nonzeros"] = reducer.sum(seen)
        total["scale_sum"] = reducer.sum(scale)
        largest["scale_max"] = reducer.max(scale)
        smallest = reducer.min(scale if padding is None else scale + padding)
        largest["scale_min_negated"] = -smallest
        moved = seen if touched is None else seen * touched
        total["moved"] = total["scale_nonzeros"] if touched is None else reducer.sum(moved)
    if kind.inverse is not None:
        inverse = kind.inverse(e, scale)
        if touched is not None:
            inverse = inverse * touched
        total["inverse_sum"] = reducer.sum(inverse * seen)  # 1/epsilon where u is 0
    if kind.direction is not None:
        direction = kind.direction(e, inverse)
        size = tf.abs(direction)
        norm["update_l2"] = reducer.l2(direction)
        largest["update_max"] = reducer.max(size)
        total["descent"] = reducer.sum(e.g * direction)
    if kind.trust is not None:
        total["weight_product"] = reducer.sum(w * direction)
    if "memory" in kind.has:
        memory = size if kind.memory is None else kind.memory(e, scale)
        if not reducer.rows:
            memory = reducer.unit_sums(memory)
    if "saturation" in kind.has:  # alone, the sum of the units' sums is cheaper
        total["saturation_sum"] = reducer.sum(size) if reducer.rows else tf.reduce_sum(memory)
    stack = partial(tf.stack, axis=-1)
    return _Reduced(
        stack([norm[name] for name in NORMS]),
        stack([total[name] for name in SUMS]),
        stack([largest[name] for name in MAXIMA]),
        memory,
    )


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


# Finishing


def finished(
    optimizer: Any,
    kinds: Sequence[Kind],
    raw_columns: NDArray[np.float32],
    shapes: Sequence[tuple[int, ...]],
    learning_rate: NDArray[np.float64],
    t: NDArray[np.float64],
) -> dict[str, NDArray[Any]]:
    """Turns the raw columns of R records into the statistics of `schema.STATS` that come from them.

    Args:
        optimizer: which made the updates.
        kinds: how it updates each of the L variables.
        raw_columns: (R, len(COLUMNS), L) float32, from `columns`.
        shapes: the L variables' shapes.
        learning_rate: (R,), before bias correction.
        t: (R,), the paper's t: updates since the beginning or the last restart.

    Returns:
        name → (R, L) float64, whether or not a variable's kind has it. 0/0 is 0, as in a layer that has neither weights
        nor updates.
    """
    raw = {name: raw_columns[:, i].astype(np.float64) for i, name in enumerate(COLUMNS)}
    size = np.array([max(1, int(np.prod(shape))) for shape in shapes], np.float64)
    units = np.array([shape[-1] if shape else 1 for shape in shapes], np.float64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        correction, rate = _rates(optimizer, kinds, raw, size, learning_rate, t)
        update_l2 = rate * raw["update_l2"]
        descent = rate * raw["descent"]
        scale = {
            "min": -raw["scale_min_negated"],
            "mean": raw["scale_sum"] / size,
            "max": raw["scale_max"],
            "zeros": 1 - raw["scale_nonzeros"] / size,
        }
        return {
            "clipped_gradient_norm": raw["gradient_l2"],
            # a maximum may drop NaN, depending on the device; a norm does not
            "gradient_max": np.where(np.isnan(raw["gradient_l2"]), np.nan, raw["gradient_max"]),
            "gradient_zeros": 1 - raw["gradient_nonzeros"] / size,
            "m_rms": raw["state_l2"] / np.sqrt(size),
            "momentum_rms": raw["state_l2"] / np.sqrt(size),
            **{f"{of}_{name}": x for of in ("u", "v", "accumulator") for name, x in scale.items()},
            "step_size": _ratio(rate * raw["inverse_sum"], raw["moved"]),
            "update_rms": update_l2 / np.sqrt(size),
            "update_max": rate * raw["update_max"],
            "update_ratio": _ratio(update_l2, raw["weight_l2"]),
            "saturation": _ratio(correction * raw["saturation_sum"], raw["moved"]),
            "weight_norm": raw["weight_l2"],
            "descent_share": _ratio(descent, np.abs(descent).sum(axis=1, keepdims=True)),
            "dead_units": raw["dead_units"] / units,
        }


def _rates(
    optimizer: Any,
    kinds: Sequence[Kind],
    raw: dict[str, NDArray[np.float64]],
    size: NDArray[np.float64],
    learning_rate: NDArray[np.float64],
    t: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns (R, L): the correction of each variable's learning rate, and what its direction was multiplied by."""
    correction, rate = (np.empty(raw["update_l2"].shape) for _ in range(2))
    lr, t = learning_rate[:, np.newaxis], t[:, np.newaxis]
    places: dict[Kind, list[int]] = {}
    for i, kind in enumerate(kinds):
        places.setdefault(kind, []).append(i)
    for kind, at in places.items():
        correction[:, at] = kind.correction(optimizer, t)
        rate[:, at] = lr * correction[:, at]
        if kind.trust is not None:
            of_kind = {name: x[:, at] for name, x in raw.items()}
            rate[:, at] *= kind.trust(optimizer, of_kind, size[at], lr, t)
    return correction, rate


def _ratio(a: Any, b: Any) -> Any:
    """Returns a / b with 0/0 := 0; anything else over 0 is infinite."""
    quotient = np.divide(a, b)
    return np.where((np.asarray(a) == 0) & (np.asarray(b) == 0), 0.0, quotient)
