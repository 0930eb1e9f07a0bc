"""What `adamax-tb check` says of runs: in words for people, as a JSON document for machines.

It reads and judges nothing, and prints nothing.
"""

import dataclasses
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from adamax_tb.names import printable
from adamax_tb.rules import Finding, counted_records, finding_json, notes, verdict
from adamax_tb.schema import Run

#: The version of the JSON document: higher when a reader of the one before would misread it.
JSON_VERSION = 1

#: How a terminal shows a verdict.
_COLORS = {"critical": "1;31", "warning": "33", "info": "36", "healthy": "32"}
#: What stands around a word that is painted; no printable text holds them.
_PAINT, _PLAIN = "\ue000", "\ue001"


@dataclass(frozen=True, slots=True)
class Style:
    """How the words are laid out.

    Attributes:
        width: the columns that a line has; None: a sentence is one line.
        color: whether verdicts have their colour, in a terminal's escape codes.
    """

    width: int | None = None
    color: bool = False


def still_held(findings: Sequence[Finding], step: int) -> list[Finding]:
    """Returns those of `findings` that held at `step` or later.

    A consequence that outlived its cause until then stands in its cause's place.
    """
    held = []
    for finding in findings:
        consequences = still_held(finding.consequences, step)
        if finding.last_step >= step:
            held.append(dataclasses.replace(finding, consequences=tuple(consequences)))
        else:
            held += consequences
    return held


def worst(findings: Sequence[Finding]) -> str:
    """Returns the worst severity among `findings` and all that follows from them, "healthy" when there are none."""
    return verdict([*_all(findings)])


def in_words(
    runs: Mapping[str, Run],
    findings: Mapping[str, Sequence[Finding]],
    style: Style,
    title: str = "",
) -> str:
    """Returns each run's verdict and under it its findings: the cause, what followed, what to do, where to read.

    Args:
        runs: by name.
        findings: by the run's name.
        style: how the lines are laid out.
        title: the name of the log directory, if it is to stand beside ".".
    """
    return "\n".join(
        line
        for name, found in findings.items()
        for line in _run_lines(runs[name], found, style, title)
    )


def shown_name(run: Run, title: str) -> str:
    """Returns the name of `run`; of the log directory itself, which is named ".", with `title` if there is one."""
    return f"{title} (.)" if run.name == "." and title else run.name


def document(
    runs: Mapping[str, Run],
    findings: Mapping[str, Sequence[Finding]],
    errors: Mapping[str, str],
    since: int | None = None,
) -> dict[str, Any]:
    """Returns what `json_schema` describes.

    Args:
        runs: by name.
        findings: by the run's name.
        errors: by name, why a run cannot be read.
        since: the step that findings were asked for from, None for all.
    """
    return {
        "version": JSON_VERSION,
        "since": since,
        "runs": [
            {
                "name": name,
                "verdict": worst(found),
                "optimizer": runs[name].optimizer,
                "records": runs[name].record_count,
                "last_step": int(runs[name].steps[-1]),
                "findings": [finding_json(finding) for finding in found],
                "notes": notes(runs[name]),
            }
            for name, found in findings.items()
        ],
        "errors": dict(errors),
    }


def json_schema() -> str:
    """Returns the JSON Schema of `document`, as text."""
    return resources.files("adamax_tb").joinpath("check.schema.json").read_text("utf-8")


def _all(findings: Sequence[Finding]) -> Iterator[Finding]:
    for finding in findings:
        yield finding
        yield from _all(finding.consequences)


def _run_lines(run: Run, found: Sequence[Finding], style: Style, title: str) -> Iterator[str]:
    name = printable(shown_name(run, title))
    yield from _lines(
        "",
        f"{name}: {_painted(worst(found))} ({printable(run.optimizer)}, {len(run.layers)} layers, "
        f"{counted_records(run)}, steps {run.steps[0]} to {run.steps[-1]})",
        style,
    )
    for finding in found:
        yield from _finding_lines(run, finding, "  ", style)
    for note in notes(run):
        yield from _lines("  ", f"note: {printable(note)}", style)


def _finding_lines(run: Run, finding: Finding, indent: str, style: Style) -> Iterator[str]:
    head = f"{_painted(finding.severity)}: {finding.rule} in {where(finding)} {when(run, finding)}"
    yield from _lines(indent, head, style)
    inner = indent + "  "
    yield from _lines(inner, printable(finding.message), style)
    if finding.consequences:
        yield f"{inner}What followed from it:"
        for consequence in finding.consequences:
            yield from _consequence_lines(run, consequence, inner + "  ", style)
    yield from _lines(inner, f"What to do: {printable(finding.suggestion)}", style)
    if finding.reference:
        yield from _lines(inner, f"More: {printable(finding.reference)}", style)


def _consequence_lines(run: Run, finding: Finding, indent: str, style: Style) -> Iterator[str]:
    """Yields what followed, without a remedy: that is the cause's."""
    head = f"{when(run, finding)}: {_painted(finding.severity)}: {finding.rule} in {where(finding)}"
    yield from _lines(indent, head, style)
    yield from _lines(indent + "  ", printable(finding.message), style)
    for consequence in finding.consequences:
        yield from _consequence_lines(run, consequence, indent + "  ", style)


def where(finding: Finding) -> str:
    """Returns where `finding` began, in words: the name of the layer, also of one without any, or "the whole run"."""
    return "the whole run" if finding.layer is None else printable(finding.layer) or '""'


def when(run: Run, finding: Finding) -> str:
    """Returns when `finding` held, in words: "since step 3" if it still does at the end of `run`."""
    if finding.last_step >= run.steps[-1]:
        return f"since step {finding.first_step}"
    if finding.last_step == finding.first_step:
        return f"at step {finding.first_step}"
    return f"from step {finding.first_step} to {finding.last_step}"


def _painted(word: str) -> str:
    return f"{_PAINT}{word}{_PLAIN}"


def _lines(indent: str, text: str, style: Style) -> Iterator[str]:
    """Yields `text` in lines that are not longer than the style's, unless a single word is."""
    lines = [indent + text]
    if style.width is not None:
        lines = textwrap.wrap(
            text,
            style.width,
            initial_indent=indent,
            subsequent_indent=indent + "  ",
            break_long_words=False,  # a layer's path is copied whole
            break_on_hyphens=False,
        )
    for line in lines:
        before, paint, rest = line.partition(_PAINT)
        word, _, after = rest.partition(_PLAIN)
        code = _COLORS.get(word) if style.color else None
        shown = f"\x1b[{code}m{word}\x1b[0m" if code else word
        yield f"{before}{shown}{after}" if paint else line
