"""Diagnosis: what all rules together say of a run."""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from adamax_tb.rules.bad_initialization import bad_initialization
from adamax_tb.rules.course import Course, course_of
from adamax_tb.rules.dead_units import dead_units
from adamax_tb.rules.descent import descent
from adamax_tb.rules.epsilon_dominated import epsilon_dominated
from adamax_tb.rules.exploding_gradient import exploding_gradient
from adamax_tb.rules.finding import Finding
from adamax_tb.rules.frozen_layer import frozen_layer
from adamax_tb.rules.gradients import HISTORY, RECORDS_AT_ONCE
from adamax_tb.rules.learning_rate import learning_rate_too_high, learning_rate_too_low
from adamax_tb.rules.nonfinite import nonfinite
from adamax_tb.rules.not_learning import not_learning
from adamax_tb.rules.replicas_disagree import replicas_disagree
from adamax_tb.rules.skipped_steps import skipped_steps
from adamax_tb.rules.spike_stall import spike_stall
from adamax_tb.rules.story import told
from adamax_tb.rules.unscaled_inputs import unscaled_inputs
from adamax_tb.rules.untouched_rows import untouched_rows
from adamax_tb.rules.vanishing_gradient import vanishing_gradient
from adamax_tb.rules.wording import counted_records
from adamax_tb.rules.wrong_loss import wrong_loss
from adamax_tb.schema import STEP_STATS, Arrays, Run, recorded

#: Statistics without which there is no diagnosis.
NEEDED = {"gradient_norm", "gradient_norm_peak", "nonfinite"}

#: By the names that findings give them.
RULES: dict[str, Callable[[Run, Course], Iterator[Finding]]] = {
    "nonfinite": nonfinite,
    "exploding-gradient": exploding_gradient,
    "vanishing-gradient": vanishing_gradient,
    "dead-units": dead_units,
    "learning-rate-too-high": learning_rate_too_high,
    "learning-rate-too-low": learning_rate_too_low,
    "spike-stall": spike_stall,
    "skipped-steps": skipped_steps,
    "epsilon-dominated": epsilon_dominated,
    "frozen-layer": frozen_layer,
    "untouched-rows": untouched_rows,
    "wrong-loss": wrong_loss,
    "bad-initialization": bad_initialization,
    "unscaled-inputs": unscaled_inputs,
    "replicas-disagree": replicas_disagree,
}
#: The last one is for what no other explains.
RULE_NAMES: tuple[str, ...] = (*RULES, "not-learning")


def diagnose(run: Run) -> list[Finding]:
    """Returns what is wrong with `run`: first causes, each with its consequences, the most severe first.

    What follows a gradient that is not finite is its doing: other rules judge the records before it.
    """
    if not set(run.statistics) >= NEEDED or not len(run.steps):
        return []
    course = course_of(run)
    findings = list(nonfinite(run, course))
    if findings and findings[0].layer is not None:
        run = run.until(int(np.searchsorted(run.steps, findings[0].first_step)))
    if len(run.steps):
        run = _with_gradients(run)
        course = dataclasses.replace(course, descent=descent(run))
        found = {finding.rule for finding in findings} | {"nonfinite"}
        others = (rule for name, rule in RULES.items() if name not in found)
        findings += [finding for rule in others for finding in rule(run, course)]
    if all(finding.severity == "info" for finding in findings):
        findings += not_learning(run, course)
    return told(findings)


def _with_gradients(run: Run) -> Run:
    """Returns the records of `run` that hold a gradient norm, all if none does.

    `HealthWriter` may have written the loss more often than what is of layers; most rules count records.
    """
    known = _holds_gradient(run)
    if known.all() or not known.any():
        return run
    return dataclasses.replace(
        run,
        steps=run.steps[known],
        wall_times=run.wall_times[known],
        _stats=Arrays({name: run.stat(name)[known] for name in run.statistics}),
        _step_stats=Arrays({name: run.step_stat(name)[known] for name in STEP_STATS}),
    )


def _holds_gradient(run: Run) -> NDArray[np.bool_]:
    """Returns (T,), whether the gradient norm of any layer was recorded."""
    parts = run.parts(RECORDS_AT_ONCE)
    norms = (part.stat("gradient_norm") for part in parts)
    return np.concatenate([recorded(x).any(axis=1) for x in norms])


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
    parts = run.parts(RECORDS_AT_ONCE) if set(run.statistics) >= NEEDED else ()
    blind = (
        ["No gradient norm was recorded: little of this run can be judged."]
        if not any(_holds_gradient(part).any() for part in parts)
        else []
    )
    return [*run.notes, *(gaps if thinned else []), *short, *blind]
