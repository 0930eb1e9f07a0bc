"""Which optimizer is best, and how sure that is: the numbers, from what trials reached.

A rate is chosen per optimizer by its mean held-out loss over the seeds; intervals are Student's over seeds, and
differences are taken in pairs of the same seed. Pure: it reads and prints nothing, and judges no run's health.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adamax_tb.interval import Interval, interval
from adamax_tb.trials import Trial

#: Rates whose mean loss is within this factor of the best one's are as good, for the range of good rates.
AS_GOOD = 1.1
#: Untrained losses of one seed that differ by more than this part come from other weights or other data.
_SAME_START = 1e-3


@dataclass(frozen=True, slots=True)
class Standing:
    """How one optimizer did.

    Attributes:
        optimizer: its name.
        rates: that were tried, ascending.
        learning_rate: the best one, by the seeds that all rates have; one with less than half as many seeds as another
            is left out. None if each has a seed that ended with a loss that is not finite. What follows is of this
            rate, but for `sound`, `trials` and `good_rates`.
        seeds: that it was tried with.
        loss: held-out, at the end.
        accuracy: held-out, at the end, 0 to 1.
        step_ms: (ms) a training step takes, after the first point that the trial was tested at.
        seconds: of training in all.
        target_steps: the median, over the seeds, of the steps until the target; infinite if half never got there.
        target_reached: the number of seeds that got there.
        sound: of the trials at all rates, those that did not diverge and have no critical finding.
        trials: at all rates.
        good_rates: the lowest and highest of the rates around the best whose loss is as good, `AS_GOOD`.
        edge: whether the best rate is the "lowest" or "highest" that was tried, "" if neither: a better may lie beyond.
        behind: the loss minus the best optimizer's, over pairs of the same seed; None of the best itself.
        tied: whether that interval holds 0; None of the best, and where there are no two pairs.
    """

    optimizer: str
    rates: tuple[float, ...]
    learning_rate: float | None
    seeds: tuple[int, ...]
    loss: Interval
    accuracy: Interval
    step_ms: Interval
    seconds: Interval
    target_steps: float
    target_reached: int
    sound: int
    trials: int
    good_rates: tuple[float, float] | None
    edge: str
    behind: Interval | None
    tied: bool | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """All optimizers, the one with the lowest loss first.

    Attributes:
        standings: those without a finite loss come last.
        target: the held-out loss that `target_steps` are until; NaN if there is none.
        given: whether the target was asked for. Else it is the middle one of the losses that the optimizers reached.
        notes: what makes the comparison less fair than it seems, sentences.
    """

    standings: tuple[Standing, ...]
    target: float
    given: bool
    notes: tuple[str, ...]


def compared(
    trials: Iterable[Trial], critical: Mapping[str, bool], target: float | None = None
) -> Comparison:
    """Compares optimizers by what their trials reached.

    Args:
        trials: one or more. Of those with the same optimizer, rate and seed the last one counts; those that are not
            finished do not.
        critical: by the run's name, whether something critical was found in it; runs that nobody judged are missing.
        target: a held-out loss to count the steps to; by default the middle of those that the optimizers reach.

    Raises:
        ValueError: no trial is finished.
    """
    all_of_them = [*trials]
    counted = {(t.optimizer, t.learning_rate, t.seed): t for t in all_of_them if t.finished}
    if not counted:
        raise ValueError("No trial is finished.")
    by_optimizer: dict[str, list[Trial]] = {}
    for trial in counted.values():
        by_optimizer.setdefault(trial.optimizer, []).append(trial)
    chosen = {name: _at_best_rate(own) for name, own in by_optimizer.items()}
    means = {name: _mean_loss(best) for name, best in chosen.items()}
    order = sorted(chosen, key=lambda name: means[name])
    finite = [means[name] for name in order if math.isfinite(means[name])]
    aim = target if target is not None else finite[len(finite) // 2] if finite else math.nan
    leader = chosen[order[0]]
    return Comparison(
        standings=tuple(
            _standing(by_optimizer[name], chosen[name], leader, aim, critical) for name in order
        ),
        target=aim,
        given=target is not None,
        notes=tuple(_notes(all_of_them, [*counted.values()], critical)),
    )


def steps_to(trial: Trial, target: float) -> float:
    """Returns the first step at which the trial was tested with a loss of `target` or less; infinity if never."""
    (there,) = np.nonzero(trial.loss <= target)
    return float(trial.steps[there[0]]) if there.size else math.inf


def step_ms(trial: Trial) -> float:
    """Returns what a step took (ms), from the second point that has a time to the last; NaN if there are no two."""
    timed = np.flatnonzero(~np.isnan(trial.seconds) & (trial.steps > 0))
    first, last = (timed[0], timed[-1]) if timed.size else (0, 0)
    steps = trial.steps[last] - trial.steps[first]
    return float((trial.seconds[last] - trial.seconds[first]) / steps * 1e3) if steps else math.nan


def _last_losses(trials: Iterable[Trial]) -> list[float]:
    """Returns the loss that each ends with, infinity for one that is not finite."""
    last = [float(trial.loss[-1]) for trial in trials]
    return [loss if math.isfinite(loss) else math.inf for loss in last]


def _mean_loss(trials: Sequence[Trial]) -> float:
    return math.fsum(_last_losses(trials)) / len(trials)


def _by_rate(trials: Iterable[Trial]) -> dict[float, list[Trial]]:
    rates: dict[float, list[Trial]] = {}
    for trial in sorted(trials, key=lambda t: (t.learning_rate, t.seed)):
        rates.setdefault(trial.learning_rate, []).append(trial)
    return rates


def _candidates(trials: Iterable[Trial]) -> dict[float, list[Trial]]:
    """Returns by rate the trials that a rate is chosen by: of the seeds that all have, so that no lucky seed decides.

    A rate that was tried with less than half as many seeds as another is none; where no seed is common, all count.
    """
    rates = _by_rate(trials)
    most = max(map(len, rates.values()))
    tried = {rate: own for rate, own in rates.items() if 2 * len(own) >= most}
    shared = set.intersection(*({trial.seed for trial in own} for own in tried.values()))
    return {
        rate: [trial for trial in own if trial.seed in shared] or own for rate, own in tried.items()
    }


def _at_best_rate(trials: Sequence[Trial]) -> list[Trial]:
    rates, candidates = _by_rate(trials), _candidates(trials)

    def rank(rate: float) -> tuple[bool, float]:
        return math.isinf(_mean_loss(rates[rate])), _mean_loss(candidates[rate])

    return rates[min(candidates, key=rank)]


def _standing(
    trials: Sequence[Trial],
    best: Sequence[Trial],
    leader: Sequence[Trial],
    target: float,
    critical: Mapping[str, bool],
) -> Standing:
    finite = math.isfinite(_mean_loss(best))
    rates = tuple(_by_rate(trials))
    rate = best[0].learning_rate
    behind = None if best is leader else _behind(best, leader)
    steps = [steps_to(trial, target) for trial in best]
    sound = [trial for trial in trials if not trial.diverged and not critical.get(trial.name)]
    return Standing(
        optimizer=best[0].optimizer,
        rates=rates,
        learning_rate=rate if finite else None,
        seeds=tuple(trial.seed for trial in best),
        loss=interval(_last_losses(best)),
        accuracy=interval([trial.accuracy[-1] for trial in best]),
        step_ms=interval([step_ms(trial) for trial in best]),
        seconds=interval([_last_known(trial.seconds) for trial in best]),
        target_steps=float(np.median(steps)),
        target_reached=int(np.isfinite(steps).sum()),
        sound=len(sound),
        trials=len(trials),
        good_rates=_good_rates(trials, rate) if finite else None,
        edge=_edge(rates, rate) if finite else "",
        behind=behind,
        tied=_holds_zero(behind) if behind and behind.count > 1 else None,
    )


def _holds_zero(difference: Interval) -> bool:
    return math.isfinite(difference.mean) and abs(difference.mean) <= difference.half


def _last_known(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known[-1]) if known.size else math.nan


def _behind(trials: Iterable[Trial], leader: Iterable[Trial]) -> Interval:
    ahead = {trial.seed: loss for trial, loss in zip(leader, _last_losses(leader), strict=True)}
    own = zip(trials, _last_losses(trials), strict=True)
    pairs = [(loss, ahead[trial.seed]) for trial, loss in own if trial.seed in ahead]
    return interval([math.inf if math.isinf(ours) else ours - its for ours, its in pairs])


def _good_rates(trials: Iterable[Trial], best: float) -> tuple[float, float]:
    means = {rate: _mean_loss(own) for rate, own in _candidates(trials).items()}
    rates = [*means]
    at = rates.index(best)
    limit = means[best] * AS_GOOD

    def reach(way: Sequence[float]) -> float:
        good = best
        for rate in way:
            if means[rate] > limit:
                break
            good = rate
        return good

    return reach(rates[at::-1]), reach(rates[at:])


def _edge(rates: Sequence[float], rate: float) -> str:
    if len(rates) == 1:
        return ""
    return {rates[0]: "lowest", rates[-1]: "highest"}.get(rate, "")


def _notes(
    found: Sequence[Trial], trials: Sequence[Trial], critical: Mapping[str, bool]
) -> Iterator[str]:
    unfinished = [trial.name for trial in found if not trial.finished]
    if unfinished:
        yield f"{_counted(unfinished, 'trial is', 'trials are')} not finished and left out."
    if repeated := len(found) - len(unfinished) - len(trials):
        yield (
            f"{repeated} of the trials have the optimizer, rate and seed of another; of such the last one counts."
        )
    yield from _uneven(trials)
    budgets = sorted({int(trial.steps[-1]) for trial in trials if not trial.diverged})
    if len(budgets) > 1:
        yield (
            f"The trials trained for {budgets[0]} to {budgets[-1]} steps: only those with the same budget can be "
            "compared."
        )
    yield from _unlike_starts(trials)
    unjudged = [trial.name for trial in trials if trial.name not in critical]
    if unjudged:
        yield (
            f"{_counted(unjudged, 'trial has', 'trials have')} no record of OptimizerHealth: sound is what did not "
            "diverge."
        )


def _uneven(trials: Sequence[Trial]) -> Iterator[str]:
    """Yields what differs in how much was tried."""
    by_optimizer = {name: _grouped(trials, name) for name in sorted({t.optimizer for t in trials})}
    rates = {name: len(_by_rate(own)) for name, own in by_optimizer.items()}
    if len({*rates.values()}) > 1:
        fewest, most = min(rates, key=rates.__getitem__), max(rates, key=rates.__getitem__)
        yield (
            f"{most} was tried with {rates[most]} rates and {fewest} with {rates[fewest]}: who tries more finds "
            "a better one."
        )
    for name in by_optimizer:
        left = [f"{rate:g}" for rate in _by_rate(by_optimizer[name])]
        kept = [f"{rate:g}" for rate in _candidates(by_optimizer[name])]
        if missing := [rate for rate in left if rate not in kept]:
            yield (
                f"{name}: {', '.join(missing)} was tried with less than half of the seeds of another rate: too few to "
                "be the best."
            )
    if min(len(_at_best_rate(own)) for own in by_optimizer.values()) < 2:
        yield "One seed says nothing about how sure a difference is: take three or more."


def _grouped(trials: Iterable[Trial], optimizer: str) -> list[Trial]:
    return [trial for trial in trials if trial.optimizer == optimizer]


def _unlike_starts(trials: Iterable[Trial]) -> Iterator[str]:
    """Yields the seeds whose untrained models differ: their pairs are no pairs."""
    starts: dict[int, list[float]] = {}
    for trial in trials:
        if trial.steps[0] == 0:
            starts.setdefault(trial.seed, []).append(float(trial.loss[0]))
    unlike = [
        str(seed)
        for seed, losses in sorted(starts.items())
        if max(losses) - min(losses) > _SAME_START * abs(max(losses, key=abs))
    ]
    if unlike:
        yield (
            f"Seed {', '.join(unlike)}: the untrained models differ in their loss, so trials of the same seed are no "
            "pairs, and ties are not what they seem."
        )


def _counted(names: Sequence[str], one: str, many: str) -> str:
    return f"{len(names)} {one if len(names) == 1 else many}"
