"""Gradients of embeddings: which rows a batch touched, and updates of those rows alone.

It knows AdaMax's recurrence and no optimizer object: `optimizer` says when, with which rate.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from adamax_tb.branch import read

Tensor = Any  # TensorFlow ships no types


def _segments(slices: tf.IndexedSlices) -> tuple[Tensor, Tensor]:
    """Returns for each of n slices its row's number (n,), and the rows' sums (n, ...), 0 beyond the last row.

    Half precision is added up in float32. Static shapes throughout: XLA compiles it.
    """
    row = tf.unique(slices.indices).idx
    values = widened(slices).values
    return row, tf.math.unsorted_segment_sum(values, row, tf.shape(row)[0])


def widened(slices: tf.IndexedSlices) -> tf.IndexedSlices:
    """Returns the same gradient, of half precision in float32: in bfloat16 256 + 1 is 256."""
    half = slices.values.dtype in (tf.float16, tf.bfloat16)
    return tf.cast(slices, tf.float32) if half else slices


def summed(slices: tf.IndexedSlices) -> tf.IndexedSlices:
    """Returns the same n indices, each with the sum of all slices of its row."""
    row, sums = _segments(slices)
    return tf.IndexedSlices(tf.gather(sums, row), slices.indices, slices.dense_shape)


def counted_once(slices: tf.IndexedSlices) -> tf.IndexedSlices:
    """Returns the same gradient, a repeated row's sum at its first slice and 0 at the others.

    The norm and the largest entry of its values are those of the dense gradient.
    """
    row, sums = _segments(slices)
    position = tf.range(tf.shape(row)[0])
    first = tf.math.unsorted_segment_min(position, row, tf.shape(row)[0])
    is_first = tf.equal(tf.gather(first, row), position)
    shape = tf.concat([tf.shape(row), tf.ones([tf.rank(sums) - 1], tf.int32)], axis=0)
    values = tf.where(tf.reshape(is_first, shape), tf.gather(sums, row), tf.zeros_like(sums))
    return tf.IndexedSlices(values, slices.indices, slices.dense_shape)


@dataclass(frozen=True, slots=True)
class RowCount:
    """Of a variable that is updated row by row, how often, and when each row was touched.

    Attributes:
        made: () int64, the updates that the variable has had since it is counted.
        last: (rows,) int64, the one that touched each row last; `made - last` is what the row has missed.
    """

    made: Any
    last: Any


class LazyRows:
    """Updates of touched rows alone, and what the other rows have missed.

    A row that misses updates keeps its m and u as they were; when it is touched again they are decayed for the
    updates it missed: m by beta_1**missed and u by beta_2**missed, so that m and u are those of the paper's
    recurrence with a gradient of 0 in between. m must decay with u: left as it was, it could be many times u, and the
    step many times the learning rate. Only the drift of the weight during those updates is left out.

    The counts are not checkpointed: `settle` decays every row to the present before a state is saved, and before
    another one is loaded, whose rows have then missed nothing.

    Args:
        beta_1: decay of m.
        beta_2: decay of u.
    """

    def __init__(self, beta_1: float, beta_2: float) -> None:
        self._decays = (beta_1, beta_2)
        self._counts: dict[int, RowCount] = {}
        self._dense: set[int] = set()

    def count(self, index: int) -> RowCount | None:
        """Returns the count of variable `index`; None if all its rows are updated, always."""
        return self._counts.get(index)

    def expect(self, index: int, gradient: Tensor, rows: int) -> None:
        """Prepares for a gradient of variable `index`, which has so many `rows`, before the step's updates."""
        if index in self._counts:
            return
        if not isinstance(gradient, tf.IndexedSlices):
            if not tf.executing_eagerly():
                self._dense.add(index)
        elif index not in self._dense:
            with tf.init_scope():
                made = tf.Variable(0, dtype=tf.int64, trainable=False)
                last = tf.Variable(tf.zeros([rows], tf.int64), trainable=False)
                self._counts[index] = RowCount(made, last)
        else:
            warnings.warn(
                "AdaMax(lazy_rows=True) updates all rows of a variable that got a dense gradient in a step which was "
                "traced before: that step knows of no rows left behind. Trace the other step first.",
                stacklevel=2,
            )

    def update(
        self,
        index: int,
        slices: tf.IndexedSlices,
        arrays: tuple[Any, Any, Any],
        rate: Tensor,
        epsilon: float,
    ) -> None:
        """Updates the touched rows of one variable and of its m and u.

        Args:
            index: the variable's.
            slices: its gradient; a row may repeat.
            arrays: weights, m and u: TensorFlow variables of one shape.
            rate: (), what `m / (u + epsilon)` is multiplied by.
            epsilon: added to u.
        """
        slices = summed(slices)  # every slice of a row now writes the same
        at, count = slices.indices, self._counts[index]
        w, m, u = (_gathered(x, at) for x in arrays)
        compute = m.dtype
        g = tf.cast(slices.values, compute)
        number = read(count.made.handle, tf.int64, []) + 1
        steps = number - _gathered(count.last, at)
        beta_1, beta_2 = (power(beta, steps, m) for beta in self._decays)
        m = beta_1 * m + (1.0 - self._decays[0]) * g
        u = tf.maximum(beta_2 * u, tf.abs(g))
        update = tf.cast(rate, compute) * tf.math.divide_no_nan(m, u + epsilon)
        w = tf.cast(w, compute) - update
        for variable, value in zip(arrays, (w, m, u), strict=True):
            _scatter(variable, at, tf.cast(value, variable.dtype))
        _scatter(count.last, at, tf.fill(tf.shape(at), number))
        tf.raw_ops.AssignVariableOp(resource=count.made.handle, value=number)

    def settle_variable(self, index: int, m: Any, u: Any) -> None:
        """Decays all rows of one variable, if it is counted, to the present: none has then missed anything."""
        count = self._counts.get(index)
        if count is None:
            return
        made = read(count.made.handle, tf.int64, [])
        missed = made - read(count.last.handle, tf.int64, count.last.shape)
        for state, beta in zip((m, u), self._decays, strict=True):
            value = tf.convert_to_tensor(state)
            state.assign(value * power(beta, missed, value))
        tf.raw_ops.AssignVariableOp(
            resource=count.last.handle, value=tf.fill(count.last.shape, made)
        )

    def settle(self, distribution: Any, moments: Callable[[int], tuple[Any, Any]]) -> None:
        """Decays all rows of all variables to the present.

        Args:
            distribution: the strategy that the variables live in.
            moments: a variable's index → TensorFlow variables m and u.
        """
        with distribution.scope():
            for index in self._counts:
                m, u = moments(index)

                def decay(m: Any, u: Any, index: int = index) -> None:
                    self.settle_variable(index, m, u)

                distribution.extended.update(m, decay, args=(u,), group=False)


def power(beta: float, updates: Tensor, like: Tensor) -> Tensor:
    """Returns beta**updates, made to multiply `like`.

    Args:
        beta: in [0, 1).
        updates: (rows,) int64, at least 0.
        like: (rows, ...).

    Returns:
        (rows, 1, ...) of the type of `like`.
    """
    factor = tf.pow(tf.constant(beta, tf.float64), tf.cast(updates, tf.float64))
    shape = [-1] + [1] * (len(like.shape) - 1)
    return tf.reshape(tf.cast(factor, like.dtype), shape)


def _gathered(variable: Any, rows: Tensor) -> Tensor:
    return tf.raw_ops.ResourceGather(resource=variable.handle, indices=rows, dtype=variable.dtype)


def _scatter(variable: Any, rows: Tensor, values: Tensor) -> None:
    tf.raw_ops.ResourceScatterUpdate(resource=variable.handle, indices=rows, updates=values)
