"""Diagnosis: what all rules together say of a run."""

from collections.abc import Callable, Iterator

import numpy as np

from adamax_tb.rules.course import LossCourse, loss_course
from adamax_tb.rules.dead_units import dead_units
from adamax_tb.rules.exploding_gradient import exploding_gradient
from adamax_tb.rules.finding import SEVERITIES, Finding
from adamax_tb.rules.gradients import HISTORY
from adamax_tb.rules.nonfinite import nonfinite
from adamax_tb.rules.skipped_steps import skipped_steps
from adamax_tb.rules.vanishing_gradient import vanishing_gradient
from adamax_tb.rules.wording import counted_records
from adamax_tb.schema import Run

#: Statistics without which there is no diagnosis.
NEEDED = {"gradient_norm", "gradient_norm_peak", "nonfinite"}
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
