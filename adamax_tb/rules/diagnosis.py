"""Diagnosis: what all rules together say of a run."""

import dataclasses
import warnings
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

    What follows a gradient that is not finite is its doing: other rules judge the records before it. A rule that fails
    is left out, with a warning: it says nothing of the run, and the others do.
    """
    findings, faults = judged(run)
    for rule, fault in faults.items():
        warnings.warn(
            f"Rule {rule!r} could not judge run {run.name!r} and is left out: {fault!r}. This is a defect of "
            "adamax-tb; please report it.",
            stacklevel=2,
        )
    return findings


def judged(run: Run) -> tuple[list[Finding], dict[str, Exception]]:
    """Returns what `diagnose` does, and the rules that failed, each with what it raised."""
    if not set(run.statistics) >= NEEDED or not len(run.steps):
        return [], {}
    faults: dict[str, Exception] = {}
    course = course_of(run)
    findings = _found("nonfinite", run, course, faults)
    if findings and findings[0].layer is not None:
        run = run.until(int(np.searchsorted(run.steps, findings[0].first_step)))
    if len(run.steps):
        run = _with_gradients(run)
        course = dataclasses.replace(course, descent=descent(run))
        found = {finding.rule for finding in findings} | {"nonfinite"}
        for name in [name for name in RULES if name not in found]:
            findings += _found(name, run, course, faults)
    if all(finding.severity == "info" for finding in findings):
        findings += _found("not-learning", run, course, faults)
    return told(findings), faults


def _found(rule: str, run: Run, course: Course, faults: dict[str, Exception]) -> list[Finding]:
    """Returns what a rule finds, nothing if it fails, which goes into `faults`."""
    try:
        return [*(not_learning if rule == "not-learning" else RULES[rule])(run, course)]
    except Exception as fault:
        faults[rule] = fault
        return []


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


def notes(run: Run) -> list[str]:
    """Returns what to know about `run` beside its findings: what the reader said, what is missing, if it is short."""
    thinned = int(np.nansum(run.step_stat("thinned")))
    gaps = [
        f"{thinned} record{' was' if thinned == 1 else 's were'} thinned while training: the disk was too slow."
    ]
    short = (
        [f"Only {counted_records(run)} so far: too few to judge."]
        if run.record_count < HISTORY
        else []
    )
    parts = run.parts(RECORDS_AT_ONCE) if set(run.statistics) >= NEEDED else ()
    blind = (
        ["No gradient norm was recorded: little of this run can be judged."]
        if not any(_holds_gradient(part).any() for part in parts)
        else []
    )
    return [*run.notes, *(gaps if thinned else []), *short, *blind]
