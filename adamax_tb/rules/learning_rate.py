"""`learning-rate-too-high` and `learning-rate-too-low`: steps that promise far more, or far less, than the loss.

Both compare what the updates promise to first order (`descent`) with what is left of the loss. Steps that promise the
whole loss every few updates and do not bring it down are outside the range where a gradient says anything. Steps that
all together promise less than the loss cannot have brought it down, whatever the loss is like.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from adamax_tb.rules import references
from adamax_tb.rules.course import LATELY, Course
from adamax_tb.rules.finding import Finding, Severity
from adamax_tb.rules.gradients import HISTORY
from adamax_tb.rules.wording import rounded, spelled
from adamax_tb.schema import Run

#: Updates that promise more than this part of the first loss each, on average, while most of it stays, are too large;
#: the next holds where more than half of it is gone, the last where there are hardly any records to tell it from.
TOO_FAR = 0.3
TOO_FAR_AND_LEARNING = 0.4
TOO_FAR_OF_FEW = 1.0
#: When the last few promise more than this, the loss is about to suffer, if it does not yet.
RUNS_AWAY = 1.0
#: Updates that all together promise less than this part of the first loss, while most of it stays, are too small.
TOO_NEAR = 0.5
#: The gradient is still what it was: of a loss that was learned but for a constant, it would have become smaller.
UNSPENT = 1 / 3
#: Fewer updates say nothing yet: of steps that are too large, and of steps that are too small.
UPDATES_TOO_FAR = 20
UPDATES_TOO_NEAR = 80
#: A rate below this part of its largest has been turned off.
TURNED_OFF = 0.01


def learning_rate_too_high(run: Run, course: Course) -> Iterator[Finding]:
    """The loss bounces, or is about to: updates promise more of it each than a gradient can say anything about."""
    loss = course.loss
    if not loss.known or course.updates < UPDATES_TOO_FAR:
        return
    if not course.fresh and not _rose(run.loss):
        return  # of what was trained before, nothing may be left to learn
    pace, lately = course.pace, course.pace_lately
    bounces = loss.poor and pace >= _limit(run, course)
    if not bounces and not lately >= RUNS_AWAY:
        return
    promised = course.descent.per_update / max(abs(loss.first), 1e-30)
    if not bounces:
        promised, pace = promised[-LATELY:], lately
    first = len(run.steps) - len(promised) + int(np.argmax(promised >= TOO_FAR))
    rate = float(run.step_stat("learning_rate")[first])
    peaks = run.step_stat("loss_peak")
    peak = float(np.max(peaks, where=np.isfinite(peaks), initial=-np.inf))
    factor = 10 if pace < 2 else 100
    which = "an update" if bounces else f"each update since step {run.steps[first]}"
    yield Finding(
        rule="learning-rate-too-high",
        severity="critical" if loss.failing else "warning",
        layer=None,
        first_step=int(run.steps[first]),
        last_step=int(run.steps[-1]),
        message=(
            f"The learning rate is too high: by its gradient {which} promises {spelled(pace)} times the first loss, "
            f"so it steps over the valley and not into it. {loss.described().capitalize()}"
            f"{f', with {spelled(peak)} in between' if peak > 2 * abs(loss.first) else ''}."
        ),
        evidence={
            "promised_per_update": pace,
            "loss_first": loss.first,
            "loss_last": loss.last,
            "loss_peak": peak,
            "learning_rate": rate,
            "update_ratio": _median(run, "update_ratio", first),
        },
        suggestion=(
            f"Lower the learning rate by {factor}: at step {run.steps[first]} it is {rate:.2g}; try "
            f"{rounded(rate / factor)}. Updates should then promise a few percent of the loss each."
        ),
        reference=references.LEARNING_RATE,
    )


def _limit(run: Run, course: Course) -> float:
    if len(run.steps) < HISTORY and not course.loss.suffered:
        return TOO_FAR_OF_FEW
    return TOO_FAR if course.loss.failing else TOO_FAR_AND_LEARNING


def learning_rate_too_low(run: Run, course: Course) -> Iterator[Finding]:
    """The loss stays far above what the steps could have reached: together they promise less than it takes."""
    loss = course.loss
    if not loss.failing or not np.isfinite(loss.last) or course.updates < UPDATES_TOO_NEAR:
        return
    if not course.fresh:
        return  # what was trained before may have nothing left to learn
    rates = run.step_stat("learning_rate").astype(np.float64)
    highest = float(np.nanmax(rates)) if np.isfinite(rates).any() else np.nan
    off = np.nonzero(rates < TURNED_OFF * highest)[0]
    off = off[off > int(np.nanargmax(rates))] if np.isfinite(highest) else off
    turned_off = bool(off.size and off[0] < len(rates) / 2 and off[-1] == len(rates) - 1)
    too_near = course.expected < TOO_NEAR
    if not too_near and not (turned_off and _part_since(course, int(off[0])) < TOO_NEAR / 10):
        return
    norms = _whole_norm(run)
    if not np.median(norms[-5:]) >= UNSPENT * norms[0] > 0:
        return
    severity: Severity = "warning" if loss.learned else "critical"
    factor = _factor(course.expected)
    now = float(rates[-1])
    if turned_off:
        start = int(off[0])
        what = (
            f"The learning rate falls too soon: at step {run.steps[start]} it is {rates[start]:.2g}, "
            f"{spelled(highest / max(rates[start], 1e-30))} times less than it was, and from there on all updates "
            f"together promise {100 * _part_since(course, start):.2g} % of the loss."
        )
        remedy = (
            f"Let the learning rate fall {spelled(10)} times more slowly, or not at all: keep {highest:.2g} until the "
            "loss stands still."
        )
    else:
        start = 0
        still = (
            f", and the {course.planned} that are still planned bring that to {100 * course.expected:.2g} %"
            if course.planned
            else ""
        )
        what = (
            f"The learning rate is too low: by their gradients all {course.updates} updates together promise "
            f"{100 * course.promised:.2g} % of the first loss{still}."
        )
        remedy = (
            f"Raise the learning rate by {factor}, from {now:.2g} to {rounded(now * factor)}, or train that many "
            "times longer. The gradient is as large as at the beginning, so there is much to be learned."
        )
    yield Finding(
        rule="learning-rate-too-low",
        severity=severity,
        layer=None,
        first_step=int(run.steps[start]),
        last_step=int(run.steps[-1]),
        message=f"{what} {loss.described().capitalize()}.",
        evidence={
            "promised": course.promised,
            "loss_first": loss.first,
            "loss_last": loss.last,
            "learning_rate": now,
            "largest_learning_rate": highest,
            "update_ratio": _median(run, "update_ratio", start),
            "gradient_norm_first": float(norms[0]),
            "gradient_norm_last": float(np.median(norms[-5:])),
        },
        suggestion=remedy,
        reference=references.RATE_RANGE,
    )


def _factor(promised: float) -> int:
    """Returns by what to raise a rate whose updates promise this part of the loss."""
    return int(min(100, 10 ** np.ceil(np.log10(max(1.0 / max(promised, 1e-3), 3.0)))))


def _part_since(course: Course, record: int) -> float:
    return course.descent.since(record) / max(abs(course.loss.first), 1e-30)


def _whole_norm(run: Run) -> NDArray[np.float64]:
    """Returns (T,), the gradient norm of all layers together."""
    norms = run.stat("gradient_norm").astype(np.float64)
    return np.sqrt(np.sum(np.square(norms), axis=1, where=np.isfinite(norms)))


def _rose(loss: NDArray[np.float32]) -> bool:
    """Tells whether losses are more than twice what they were at the beginning, by medians."""
    early = float(np.median(loss[: max(5, len(loss) // 10)]))
    return bool(np.median(loss[len(loss) // 2 :]) - early > abs(early))


def _median(run: Run, name: str, start: int) -> float:
    """Returns the median of a statistic over all layers from a record on; NaN without any."""
    if name not in run.statistics:
        return np.nan
    values = run.stat(name)[start:]
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else np.nan
