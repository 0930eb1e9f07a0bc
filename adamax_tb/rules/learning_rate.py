"""`learning-rate-too-high` and `learning-rate-too-low`: steps that promise far more, or far less, than the loss.

Both compare what the updates promise to first order (`descent`) with the first loss. Steps that promise the whole loss
every few updates, and do not bring it down, are outside the range where a gradient says anything. Steps that all
together promise less than the loss cannot have brought it down, whatever the loss is like.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from adamax_tb.rules import references
from adamax_tb.rules.course import LATELY, Course
from adamax_tb.rules.finding import Finding
from adamax_tb.rules.gradients import HISTORY, whole_norm
from adamax_tb.rules.rate import lower_rate, rate_at, rate_evidence, rates_of
from adamax_tb.rules.wording import rounded, sentence, spelled
from adamax_tb.schema import Run

#: Updates that promise more than this part of the first loss each, on average, while most of it stays, are too large;
#: the next holds where more than half of it is gone, the last where there are hardly any records to tell it from.
TOO_FAR = 0.3
TOO_FAR_AND_LEARNING = 0.4
TOO_FAR_OF_FEW = 1.0
#: A loss that falls, or of which much is gone, must have been this many times its first value on the way.
PEAKED = 1.5
#: When the last few promise more than this, the loss is about to suffer, if it does not yet.
RUNS_AWAY = 1.0
#: Updates that all together promise less than this part of the first loss, while most of it stays, are too small.
TOO_NEAR = 0.5
#: The gradient is still what it was: of a loss that was learned but for a constant, it would have become smaller.
UNSPENT = 0.45
#: Fewer updates say nothing yet: of steps that are too large, and of steps that are too small.
UPDATES_TOO_FAR = 20
UPDATES_TOO_NEAR = 80
#: A rate below this part of its largest has been turned off; one this many times what it usually was is still rising.
TURNED_OFF = 0.01
RISING = 1.2


def learning_rate_too_high(run: Run, course: Course) -> Iterator[Finding]:
    """The loss bounces, or is about to: updates promise more of it each than a gradient can say anything about."""
    loss = course.loss
    if not loss.known or not loss.grounded or course.updates < UPDATES_TOO_FAR:
        return
    if not course.fresh and not _rose(run.loss.astype(np.float64)):
        return  # of what was trained before, nothing may be left to learn
    peaks = run.step_stat("loss_peak").astype(np.float64)
    peak = float(np.max(peaks, where=np.isfinite(peaks), initial=loss.first))
    # of a run that is lost, what its steps were before they had nothing to follow any more
    pace = course.highest_pace if loss.failing else course.pace
    lately = course.pace_lately
    bounces = pace >= _limit(run, course) and _bounces(course, peak)
    if not bounces and not lately >= RUNS_AWAY:
        return
    promised = course.descent.per_update / loss.scale
    if not bounces:
        promised, pace = promised[-LATELY:], lately
    first = len(run.steps) - len(promised) + int(np.argmax(promised >= TOO_FAR))
    step = int(run.steps[first])
    between = f", with {spelled(peak)} in between" if peak > 2 * loss.scale else ""
    yield Finding(
        rule="learning-rate-too-high",
        severity="critical" if loss.failing else "warning",
        layer=None,
        first_step=step,
        last_step=int(run.steps[-1]),
        message=(
            f"The learning rate is too high: by its gradient "
            f"{'an update' if bounces else f'each update since step {step}'} promises {spelled(pace)} "
            f"times the first loss, so it steps over the valley and not into it. {sentence(loss.described())}"
            f"{between}."
        ),
        evidence={
            "promised_per_update": pace,
            **loss.ends(),
            "loss_peak": peak,
            **rate_evidence(rate_at(run, step)),
            "update_ratio": _median(run, "update_ratio", first),
        },
        suggestion=(
            f"Lower the learning rate: {lower_rate(run, step, 10 if pace < 2 else 100)}. Updates should then promise "
            "a few percent of the loss each."
        ),
        reference=references.LEARNING_RATE,
    )


def _limit(run: Run, course: Course) -> float:
    if len(run.steps) < HISTORY and not course.loss.suffered:
        return TOO_FAR_OF_FEW
    return TOO_FAR if course.loss.failing else TOO_FAR_AND_LEARNING


def _bounces(course: Course, peak: float) -> bool:
    """Tells whether much of the loss stays, and it does not just fall: large networks promise much, and learn."""
    loss = course.loss
    if loss.failing and not loss.falling:
        return True
    return loss.poor and peak >= PEAKED * loss.scale


def learning_rate_too_low(run: Run, course: Course) -> Iterator[Finding]:
    """The loss stays far above what the steps could have reached: together they promise less than it takes."""
    loss = course.loss
    if not loss.failing or not np.isfinite(loss.last) or course.updates < UPDATES_TOO_NEAR:
        return
    if not course.fresh or course.early:
        return  # what was trained before may have nothing left to learn
    rates = rates_of(run)
    norms = whole_norm(run)
    if not np.median(norms[-5:]) >= UNSPENT * norms[0] > 0:
        return
    since = _turned_off_since(rates)
    if since is not None and course.descent.since(since) / loss.scale < TOO_NEAR / 10:
        what, remedy = _falls_too_soon(run, course, rates, since)
    elif course.expected < TOO_NEAR and not rates[-1] > RISING * np.median(rates):
        what, remedy = _is_too_low(course, float(rates[-1]))
    else:
        return
    yield Finding(
        rule="learning-rate-too-low",
        severity="warning" if loss.learned or loss.falling else "critical",
        layer=None,
        first_step=int(run.steps[since or 0]),
        last_step=int(run.steps[-1]),
        message=f"{what} {sentence(loss.described())}.",
        evidence={
            "promised": course.promised,
            "promised_with_plan": course.expected,
            **loss.ends(),
            **rate_evidence(float(rates[-1])),
            **rate_evidence(_highest(rates), "largest_learning_rate"),
            "update_ratio": _median(run, "update_ratio", since or 0),
            "gradient_norm_first": float(norms[0]),
            "gradient_norm_last": float(np.median(norms[-5:])),
        },
        suggestion=remedy,
        reference=references.RATE_RANGE,
    )


def _is_too_low(course: Course, rate: float) -> tuple[str, str]:
    """Returns what to say of a rate that is too low all the time, and what to do."""
    planned = (
        f", and the {course.planned} that are still planned bring that to {100 * course.expected:.2g} %"
        if course.planned
        else ""
    )
    numbers = f", from {rate:.2g} to {rounded(10 * rate)}" if np.isfinite(rate) else ""
    return (
        f"The learning rate is too low: by their gradients all {course.updates} updates together promise "
        f"{100 * course.promised:.2g} % of the first loss{planned}.",
        f"Raise the learning rate by 10{numbers}, and again while the loss falls in a straight line; or train longer. "
        "The gradient is as large as at the beginning, so there is much to be learned.",
    )


def _falls_too_soon(
    run: Run, course: Course, rates: NDArray[np.float64], since: int
) -> tuple[str, str]:
    """Returns what to say of a rate that was turned off at record `since`, and what to do."""
    highest = _highest(rates)
    left = 100 * course.descent.since(since) / course.loss.scale
    return (
        f"The learning rate falls too soon: at step {run.steps[since]} it is {rates[since]:.2g}, "
        f"{spelled(highest / max(rates[since], 1e-30))} times less than it was, and from there on all updates together "
        f"promise {left:.2g} % of the loss.",
        f"Let the learning rate fall 10 times more slowly, or not at all: keep {highest:.2g} until the loss stands "
        "still.",
    )


def _highest(rates: NDArray[np.float64]) -> float:
    known = rates[np.isfinite(rates)]
    return float(known.max()) if known.size else np.nan


def _turned_off_since(rates: NDArray[np.float64]) -> int | None:
    """Returns the record since which the rate is next to nothing, if that is in the first half and to the end."""
    if not np.isfinite(rates).any():
        return None
    largest = int(np.nanargmax(rates))
    off = np.nonzero(rates < TURNED_OFF * rates[largest])[0]
    off = off[off > largest]
    if not off.size or off[0] >= len(rates) / 2 or off[-1] != len(rates) - 1:
        return None
    return int(off[0])


def _rose(loss: NDArray[np.float64]) -> bool:
    """Tells whether losses are more than twice what they were at the beginning, by medians."""
    early, late = np.median(loss[: max(5, len(loss) // 10)]), np.median(loss[len(loss) // 2 :])
    return bool(np.isfinite(early) and not late - early <= abs(early))


def _median(run: Run, name: str, start: int) -> float:
    """Returns the median of a statistic over all layers from a record on; NaN without any."""
    if name not in run.statistics:
        return np.nan
    values = run.stat(name)[start:]
    finite = values[np.isfinite(values)].astype(np.float64)
    return float(np.median(finite)) if finite.size else np.nan
