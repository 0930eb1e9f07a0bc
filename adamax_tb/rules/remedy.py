"""What to set the learning rate to, where it is too high: two rules say so and must not differ."""

import numpy as np

from adamax_tb.rules.wording import rounded
from adamax_tb.schema import Run

#: A rate this many times its first one is said to have risen.
RISEN = 1.5


def lower_rate(run: Run, at: int, divisor: float) -> str:
    """Returns the end of a sentence: the rate at record `at`, what it was at first, and the rate to try.

    Args:
        run: its learning rate is NaN where nobody told it.
        at: the first record at which the rate is too high.
        divisor: a rate that has stood still, or is being warmed up, is divided by it. One that has run away, so that
            for most of the way it was below that, goes back to where it began.
    """
    rates = run.step_stat("learning_rate")[: at + 1].astype(np.float64)
    rate, first = float(rates[-1]), float(rates[0])
    if not np.isfinite(rate):
        return f"divide it by {divisor:g}"
    lower = rate / divisor
    if first > 0 and np.median(rates) < lower:
        lower = min(lower, first)
    risen = f" (it was {first:.2g} at step {run.steps[0]})" if rate > RISEN * first else ""
    return f"at step {run.steps[at]} it is {rate:.2g}{risen}; try {rounded(lower)}"
