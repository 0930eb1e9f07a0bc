"""A mean over few seeds, and how far from it the true one may be: Student's interval.

Pure; NumPy is all it needs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: What an interval holds the true mean with, if seeds are like draws from a normal distribution.
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over `count` seeds, and how far from it the true one may be, to either side.

    With one seed `half` is NaN: nothing is known. Without any, both are.
    """

    mean: float
    half: float
    count: int


def interval(values: Sequence[float] | NDArray[np.float64]) -> Interval:
    """Returns the mean of those `values` that are not NaN, with Student's interval; infinity makes it infinite."""
    known = np.array([v for v in values if not math.isnan(v)], np.float64)
    count = len(known)
    if not count or not np.isfinite(known).all():
        return Interval(math.inf if count else math.nan, math.nan, count)
    if count == 1:
        return Interval(float(known[0]), math.nan, 1)
    error = known.std(ddof=1) / math.sqrt(count)
    return Interval(float(known.mean()), student_t(CONFIDENCE, count - 1) * float(error), count)


def student_t(confidence: float, freedom: int) -> float:
    """Returns t with P(|T| <= t) = confidence for Student's T of `freedom` degrees, a whole number from 1 on.

    For whole degrees the distribution is a finite sum in the angle atan(t / sqrt(freedom)), which is bisected.

    References:
        Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4.
    """
    low, high = 0.0, math.pi / 2
    for _ in range(60):  # a bit each, more than a float64 has
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < confidence else (low, middle)
    return math.sqrt(freedom) * math.tan(low)


def _within(angle: float, freedom: int) -> float:
    """Returns P(|T| <= sqrt(freedom) tan(angle))."""
    sine, squared = math.sin(angle), math.cos(angle) ** 2
    odd = freedom % 2
    total, term = 0.0, math.cos(angle) if odd else 1.0
    for k in range(1 + odd, freedom, 2):
        total += term
        term *= squared * k / (k + 1)
    return 2 / math.pi * (angle + sine * total) if odd else sine * total
