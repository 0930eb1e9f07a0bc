"""Scores of a judge: what it says of recorded programs, held to their labels.

Pure; a judge is a function from a run, and the accuracy it reached, to alarms. `evaluate` says what the scores mean.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import outcomes
from cadence import first_records
from peer_rules import Alarm
from programs import Program

from adamax_tb.rules import diagnose
from adamax_tb.rules.manual import Count
from adamax_tb.schema import Run, layer_group
from adamax_tb.watch import Watch

#: A loss is smoothed over so many updates.
SMOOTHED = 9

Judge = Callable[[Run, float | None], list[Alarm]]


@dataclass(frozen=True)
class Case:
    """A recorded program at one cadence, and the accuracy it reached, None for a regression."""

    program: Program
    run: Run
    accuracy: float | None


class Share(Count):
    """So many of so many, as the table tells it."""

    @property
    def value(self) -> float:
        """The part, NaN of nothing."""
        return self.count / self.of if self.of else float("nan")

    def told(self) -> str:
        """Returns "0.91 [0.80, 0.96]"."""
        low, high = self.interval
        return f"{self.value:.2f} [{low:.2f}, {high:.2f}]" if self.of else "-"


@dataclass(frozen=True)
class Detection:
    """How often a judge alarms: recall, precision, and healthy runs alarmed."""

    recall: Share
    precision: Share
    false_alarms: Share


def detection(cases: Iterable[Case], judge: Judge) -> Detection:
    """Returns how well `judge` tells faulty from healthy."""
    alarmed = [(case.program.is_faulty, bool(judge(case.run, case.accuracy))) for case in cases]
    hits, faulty = sum(f and a for f, a in alarmed), sum(f for f, _ in alarmed)
    false = sum(a and not f for f, a in alarmed)
    return Detection(
        Share(hits, faulty), Share(hits, hits + false), Share(false, len(alarmed) - faulty)
    )


def diagnosis(cases: Iterable[Case], judge: Judge) -> dict[str, Share]:
    """Returns how often `judge` names the fault of the faulty among `cases`: "exact", "acceptable", "any", "place"."""
    exact = acceptable = anywhere = placed = with_place = faulty = 0
    for case in cases:
        if not case.program.is_faulty:
            continue
        faulty += 1
        named = case.program.acceptable
        alarms = judge(case.run, case.accuracy)
        fitting = [alarm for alarm in alarms if alarm.rule in named]
        exact += bool(alarms) and alarms[0].rule == named[0]
        acceptable += bool(alarms) and alarms[0].rule in named
        anywhere += bool(fitting)
        if case.program.layers and fitting and fitting[0].layer is not None:
            with_place += 1
            placed += _within(fitting[0].layer, case.program.layers)
    return {
        "exact": Share(exact, faulty),
        "acceptable": Share(acceptable, faulty),
        "any": Share(anywhere, faulty),
        "place": Share(placed, with_place),
    }


def _within(variable: str, layers: tuple[str, ...]) -> bool:
    return any(part in layers for part in layer_group(variable).split("/"))


def first_warning(run: Run) -> int | None:
    """Returns the update at whose record the first finding is told while the run goes on; None: none is until its end.

    As `OptimizerHealth` does it, which judges at every record here and knows how many updates are planned.
    """
    watch = Watch()
    planned = dataclasses.replace(run, planned_step=int(run.steps[-1]))
    for count in range(1, len(run.steps) + 1):
        ended = count == len(run.steps)
        if watch.told(diagnose(first_records(planned, count)), count, ended):
            return int(run.steps[count - 1])
    return None


def went_bad(run: Run) -> int | None:
    """Returns the update at which the loss of `run`, recorded at every update, went bad for good; None if it did not.

    From there on the running median stays above its earlier minimum by more than `outcomes.FAULTY` of what had been
    gained until then, which undoes what the labels call a fault, and by more than three times the scatter of single
    batches about it until then, which tiny batches do by themselves. A loss that never fell has gained nothing: for
    it the margin is that part of its first value. A NaN or an infinity is bad at once.
    """
    loss = run.loss.astype(np.float64)
    (lost,) = np.nonzero(~np.isfinite(loss))
    end = int(lost[0]) if lost.size else len(loss)
    at = int(run.steps[end]) if lost.size else None
    if end <= SMOOTHED:
        return at
    smooth = np.median(np.lib.stride_tricks.sliding_window_view(loss[:end], SMOOTHED), axis=1)
    apart = np.abs(loss[SMOOTHED - 1 : end] - smooth)
    scatter = np.array([np.median(apart[: i + 1]) for i in range(len(apart))])
    lowest = np.minimum.accumulate(smooth)
    first = float(loss[0])
    gained = np.maximum(first - lowest, 0.0)
    part = np.where(gained > 0, gained, abs(first)) * outcomes.FAULTY
    bad = smooth > lowest + np.maximum(part, 3 * scatter)
    if not bad[-1]:
        return at
    good = np.nonzero(~bad)[0]
    start = int(good[-1]) + 1 if good.size else 0
    return int(run.steps[start + SMOOTHED - 1])


def leads(
    cases: Iterable[Case], warnings: Mapping[str, int | None], bad: Mapping[str, int | None]
) -> dict[str, list[float]]:
    """Returns "lead", updates from warning to bad loss, and "delay", percent of the run before the warning."""
    found: dict[str, list[float]] = {"lead": [], "delay": []}
    for case in cases:
        name, warned = case.program.name, warnings[case.program.name]
        if not case.program.is_faulty or warned is None:
            continue
        went = bad[name]
        if went is not None:
            found["lead"].append(float(went - warned))
        else:
            found["delay"].append(100.0 * warned / int(case.run.steps[-1]))
    return found


def classes(cases: list[Case], judge: Judge) -> dict[str, Any]:
    """Returns label → what `judge` makes of its programs."""
    labels = dict.fromkeys(case.program.label for case in cases if case.program.is_faulty)
    found = {}
    for label in labels:
        some = [case for case in cases if case.program.label == label]
        found[label] = {"detected": detection(some, judge).recall, **diagnosis(some, judge)}
    return found
