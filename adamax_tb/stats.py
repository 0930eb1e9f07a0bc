"""Statistics of an optimizer's update: reduced on the device to raw columns, finished on the host.

It keeps no state and decides nothing: `recorder` says when, `schema` says what the results are called.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

Tensor = Any  # TensorFlow ships no types

#: A unit whose m is below this part of its u has had no gradient for ln(DEAD)/ln(beta_1) updates.
DEAD = 1e-6

#: What `layer_columns` returns, in order.
COLUMNS = (
    "gradient_l2", "gradient_max", "gradient_nonzeros", "weight_l2",
    "m_l2", "u_min", "u_sum", "u_max", "u_nonzeros",
    "inverse_sum", "update_l2", "update_max", "saturation_sum", "descent", "dead_units",
)  # fmt: skip
_MOMENT_COLUMNS = len(COLUMNS) - 4


@dataclass(frozen=True, slots=True)
class Moments:
    """One variable's state after the update: `w -= rate * m / (scale + epsilon)`, `rate` the same for all."""

    m: Tensor
    scale: Tensor
    epsilon: float


def l2(x: Tensor, xla: bool) -> Tensor:
    """Returns the () float32 Euclidean norm of `x`; infinite when the sum of squares overflows."""
    x = tf.cast(x, tf.float32)
    if xla:  # EuclideanNorm has no XLA kernel
        return tf.sqrt(tf.reduce_sum(tf.square(x)))
    return tf.raw_ops.EuclideanNorm(input=tf.reshape(x, [-1]), axis=[0])


def nonfinite_count(x: Tensor) -> Tensor:
    """Returns the () float32 number of entries of `x` that are NaN or infinite."""
    return tf.reduce_sum(tf.cast(~tf.math.is_finite(x), tf.float32))


def layer_columns(gradient: Tensor, weight: Tensor, moments: Moments | None, xla: bool) -> Tensor:
    """Reduces one variable's update to the raw columns `COLUMNS`.

    Args:
        gradient: (*shape), dL/dw as it was applied.
        weight: (*shape), after the update.
        moments: the optimizer's state after the update, or None when it has no such state.
        xla: whether this is compiled by XLA.

    Returns:
        (len(COLUMNS),) float32. Sums and counts, not means: `finished` divides. NaN in, NaN out.
    """
    units = gradient.shape[-1] if gradient.shape.rank else 1
    g = tf.reshape(tf.cast(gradient, tf.float32), [-1, units])
    g_size = tf.abs(g)
    g_units = tf.reduce_max(g_size, axis=0)
    columns = [
        l2(g, xla),
        tf.reduce_max(g_units),
        tf.reduce_sum(tf.sign(g_size)),
        l2(weight, xla),
    ]
    if moments is None:
        return tf.stack(columns + [tf.zeros([])] * _MOMENT_COLUMNS)
    m = tf.reshape(tf.cast(moments.m, tf.float32), [-1, units])
    scale = tf.reshape(tf.cast(moments.scale, tf.float32), [-1, units])
    m_size = tf.abs(m)
    scale_units = tf.reduce_max(scale, axis=0)
    seen = tf.sign(scale)
    inverse = (
        tf.math.reciprocal_no_nan(scale)
        if moments.epsilon == 0
        else 1.0 / (scale + moments.epsilon)
    )
    direction = m * inverse
    dead = (g_units == 0) & (tf.reduce_max(m_size, axis=0) <= DEAD * scale_units)
    columns += [
        l2(m, xla),
        tf.reduce_min(scale),
        tf.reduce_sum(scale),
        tf.reduce_max(scale_units),
        tf.reduce_sum(seen),
        tf.reduce_sum(seen * inverse),
        l2(direction, xla),
        tf.maximum(tf.reduce_max(direction), -tf.reduce_min(direction)),
        tf.reduce_sum(tf.math.divide_no_nan(m_size, scale)),
        tf.reduce_sum(g * direction),
        tf.reduce_sum(tf.cast(dead, tf.float32)),
    ]
    return tf.stack(columns)


def finished(
    columns: NDArray[np.float32],
    shapes: list[tuple[int, ...]],
    learning_rate: float,
    rate: float,
) -> dict[str, NDArray[np.float64]]:
    """Turns one record's raw columns into the statistics of `schema.STATS` that come from them.

    Args:
        columns: (len(COLUMNS), L) float32, from `layer_columns`.
        shapes: the L variables' shapes.
        learning_rate: before bias correction.
        rate: what the optimizer multiplied `m / (scale + epsilon)` by, `learning_rate / (1 - beta_1**t)` for AdaMax.

    Returns:
        name → (L,) float64. 0/0 is 0, as in a layer that has neither weights nor updates.
    """
    raw = {name: columns[i].astype(np.float64) for i, name in enumerate(COLUMNS)}
    size = np.array([max(1, int(np.prod(shape))) for shape in shapes], np.float64)
    units = np.array([shape[-1] if shape else 1 for shape in shapes], np.float64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        update_l2 = rate * raw["update_l2"]
        descent = rate * raw["descent"]
        return {
            "clipped_gradient_norm": raw["gradient_l2"],
            # a maximum may drop NaN, depending on the device; a norm does not
            "gradient_max": np.where(np.isnan(raw["gradient_l2"]), np.nan, raw["gradient_max"]),
            "gradient_zeros": 1 - raw["gradient_nonzeros"] / size,
            "m_rms": raw["m_l2"] / np.sqrt(size),
            "u_min": raw["u_min"],
            "u_mean": raw["u_sum"] / size,
            "u_max": raw["u_max"],
            "u_zeros": 1 - raw["u_nonzeros"] / size,
            "step_size": _ratio(rate * raw["inverse_sum"], raw["u_nonzeros"]),
            "update_rms": update_l2 / np.sqrt(size),
            "update_max": rate * raw["update_max"],
            "update_ratio": _ratio(update_l2, raw["weight_l2"]),
            "saturation": _ratio(
                _ratio(rate, learning_rate) * raw["saturation_sum"], raw["u_nonzeros"]
            ),
            "weight_norm": raw["weight_l2"],
            "descent_share": _ratio(descent, np.abs(descent).sum()),
            "dead_units": raw["dead_units"] / units,
        }


def _ratio(a: Any, b: Any) -> Any:
    """Returns a / b with 0/0 := 0; anything else over 0 is infinite."""
    quotient = np.divide(a, b)
    return np.where((np.asarray(a) == 0) & (np.asarray(b) == 0), 0.0, quotient)
