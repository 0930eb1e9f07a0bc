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

#: A loss that fell by less than this part of its first value has not been learned.
LEARNED = 0.1
#: A gradient this many times its own earlier median has exploded.
EXPLODED = 100.0
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
    """How a run's loss went: of the untrained network, at its best and at last, and what that means."""

    first: float
    best: float
    last: float

    @property
    def known(self) -> bool:
        """Whether the loss was recorded at all."""
        return not np.isnan(self.first)

    @property
    def fall(self) -> float:
        """The part of the first loss that is gone: 1 all, 0 none, negative when it rose; NaN if not known."""
        if not np.isfinite(self.last):
            return -np.inf if self.known else np.nan
        return (self.first - self.last) / max(abs(self.first), 1e-30)

    @property
    def learned(self) -> bool:
        """Whether training brought the loss down, and kept at least half of what it had gained."""
        return bool(self.fall >= LEARNED and self.first - self.last >= (self.first - self.best) / 2)

    def described(self) -> str:
        """Returns the course in words, as the end of a sentence."""
        if not self.known:
            return "the loss is not known"
        if self.learned:
            return f"the loss fell from {self.first:.3g} to {self.last:.3g}"
        if (self.first - self.best) >= LEARNED * abs(self.first):
            return f"the loss, {self.first:.3g} at first and {self.best:.3g} at its best, ended at {self.last:.3g}"
        return f"the loss did not fall: {self.first:.3g} at first, {self.last:.3g} at last"


def loss_course(run: Run) -> LossCourse:
    """Returns how the loss of `run` went; NaN at the end stays NaN, a loss never known is NaN at both ends."""
    loss = run.loss.astype(np.float64)
    known = loss[~np.isnan(loss)]
    if not known.size:
        return LossCourse(np.nan, np.nan, np.nan)
    few = max(1, min(5, len(loss) // 4))
    medians = np.median(np.lib.stride_tricks.sliding_window_view(loss, few), axis=1)
    finite = medians[np.isfinite(medians)]
    best = float(finite.min()) if finite.size else np.nan
    # the loss of the first update is the one of the untrained network
    return LossCourse(float(known[0]), min(best, float(known[0])), float(medians[-1]))


def nonfinite(run: Run) -> Iterator[Finding]:
    """A gradient entry was NaN or infinite: the update that follows ruins the weights."""
    # a norm may overflow while the entries are finite: that is an explosion, not yet this
    norms = run.stat("gradient_norm_peak")
    bad = (run.stat("nonfinite") > 0) | (np.isnan(norms) & _recorded(norms))
    (at,) = np.nonzero(bad.any(axis=1))
    if not at.size:
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


def exploding_gradient(run: Run) -> Iterator[Finding]:
    """The gradient grew to many times its own earlier size, and the loss suffered."""
    course = loss_course(run)
    if course.learned:
        return  # gradients may grow while learning goes on
    peaks = run.stat("gradient_norm_peak").astype(np.float64)
    usual = _usual_so_far(run.stat("gradient_norm").astype(np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = np.where(usual > 0, peaks / usual, 0.0)
    growth = np.where(np.isnan(growth), 0.0, growth)
    exploded = growth >= EXPLODED
    (at,) = np.nonzero(exploded.any(axis=1))
    if not at.size or (at.size == 1 and at[0] + 1 < len(run.steps)):
        return  # one spike that passed is not an explosion
    first = int(at[0])
    candidates = [i for i in _kernels(run) if exploded[first, i]] or list(range(len(run.layers)))
    layer = max(candidates, key=lambda i: growth[first, i])
    course_of_layer = growth[:, layer]
    highest = int(np.argmax(np.where(np.isfinite(course_of_layer), course_of_layer, -1)))
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
        last_step=int(run.steps[at[-1]]),
        message=(
            f"The gradient of {run.layers[layer]} explodes: at step {run.steps[first]} it is "
            f"{_spelled(growth[first, layer])} times its usual size, later up to {_spelled(course_of_layer[highest])} times, and "
            f"{course.described()}."
        ),
        evidence={
            "gradient_norm_peak": float(peaks[first, layer]),
            "usual_gradient_norm": float(usual[first, layer]),
            "growth": float(growth[first, layer]),
            "largest_growth": float(course_of_layer[highest]),
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


def vanishing_gradient(run: Run) -> Iterator[Finding]:
    """The gradient of early layers is a tiny part of the later layers', and the loss does not fall.

    AdaMax and Adam hide this: their update stays near the learning rate however small the gradient is.
    """
    course = loss_course(run)
    kernels = _kernels(run)
    if course.learned or len(kernels) < 2:
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
    held = vanished.mean(axis=0) >= 0.5
    if not held.any():
        return
    layer = int(np.argmax(held))
    (at,) = np.nonzero(vanished[:, layer])
    usual = float(np.median(part[at, layer]))
    strong = kernels[int(np.median(deepest[at]))]
    name = run.layers[kernels[layer]]
    yield Finding(
        rule="vanishing-gradient",
        severity="critical" if course.known else "warning",
        layer=name,
        first_step=int(run.steps[at[0]]),
        last_step=int(run.steps[at[-1]]),
        message=(
            f"The gradient vanishes on its way back to {name}: there it is {usual:.2g} of what it is in "
            f"{run.layers[strong]}. {int(held.sum())} of {len(kernels)} kernels get less than {VANISHED:g} of it, and "
            f"{course.described()}."
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


def dead_units(run: Run) -> Iterator[Finding]:
    """Units of a layer have stopped getting any gradient: they give the same output whatever goes in."""
    if "dead_units" not in run.statistics:
        return
    course = loss_course(run)
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


RULES: tuple[Callable[[Run], Iterator[Finding]], ...] = (
    nonfinite,
    exploding_gradient,
    vanishing_gradient,
    dead_units,
)


def diagnose(run: Run) -> list[Finding]:
    """Returns what all `RULES` find in `run`: critical first, then by first step."""
    findings = (finding for rule in RULES for finding in rule(run))
    return sorted(findings, key=lambda f: (SEVERITIES.index(f.severity), f.first_step))


def verdict(findings: list[Finding]) -> str:
    """Returns the worst severity among `findings`, "healthy" when there are none."""
    return min((f.severity for f in findings), key=SEVERITIES.index, default="healthy")


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


def _usual_so_far(norms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns (T, L), the geometric mean of each layer's finite, nonzero norms before each record; 0 without any."""
    counted = np.isfinite(norms) & (norms > 0)
    logs = np.log(np.where(counted, norms, 1.0))
    count = np.cumsum(counted, axis=0)[:-1]
    usual = np.zeros_like(norms)
    usual[1:] = np.where(
        count > 0, np.exp(np.cumsum(logs, axis=0)[:-1] / np.maximum(count, 1)), 0.0
    )
    return usual


def _clip_norm(run: Run, before: int) -> float:
    """Returns the median gradient norm of all layers together over the records before index `before`."""
    norms = run.stat("gradient_norm")[: max(1, before)].astype(np.float64)
    whole = np.sqrt(np.nansum(np.square(norms), axis=1))
    finite = whole[np.isfinite(whole) & (whole > 0)]
    return float(np.median(finite)) if finite.size else 1.0
