"""The report: one HTML file with the verdicts on runs, their findings' stories and charts.

It holds no script and asks for nothing: style, SVG and PNG are in it, and its content security policy allows no more.
It opens no file.
"""

import datetime
import html
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources

import numpy as np

from adamax_tb import __version__
from adamax_tb.axis import short
from adamax_tb.check import shown_name, when, worst
from adamax_tb.figure import Pin, text
from adamax_tb.pictures import finding_pictures, loss_picture, map_picture
from adamax_tb.rules import SEVERITIES, Finding, evidence_words, loss_course, notes
from adamax_tb.rules.story import Numbered, numbered
from adamax_tb.schema import Run

#: Findings of a run that have charts; the others have their words.
CHARTED = 12


def html_chunks(
    title: str,
    made: datetime.datetime,
    runs: Mapping[str, Run],
    findings: Mapping[str, Sequence[Finding]],
    errors: Mapping[str, str],
) -> Iterator[bytes]:
    """Yields the file in pieces: its head with the table of runs, each run, its end.

    Args:
        title: of what it is a report, such as the name of the log directory.
        made: when, with a time zone.
        runs: by name.
        findings: by the run's name.
        errors: by name, why a run cannot be read.
    """
    yield _head(title, made, runs, findings, errors).encode()
    for i, (name, run) in enumerate(runs.items(), start=1):
        yield _run(i, run, findings[name], title).encode()
    yield f"<footer>Made by adamax-tb {__version__}.</footer>\n</main>\n</body>\n</html>\n".encode()


def _head(
    title: str,
    made: datetime.datetime,
    runs: Mapping[str, Run],
    findings: Mapping[str, Sequence[Finding]],
    errors: Mapping[str, str],
) -> str:
    style = resources.files("adamax_tb").joinpath("report.css").read_text("utf-8")
    rows = "".join(
        _row(i, run, findings[run.name], title) for i, run in enumerate(runs.values(), start=1)
    )
    unread = "".join(f'<p class="unread">{text(error)}</p>' for error in errors.values())
    heads = "".join(f'<th scope="col">{head}</th>' for head in _COLUMNS)
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Optimizer health: {text(title)}</title>
<style>
{style}</style>
</head>
<body>
<main>
<header><h1>Optimizer health: <bdi>{text(title)}</bdi></h1>
<p>{text(_counted(findings))} Made on <time datetime="{made.isoformat(timespec="seconds")}">{made:%Y-%m-%d at %H:%M} \
({text(made.tzname() or "local time")})</time>.</p></header>
<section aria-label="Runs"><table class="runs"><thead><tr>{heads}</tr></thead><tbody>
{rows}</tbody></table>{unread}</section>
"""


_COLUMNS = (
    "Run",
    "Verdict",
    "First cause",
    "Layer",
    "Since step",
    "Loss",
    "Optimizer",
    "Rate",
    "Records",
)


def _counted(findings: Mapping[str, Sequence[Finding]]) -> str:
    verdicts = [worst(found) for found in findings.values()]
    counts = [(verdicts.count(v), v) for v in (*SEVERITIES, "healthy")]
    said = ", ".join(f"{count} {verdict}" for count, verdict in counts if count)
    return f"{_many(len(verdicts), 'run')}: {said}."


def _many(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _row(number: int, run: Run, found: Sequence[Finding], title: str) -> str:
    course, rates = loss_course(run), run.step_stat("learning_rate")
    rates = rates[~np.isnan(rates)]
    verdict = worst(found)
    first = found[0] if found else None
    cells = (
        f'<a href="#run-{number}">{named(shown_name(run, title))}</a>',
        f'<span class="badge {verdict}">{verdict}</span>',
        text(first.rule) if first else "–",
        _layer(first) if first else "–",
        f"{first.first_step:,}" if first else "–",
        _from_to(course.first, course.last) if course.known else "not known",
        text(run.optimizer),
        _from_to(float(rates[0]), float(rates[-1])) if rates.size else "–",
        f"{run.record_count:,} of {run.steps[-1]:,} steps",
    )
    return "".join(
        ["<tr>"]
        + [
            f'<td data-label="{head}">{cell}</td>'
            for head, cell in zip(_COLUMNS, cells, strict=True)
        ]
        + ["</tr>\n"]
    )


def _from_to(first: float, last: float) -> str:
    return f"{short(first)} → {short(last)}" if short(first) != short(last) else short(first)


def _layer(finding: Finding) -> str:
    if finding.layer is None:
        return "the whole run"
    return named(finding.layer)


def named(name: str) -> str:
    """Returns the name of a run or layer as HTML: it may break after slashes and underscores, and turns no text."""
    breakable = re.sub("([/_])", r"\1<wbr>", text(name if name.strip() else f'"{name}"'))
    return f"<bdi>{breakable}</bdi>"


def _run(number: int, run: Run, found: Sequence[Finding], title: str) -> str:
    all_found = [*numbered(found)]
    pins = {n: _pin(run, n, finding) for n, finding in all_found[: 3 * CHARTED]}
    causes = [pin for n, pin in pins.items() if "." not in n]
    charted = {n for n, _ in all_found[:CHARTED]}
    story = "".join(
        _finding(number, run, n, finding, all_found, charted)
        for n, finding in all_found
        if "." not in n
    )
    left = len(all_found) - len(charted)
    more = (
        f'<p class="note">The charts are those of the first {CHARTED} findings.</p>'
        if left > 0
        else ""
    )
    said = "".join(f'<p class="note">{text(note)}</p>' for note in notes(run))
    verdict = worst(found)
    return f"""<section class="run" id="run-{number}">
