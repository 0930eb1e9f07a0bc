"""The learning rate as a run knows it, and what to set it to where it is too high."""

import numpy as np
from numpy.typing import NDArray

from adamax_tb.rules.wording import rounded
from adamax_tb.schema import Run

#: A rate this many times its first one is said to have risen.
RISEN = 1.5
#: One that was warmed up from less than this part of what it is to be began at no rate that was meant.
MEANT = 1e-3


def rates_of(run: Run) -> NDArray[np.float64]:
    """Returns (T,), the learning rate of each record: where none is, the one that the optimizer was made with.

    NaN where it is not known: not everybody who writes records tells it.
    """
    recorded = run.step_stat("learning_rate").astype(np.float64)
    if np.isfinite(recorded).any():
        return recorded
    return np.full(len(run.steps), run.hyperparameters.get("learning_rate", np.nan))


def rate_at(run: Run, step: int) -> float:
    """Returns the learning rate at update `step`, or at the record that covers it; NaN if it is not known."""
    if run.flight is not None:
        (at,) = np.nonzero(run.flight.steps == step)
        if at.size and np.isfinite(rate := float(run.flight.learning_rate[at[0]])):
            return rate
    return float(rates_of(run)[min(int(np.searchsorted(run.steps, step)), len(run.steps) - 1)])


def rate_evidence(rate: float, name: str = "learning_rate") -> dict[str, float]:
    """Returns `rate` as a finding's evidence, if it is known."""
    return {name: rate} if np.isfinite(rate) else {}


def lower_rate(run: Run, step: int, divisor: float) -> str:
    """Returns what comes after "Lower the learning rate: ", without a full stop.

    Args:
        run: the run.
        step: the first update at which the rate is too high.
        divisor: a rate that has stood still, or is being warmed up, is divided by it. One that has run away, so that
            for most of the way it was below that, goes back to where it began.
    """
    rate = rate_at(run, step)
    if not (np.isfinite(rate) and rate > 0):
        return f"divide it by {divisor:g}"
    before = rates_of(run)[: int(np.searchsorted(run.steps, step)) + 1]
    first, lower = float(before[0]), rate / divisor
    if first >= MEANT * lower and np.median(before) < lower:
        lower = min(lower, first)
    risen = f" (it was {first:.2g} at step {run.steps[0]})" if rate > RISEN * first else ""
    if not np.isfinite(run.step_stat("learning_rate")).any():
        return f"the optimizer was made with {rate:.2g}; try {rounded(lower)}"
    meant = f"{lower:.2g}" if lower == first else rounded(lower)
    return f"at step {step} it is {rate:.2g}{risen}; try {meant}"
