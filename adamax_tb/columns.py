"""The raw columns that a device reduces updates to, and how the host finishes them to statistics.

NumPy only: which backend the optimizer runs on makes no difference here.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from adamax_tb.slots import Kind

#: What a device computes of each variable, in order: norms, sums, maxima and the count of dead units.
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


def finished(
    optimizer: Any,
    kinds: "Sequence[Kind]",
    raw_columns: NDArray[np.float32],
    shapes: Sequence[tuple[int, ...]],
    learning_rate: NDArray[np.float64],
    t: NDArray[np.float64],
) -> dict[str, NDArray[Any]]:
    """Turns the raw columns of R records into the statistics of `schema.STATS` that come from them.

    Args:
        optimizer: which made the updates.
        kinds: how it updates each of the L variables.
        raw_columns: (R, len(COLUMNS), L) float32.
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
    kinds: "Sequence[Kind]",
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
