"""`wrong-loss`: the last activation cannot give what the loss asks for."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from adamax_tb.rules import references
from adamax_tb.rules.course import FAILING, Course
from adamax_tb.rules.finding import Finding, Severity
from adamax_tb.schema import Head, Run

#: Activations by what they can give: numbers between 0 and 1, in a bounded range, from 0 on.
PROBABILITIES = ("sigmoid", "softmax")
BOUNDED = (*PROBABILITIES, "tanh", "softsign", "hard_sigmoid", "hard_tanh")
HALF_OPEN = ("relu", "relu6", "softplus", "exponential")
#: Losses of numbers, not of probabilities, in lower case and without underscores.
OF_NUMBERS = (
    "meansquarederror",
    "meanabsoluteerror",
    "meanabsolutepercentageerror",
    "meansquaredlogarithmicerror",
    "huber",
    "logcosh",
)
#: Fewer updates say nothing of the loss yet.
UPDATES = 50


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why a last activation and a loss do not fit, what to do, and how much of the first loss must be left to say so.

    -inf for what is wrong however the loss goes.
    """

    reason: str
    remedy: str
    left: float = FAILING


def wrong_loss(run: Run, course: Course) -> Iterator[Finding]:
    """The last activation and the loss do not fit: no probabilities, always the same one, or targets out of reach."""
    misfit = _misfit(run.head) if run.head is not None else None
    severity = _severity(course, misfit) if misfit is not None else None
    if misfit is None or severity is None:
        return
    kernels = [i for i, shape in enumerate(run.shapes) if len(shape) >= 2]
    yield Finding(
        rule="wrong-loss",
        severity=severity,
        layer=run.layers[kernels[-1]] if kernels else None,
        first_step=int(run.steps[0]),
        last_step=int(run.steps[-1]),
        message=f"{misfit.reason}.",
        evidence={
            "units": float(run.head.units) if run.head is not None else np.nan,
            "loss_first": course.loss.first,
            "loss_last": course.loss.last,
            "remaining": course.loss.remaining,
        },
        suggestion=misfit.remedy,
        reference=references.LOSSES,
    )


def _severity(course: Course, misfit: Misfit) -> Severity | None:
    """Returns how bad a misfit is; None where the loss shows that it does no harm."""
    loss = course.loss
    if misfit.left > -np.inf and course.updates < UPDATES:
        return None
    if not loss.remaining > misfit.left:
        return None
    if misfit.left > -np.inf and (loss.learned or not loss.flat):
        return None  # targets may well be in reach
    return "critical" if not loss.learned and course.updates >= UPDATES else "warning"


def _misfit(head: Head) -> Misfit | None:
    loss = head.loss.replace("_", "").lower()
    found = _of_probabilities(head, loss) if "crossentropy" in loss else None
    if head.activation == "softmax" and head.units == 1:
        return Misfit(
            "A softmax over a single unit is 1 whatever goes in",
            "Give the last layer activation='sigmoid' for two classes, or as many units as there are classes.",
            left=-np.inf,
        )
    if found is None and loss in OF_NUMBERS and head.activation in (*BOUNDED, *HALF_OPEN):
        reach = "between 0 and 1" if head.activation in PROBABILITIES else "in a range"
        return Misfit(
            f"The last activation is {head.activation}, which gives only numbers {reach}, and the loss {head.loss} "
            "compares them with targets that may lie elsewhere",
            "Give the last layer activation=None for a regression, and scale the targets; for classes take a "
            "cross-entropy.",
        )
    return found


def _of_probabilities(head: Head, loss: str) -> Misfit | None:
    """Judges an activation whose outputs go into a cross-entropy.

    A softmax or sigmoid together with from_logits=True is none: Keras on TensorFlow notices, and takes what went in.
    """
    if not head.from_logits and head.activation == "linear":
        return Misfit(
            f"{head.loss} takes the outputs for probabilities, and the last layer gives any number",
            f"Say what they are: {head.loss}(from_logits=True); or give the last layer activation="
            f"{'sigmoid' if 'binary' in loss else 'softmax'!r}.",
            left=-np.inf,
        )
    if head.activation in (*HALF_OPEN, "tanh", "softsign"):
        return Misfit(
            f"The last activation is {head.activation}, and {head.loss} needs "
            f"{'numbers of both signs' if head.from_logits else 'probabilities'}",
            "Give the last layer activation=None and the loss from_logits=True.",
        )
    if "binary" not in loss and head.activation == "sigmoid" and head.units > 1:
        return Misfit(
            f"{head.loss} needs probabilities that add up to 1; a sigmoid in {head.units} units gives each by itself",
            "Give the last layer activation='softmax', or take BinaryCrossentropy where several classes may hold.",
        )
    return None
