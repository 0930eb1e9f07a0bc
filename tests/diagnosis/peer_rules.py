"""What others would say of the same records: their published thresholds, and the trivial baseline.

They look at what they were made for, where a record holds it. Where one wants the mean of |g|, it gets the root mean
square, norm / sqrt(n), which is at least as large and at most some times as large; where one wants the activations
of a relu, it gets the part of units that no input of the batch gives a gradient: the zeros in the bias's gradient.
Each sees every record it is given; a fault of layers is named by the variable.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adamax_tb.schema import Run, recorded


@dataclass(frozen=True)
class Alarm:
    """That something is wrong: under our name for it, in a layer or None, since a step."""

    rule: str
    layer: str | None
    step: int


Peer = Callable[[Run, float | None], list[Alarm]]


def baseline(run: Run, accuracy: float | None) -> list[Alarm]:
    """NaN, or the loss fell by less than 10 %: the mean of the last tenth of the records against the first one."""
    lost = _lost(run)
    if lost:
        return lost
    loss = _loss(run)
    last = float(np.mean(loss[-max(1, len(loss) // 10) :]))
    if loss[0] - last < 0.1 * abs(loss[0]):
        return [Alarm("loss-not-falling", None, int(run.steps[-1]))]
    return []


def sagemaker(run: Run, accuracy: float | None) -> list[Alarm]:
    """SageMaker Debugger's built-in rules that a record can answer, at their defaults.

    VanishingGradient (mean of |g| < 1e-7), ExplodingTensor (NaN or infinity), LossNotDecreasing (over 10 recorded
    steps the loss falls by less than 0.1 %), DeadRelu (more than 50 % of a layer's units), WeightUpdateRatio (> 10 or
    < 1e-8).

    References:
        https://docs.aws.amazon.com/sagemaker/latest/dg/debugger-built-in-rules.html
    """
    found = _lost(run)
    found += _where(run, _mean_gradient(run) < 1e-7, "vanishing-gradient")
    found += _where(run, _zero_units(run) > 0.5, "dead-units")
    if "update_ratio" in run.statistics:
        ratio = run.stat("update_ratio")
        found += _where(run, ratio > 10, "learning-rate-too-high")
        found += _where(run, ratio < 1e-8, "learning-rate-too-low")
    loss = _loss(run)
    with np.errstate(invalid="ignore"):
        (still,) = np.nonzero(loss[10:] > loss[:-10] - 0.001 * np.abs(loss[:-10]))
    if still.size:
        found.append(Alarm("loss-not-falling", None, int(run.steps[still[0] + 10])))
    return sorted(found, key=lambda alarm: alarm.step)


def autotrainer(run: Run, accuracy: float | None) -> list[Alarm]:
    """AUTOTRAINER's checks at their published defaults, once at the end, as it does at the end of an epoch.

    NaN; and for a classifier whose accuracy is below Theta = 0.7, in this order: 70 % of the gradient's entries are 0
    (dead relu), the first kernel's gradient norm is over 70 times the last one's (exploding), or below 1e-3 of it and
    below 1e-4 (vanishing). Its checks of how accuracy goes from epoch to epoch (oscillating, slow) have nothing to go
    by in a record. It knows accuracy only, so of a regression it sees NaN.

    References:
        Zhang et al., 2021, AUTOTRAINER: An Automatic DNN Training Problem Detection and Repair System, ICSE
    """
    lost = _lost(run)
    if lost or accuracy is None or accuracy >= 0.7:
        return lost
    kernels = [i for i, shape in enumerate(run.shapes) if len(shape) >= 2]
    norms, zeros = run.stat("gradient_norm")[-1], run.stat("gradient_zeros")[-1]
    sizes = np.array([np.prod(shape) for shape in run.shapes])
    known = recorded(norms)
    step, first, last = int(run.steps[-1]), kernels[0], kernels[-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = norms[first] / norms[last]
    if np.sum((zeros * sizes)[known]) >= 0.7 * np.sum(sizes[known]):
        return [Alarm("dead-units", None, step)]
    if ratio > 70:
        return [Alarm("exploding-gradient", run.layers[first], step)]
    if ratio < 1e-3 and norms[first] < 1e-4:
        return [Alarm("vanishing-gradient", run.layers[first], step)]
    return []


def deepdiagnosis(run: Run, accuracy: float | None) -> list[Alarm]:
    """DeepDiagnosis's thresholds that a record can answer, at every record.

    NaN or infinity or a loss of 0; mean of |g| < 1e-7; at least 70 % of a layer's units inactive; an update below
    1e-3 of the weights, which it calls a low learning rate; a loss that rises in ten records on end. Its checks of
    activations, of the range of outputs and of accuracy have nothing to go by in a record.

    References:
        Wardat et al., 2022, DeepDiagnosis: Automatically Diagnosing Faults and Recommending Actionable Fixes, ICSE
    """
    found = _lost(run)
    found += _where(run, _mean_gradient(run) < 1e-7, "vanishing-gradient")
    found += _where(run, _zero_units(run) >= 0.7, "dead-units")
    if "update_ratio" in run.statistics:
        low = run.stat("update_ratio") < 1e-3
        if low.all(axis=1).any():
            found.append(Alarm("learning-rate-too-low", None, int(run.steps[low.all(axis=1)][0])))
    loss = _loss(run)
    rising = loss[1:] > loss[:-1]
    if len(rising) >= 10:
        runs_of_10 = np.lib.stride_tricks.sliding_window_view(rising, 10).all(axis=1)
        if runs_of_10.any():
            step = int(run.steps[int(np.argmax(runs_of_10)) + 10])
            found.append(Alarm("learning-rate-too-high", None, step))
    return sorted(found, key=lambda alarm: alarm.step)


PEERS: dict[str, Peer] = {
    "baseline": baseline,
    "SageMaker": sagemaker,
    "AUTOTRAINER": autotrainer,
    "DeepDiagnosis": deepdiagnosis,
}


def _loss(run: Run) -> NDArray[np.float64]:
    return run.loss.astype(np.float64)


def _lost(run: Run) -> list[Alarm]:
    norms = run.stat("gradient_norm")
    bad = ~np.isfinite(norms) & recorded(norms)
    (at,) = np.nonzero(bad.any(axis=1) | ~np.isfinite(run.loss))
    if not at.size:
        return []
    where = np.nonzero(bad[at[0]])[0]
    return [
        Alarm("nonfinite", run.layers[where[-1]] if where.size else None, int(run.steps[at[0]]))
    ]


def _mean_gradient(run: Run) -> NDArray[np.float64]:
    """Returns (T, L), about the mean of |g| of each kernel; infinity for what is no kernel or was not recorded."""
    norms = run.stat("gradient_norm")
    sizes = np.array([np.prod(s) if len(s) >= 2 else 0 for s in run.shapes], np.float64)
    kernels = (sizes > 0) & recorded(norms)
    return np.where(kernels, norms / np.sqrt(np.maximum(sizes, 1)), np.inf)


def _zero_units(run: Run) -> NDArray[np.float64]:
    """Returns (T, L), the part of zeros in each bias's gradient: of units that no input gave one; 0 for the rest."""
    zeros = run.stat("gradient_zeros")
    biases = np.array(
        [len(s) == 1 and "bias" in n for s, n in zip(run.shapes, run.layers, strict=True)]
    )
    return np.where(biases & recorded(zeros), zeros, 0.0)


def _where(run: Run, held: NDArray[np.bool_], rule: str) -> list[Alarm]:
    """Returns an alarm for each layer where `held`, (T, L), is ever true."""

    def alarms() -> Iterator[Alarm]:
        for i in np.nonzero(held.any(axis=0))[0].tolist():
            yield Alarm(rule, run.layers[i], int(run.steps[int(np.argmax(held[:, i]))]))

    return list(alarms())
