"""`nonfinite`: a gradient, the loss or the weights are NaN or infinite."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adamax_tb.rules import references
from adamax_tb.rules.course import Course
from adamax_tb.rules.finding import Finding
from adamax_tb.rules.gradients import EXPLODED, RECORDS_AT_ONCE, usual_norm
from adamax_tb.rules.rate import lower_rate, rate_at, rate_evidence
from adamax_tb.rules.wording import spelled
from adamax_tb.schema import Run, recorded

#: A gradient that grew by this factor in the updates before it was lost had been growing.
GREW = 10.0


@dataclass(frozen=True, slots=True)
class GrowthBefore:
    """How one layer's gradient grew in the `updates` right before it was lost, from the norm `first` to `last`."""

    updates: int
    first: float
    last: float

    @property
    def factor(self) -> float:
        """How many times larger it became."""
        return self.last / self.first

    def described(self) -> str:
        """Returns the growth as a sentence, empty if there is none to speak of."""
        if not self.factor >= GREW:
            return ""
        to = f"to {spelled(self.last)}" if np.isfinite(self.last) else "beyond float32's range"
        return f" In the {self.updates} updates before, its gradient grew from {spelled(self.first)} {to}."


@dataclass(frozen=True, slots=True)
class LostLoss:
    """A loss that is NaN or infinite at update `step`, or at one since `after`, if that is not None."""

    step: int
    after: int | None
    loss: float

    @property
    def described(self) -> str:
        """The loss and its place, in words."""
        kind = "NaN" if np.isnan(self.loss) else "infinite"
        if self.after is None:
            return f"{kind} at step {self.step}"
        return f"{kind} between steps {self.after} and {self.step}"


def nonfinite(run: Run, course: Course) -> Iterator[Finding]:
    """A gradient entry was NaN or infinite: the update that follows ruins the weights; or the loss was."""
    bad = {**_nonfinite_in_flight(run), **_nonfinite_in_records(run)}
    ruined = _ruined_by_update(run, min(bad, default=None))
    if ruined is not None:
        yield ruined
    elif bad:
        yield _nonfinite_gradient(run, bad)
        yield from _exploded_before(run, course, bad)
    else:
        yield from _nonfinite_loss(run, course)


def _nonfinite_in_records(run: Run) -> dict[int, NDArray[np.bool_]]:
    """Returns step → (L,), which gradients were NaN or infinite in that record or since the one before."""
    found: dict[int, NDArray[np.bool_]] = {}
    for part in run.parts(RECORDS_AT_ONCE):
        # a norm may overflow while the entries are finite: that is an explosion, not yet this
        norms = part.stat("gradient_norm_peak")
        bad = (part.stat("nonfinite") > 0) | (np.isnan(norms) & recorded(norms))
        found |= {int(part.steps[t]): bad[t] for t in np.nonzero(bad.any(axis=1))[0]}
    return found


def _nonfinite_in_flight(run: Run) -> dict[int, NDArray[np.bool_]]:
    """Returns step → (L,), which gradients were NaN or infinite in that update of the flight record."""
    if run.flight is None:
        return {}
    norms, flown = run.flight.gradient_norm, run.flight.steps
    peaks, counts = run.stat("gradient_norm_peak"), run.stat("nonfinite")
    # a norm overflows, no entry does, if the record before says so, or the one that covers the update: entries that
    # are infinite would have turned the weights into NaN by then
    overflows = np.pad(np.isinf(peaks) & ~(counts > 0), ((1, 1), (0, 0)))
    before = np.searchsorted(run.steps, flown, side="right")
    covering = np.searchsorted(run.steps, flown) + 1
    overflowed = overflows[before] | overflows[covering]
    bad = (np.isnan(norms) & recorded(norms)) | (np.isinf(norms) & ~overflowed)
    bad &= _confirmed(run, ~np.isfinite(peaks) | (counts > 0))
    return {int(flown[i]): bad[i] for i in np.nonzero(bad.any(axis=1))[0]}


