"""Axes of charts: where a number lies, which ticks there are and how they are spelled. Pure functions of numbers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Numbers whose largest is this many times their smallest are read off a logarithmic axis only.
DECADES_APART = 30.0


@dataclass(frozen=True, slots=True)
class Axis:
    """From `low`, less than `high`, at 0 to `high` at 1; `low` is positive if it is logarithmic."""

    low: float
    high: float
    log: bool = False

    def place(self, values: ArrayLike) -> NDArray[np.float64]:
        """Returns where `values` lie; NaN for NaN, and on a logarithmic axis for what is not positive."""
        numbers = np.asarray(values, np.float64)
        if not self.log:  # halved, as their difference may be beyond float64's range
            result: NDArray[np.float64] = (numbers / 2 - self.low / 2) / (
                self.high / 2 - self.low / 2
            )
            return result
        logs = np.log(np.where(numbers > 0, numbers, np.nan))
        return (logs - np.log(self.low)) / (np.log(self.high) - np.log(self.low))

    def ticks(self, most: int) -> list[float]:
        """Returns round numbers on the axis, two or more where there are, about `most` at most."""
        return (
            log_ticks(self.low, self.high, most) if self.log else ticks(self.low, self.high, most)
        )


def axis_of(
    values: NDArray[np.float64], log: bool | None = None, whole: tuple[float, float] | None = None
) -> Axis:
    """Returns an axis that the finite ones of `values` fit on, with a margin.

    Args:
        values: of any shape; a logarithmic axis has no place for what is not positive.
        log: whether it is logarithmic, if there is anything positive; None: if the numbers are far apart.
        whole: an axis to take instead, if they all fit on it.
    """
    finite = values[np.isfinite(values)]
    positive = finite[finite > 0]
    if whole and finite.size and whole[0] <= finite.min() and finite.max() <= whole[1]:
        return Axis(*whole)
    if log is None:
        log = len(positive) == len(finite) > 0 and bool(finite.max() > DECADES_APART * finite.min())
    if log and positive.size:
        low, high = float(positive.min()), float(positive.max())
        margin = max(1.3, (high / low) ** 0.06 if high / low < np.inf else 10.0)
        return Axis(low / margin, high * margin, log=True)
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if low == high == 0:
        return Axis(0.0, 1.0)
    margin = 0.06 * (high - low) or 0.1 * abs(high)
    return Axis(low - margin, high + margin)


def ticks(low: float, high: float, most: int) -> list[float]:
    """Returns the multiples of 1, 2 or 5 times a power of ten from `low` to `high`, `most` + 1 or a few more."""
    rough = (high - low) / most
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9)
    found = [float(f"{step * i:.12g}") for i in np.arange(first, last + 1)]
    return found if found or most > 50 else ticks(low, high, 2 * most)


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Returns powers of ten, every second, third, ... if there are too many; within two decades more than these."""
    first, last = int(np.ceil(np.log10(low) - 1e-9)), int(np.floor(np.log10(high) + 1e-9))
    exponents = [
        e for e in range(first, last + 1) if e % max(1, -(-(last - first + 1) // most)) == 0
    ]
    if len(exponents) >= 3 or last - first > 2:
        return [float(f"1e{e}") for e in exponents]
    finer = [float(f"{m}e{e}") for e in range(first - 1, last + 1) for m in (1, 2, 5)]
    inside = [tick for tick in finer if low <= tick <= high]
    return inside if len(inside) >= 2 else ticks(low, high, most)


def step_ticks(low: float, high: float, most: int) -> list[float]:
    """Returns round steps from `low` to `high`; whole numbers all."""
    return [tick for tick in ticks(low, high, most) if tick == int(tick)] if high > low else [low]


def short(value: float) -> str:
    """Returns `value` as a tick or a legend spells it: "20,000", "1e5", "0.05", "1e-7", "NaN", "∞"."""
    if np.isnan(value):
        return "NaN"
    if np.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == int(value) and abs(value) < 1e5:
        return f"{int(value):,}"
    if 1e3 <= abs(value) < 1e5:
        return f"{float(f'{value:.3g}'):,.0f}"
    if 1e-3 <= abs(value) < 1e3:
        return f"{value:.3g}"
    digits, _, exponent = f"{value:.2e}".partition("e")
    return f"{float(digits):g}e{int(exponent)}"
