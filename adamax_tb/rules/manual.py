"""The manual: a page for each rule, with the rule's own thresholds and how well it was measured to do.

The pages are Markdown, in `pages`; this fills in their numbers, so that page and code cannot say different things. It
renders nothing.
"""

import json
import math
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import ModuleType
from typing import Any

from adamax_tb.rules import course, gradients
from adamax_tb.rules.diagnosis import RULE_NAMES, RULES
from adamax_tb.rules.not_learning import not_learning
from adamax_tb.rules.wording import spelled

#: What several rules share, by the name that pages call it.
SHARED: Mapping[str, ModuleType] = {"course": course, "gradients": gradients}
#: `{{NAME}}` is a constant of the rule's module, `{{course.NAME}}` one of a shared module, `{{NAME|%}}` as percent.
PLACEHOLDER = re.compile(r"\{\{(?:(\w+)\.)?(\w+)(\|%)?\}\}")

_PAGES = files("adamax_tb.rules") / "pages"
_PARTS = {
    "test": "which were kept out of sight while the rules were made, but for their counts",
    "tuning": "which the rules were made on, so it flatters them",
}


@dataclass(frozen=True, slots=True)
class Count:
    """So many `of` so many."""

    count: int
    of: int

    def described(self) -> str:
        """Returns "6 of 7 (86 %, 95 % interval 49 to 97 %)", the interval by Wilson; of none only that."""
        if not self.of:
            return "0 of 0"
        low, high = self.interval
        part = f"{100 * self.count / self.of:.0f} %"
        return f"{self.count} of {self.of} ({part}, 95 % interval {100 * low:.0f} to {100 * high:.0f} %)"

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the part; from 0 to 1 of nothing."""
        if not self.of:
            return (0.0, 1.0)
        z = 1.96
        part, share = self.count / self.of, z * z / self.of
        middle = (part + share / 2) / (1 + share)
        half = z * math.sqrt(part * (1 - part) / self.of + share / (4 * self.of)) / (1 + share)
        return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True, slots=True)
class Measured:
    """How well a rule does on programs with a known fault, or none.

    Attributes:
        part: "test" or "tuning", the part of the programs.
        recall: programs with this fault whose first finding names it, of all with this fault.
        precision: programs whose first finding is this rule, and rightly, of all whose first finding it is.
        healthy_alarms: healthy programs that the rule alarmed, critically or as a warning, of all healthy ones.
    """

    part: str
    recall: Count
    precision: Count
    healthy_alarms: Count


def page(rule: str) -> str:
    """Returns the page of `rule` as Markdown, with all numbers filled in.

    Links to other pages are `RULE.md`, its picture is `RULE.svg`.

    Raises:
        KeyError: there is no such rule.
    """
    text = source(rule)

    def filled(match: re.Match[str]) -> str:
        if match[2] == "measured":
            return _measured_words(measured().get(rule))
        value = constant(rule, match[1], match[2])
        if match[3]:
            return f"{spelled(100 * value)} %"
        return "a third" if value == 1 / 3 else spelled(value)

    return PLACEHOLDER.sub(filled, text)


def source(rule: str) -> str:
    """Returns the page of `rule` as it was written, with placeholders.

    Raises:
        KeyError: there is no such rule.
    """
    return _file(rule, ".md")


def picture(rule: str) -> str:
    """Returns the picture of `rule`'s page: an SVG, which takes its text's colour from the page that it is put into.

    Raises:
        KeyError: there is no such rule.
    """
    return _file(rule, ".svg")


def module_of(rule: str) -> ModuleType:
    """Returns the module that decides `rule`."""
    rules: Mapping[str, Callable[..., Any]] = {**RULES, "not-learning": not_learning}
    return sys.modules[rules[rule].__module__]


def constant(rule: str, shared: str | None, name: str) -> float:
    """Returns the constant `name` of the rule's module, or of a shared one.

    Raises:
        ValueError: there is none.
    """
    module = module_of(rule) if shared is None else SHARED.get(shared)
    value = getattr(module, name, None)
    if not isinstance(value, int | float):
        raise ValueError(
            f"The page of {rule} names {name}, which is no number of {module or shared}."
        )
    return float(value)


def measured(text: str | None = None) -> dict[str, Measured]:
    """Returns rule → how well it does, of those that were measured, as pages/measured.json or `text` says.

    `{"RULE": {"part": "test", "recall": [6, 7], "precision": [6, 6], "healthy_alarms": [0, 60]}, …}`; other keys are
    left alone.

    Raises:
        ValueError: it is not of this form.
    """
    document = json.loads((_PAGES / "measured.json").read_text("utf-8") if text is None else text)
    return {rule: _measured(rule, entry) for rule, entry in document.items()}


def _measured(rule: str, entry: Mapping[str, Any]) -> Measured:
    if rule not in RULE_NAMES or entry.get("part") not in _PARTS:
        raise ValueError(
            f"measured.json: {rule!r} is no rule, or its part is none of {', '.join(_PARTS)}."
        )
    counts = {}
    for name in ("recall", "precision", "healthy_alarms"):
        pair = entry.get(name)
        if not (isinstance(pair, list) and len(pair) == 2 and all(type(n) is int for n in pair)):
            raise ValueError(f"measured.json: {name} of {rule!r} is no [count, of], but {pair!r}.")
        if not 0 <= pair[0] <= pair[1]:
            raise ValueError(f"measured.json: {name} of {rule!r} counts {pair[0]} of {pair[1]}.")
        counts[name] = Count(*pair)
    return Measured(part=entry["part"], **counts)


def _measured_words(known: Measured | None) -> str:
    if known is None:
        return "Not measured yet."
    recall, precision, alarms = known.recall, known.precision, known.healthy_alarms
    found = (
        f"the first finding names it in {recall.described()}"
        if recall.of
        else "there was no such program"
    )
    right = (
        f"Where this is the first finding, it is right in {precision.described()}"
        if precision.of
        else "There was no program with this as its first finding"
    )
    return (
        f"Measured on small Keras programs with one known fault or none, {_PARTS[known.part]}:\n\n"
        f"- **Recall.** Of the programs with this fault, {found}.\n"
        f"- **Precision.** {right}.\n"
        f"- **False alarms.** It alarmed healthy programs: {alarms.described()}."
    )


def _file(rule: str, extension: str) -> str:
    if rule not in RULE_NAMES:
        raise KeyError(f"There is no rule {rule!r}. There are: {', '.join(RULE_NAMES)}.")
    return (_PAGES / f"{rule}{extension}").read_text("utf-8")
