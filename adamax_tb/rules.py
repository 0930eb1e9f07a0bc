"""Diagnosis: what a run's statistics say about its optimizer's health.

A rule is a pure generator from a `Run` to `Finding`s. To add one, list it in `RULES`. Thresholds are relative to the
run's own history and to the layers beside; whether the loss suffers decides the severity.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from adamax_tb.schema import Run, json_number, layer_group, recorded

Severity = Literal["critical", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "info")

#: Statistics without which there is no diagnosis.
NEEDED = {"gradient_norm", "gradient_norm_peak", "nonfinite"}
#: A loss that fell by less than this part of its first value has not been learned.
LEARNED = 0.1
#: A loss that changed by less than this part over the second half of a run stands still.
STILL = 0.05
#: A gradient this many times its own earlier mean has exploded, if that is beyond its usual scatter; with fewer than
#: `HISTORY` earlier records it takes the square.
EXPLODED = 100.0
HISTORY = 5
#: How many layers, or records, are looked at together where that takes much memory.
LAYERS_AT_ONCE = 64
RECORDS_AT_ONCE = 2048
#: A layer whose gradient is below this part of the strongest layer's has a vanished gradient.
VANISHED = 1e-3
#: A layer with this part of its units dead is worth a word.
DEAD_UNITS = 0.5
#: A gradient that grew by this factor in the updates before it was lost had been growing.
GREW = 10.0
#: Loss scaling that throws away more than this part of the batches, over twice `SCALED` of them, does not settle.
SKIPPED = 0.1
SCALED = 100
#: What settling may take: one batch each time the scale is halved, from 2**15 to 2**-15 at most.
SETTLING = 30


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule held, for one layer or (None) for the whole run, from `first_step` to `last_step`.

    `message` says what happened and where, `evidence` holds the numbers it rests on, `suggestion` one thing to
    change.
    """

    rule: str
    severity: Severity
    layer: str | None
    first_step: int
    last_step: int
    message: str
    evidence: Mapping[str, float]
    suggestion: str


@dataclass(frozen=True, slots=True)
class LossCourse:
    """How a run's loss went, and what that means.

    Attributes:
        first: of the first update, which is the one of the untrained network.
        best: the lowest median of a few records in a row.
        middle: the median of a few records half way.
        last: the median of the last few records; NaN or infinite when they are.
    """

    first: float
    best: float
    middle: float
    last: float

    @property
    def known(self) -> bool:
        """Whether the loss was recorded at all."""
        return not np.isnan(self.first)

    @property
    def learned(self) -> bool:
        """Whether training brought the loss down by `LEARNED`, and kept at least half of what it had gained."""
        fell = self.first - self.last >= LEARNED * abs(self.first)
        return bool(fell and not self.gave_back)

    @property
    def gave_back(self) -> bool:
        """Whether the loss had fallen and then lost more than half of what it had gained."""
        gain = self.first - self.best
        return bool(gain >= LEARNED * abs(self.first) and not self.first - self.last >= gain / 2)

    @property
    def suffered(self) -> bool:
        """Whether the loss ended worse than it began or than it had been, or is not finite."""
        if not self.known:
            return False
        return bool(self.gave_back or not self.last <= self.first + abs(self.first))

    @property
    def flat(self) -> bool:
        """Whether the loss stood still over the second half."""
        return bool(abs(self.middle - self.last) <= STILL * abs(self.middle))

    def described(self) -> str:
        """Returns the course in words, as the end of a sentence."""
        if not self.known:
            return "the loss is not known"
        if self.learned:
            return f"the loss fell from {self.first:.3g} to {self.last:.3g}"
        if self.first - self.best >= LEARNED * abs(self.first):
            return f"the loss, {self.first:.3g} at first and {self.best:.3g} at its best, ended at {self.last:.3g}"
        return f"the loss did not fall: {self.first:.3g} at first, {self.last:.3g} at last"


