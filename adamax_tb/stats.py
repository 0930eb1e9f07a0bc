"""Statistics of an optimizer's update: reduced on the device to raw columns, finished on the host.

It keeps no state and decides nothing: `recorder` says when, `schema` says what the results are called.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

try:
    from tensorflow.compiler.tf2xla.ops.gen_xla_ops import xla_optimization_barrier
except ImportError:  # not public: without it the sums are right, and slower
    xla_optimization_barrier = None

Tensor = Any  # TensorFlow ships no types

#: A unit whose mean |m|/u is below this has had no gradient for ln(DEAD)/ln(beta_1) updates.
DEAD = 1e-6

#: On a CPU a variable is reduced in pieces of about this many entries, so that temporaries stay in the cache:
#: 2.5 times as fast for 4 M entries as the whole at once.
PIECE = 2**18

#: What `layer_columns` returns, in order: norms, sums, maxima and the count of dead units. The last four sums are of
#: the entries that the update may move.
NORMS = ("gradient_l2", "weight_l2", "m_l2", "update_l2")
SUMS = (
    "gradient_nonzeros",
    "u_nonzeros",
    "u_sum",
    "moved",
    "inverse_sum",
    "saturation_sum",
    "descent",
)
MAXIMA = ("gradient_max", "u_max", "u_min_negated", "update_max")
COLUMNS = (*NORMS, *SUMS, *MAXIMA, "dead_units")


@dataclass(frozen=True, slots=True)
class Moments:
    """One variable's state after the update: `w -= rate * m / (scale(source) + epsilon)`, `rate` one number.

    `source` is u with `scale` the identity for AdaMax, v with `scale` the square root for Adam. `touched`, (rows,)
    bool, says which rows of the first axis the update moved, if not all.
    """

    m: Tensor
    source: Tensor
    scale: Callable[[Tensor], Tensor]
    epsilon: float
    touched: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Reducer:
    """How to reduce fast where the program runs.

    Attributes:
        xla: whether the program is compiled by XLA.
        pieces: whether to reduce large variables piece by piece, as a CPU's cache likes it.
    """

    xla: bool
    pieces: bool

    def _apart(self, x: Tensor) -> Tensor:
        # XLA on the CPU reduces what it fused into the reduction on one thread and without vectors; behind a barrier
        # it does not: 0.5 ms in place of 2.9 ms for the sum of 4 M squares
        if not self.xla or xla_optimization_barrier is None:
            return x
        return xla_optimization_barrier(input=[x])[0]

    def sum(self, x: Tensor) -> Tensor:
        """Returns the () sum of `x`."""
        return tf.reduce_sum(self._apart(x))

    def max(self, x: Tensor) -> Tensor:
        """Returns the () largest entry of `x`; whether NaN counts depends on the device."""
        return tf.reduce_max(self._apart(x))

    def unit_sums(self, x: Tensor) -> Tensor:
        """Returns (units,), the sums of the columns of `x`, which is (fan_in, units)."""
        if self.xla:
            return tf.reduce_sum(self._apart(x), axis=0)
        return tf.matmul(tf.ones([1, x.shape[0]]), x)[0]  # a third of the time of reduce_sum

    def l2(self, x: Tensor) -> Tensor:
        """Returns the () float32 Euclidean norm of `x`; infinite when the sum of squares overflows."""
        x = tf.reshape(tf.cast(x, tf.float32), [-1])
        if self.xla:  # EuclideanNorm has no XLA kernel
            return tf.sqrt(self.sum(tf.square(x)))
        return tf.raw_ops.EuclideanNorm(input=x, axis=[0])


def nonfinite_count(x: Tensor) -> Tensor:
    """Returns the () float32 number of entries of `x` that are NaN or infinite."""
    return tf.reduce_sum(tf.cast(~tf.math.is_finite(x), tf.float32))


def layer_columns(gradient: Tensor, weight: Tensor, moments: Moments, reducer: Reducer) -> Tensor:
    """Reduces one variable's update to the raw columns `COLUMNS`.

    Args:
        gradient: (*shape), dL/dw as it was applied.
        weight: (*shape), after the update.
        moments: the optimizer's state after the update.
        reducer: how to reduce.

    Returns:
        (len(COLUMNS),) float32. Sums and counts, not means: `finished` divides. NaN in, NaN out, but for maxima.
    """
    units = gradient.shape[-1] if gradient.shape.rank else 1
    whole = [
        tf.reshape(tf.cast(x, tf.float32), [-1, units])
        for x in (gradient, weight, moments.m, moments.source)
    ]
    fan_in = whole[0].shape[0]
    if moments.touched is not None:
        touched = tf.cast(moments.touched, tf.float32)
        whole.append(tf.reshape(tf.repeat(touched, fan_in // touched.shape[0]), [fan_in, 1]))
    rows = max(1, PIECE // units)
    if not reducer.pieces or fan_in <= 2 * rows:
        reduced = _reduced(whole, moments, reducer)
    else:

        def add_piece(start: Tensor, *so_far: Tensor) -> tuple[Tensor, ...]:
            piece = [tf.slice(x, [start, 0], [rows, x.shape[1]]) for x in whole]
            return start + rows, *_merged(so_far, _reduced(piece, moments, reducer))

        rest = fan_in % rows
        first = _reduced([x[: rows + rest] for x in whole], moments, reducer)
        _, *reduced = tf.while_loop(
            lambda start, *_: start < fan_in,
            add_piece,
            (rows + rest, *first),
            parallel_iterations=1,
        )
    norms, sums, maxima, sizes = reduced
    dead = (sizes[0] == 0) & (sizes[1] <= DEAD * fan_in)
    dead_units = tf.reduce_sum(tf.cast(dead, tf.float32))
    return tf.concat([norms, sums, maxima, dead_units[tf.newaxis]], axis=0)


Reduced = tuple[Tensor, Tensor, Tensor, Tensor]


def _reduced(piece: list[Tensor], moments: Moments, reducer: Reducer) -> Reduced:
    """Returns NORMS, SUMS, MAXIMA and (2, units): each unit's sum of |g| and of |m|/u."""
    g, w, m, source, *touched = piece
    u = moments.scale(source)
    seen = tf.sign(u)
    # 0 where u is 0: those weights do not move
    divided = tf.math.divide_no_nan if moments.epsilon == 0 else tf.divide
    moved = seen * touched[0] if touched else seen
    inverse = divided(moved, u + moments.epsilon)
    direction = m * inverse
    g_size, direction_size = tf.abs(g), tf.abs(direction)
    saturations = reducer.unit_sums(direction_size)
    norms = tf.stack([reducer.l2(x) for x in (g, w, m, direction)])
    sums = [reducer.sum(x) for x in (tf.sign(g_size), seen, u)]
    sums += [reducer.sum(moved) if touched else sums[1], reducer.sum(inverse)]
    sums += [tf.reduce_sum(saturations), reducer.sum(g * direction)]
    maxima = [reducer.max(g_size), reducer.max(u), reducer.max(-u), reducer.max(direction_size)]
    sizes = tf.stack([reducer.unit_sums(g_size), saturations])
    return norms, tf.stack(sums), tf.stack(maxima), sizes