<h2>{named(shown_name(run, title))} <span class="badge {verdict}">{verdict}</span></h2>
<p class="about">{text(run.optimizer)}, {_many(len(run.layers), "layer")}, {_many(run.record_count, "record")}, \
steps {run.steps[0]:,} to {run.steps[-1]:,}{_hyperparameters(run)}</p>
{said}{story or '<p class="fine">No rule found anything.</p>'}{more}
<div class="overview">
{loss_picture(run, causes)}{map_picture(run, [*pins.values()])}</div>
</section>
"""


def _hyperparameters(run: Run) -> str:
    shown = [f"{name} {short(value)}" for name, value in run.hyperparameters.items()]
    return f"; {text(', '.join(shown))}" if shown else ""


def _pin(run: Run, number: str, finding: Finding) -> Pin:
    row = run.layers.index(finding.layer) if finding.layer in run.layers else None
    title = f"{number}: {finding.rule} from step {finding.first_step}"
    return Pin(number, finding.severity, finding.first_step, row, title)


def _finding(
    run_number: int,
    run: Run,
    number: str,
    finding: Finding,
    numbered: Numbered,
    charted: set[str],
) -> str:
    """Returns a finding and, inside it, what followed from it; a consequence leaves what to do to its cause."""
    depth = number.count(".") + 1
    inner = [
        _finding(run_number, run, n, consequence, numbered, charted)
        for n, consequence in numbered
        if n.startswith(f"{number}.") and n.count(".") == depth
    ]
    what = (
        f'<p class="do"><strong>What to do:</strong> {text(finding.suggestion)}</p>'
        if depth == 1
        else ""
    )
    more = f'<p class="more">More: {linked(finding.reference)}</p>' if finding.reference else ""
    followed = (
        f'<div class="followed"><p>What followed from it:</p>{"".join(inner)}</div>'
        if inner
        else ""
    )
    pictures = (
        finding_pictures(run, finding, _pin(run, number, finding)) if number in charted else ()
    )
    charts = "".join(pictures)
    heading = min(6, depth + 2)
    return f"""<article class="finding {finding.severity}" id="run-{run_number}-{number}">
<h{heading}><span class="number">{number}</span> <span class="badge {finding.severity}">{finding.severity}</span> \
{text(finding.rule)} <span class="where">in {_layer(finding)}, {text(when(run, finding))}</span></h{heading}>
<p>{text(finding.message)}</p>
{what}{more}{_evidence(finding)}<div class="charts">{charts}</div>
{followed}</article>
"""


def _evidence(finding: Finding) -> str:
    numbers = "".join(
        f"<div><dt>{text(evidence_words(name))}</dt><dd>{short(value)}</dd></div>"
        for name, value in finding.evidence.items()
    )
    return f'<dl class="evidence">{numbers}</dl>' if numbers else ""


def linked(words: str) -> str:
    """Returns `words` as HTML, in which addresses of the web, and nothing else, are links."""
    parts = re.split(r"(https?://[^\s<>\"')]+[^\s<>\"').,;])", words)
    return "".join(
        f'<a href="{html.escape(part)}" rel="noopener noreferrer">{text(part)}</a>'
        if i % 2
        else text(part)
        for i, part in enumerate(parts)
    )