def loss_course(run: Run) -> LossCourse:
    """Returns how the loss of `run` went; all NaN when it is not known."""
    loss = run.loss.astype(np.float64)
    known = loss[~np.isnan(loss)]
    if not known.size:
        return LossCourse(*[np.nan] * 4)
    few = max(1, min(5, len(loss) // 4))
    medians = np.median(np.lib.stride_tricks.sliding_window_view(loss, few), axis=1)
    finite = medians[np.isfinite(medians)]
    first = float(known[0])
    return LossCourse(
        first=first,
        best=min(first, float(finite.min(initial=np.inf))),
        middle=float(medians[len(medians) // 2]),
        last=float(medians[-1]),
    )


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
        to = f"to {_spelled(self.last)}" if np.isfinite(self.last) else "beyond float32's range"
        return f" In the {self.updates} updates before, its gradient grew from {_spelled(self.first)} {to}."


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


def nonfinite(run: Run, course: LossCourse) -> Iterator[Finding]:
    """A gradient entry was NaN or infinite: the update that follows ruins the weights; or the loss was."""
    bad = {**_nonfinite_in_flight(run), **_nonfinite_in_records(run)}
    ruined = _ruined_by_update(run, min(bad, default=None))
    if ruined is not None:
        yield ruined
    elif bad:
        yield _nonfinite_gradient(run, bad)
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
        "loss": _at(run, step, "loss"),
        "learning_rate": _at(run, step, "learning_rate"),
    }
    if step in run.steps:
        evidence = {"nonfinite": float(run.stat("nonfinite")[record, layer]), **evidence}
    if growth is not None:
        evidence |= {"gradient_norm_before": growth.last, "growth_before": growth.factor}
    return Finding(
        rule="nonfinite",
        severity="critical",
        layer=run.layers[layer],
        first_step=step,
        last_step=max(bad),
        message=(
            f"The gradient is NaN or infinite in {len(where)} of {len(run.layers)} layers since step {step}, first in "
            f"{run.layers[layer]}.{_finite_before(run, step)}{growth.described() if growth is not None else ''}"
            f"{_lost_before(run, step)}"
        ),
        evidence=evidence,
        suggestion=_nonfinite_remedy(
            step, growth, evidence["learning_rate"], _clip_norm(run, record)
        ),
    )


def _nonfinite_remedy(step: int, growth: GrowthBefore | None, rate: float, clip_norm: float) -> str:
    clip = f"global_clipnorm={clip_norm:.2g}"
    if growth is None:
        return (
            "Look at the loss first: a log or a division of 0, or an input that holds NaN. If the gradient grew before "
            f"this step, lower the learning rate or clip: {clip}."
        )
    if growth.factor >= GREW:
        return (
            f"The gradient grew before: lower the learning rate, from {rate:.2g} at step {step} to {rate / 10:.2g}, "
            f"and clip: {clip}."
        )
    return (
        f"The gradient did not grow before. Look at the batch of step {step} and at the loss: an input that holds NaN, "
        "a log or a division of 0, or the root of 0, whose derivative is infinite."
    )


def _finite_before(run: Run, step: int) -> str:
    """Returns when all gradients were finite for the last time before `step`, as a sentence; empty if never."""
    earlier = run.steps[run.steps < step][-1:].tolist()
    if run.flight is not None:
        earlier += run.flight.steps[run.flight.steps == step - 1].tolist()
    return f" At step {max(earlier)} all were finite." if earlier else ""


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


def _nonfinite_loss(run: Run, course: LossCourse) -> Iterator[Finding]:
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
        severity="warning" if passed and not course.suffered else "critical",
        layer=None,
        first_step=first.step,
        last_step=losses[-1].step,
        message=f"The loss is {first.described}, while all gradients are finite.{was}{again}",
        evidence={
            "loss": first.loss,
            "loss_before": float(run.loss[before[-1]]) if before.size else np.nan,
            "learning_rate": _at(run, first.step, "learning_rate"),
        },
        suggestion=(
            "Look at how the loss is computed, as the gradients do not see it: a log or a division of 0 that a "
            "condition hides from them, an exp beyond float32, or a sample weight that is NaN. Losses that take "
            "from_logits=True avoid the first two."
        ),
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


def _at(run: Run, step: int, name: Literal["loss", "learning_rate"]) -> float:
    """Returns the loss or learning rate at update `step`, or at the record that covers it."""
    if run.flight is not None:
        (at,) = np.nonzero(run.flight.steps == step)
        if at.size:
            flown = {"loss": run.flight.loss, "learning_rate": run.flight.learning_rate}
            return float(flown[name][at[0]])
    record = min(int(np.searchsorted(run.steps, step)), len(run.steps) - 1)
    return float(run.step_stat(name)[record])


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
    step, rate = int(run.steps[first]), float(run.step_stat("learning_rate")[first])
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
            "learning_rate": rate,
        },
        suggestion=(
            f"The gradient is not the cause; the optimizer is. Look at {run.optimizer}: at this step its learning rate "
            f"is {rate:.2g}; a root or a division in its update that can be NaN, an epsilon of 0, or a state that was "
            "loaded from a broken checkpoint does this."
        ),
    )


def exploding_gradient(run: Run, course: LossCourse) -> Iterator[Finding]:
    """The gradient grew to many times its own earlier size, and the loss suffered."""
    if course.known and not course.suffered:
        return  # gradients may grow while learning goes on
    peaks, norms = run.stat("gradient_norm_peak"), run.stat("gradient_norm")
    growth, exploded = _growth(norms, peaks)
    (at,) = np.nonzero(exploded.any(axis=1))
    if not at.size:
        return
    first = int(at[0])
    usual = _usual_so_far(norms[: first + 1].astype(np.float64))[0][-1]
    tail = peaks[-min(5, len(peaks) - first) :]
    with np.errstate(invalid="ignore"):
        # an explosion stays, or it ends in units that are dead; a spike passes
        ended = (tail >= EXPLODED * usual) | (tail == 0) | ~np.isfinite(tail)
    if np.mean(ended.any(axis=1)) < 0.5:
        return
    candidates = [i for i in _kernels(run) if exploded[first, i]] or list(range(len(run.layers)))
    layer = max(candidates, key=lambda i: growth[first, i])
    course_of_layer = growth[:, layer]
    largest = float(course_of_layer.max())
    later = (
        f"up to {_spelled(largest)} times"
        if np.isfinite(largest)
        else "beyond the range of float32"
    )
    severity: Severity = "critical" if course.known else "warning"
    clip = _clip_norm(run, first)
    rate = float(run.step_stat("learning_rate")[first])
    first_rate = float(run.step_stat("learning_rate")[0])
    raised = f" (it was {first_rate:.2g} at step {run.steps[0]})" if rate > 1.5 * first_rate else ""
    yield Finding(
        rule="exploding-gradient",
        severity=severity,
        layer=run.layers[layer],
        first_step=int(run.steps[first]),
        last_step=int(run.steps[-1]),
        message=(
            f"The gradient of {run.layers[layer]} explodes: at step {run.steps[first]} it is "
            f"{_spelled(growth[first, layer])} times its usual size, later {later}, "
            f"and "
            f"{course.described()}."
        ),
        evidence={
            "gradient_norm_peak": float(peaks[first, layer]),
            "usual_gradient_norm": float(usual[layer]),
            "growth": float(growth[first, layer]),
            "largest_growth": largest,
            "learning_rate": rate,
            "loss_first": course.first,
            "loss_last": course.last,
        },
        suggestion=(
            f"Lower the learning rate: at step {run.steps[first]} it is {rate:.2g}{raised}; try "
            f"{min(rate / 10, first_rate):.2g}. If single batches cause it, clip at the usual size as well: "
            f"{run.optimizer}(..., global_clipnorm={clip:.2g})."
        ),
    )


def vanishing_gradient(run: Run, course: LossCourse) -> Iterator[Finding]:
    """The gradient of early layers is a tiny part of the later layers', and the loss does not fall, or no further.

    AdaMax and Adam hide this: their update stays near the learning rate however small the gradient is.
    """
    kernels = _kernels(run)
    if (course.learned and not course.flat) or len(kernels) < 2:
        return
    sizes = np.array([np.prod(run.shapes[i]) for i in kernels], np.float32)
    rms = run.stat("gradient_norm")[:, kernels] / np.sqrt(sizes)
    deepest = np.argmax(np.where(np.isfinite(rms), rms, np.float32(0)), axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        part = rms / np.take_along_axis(rms, deepest[:, None], axis=1)
    # a whole layer at exactly 0 beside dead units is their doing
    dead = _dead(run)[:, kernels] >= DEAD_UNITS
    earlier = np.arange(len(kernels))[None, :] < deepest[:, None]
    vanished = earlier & (part < VANISHED) & ~dead
    held = vanished.mean(axis=0) >= (0.9 if course.learned else 0.5)
    if not held.any():
        return
    layer = int(np.argmax(held))
    (at,) = np.nonzero(vanished[:, layer])
    usual = float(np.median(part[at, layer]))
    strong = kernels[int(np.median(deepest[at]))]
    name = run.layers[kernels[layer]]
    yield Finding(
        rule="vanishing-gradient",
        severity="critical" if course.known and not course.learned else "warning",
        layer=name,
        first_step=int(run.steps[at[0]]),
        last_step=int(run.steps[at[-1]]),
        message=(
            f"The gradient vanishes on its way back to {name}: there it is {usual:.2g} of what it is in "
            f"{run.layers[strong]}. {int(held.sum())} of {len(kernels)} kernels get less than {VANISHED:g} of it, and "
            f"{course.described()}{', where it stands still' if course.learned else ''}."
        ),
        evidence={
            "gradient_norm": float(np.median(run.stat("gradient_norm")[at, kernels[layer]])),
            "gradient_norm_of_strongest": float(np.median(run.stat("gradient_norm")[at, strong])),
            "part_of_strongest": usual,
            "layers": float(held.sum()),
            "loss_first": course.first,
            "loss_last": course.last,
        },
        suggestion=(
            "Let the gradient through: relu or gelu with kernel_initializer='he_normal' in place of sigmoid or tanh, "
            "and a residual connection or LayerNormalization every few layers. A higher learning rate does not help."
        ),
    )


def dead_units(run: Run, course: LossCourse) -> Iterator[Finding]:
    """Units of a layer have stopped getting any gradient: they give the same output whatever goes in."""
    if "dead_units" not in run.statistics:
        return
    fractions = _dead(run)
    groups: dict[str, list[int]] = {}
    for i, layer in enumerate(run.layers):
        groups.setdefault(layer_group(layer), []).append(i)
    # a layer without input has a dead kernel but a live bias: all of a layer's variables must agree
    found = []
    for members in groups.values():
        kernel = next((i for i in members if len(run.shapes[i]) >= 2), None)
        if kernel is None:
            continue
        dead = fractions[:, members].min(axis=1) >= DEAD_UNITS
        since = len(dead) - (int(np.argmin(dead[::-1])) if not dead.all() else len(dead))
        if since < len(dead) - 1 and run.steps[-1] - run.steps[since] >= 20:
            found.append((kernel, since))
    whole = [kernel for kernel, _ in found if fractions[-1, kernel] >= 0.99]
    for kernel, since in found:
        fraction = float(fractions[-1, kernel])
        if kernel in whole[:-1]:
            continue  # what lies before a layer that is dead as a whole gets no gradient either
        if course.learned:
            severity: Severity = "info"
        else:
            severity = "critical" if fraction >= 0.9 and course.known else "warning"
        units = run.shapes[kernel][-1]
        yield Finding(
            rule="dead-units",
            severity=severity,
            layer=run.layers[kernel],
            first_step=int(run.steps[since]),
            last_step=int(run.steps[-1]),
            message=(
                f"{round(fraction * units)} of {units} units of {layer_group(run.layers[kernel])} are dead: no input "
                f"gives them a gradient since step {run.steps[since]}, and {course.described()}."
            ),
            evidence={
                "dead_units": fraction,
                "units": float(units),
                "gradient_norm": float(run.stat("gradient_norm")[-1, kernel]),
                "loss_first": course.first,
                "loss_last": course.last,
            },
            suggestion=(
                "Use leaky_relu or gelu, whose gradient is nowhere 0, or keep units from dying: biases that start "
                "at 0, inputs scaled to zero mean and unit variance, and a lower learning rate."
            ),
        )


def skipped_steps(run: Run, course: LossCourse) -> Iterator[Finding]:
    """Loss scaling goes on throwing batches away.

    A few at the beginning are how it finds its scale, and one at a time how it tries a larger one.
    """
    thrown, batches = _thrown_batches(run)
    scale = run.step_stat("loss_scale").astype(np.float64)
    stretches = [_lasting_skips(thrown, batches), _falling_scale(thrown, scale)]
    found = [stretch for stretch in stretches if stretch is not None]
    if not found:
        return
    first, last = min(start for start, _ in found), max(end for _, end in found)
    count, of = float(thrown[first : last + 1].sum()), float(batches[first : last + 1].sum())
    from_scale, to_scale = float(scale[max(first - 1, 0)]), float(scale[last])
    overflows = to_scale < 1
    scales = ""
    if not np.isnan(from_scale + to_scale):
        scales = f", with a scale that went from {_power(from_scale)} to {_power(to_scale)}"
    failed = course.known and not course.learned
    yield Finding(
        rule="skipped-steps",
        severity="critical" if overflows or failed else "warning",
        layer=None,
        first_step=int(run.steps[first]),
        last_step=int(run.steps[last]),
        message=(
            f"Loss scaling throws away {count:.0f} of {of:.0f} batches ({100 * count / of:.2g} %) from step "
            f"{run.steps[first]} to {run.steps[last]}{scales}, and {course.described()}."
        ),
        evidence={
            "skipped_steps": count,
            "batches": of,
            "part": count / of,
            "loss_scale_first": from_scale,
            "loss_scale_last": to_scale,
            "loss_first": course.first,
            "loss_last": course.last,
        },
        suggestion=(
            "Find the operation that overflows and give its layer dtype='float32': even with a scale below 1 these "
            "batches hold NaN or numbers beyond 65504, float16's largest. An exp, a norm, a sum over many entries and "
            "a log of 0 are the usual ones."
            if overflows
            else "Train in bfloat16: keras.config.set_dtype_policy('mixed_bfloat16'). It has the range of float32, so "
            "gradients do not overflow and need no loss scaling."
        ),
    )


def _power(scale: float) -> str:
    return f"{scale:.6g}" if scale >= 1 else f"{scale:.2g}"


def _thrown_batches(run: Run) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns (T,) twice, the batches thrown away and all batches since the previous record; 0 where not known."""
    skipped = run.step_stat("skipped_steps").astype(np.float64)
    known = np.isfinite(skipped)
    known[0] = False  # the scale finds its size, and where the training began is not known
    thrown = np.where(known, skipped, 0.0)
    per_update = max(1.0, run.hyperparameters.get("gradient_accumulation_steps", 1.0))
    updates = np.diff(run.steps, prepend=run.steps[0])
    return thrown, np.where(known, per_update * updates + thrown, 0.0)


def _lasting_skips(
    thrown: NDArray[np.float64], batches: NDArray[np.float64]
) -> tuple[int, int] | None:
    """Returns the first and last record of the stretch with most batches thrown away, of more than `SKIPPED` of all."""
    began = np.cumsum(batches) - batches
    _, bins = np.unique(began // SCALED, return_inverse=True)
    sick = np.bincount(bins, thrown) > SKIPPED * np.bincount(bins, batches)
    stretches = []
    edges = np.nonzero(np.diff(sick, prepend=False, append=False))[0].reshape(-1, 2)
    for start, stop in edges.tolist():
        (at,) = np.nonzero((bins >= start) & (bins < stop) & (thrown > 0))
        if stop - start >= 2 and thrown[at].sum() > SETTLING:
            stretches.append((float(thrown[at].sum()), (int(at[0]), int(at[-1]))))
    return max(stretches)[1] if stretches else None


def _falling_scale(
    thrown: NDArray[np.float64], scale: NDArray[np.float64]
) -> tuple[int, int] | None:
    """Returns the records from the first scale below 1 on, if it is halved half of `SETTLING` times more from there.

    However rare they are, batches that overflow at any scale bring it down until gradients are 0.
    """
    (low,) = np.nonzero(scale < 1)
    falls = low[thrown[low] > 0]
    if not falls.size or scale[falls[-1]] > scale[low[0]] * 0.5 ** (SETTLING / 2):
        return None
    return int(low[0]), int(falls[-1])


RULES: tuple[Callable[[Run, LossCourse], Iterator[Finding]], ...] = (
    nonfinite,
    exploding_gradient,
    vanishing_gradient,
    dead_units,
    skipped_steps,
)


def diagnose(run: Run) -> list[Finding]:
    """Returns what all `RULES` find in `run`: critical first, then by first step.

    What follows a gradient that is not finite is its doing: other rules judge the records before it. A loss that an
    explosion brought beyond float32 is the explosion's doing.
    """
    if not set(run.statistics) >= NEEDED:
        return []
    course = loss_course(run)
    findings = list(nonfinite(run, course))
    if findings and findings[0].layer is not None:
        run = run.until(int(np.searchsorted(run.steps, findings[0].first_step)))
    if len(run.steps):
        others = [f for rule in RULES if rule is not nonfinite for f in rule(run, course)]
        exploded = [f.first_step for f in others if f.rule == "exploding-gradient"]
        lost = [
            f for f in findings if f.layer is None and min(exploded, default=np.inf) <= f.first_step
        ]
        findings = [f for f in findings if f not in lost] + others
    return sorted(findings, key=lambda f: (SEVERITIES.index(f.severity), f.first_step))


def verdict(findings: list[Finding]) -> str:
    """Returns the worst severity among `findings`, "healthy" when there are none."""
    return min((f.severity for f in findings), key=SEVERITIES.index, default="healthy")


def notes(run: Run, records: int | None = None) -> list[str]:
    """Returns what to know about `run` beside its findings: what the reader said, what is missing, if it is short.

    Args:
        run: the run.
        records: how many it has, if some are summarised.
    """
    thinned = int(np.nansum(run.step_stat("thinned")))
    gaps = [
        f"{thinned} record{' was' if thinned == 1 else 's were'} thinned while training: the disk was too slow."
    ]
    short = (
        [f"Only {counted_records(run)} so far: too few to judge."]
        if (records or len(run.steps)) < HISTORY
        else []
    )
    return [*run.notes, *(gaps if thinned else []), *short]


def counted_records(run: Run) -> str:
    """Returns "1 record" or "12 records"."""
    return f"{len(run.steps)} record{'' if len(run.steps) == 1 else 's'}"


def finding_json(finding: Finding) -> dict[str, Any]:
    """Returns `finding` as a dict that JSON can hold: numbers it cannot are spelled as strings."""
    evidence = {name: json_number(value) for name, value in finding.evidence.items()}
    return {**dataclasses.asdict(finding), "evidence": evidence}


def _spelled(value: float) -> str:
    """Returns `value` to three digits: "1,860" and "2.5e+14", not "1.86e+03"."""
    return f"{float(f'{value:.3g}'):,.0f}" if 1e3 <= value < 1e6 else f"{value:.3g}"


def _kernels(run: Run) -> list[int]:
    """Returns the indices of the variables that are matrices or more, in model order."""
    return [i for i, shape in enumerate(run.shapes) if len(shape) >= 2]


def _dead(run: Run) -> NDArray[np.float32]:
    """Returns (T, L), the fraction of dead units, 0 where it was not recorded."""
    if "dead_units" not in run.statistics:
        return np.zeros((len(run.steps), len(run.layers)), np.float32)
    result = np.empty((len(run.steps), len(run.layers)), np.float32)
    at = 0
    for part in run.parts(RECORDS_AT_ONCE):
        result[at : at + len(part.steps)] = np.nan_to_num(part.stat("dead_units"), nan=0.0)
        at += len(part.steps)
    return result


def _growth(
    norms: NDArray[np.float32], peaks: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Returns (T, L) twice: how many times each layer's usual norm its peak is, and whether that is an explosion.

    A run of a thousand layers takes gigabytes in double precision at once: it goes by some layers at a time.
    """
    growth, exploded = np.zeros(norms.shape), np.zeros(norms.shape, np.bool_)
    for start in range(0, norms.shape[1], LAYERS_AT_ONCE):
        some = slice(start, start + LAYERS_AT_ONCE)
        usual, limit = _usual_so_far(norms[:, some].astype(np.float64))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            times = np.where(usual > 0, peaks[:, some] / usual, 0.0)
        growth[:, some] = np.where(np.isnan(times), 0.0, times)
        exploded[:, some] = growth[:, some] >= limit
    return growth, exploded


def _usual_so_far(
    norms: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns what each layer's norm usually was before each record, and what growth over that is an explosion.

    Args:
        norms: (T, L); entries that are 0 or not finite do not count.

    Returns:
        usual: (T, L), the geometric mean of the earlier norms; 0 without any.
        limit: (T, L), `EXPLODED`, or four standard deviations of the earlier norms' logarithms if that is more.
    """
    counted = np.isfinite(norms) & (norms > 0)
    logs = np.log(np.where(counted, norms, 1.0))
    count = np.cumsum(counted, axis=0)[:-1]
    mean = np.cumsum(logs, axis=0)[:-1] / np.maximum(count, 1)
    square = np.cumsum(np.square(logs), axis=0)[:-1] / np.maximum(count, 1)
    scatter = np.sqrt(np.maximum(square - np.square(mean), 0))
    usual = np.zeros_like(norms)
    usual[1:] = np.where(count > 0, np.exp(mean), 0.0)
    limit = np.full_like(norms, EXPLODED**2)
    with np.errstate(over="ignore"):
        known = np.maximum(EXPLODED, np.exp(4 * scatter))
    limit[1:] = np.where(count >= HISTORY, known, EXPLODED**2)
    return usual, limit


def _clip_norm(run: Run, before: int) -> float:
    """Returns the median gradient norm of all layers together over the records before index `before`."""
    parts = run.until(max(1, before)).parts(RECORDS_AT_ONCE)
    squares = (np.square(part.stat("gradient_norm"), dtype=np.float64) for part in parts)
    whole = np.sqrt(np.concatenate([np.nansum(square, axis=1) for square in squares]))
    finite = whole[np.isfinite(whole) & (whole > 0)]
    return float(np.median(finite)) if finite.size else 1.0
