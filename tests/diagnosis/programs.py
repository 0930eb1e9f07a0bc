"""The labelled programs: what each trains, what is wrong with it, and the same without the fault.

Labels and acceptable rules were written from what was built into a program, and are held to its outcome
(`outcomes.label`), never to what a rule says of it. The split goes by task, so near-twins never straddle it.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from setups import Setup, Training, training
from tasks import TASKS, Split

#: Label → rules that name the fault, the most exact one first. Where the fault is a cause that shows itself in several
#: ways, its programs say which.
ACCEPTABLE: Mapping[str, tuple[str, ...]] = {
    "nonfinite": ("nonfinite",),
    "exploding-gradient": ("exploding-gradient", "learning-rate-too-high", "nonfinite"),
    "vanishing-gradient": ("vanishing-gradient",),
    "dead-units": ("dead-units",),
    "learning-rate-too-high": ("learning-rate-too-high", "exploding-gradient"),
    "learning-rate-too-low": ("learning-rate-too-low",),
    "spike-stall": ("spike-stall", "exploding-gradient"),
    "skipped-steps": ("skipped-steps",),
    "epsilon-dominated": ("epsilon-dominated", "learning-rate-too-low"),
    "frozen-layer": ("frozen-layer", "vanishing-gradient"),
    "untouched-rows": ("untouched-rows",),
}
#: Faults that were built in and show themselves in several ways.
CAUSES = ("bad-initialization", "unscaled-inputs", "wrong-loss")
HEALTHY = "healthy"


@dataclass(frozen=True)
class Program:
    """A small training program with a label.

    Attributes:
        name: unique.
        label: "healthy", a key of `ACCEPTABLE`, or one of `CAUSES`.
        setup: what it trains.
        remedy: the same without the fault; None for a healthy one.
        acceptable: rules that name the fault, the most exact one first.
        layers: names of the layers at fault, empty where it is the whole run's.
        frightening: what looks bad about a healthy one.
    """

    name: str
    label: str
    setup: Setup
    remedy: Setup | None = None
    acceptable: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    frightening: str = ""

    @property
    def split(self) -> Split:
        """The part it belongs to, with all programs on its task."""
        return TASKS[self.setup.task][0]

    @property
    def family(self) -> str:
        """What its near-twins share: the task and the kind of network."""
        return f"{self.setup.task} {self.setup.network.kind}"

    @property
    def is_faulty(self) -> bool:
        """Whether it is labelled so."""
        return self.label != HEALTHY

    def training(self) -> Training:
        """Returns what it trains."""
        return training(self.setup)

    def remedied(self) -> Training:
        """Returns its twin without the fault."""
        if self.remedy is None:
            raise ValueError(f"{self.name} is healthy.")
        return training(self.remedy)


def faulty(
    name: str,
    label: str,
    setup: Setup,
    remedy: Mapping[str, Any],
    also: tuple[str, ...] = (),
    shows_as: tuple[str, ...] = (),
    layers: tuple[str, ...] = (),
) -> Program:
    """Returns a faulty program.

    Args:
        name: unique.
        label: what is wrong.
        setup: what it trains.
        remedy: fields of the setup, or after "network." of its network, that repair it.
        also: rules that name the fault as well, beside those of its label.
        shows_as: rules that name what the fault shows itself by; its label names it, too.
        layers: at fault.
    """
    network = {k.removeprefix("network."): v for k, v in remedy.items() if k.startswith("network.")}
    rest = {k: v for k, v in remedy.items() if not k.startswith("network.")}
    repaired = dataclasses.replace(
        setup, network=dataclasses.replace(setup.network, **network), **rest
    )
    acceptable = (*shows_as, label) if shows_as else (*ACCEPTABLE[label], *also)
    if any(field.endswith("initializer") for field in remedy):
        acceptable += ("bad-initialization",)
    acceptable = tuple(dict.fromkeys(acceptable))
    return Program(name, label, setup, repaired, acceptable, layers)


def healthy(name: str, frightening: str, setup: Setup) -> Program:
    """Returns a healthy program, and what looks bad about it."""
    return Program(name, HEALTHY, setup, frightening=frightening)


def programs() -> tuple[Program, ...]:
    """Returns all programs, the tuning part first."""
    import faulty as faults
    import healthy as sound

    every = (*faults.PROGRAMS, *sound.PROGRAMS)
    return tuple(sorted(every, key=lambda p: (p.split != "tuning", not p.is_faulty)))
