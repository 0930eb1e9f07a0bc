"""`vanishing-gradient`: early layers get a tiny part of the gradient of later ones."""

from collections.abc import Iterator

import numpy as np

from adamax_tb.rules.course import LossCourse
from adamax_tb.rules.dead_units import DEAD_UNITS
from adamax_tb.rules.finding import Finding
from adamax_tb.rules.gradients import dead_fractions, kernels_of
from adamax_tb.schema import Run

#: A layer whose gradient is below this part of the strongest layer's has a vanished gradient.
VANISHED = 1e-3


def vanishing_gradient(run: Run, course: LossCourse) -> Iterator[Finding]:
    """The gradient of early layers is a tiny part of the later layers', and the loss does not fall, or no further.

    AdaMax and Adam hide this: their update stays near the learning rate however small the gradient is.
    """
    kernels = kernels_of(run)
    if (course.learned and not course.flat) or len(kernels) < 2:
        return
    sizes = np.array([np.prod(run.shapes[i]) for i in kernels], np.float32)
    rms = run.stat("gradient_norm")[:, kernels] / np.sqrt(sizes)
    deepest = np.argmax(np.where(np.isfinite(rms), rms, np.float32(0)), axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        part = rms / np.take_along_axis(rms, deepest[:, None], axis=1)
    # a whole layer at exactly 0 beside dead units is their doing
    dead = dead_fractions(run)[:, kernels] >= DEAD_UNITS
    earlier = np.arange(len(kernels))[None, :] < deepest[:, None]
    vanished = earlier & (part < VANISHED) & ~dead
    held = vanished.mean(axis=0) >= (0.9 if course.learned else 0.5)
    if not held.any():
        return
    layer = int(np.argmax(held))
    (at,) = np.nonzero(vanished[:, layer])
    usual = float(np.median(part[at, layer]))
    strong = kernels[int(np.median(deepest[at]))]
    name = run.layers[kernels[layer]]
    yield Finding(
        rule="vanishing-gradient",
        severity="critical" if course.known and not course.learned else "warning",
        layer=name,
        first_step=int(run.steps[at[0]]),
        last_step=int(run.steps[at[-1]]),
        message=(
            f"The gradient vanishes on its way back to {name}: there it is {usual:.2g} of what it is in "
            f"{run.layers[strong]}. {int(held.sum())} of {len(kernels)} kernels get less than {VANISHED:g} of it, and "
            f"{course.described()}{', where it stands still' if course.learned else ''}."
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
