"""`not-learning`: the loss does not fall, and nothing about the optimizer explains it."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from adamax_tb.rules import references
from adamax_tb.rules.course import Course
from adamax_tb.rules.finding import Finding
from adamax_tb.rules.rate import rate_at, rate_evidence
from adamax_tb.rules.wording import spelled
from adamax_tb.schema import Run

#: Fewer updates, or updates that promised less of the loss together, may only need more time.
UPDATES = 100
PROMISED = 2.0
#: A loss whose second half is at least this part of its first value stood; one that became larger than the other did
#: something else.
STOOD = 0.95
GREW = 2.0


def not_learning(run: Run, course: Course) -> Iterator[Finding]:
    """An untrained network had steps enough to bring the loss down, and gradients to follow, and it stayed.

    It is asked last, when no other rule has anything to say.
    """
    loss = course.loss
    if not loss.known or loss.learned or not course.fresh or course.updates < UPDATES:
        return
    if course.early:
        return  # many a network stands for a while first
    if not course.promised >= PROMISED or not _stood(run.loss.astype(np.float64)):
        return
    rate = rate_at(run, int(run.steps[-1]))
    this = f", {rate:.2g}," if np.isfinite(rate) else ""
    yield Finding(
        rule="not-learning",
        severity="warning"
        if run.head is not None
        else "info",  # of a GAN, say, it may have to stay
        layer=None,
        first_step=int(run.steps[0]),
        last_step=int(run.steps[-1]),
        message=(
            f"Nothing is learned in {course.updates} updates, though by their gradients they promise "
            f"{spelled(course.promised)} times the loss together and no layer looks sick: {loss.described()}."
        ),
        evidence={
            "promised": course.promised,
            "promised_per_update": course.pace,
            **loss.ends(),
            **rate_evidence(rate),
        },
        suggestion=(
            "Train on ten examples: a network that cannot learn these by heart has labels that do not belong to its "
            "inputs, a loss that does not fit the outputs (probabilities for logits, a shape of (N,) for (N, 1), "
            f"one unit for several classes), or a learning rate{this} ten times too high."
        ),
        reference=references.RANDOM_LABELS,
    )


def _stood(loss: NDArray[np.float64]) -> bool:
    """Tells whether the second half's losses are what the first loss was, and what the first few were."""
    late = float(np.median(loss[len(loss) // 2 :]))
    early = float(np.median(loss[: max(3, len(loss) // 10)]))
    return bool(STOOD * abs(loss[0]) <= late <= GREW * abs(loss[0]) and late >= STOOD * abs(early))
