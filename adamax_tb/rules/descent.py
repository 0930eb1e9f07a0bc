"""How far the steps of a run could have brought its loss, to first order.

An update d at a gradient g changes the loss by g·d if the step is small. The record holds norms, so what it says is a
bound, |g||d| summed over the layers: with one gradient's noise in g and d, and with the angle between them, it is about
two times too large for Adam and AdaMax, and exact for plain SGD. No loss, no scale and no rate has to be known to read
it: steps that could not have brought the loss down are too small, steps that promise the whole loss every few updates
leave the range where the gradient says anything.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adamax_tb.schema import Run, recorded

#: Smaller than any promise that counts, so that the logarithm of 0 is none.
LEAST = 1e-300
#: How many records are multiplied together.
RECORDS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Descent:
    """What the updates of a run promised, in units of the loss.

    Attributes:
        per_update: (T,), of the update of each record; NaN where the optimizer's update is not recorded.
        promised: (T,), of all updates up to each record: between two records it goes geometrically.
        steps: (T,), the records' steps.
    """

    per_update: NDArray[np.float64]
    promised: NDArray[np.float64]
    steps: NDArray[np.int64]

    @property
    def whole(self) -> float:
        """Of all updates together; NaN where it is not known."""
        return float(self.promised[-1]) if len(self.promised) else np.nan

    def capped(self, most: float) -> NDArray[np.float64]:
        """Returns (T,), what the updates since the record before promised, if none counts for more than `most`."""
        return _between(np.minimum(self.per_update, most), self.steps)

    def since(self, record: int) -> float:
        """Returns what was promised after this record."""
        return float(self.promised[-1] - self.promised[record])


def descent(run: Run) -> Descent:
    """Returns what the updates of `run` promised; a layer whose numbers are not finite counts as 0."""
    if not {"update_ratio", "weight_norm"} <= set(run.statistics) or not len(run.steps):
        unknown = np.full(len(run.steps), np.nan)
        return Descent(unknown, unknown, run.steps)
    parts, known = [], []
    for part in run.parts(RECORDS_AT_ONCE):
        gradient = part.stat("gradient_norm").astype(np.float64)
        ratio, weights = part.stat("update_ratio"), part.stat("weight_norm")
        with np.errstate(over="ignore", invalid="ignore"):
            promised = gradient * (ratio.astype(np.float64) * weights)
        parts.append(np.sum(promised, axis=1, where=np.isfinite(promised)))
        known.append((recorded(ratio) & recorded(weights)).any(axis=1))
    per_update = _filled(np.concatenate(parts), np.concatenate(known), run.steps)
    return Descent(per_update, np.cumsum(_between(per_update, run.steps)), run.steps)


def _filled(
    per_update: NDArray[np.float64], known: NDArray[np.bool_], steps: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Returns (T,), `per_update` with what lies between those `known` where the update was not recorded."""
    if known.all():
        return per_update
    if not known.any():
        return np.full(len(steps), np.nan)
    logs = np.log(np.maximum(per_update[known], LEAST))
    return np.where(known, per_update, np.exp(np.interp(steps, steps[known], logs)))


def _between(per_update: NDArray[np.float64], steps: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns (T,), what the updates after the record before promised, the first record's by itself.

    From one record to the next it is taken to go geometrically: the sum of a progression that ends in the record.
    """
    low, high = np.maximum(per_update[:-1], LEAST), np.maximum(per_update[1:], LEAST)
    updates = np.diff(steps)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        ratio = np.exp((np.log(high) - np.log(low)) / updates)
        total = np.where(
            np.abs(ratio - 1) < 1e-6, high * updates, ratio * (high - low) / (ratio - 1)
        )
    return np.concatenate([per_update[:1], np.where(updates == 1, high, total)])
