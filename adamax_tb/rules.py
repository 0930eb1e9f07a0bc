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

from adamax_tb.schema import Run, json_number, layer_group

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
#: A layer whose gradient is below this part of the strongest layer's has a vanished gradient.
VANISHED = 1e-3
#: A layer with this part of its units dead is worth a word.
DEAD_UNITS = 0.5


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


def nonfinite(run: Run, course: LossCourse) -> Iterator[Finding]:
    """A gradient entry was NaN or infinite: the update that follows ruins the weights."""
    # a norm may overflow while the entries are finite: that is an explosion, not yet this
    norms = run.stat("gradient_norm_peak")
    bad = (run.stat("nonfinite") > 0) | (np.isnan(norms) & _recorded(norms))
    (at,) = np.nonzero(bad.any(axis=1))
    ruined = _ruined_by_update(run, at[0] if at.size else len(run.steps))
    if ruined is not None:
        yield ruined
    if ruined is not None or not at.size:
        return
    first = at[0]
    where = np.nonzero(bad[first])[0]
    layer = int(where[-1])  # backpropagation runs from the last layer to the first
    loss = float(run.loss[first])
    before = "" if first == 0 else f" At step {run.steps[first - 1]} all were finite."
    yield Finding(
        rule="nonfinite",
        severity="critical",
        layer=run.layers[layer],
        first_step=int(run.steps[first]),
        last_step=int(run.steps[at[-1]]),
        message=(
            f"The gradient is NaN or infinite in {len(where)} of {len(run.layers)} layers since step "
            f"{run.steps[first]}, first in {run.layers[layer]}.{before}"
        ),
        evidence={
            "nonfinite": float(run.stat("nonfinite")[first, layer]),
            "layers": float(len(where)),
            "loss": loss,
            "learning_rate": float(run.step_stat("learning_rate")[first]),
        },
        suggestion=(
            "Look at the loss first: a log or a division of 0, or an input that holds NaN. If the gradient grew before "
            f"this step, lower the learning rate or clip: global_clipnorm={_clip_norm(run, first):.2g}."
        ),
    )


def _ruined_by_update(run: Run, bad: int) -> Finding | None:
    """Returns what to say if weights are NaN before the record `bad`, the first whose gradient is not finite."""
    if "weight_norm" not in run.statistics:
        return None
    weights = run.stat("weight_norm")[:bad]
    nan = np.isnan(weights) & _recorded(weights)
    (at,) = np.nonzero(nan.any(axis=1))
    if not at.size:
        return None
    first = at[0]
    (where,) = np.nonzero(nan[first])
    step, rate = int(run.steps[first]), float(run.step_stat("learning_rate")[first])
    then = f" From step {run.steps[bad]} on they are NaN, too." if bad < len(run.steps) else ""
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
            "weight_norm": float(weights[first, where[0]]),
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
    peaks = run.stat("gradient_norm_peak").astype(np.float64)
    usual, limit = _usual_so_far(run.stat("gradient_norm").astype(np.float64))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        growth = np.where(usual > 0, peaks / usual, 0.0)
    growth = np.where(np.isnan(growth), 0.0, growth)
    exploded = growth >= limit
    (at,) = np.nonzero(exploded.any(axis=1))
    if not at.size:
        return
    tail = peaks[-min(5, len(peaks) - at[0]) :]
    with np.errstate(invalid="ignore"):
        # an explosion stays, or it ends in units that are dead; a spike passes
        ended = (tail >= EXPLODED * usual[at[0]]) | (tail == 0) | ~np.isfinite(tail)
    if np.mean(ended.any(axis=1)) < 0.5:
        return
    first = int(at[0])
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
            "usual_gradient_norm": float(usual[first, layer]),
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
    sizes = np.array([np.prod(run.shapes[i]) for i in kernels], np.float64)
    rms = run.stat("gradient_norm")[:, kernels].astype(np.float64) / np.sqrt(sizes)
    deepest = np.argmax(np.where(np.isfinite(rms), rms, 0), axis=1)
    strongest = np.take_along_axis(rms, deepest[:, None], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        part = rms / strongest
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


RULES: tuple[Callable[[Run, LossCourse], Iterator[Finding]], ...] = (
    nonfinite,
    exploding_gradient,
    vanishing_gradient,
    dead_units,
)


def diagnose(run: Run) -> list[Finding]:
    """Returns what all `RULES` find in `run`: critical first, then by first step.

    What follows a gradient that is not finite is its doing: other rules judge the records before it.
    """
    if not set(run.statistics) >= NEEDED:
        return []
    course = loss_course(run)
    findings = list(nonfinite(run, course))
    if findings:
        run = run.until(int(np.searchsorted(run.steps, findings[0].first_step)))
    if len(run.steps):
        findings += [f for rule in RULES if rule is not nonfinite for f in rule(run, course)]
    return sorted(findings, key=lambda f: (SEVERITIES.index(f.severity), f.first_step))


def verdict(findings: list[Finding]) -> str:
    """Returns the worst severity among `findings`, "healthy" when there are none."""
    return min((f.severity for f in findings), key=SEVERITIES.index, default="healthy")


def notes(run: Run) -> list[str]:
    """Returns what to know about `run` beside its findings: what the reader said, and whether it is too short."""
    short = (
        [f"Only {counted_records(run)} so far: too few to judge."]
        if len(run.steps) < HISTORY
        else []
    )
    return [*run.notes, *short]


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


def _recorded(values: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tells which entries hold a value, be it NaN, rather than `schema.NOT_RECORDED`."""
    return np.ascontiguousarray(values).view(np.uint32) != 0x7FFFFFFF


def _kernels(run: Run) -> list[int]:
    """Returns the indices of the variables that are matrices or more, in model order."""
    return [i for i, shape in enumerate(run.shapes) if len(shape) >= 2]


def _dead(run: Run) -> NDArray[np.float32]:
    """Returns (T, L), the fraction of dead units, 0 where it was not recorded."""
    if "dead_units" not in run.statistics:
        return np.zeros((len(run.steps), len(run.layers)), np.float32)
    return np.nan_to_num(run.stat("dead_units"), nan=0.0)


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
    norms = run.stat("gradient_norm")[: max(1, before)].astype(np.float64)
    whole = np.sqrt(np.nansum(np.square(norms), axis=1))
    finite = whole[np.isfinite(whole) & (whole > 0)]
    return float(np.median(finite)) if finite.size else 1.0