def _merged(a: Any, b: Reduced) -> Reduced:
    """Returns what `_reduced` gives for the pieces of `a` and `b` together."""
    hypotenuse = tf.sqrt(tf.square(a[0]) + tf.square(b[0]))
    return hypotenuse, a[1] + b[1], tf.maximum(a[2], b[2]), a[3] + b[3]


def finished(
    columns: NDArray[np.float32],
    shapes: list[tuple[int, ...]],
    learning_rate: NDArray[np.float64],
    rate: NDArray[np.float64],
) -> dict[str, NDArray[Any]]:
    """Turns the raw columns of R records into the statistics of `schema.STATS` that come from them.

    Args:
        columns: (R, len(COLUMNS), L) float32, from `layer_columns`.
        shapes: the L variables' shapes.
        learning_rate: (R,), before bias correction.
        rate: (R,), what the optimizer multiplied `m / (scale + epsilon)` by: for AdaMax
            `learning_rate / (1 - beta_1**t)`.

    Returns:
        name → (R, L) float64. 0/0 is 0, as in a layer that has neither weights nor updates.
    """
    raw = {name: columns[:, i].astype(np.float64) for i, name in enumerate(COLUMNS)}
    size = np.array([max(1, int(np.prod(shape))) for shape in shapes], np.float64)
    units = np.array([shape[-1] if shape else 1 for shape in shapes], np.float64)
    rate = rate[:, np.newaxis]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        update_l2 = rate * raw["update_l2"]
        descent = rate * raw["descent"]
        correction = _ratio(rate, learning_rate[:, np.newaxis])
        return {
            "clipped_gradient_norm": raw["gradient_l2"],
            # a maximum may drop NaN, depending on the device; a norm does not
            "gradient_max": np.where(np.isnan(raw["gradient_l2"]), np.nan, raw["gradient_max"]),
            "gradient_zeros": 1 - raw["gradient_nonzeros"] / size,
            "m_rms": raw["m_l2"] / np.sqrt(size),
            "u_min": -raw["u_min_negated"],
            "u_mean": raw["u_sum"] / size,
            "u_max": raw["u_max"],
            "u_zeros": 1 - raw["u_nonzeros"] / size,
            "step_size": _ratio(rate * raw["inverse_sum"], raw["moved"]),
            "update_rms": update_l2 / np.sqrt(size),
            "update_max": rate * raw["update_max"],
            "update_ratio": _ratio(update_l2, raw["weight_l2"]),
            "saturation": _ratio(correction * raw["saturation_sum"], raw["moved"]),
            "weight_norm": raw["weight_l2"],
            "descent_share": _ratio(descent, np.abs(descent).sum(axis=1, keepdims=True)),
            "dead_units": raw["dead_units"] / units,
        }


def _ratio(a: Any, b: Any) -> Any:
    """Returns a / b with 0/0 := 0; anything else over 0 is infinite."""
    quotient = np.divide(a, b)
    return np.where((np.asarray(a) == 0) & (np.asarray(b) == 0), 0.0, quotient)