def _confirmed(run: Run, seen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Returns (F, ...): for each update of the flight record what the record that covers it has `seen`, (T, ...).

    True where there is no such record. A flight of a past that was replaced by resuming is found out so.
    """
    steps = run.flight.steps if run.flight is not None else run.steps[:0]
    return np.concatenate([seen, np.ones_like(seen[:1])])[np.searchsorted(run.steps, steps)]


def _nonfinite_gradient(run: Run, bad: Mapping[int, NDArray[np.bool_]]) -> Finding:
    """Returns what to say of gradients that are NaN or infinite: step → (L,), which ones."""
    step = min(bad)
    (where,) = np.nonzero(bad[step])
    layer = int(where[-1])  # backpropagation runs from the last layer to the first
    record = int(np.searchsorted(run.steps, step))
    growth = _growth_before(run, step, layer)
    evidence = {
        "layers": float(len(where)),
        "loss": _loss_at(run, step),
        **rate_evidence(rate_at(run, step)),
    }
    how_many = ""
    if step in run.steps:
        count, size = float(run.stat("nonfinite")[record, layer]), math.prod(run.shapes[layer])
        how_many = f", in {count:,.0f} of {size:,} entries" if 0 < count <= size > 1 else ""
        evidence = {"nonfinite": count, **evidence}
    if growth is not None:
        evidence |= {"gradient_norm_before": growth.last, "growth_before": growth.factor}
    return Finding(
        rule="nonfinite",
        severity="critical",
        layer=run.layers[layer],
        first_step=step,
        last_step=max(bad),
        message=(
            f"The gradient is NaN or infinite in {len(where)} of {len(run.layers)} layers since step {step}, on the "
            f"way back first in {run.layers[layer]}{how_many}.{_finite_before(run, step)}"
            f"{growth.described() if growth is not None else ''}{_lost_before(run, step)}"
        ),
        evidence=evidence,
        suggestion=_nonfinite_remedy(run, step, growth, usual_norm(run, record)),
        reference=references.NUMBERS,
    )


def _exploded_before(
    run: Run, course: Course, bad: Mapping[int, NDArray[np.bool_]]
) -> Iterator[Finding]:
    """The flight record shows what records are too far apart for: the gradient exploded on its way to NaN."""
    step = min(bad)
    grown = {i: g for i in range(len(run.layers)) if (g := _growth_before(run, step, i))}
    layer = max(grown, key=lambda i: grown[i].factor, default=0)
    if not grown or not grown[layer].factor >= EXPLODED:
        return
    growth = grown[layer]
    to = spelled(growth.last) if np.isfinite(growth.last) else "beyond float32's range"
    clip = usual_norm(run, int(np.searchsorted(run.steps, step - growth.updates)))
    yield Finding(
        rule="exploding-gradient",
        severity="critical",
        layer=run.layers[layer],
        first_step=step - growth.updates + 1,
        last_step=int(run.steps[-1]),
        message=(
            f"The gradient of {run.layers[layer]} explodes: within {growth.updates} updates it grows from "
            f"{spelled(growth.first)} to {to}, and at step {step} gradients are NaN or infinite."
        ),
        evidence={
            "gradient_norm_first": growth.first,
            "gradient_norm_last": growth.last,
            "growth": growth.factor,
            "updates": float(growth.updates),
            **rate_evidence(rate_at(run, step)),
            "loss_first": course.loss.first,
        },
        suggestion=(
            f"Lower the learning rate: {lower_rate(run, step, _overstepped(growth))}. And clip at the size from "
            f"before, so that no batch can start it: {run.optimizer}(..., global_clipnorm={clip:.2g})."
        ),
        reference=references.EXPLODING,
    )


def _overstepped(growth: GrowthBefore) -> float:
    """Returns by what to divide the rate, a power of ten from 10 to 1,000.

    Where a gradient grows by a factor with each update, plain gradient descent is stable at that part of the rate.
    """
    per_update = np.log10(min(growth.factor, 1e30)) / growth.updates
    return float(10 ** np.clip(np.round(per_update), 1, 3))


def _nonfinite_remedy(run: Run, step: int, growth: GrowthBefore | None, clip_norm: float) -> str:
    clip = f"global_clipnorm={clip_norm:.2g}"
    if growth is None:
        return (
            "Look at the loss first: a log or a division of 0, or an input that holds NaN. If the gradient grew before "
            f"this step, lower the learning rate or clip: {clip}."
        )
    if growth.factor >= EXPLODED:
        return f"The gradient grew before. Lower the learning rate: {lower_rate(run, step, 10)}. And clip: {clip}."
    return (
        f"The gradient did not grow much before. Look at the batch of step {step} and at the loss: an input that holds "
        "NaN, a log or a division of 0, or the root of 0, whose derivative is infinite."
    )


def _finite_before(run: Run, step: int) -> str:
    """Returns when all gradients were finite for the last time before `step`, as a sentence; empty if never."""
    known = recorded(run.stat("gradient_norm_peak")).any(axis=1)
    earlier = run.steps[known & (run.steps < step)][-1:].tolist()
    if run.flight is not None:
        earlier += run.flight.steps[run.flight.steps == step - 1].tolist()
    return f" At step {max(earlier)} all entries were finite." if earlier else ""


def _lost_before(run: Run, step: int) -> str:
    """Returns since when the loss is not finite, as a sentence; empty if not before `step`."""
    for lost in _nonfinite_losses(run)[:1]:
        if lost.step < step:
            return f" The loss is {lost.described} already."
    return ""


def _growth_before(run: Run, step: int, layer: int) -> GrowthBefore | None:
    """Returns how the gradient of `layer` grew before `step`; None if the flight record does not hold these updates.

    The growth begins where the gradient was within twice its smallest for the last time.
    """
    if run.flight is None:
        return None
    end = int(np.searchsorted(run.flight.steps, step))
    steps = run.flight.steps[:end]
    if not end or steps[-1] != step - 1:
        return None
    start = int(np.max(np.nonzero(np.diff(steps) > 1)[0] + 1, initial=0))
    norms = run.flight.gradient_norm[start:end, layer].astype(np.float64)
    smallest = np.min(norms, where=norms > 0, initial=np.inf)
    (small,) = np.nonzero((norms > 0) & (norms <= 2 * smallest))
    if not small.size:
        return None
    return GrowthBefore(len(norms) - int(small[-1]), float(norms[small[-1]]), float(norms[-1]))


def _nonfinite_loss(run: Run, course: Course) -> Iterator[Finding]:
    """The loss was NaN or infinite while the gradients were finite."""
    losses = _nonfinite_losses(run)
    if not losses:
        return
    first = losses[0]
    finite = np.isfinite(run.loss)
    (before,) = np.nonzero(finite & (run.steps < first.step))
    was = (
        f" At step {run.steps[before[-1]]} it was {run.loss[before[-1]]:.3g}."
        if before.size
        else ""
    )
    passed = bool(finite[-1]) and losses[-1].step <= run.steps[-1]
    again = f" At step {run.steps[-1]} it is finite again." if passed else ""
    yield Finding(
        rule="nonfinite",
        severity="warning" if passed and not course.loss.suffered else "critical",
        layer=None,
        first_step=first.step,
        last_step=losses[-1].step,
        message=f"The loss is {first.described}, while all gradients are finite.{was}{again}",
        evidence={
            "loss": first.loss,
            "loss_before": float(run.loss[before[-1]]) if before.size else np.nan,
            **rate_evidence(rate_at(run, first.step)),
        },
        suggestion=(
            "Look at how the loss is computed, as the gradients do not see it: a log or a division of 0 that a "
            "condition hides from them, an exp beyond float32, or a sample weight that is NaN. Losses that take "
            "from_logits=True avoid the first two."
        ),
        reference=references.NUMBERS,
    )


def _nonfinite_losses(run: Run) -> list[LostLoss]:
    """Returns all losses that are NaN or infinite, earliest first.

    A loss that was NaN from the beginning is not known; if the flight record was written for it, it is.
    """
    losses, peaks, never = run.loss, run.step_stat("loss_peak"), np.zeros(len(run.steps), np.bool_)
    found = [LostLoss(int(run.steps[t]), None, float(losses[t])) for t in _lost(losses, never)]
    if run.flight is not None:
        known = np.array([reason == "nonfinite loss" for reason in run.flight.reasons])
        known |= np.any(~np.isnan(losses[run.steps < run.flight.steps[0]]))
        confirmed = _confirmed(run, ~np.isfinite(peaks))
        found += [
            LostLoss(int(run.flight.steps[i]), None, float(run.flight.loss[i]))
            for i in _lost(run.flight.loss, known)
            if confirmed[i]
        ]
    found += [
        LostLoss(int(run.steps[t]), int(run.steps[t - 1]) if t else None, float(peaks[t]))
        for t in _lost(peaks, never)
    ]
    return sorted(found, key=lambda lost: lost.step)  # of one step the exact ones first


def _lost(loss: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Returns the indices of losses that are infinite, or NaN and `known` to be or known at an earlier index."""
    known = known | np.logical_or.accumulate(~np.isnan(loss))
    return np.nonzero(np.isinf(loss) | (np.isnan(loss) & recorded(loss) & known))[0]


def _loss_at(run: Run, step: int) -> float:
    """Returns the loss at update `step`, or at the record that covers it."""
    if run.flight is not None:
        (at,) = np.nonzero(run.flight.steps == step)
        if at.size:
            return float(run.flight.loss[at[0]])
    record = min(int(np.searchsorted(run.steps, step)), len(run.steps) - 1)
    return float(run.loss[record])


def _ruined_by_update(run: Run, bad: int | None) -> Finding | None:
    """Returns what to say if weights are NaN before update `bad`, the first whose gradient is not finite, if any."""
    if "weight_norm" not in run.statistics:
        return None
    before = run if bad is None else run.until(int(np.searchsorted(run.steps, bad)))
    first, weights = 0, np.empty(0, np.float32)
    for part in before.parts(RECORDS_AT_ONCE):
        norms = part.stat("weight_norm")
        nan = np.isnan(norms) & recorded(norms)
        (at,) = np.nonzero(nan.any(axis=1))
        if at.size:
            first, weights = first + int(at[0]), np.where(nan[at[0]], norms[at[0]], 0)
            break
        first += len(part.steps)
    (where,) = np.nonzero(np.isnan(weights))
    if not where.size:
        return None
    step = int(run.steps[first])
    rate = rate_at(run, step)
    its_rate = f"at this step its learning rate is {rate:.2g}; " if np.isfinite(rate) else ""
    then = f" From step {bad} on they are NaN, too." if bad is not None else ""
    return Finding(
        rule="nonfinite",
        severity="critical",
        layer=run.layers[where[0]],
        first_step=step,
        last_step=int(run.steps[-1]),
        message=(
            f"The update of step {step} turns weights of {len(where)} of {len(run.layers)} layers into NaN, though all "
            f"gradients are finite until then.{then}"
        ),
        evidence={
            "weight_norm": float(weights[where[0]]),
            "layers": float(len(where)),
            "loss": float(run.loss[first]),
            **rate_evidence(rate),
        },
        suggestion=(
            f"The gradient is not the cause; the optimizer is. Look at {run.optimizer}: {its_rate}a root or a "
            "division in its update that can be NaN, an epsilon of 0, or a state that was loaded from a broken "
            "checkpoint does this."
        ),
        reference=references.NUMBERS,
    )
