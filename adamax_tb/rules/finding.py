"""`Finding`: what a rule says of a run."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

from adamax_tb.schema import json_number

Severity = Literal["critical", "warning", "info"]


SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "info")


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule held, for one layer or (None) for the whole run, from `first_step` to `last_step`.

    Attributes:
        rule: its name, such as "exploding-gradient".
        severity: "critical": the run will not come to anything; "warning": it loses by this; "info": good to know.
        layer: the variable where it began, None for the whole run.
        first_step: the first update at which it held.
        last_step: the last one.
        message: what happened and where, in a sentence.
        evidence: the numbers it rests on.
        suggestion: one thing to change, and why that helps.
        reference: where to read about it.
        consequences: what else was found and follows from this, in the order in which it came.
    """

    rule: str
    severity: Severity
    layer: str | None
    first_step: int
    last_step: int
    message: str
    evidence: Mapping[str, float]
    suggestion: str
    reference: str = ""
    consequences: "tuple[Finding, ...]" = ()


def evidence_words(name: str) -> str:
    """Returns what a number of `Finding.evidence` is called; the panel has the same words."""
    return _evidence_words().get(name, name.replace("_", " "))


@cache
def _evidence_words() -> dict[str, str]:
    text = resources.files("adamax_tb.rules").joinpath("evidence.json").read_text("utf-8")
    words: dict[str, str] = json.loads(text)
    return words


def verdict(findings: list[Finding]) -> str:
    """Returns the worst severity among `findings`, "healthy" when there are none."""
    return min((f.severity for f in findings), key=SEVERITIES.index, default="healthy")


def finding_json(finding: Finding) -> dict[str, Any]:
    """Returns `finding` as a dict that JSON can hold: numbers it cannot are spelled as strings."""
    fields = {f.name: getattr(finding, f.name) for f in dataclasses.fields(finding)}
    return {
        **fields,
        "evidence": {name: json_number(value) for name, value in finding.evidence.items()},
        "consequences": [finding_json(consequence) for consequence in finding.consequences],
    }
