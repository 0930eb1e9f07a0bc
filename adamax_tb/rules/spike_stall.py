"""`spike-stall`: one large gradient filled the second moment, and training waits until it has faded."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adamax_tb.rules import references
from adamax_tb.rules.course import Course
from adamax_tb.rules.finding import Finding
from adamax_tb.rules.gradients import kernels_of, usual_norm, whole_norm
from adamax_tb.rules.wording import sentence, spelled
from adamax_tb.schema import Run

#: A second moment this many times the gradient makes steps that go nowhere.
STALLED = 20.0
#: What it usually is, when there is nothing before the spike to learn it from.
USUAL = 4.0
#: A gradient this many times what it is after it was a spike.
SPIKE = 30.0
#: So many updates after a spike tell a stall from a spike that passes.
UPDATES = 50
#: A beta_2 to compare with.
FASTER = 0.99


def spike_stall(run: Run, course: Course) -> Iterator[Finding]:
    """The second moment is still full of a spike that has long passed: ln(u/envelope)/-ln(beta_2) updates are lost.

    u fades by beta_2 with every update, and the root of v by its square root.
    """
    name = next((name for name in ("u_mean", "v_mean") if name in run.statistics), None)
    kernels = kernels_of(run)
    decay = run.hyperparameters.get("beta_2", run.hyperparameters.get("rho", np.nan))
    if (
        name is None
        or not kernels
        or not 0 < decay < 1
        or not course.loss.poor
        or len(run.steps) < 2
    ):
        return
    fade = -np.log(decay) * (1.0 if name == "u_mean" else 0.5)
    sizes = np.sqrt([float(np.prod(run.shapes[i])) for i in kernels])
    entries = run.stat("gradient_norm")[:, kernels] / sizes
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        full = np.median(_finite(run.stat(name)[:, kernels] / entries), axis=1)
    spike = _spike(run, kernels)
    few = max(1, min(5, len(run.steps) - 1 - spike)) if spike is not None else 1
    now = float(np.median(full[-few:]))
    if spike is None or now < STALLED:
        return
    before = full[:spike]
    usual = float(np.median(before)) if len(before) >= 5 else USUAL
    usual = min(max(usual, 1.0), STALLED / 4)
    peaks = run.stat("gradient_norm_peak")[spike, kernels]
    where = kernels[int(np.argmax(np.where(np.isnan(peaks), -np.inf, peaks / sizes)))]
    at = _step_of(run, spike, where)
    last = int(run.steps[-1])
    if last - at < UPDATES:
        return
    recovery = max(last, int(np.median(run.steps[-few:]) + np.ceil(np.log(now / usual) / fade)))
    lost = recovery - at
    faster = round(lost * fade / (-np.log(FASTER) * (1.0 if name == "u_mean" else 0.5)))
    lower = "beta_2" if "beta_2" in run.hyperparameters else "rho"
    clip = usual_norm(run, spike) if spike >= 2 else _usual_after(run, spike)
    symbol = "u" if name == "u_mean" else "the root of v"
    saved = (
        f"{lower}={FASTER} instead of {decay} would save {lost - faster:,} of them"
        if decay > FASTER
        else ""
    )
    yield Finding(
        rule="spike-stall",
        severity="critical" if course.loss.failing else "warning",
        layer=run.layers[where],
        first_step=at,
        last_step=last,
        message=(
            f"A gradient of {spelled(float(run.stat('gradient_norm_peak')[spike, where]))} at step {at} in "
            f"{run.layers[where]} fills {symbol}, which is still {spelled(now)} times the gradient at step {last}: "
            f"training stands still until about step {recovery:,}. {sentence(course.loss.described())}."
        ),
        evidence={
            "gradient_norm_peak": float(run.stat("gradient_norm_peak")[spike, where]),
            "second_moment_over_gradient": now,
            "usual_second_moment_over_gradient": usual,
            "recovery_step": float(recovery),
            "lost_updates": float(lost),
            lower: float(decay),
            **course.loss.ends(),
        },
        suggestion=(
            f"Clip, so that one batch cannot do this: {run.optimizer}(..., global_clipnorm={clip:.2g}) would save "
            f"about all {lost:,} updates{f'; {saved}' if saved else ''}. Look at the batch of step {at}, too."
        ),
        reference=references.ADAMAX,
    )


def _spike(run: Run, kernels: list[int]) -> int | None:
    """Returns the record of the largest peak in the kernels, if that is a spike beside what came before and after."""
    with np.errstate(over="ignore"):
        peaks = np.sqrt(np.sum(_finite(run.stat("gradient_norm_peak")[:, kernels]) ** 2, axis=1))
    norms = whole_norm(run, kernels)
    spike = int(np.argmax(peaks))
    before, after = norms[:spike], norms[spike:]
    after = after[after < peaks[spike] / SPIKE]
    if not before.size or len(after) < max(1, (len(norms) - spike) / 2):
        return None
    return spike if peaks[spike] >= SPIKE * before.max() > 0 and np.median(after) > 0 else None


def _step_of(run: Run, record: int, layer: int) -> int:
    """Returns the step of the layer's peak, or of its record where that is not known."""
    if "gradient_norm_peak_step" in run.statistics:
        step = run.stat("gradient_norm_peak_step")[record, layer]
        if np.isfinite(step):
            return int(step)
    return int(run.steps[record])


def _usual_after(run: Run, record: int) -> float:
    return float(np.median(whole_norm(run)[record:])) or 1.0


def _finite(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.where(np.isfinite(values), values, 0.0).astype(np.float64)
