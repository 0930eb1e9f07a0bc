"""AdaMax, Adam and their statistics in NumPy float64, from the paper: what the package is judged by.

Shares no code with the package, and is not made to be fast.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Step:
    """One variable after update `t`; arrays have its shape.

    Attributes:
        t: the update, counted from 1 or from the last restart.
        gradient: dL/dw as it was applied.
        m: first moment.
        u: AdaMax's infinity norm, or for Adam the square root of the second moment.
        w: the weights after the update.
        step_size: what m is multiplied by.
        update: what is taken from the weights.
        saturation: |update| per learning rate: |m_hat|/(u + epsilon) for AdaMax.
        moved: whether this update may move the weight; all, unless rows are updated lazily.
    """

    t: int
    gradient: Array
    m: Array
    u: Array
    w: Array
    step_size: Array
    update: Array
    saturation: Array
    moved: NDArray[np.bool_]


def adamax(
    gradients: Iterable[ArrayLike],
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    w: ArrayLike = 0.0,
    touched: Sequence[ArrayLike] | None = None,
    restarts: Sequence[int] = (),
) -> Iterator[Step]:
    """Yields AdaMax's steps (Kingma and Ba, 2015, Algorithm 2), with Keras's u + epsilon in place of u.

    Where u + epsilon is 0, no gradient ever came and the weight stays. `touched` says for each step which weights
    move, `restarts` before which steps (the first is 1) m, u and the t of the bias correction start anew.
    """
    w = np.asarray(w, np.float64)
    m = u = np.zeros(())
    origin = 0
    for step, g in enumerate((np.asarray(g, np.float64) for g in gradients), start=1):
        if step in restarts:
            m, u, origin = np.zeros_like(m), np.zeros_like(u), step - 1
        t = step - origin
        moved = np.broadcast_to(True if touched is None else touched[step - 1], g.shape)
        m = beta_1 * m + (1 - beta_1) * g
        u = np.maximum(beta_2 * u, np.abs(g))
        m_hat = m / (1 - beta_1**t)
        inverse = _inverse(u + epsilon)
        update = np.where(moved, learning_rate * m_hat * inverse, 0.0)
        w = w - update
        step_size = learning_rate / (1 - beta_1**t) * inverse
        yield Step(t, g, m, u, w, step_size, update, np.abs(m_hat) * inverse, moved)


def adam(
    gradients: Iterable[ArrayLike],
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    w: ArrayLike = 0.0,
) -> Iterator[Step]:
    """Yields Adam's steps (the paper's Algorithm 1 in the order of computation of its section 2, as Keras has it)."""
    w = np.asarray(w, np.float64)
    m = v = np.zeros(())
    for t, g in enumerate((np.asarray(g, np.float64) for g in gradients), start=1):
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        step_size = (
            learning_rate
            * np.sqrt(1 - beta_2**t)
            / (1 - beta_1**t)
            * _inverse(np.sqrt(v) + epsilon)
        )
        update = step_size * m
        w = w - update
        saturation, moved = np.abs(update) / learning_rate, np.ones(g.shape, bool)
        yield Step(t, g, m, np.sqrt(v), w, step_size, update, saturation, moved)


def max_update(t: int, learning_rate: float, beta_1: float, beta_2: float) -> float:
    """Returns the largest |update| that any t gradients can give; g_t = beta_2**t gives it when epsilon is 0."""
    ratios = sum((beta_1 / beta_2) ** k for k in range(t))
    return learning_rate * (1 - beta_1) / (1 - beta_1**t) * ratios


def statistics(
    layers: Sequence[Step], unclipped: Sequence[ArrayLike] | None = None
) -> dict[str, Array]:
    """Returns name → (L,), every statistic that comes from one step.

    Args:
        layers: L variables' steps at the same t.
        unclipped: L gradients before clipping, where they were clipped.
    """
    raw = [step.gradient for step in layers] if unclipped is None else unclipped
    rows = [_layer(step, np.asarray(g, np.float64)) for step, g in zip(layers, raw, strict=True)]
    result = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    descents = np.array([np.sum(step.gradient * step.update) for step in layers])
    whole = np.abs(descents).sum()
    result["descent_share"] = descents / whole if whole else np.zeros(len(layers))
    return result


def _layer(step: Step, unclipped: Array) -> dict[str, float]:
    g, m, u, seen = step.gradient, step.m, step.u, (step.u > 0) & step.moved
    by_unit = (-1, g.shape[-1]) if g.ndim else (1, 1)
    no_gradient = (g == 0).reshape(by_unit).all(axis=0)
    relative_m = (np.abs(m) * _inverse(u) * step.moved).reshape(by_unit).mean(axis=0)
    weights, moved = np.sqrt(np.sum(step.w**2)), np.sqrt(np.sum(step.update**2))
    # u is AdaMax's, or the root of Adam's v
    scale = {"min": u.min(), "mean": u.mean(), "max": u.max(), "zeros": np.mean(u == 0)}
    return {
        "gradient_norm": np.sqrt(np.sum(unclipped**2)),
        "clipped_gradient_norm": np.sqrt(np.sum(g**2)),
        "gradient_max": np.abs(g).max(),
        "gradient_zeros": np.mean(g == 0),
        "nonfinite": np.sum(~np.isfinite(g)),
        "m_rms": np.sqrt(np.mean(m**2)),
        **{f"{of}_{name}": value for of in "uv" for name, value in scale.items()},
        "step_size": step.step_size[seen].mean() if seen.any() else 0.0,
        "update_rms": np.sqrt(np.mean(step.update**2)),
        "update_max": np.abs(step.update).max(),
        "update_ratio": moved / weights if weights else np.inf if moved else 0.0,
        "saturation": step.saturation[seen].mean() if seen.any() else 0.0,
        "weight_norm": weights,
        "dead_units": np.mean(no_gradient & (relative_m <= 1e-6)),
    }


def _inverse(x: Array) -> Array:
    """Returns 1 / x, and 0 where x is 0."""
    return np.divide(1.0, x, out=np.zeros_like(x), where=x != 0)
