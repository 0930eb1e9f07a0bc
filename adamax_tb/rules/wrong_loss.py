"""`wrong-loss`: the last activation cannot give what the loss asks for."""

from collections.abc import Iterator
from dataclasses import dataclass

from adamax_tb.rules import references
from adamax_tb.rules.course import Course
from adamax_tb.rules.finding import Finding, Severity
from adamax_tb.rules.gradients import kernels_of
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
#: Backends on which Keras does not look where the outputs come from.
TAKES_AS_TOLD = ("jax", "torch")
#: Fewer updates say nothing of the loss yet.
UPDATES = 50


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why a last activation and a loss do not fit, what to do, and whether that is so however the loss goes."""

    reason: str
    remedy: str
    certain: bool = False


def wrong_loss(run: Run, course: Course) -> Iterator[Finding]:
    """The last activation and the loss do not fit: no probabilities, always the same one, or targets out of reach."""
    if run.head is None or (misfit := _misfit(run.head)) is None:
        return
    severity = _severity(course, misfit)
    if severity is None:
        return
    kernels = kernels_of(run)
    yield Finding(
        rule="wrong-loss",
        severity=severity,
        layer=run.layers[kernels[-1]] if kernels else None,
        first_step=int(run.steps[0]),
        last_step=int(run.steps[-1]),
        message=f"{misfit.reason}.",
        evidence={
            "units": float(run.head.units),
            **course.loss.ends(),
            "remaining": course.loss.remaining,
        },
        suggestion=misfit.remedy,
        reference=references.LOSSES,
    )


def _severity(course: Course, misfit: Misfit) -> Severity | None:
    """Returns how bad a misfit is; None where the loss shows that it does no harm."""
    loss = course.loss
    stands = loss.failing and loss.flat and not loss.learned
    if not loss.known or not (misfit.certain or (stands and course.updates >= UPDATES)):
        return None  # targets may well be in reach
    return "critical" if not loss.learned and course.updates >= UPDATES else "warning"


def _misfit(head: Head) -> Misfit | None:
    loss = head.loss.replace("_", "").lower()
    found = _of_probabilities(head, loss) if "crossentropy" in loss else None
    if head.activation == "softmax" and head.units == 1:
        return Misfit(
            "A softmax over a single unit is 1 whatever goes in",
            "Give the last layer activation='sigmoid' for two classes, or as many units as there are classes.",
            certain=True,
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

    A softmax or sigmoid together with from_logits=True is none on TensorFlow: there Keras notices, and takes what went
    in. On JAX and PyTorch it is applied twice.
    """
    if head.from_logits and head.activation in PROBABILITIES and head.backend in TAKES_AS_TOLD:
        return Misfit(
            f"The last activation is {head.activation}, and {head.loss}(from_logits=True) applies it again: the "
            "probabilities are squeezed together, and the loss cannot come near 0",
            "Give the last layer activation=None, or leave from_logits=True out.",
            certain=True,
        )
    if not head.from_logits and head.activation == "linear":
        return Misfit(
            f"{head.loss} takes the outputs for probabilities, and the last layer gives any number",
            f"Say what they are: {head.loss}(from_logits=True); or give the last layer activation="
            f"{'sigmoid' if 'binary' in loss else 'softmax'!r}.",
            certain=True,
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
