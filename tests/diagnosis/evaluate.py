"""How well the rules diagnose the labelled programs, beside peers and the trivial baseline.

    .venv/bin/python tests/diagnosis/evaluate.py [--json FILE] [--split tuning|test] [--programs] [--publish]

`make diagnosis` records first (record.py). A run is alarmed if it has a critical or a warning finding. Detection is at
every cadence in `CADENCES`, and on the first 100 updates of those programs whose outcome by then is as labelled. The
rest is at the default cadence of 10:

diagnosis       of all faulty programs, those whose first finding (the most severe) names the fault: exactly, or by one
                of its acceptable rules; "any" counts the other findings, too, and consequences.
place           of the programs with layers at fault that got an acceptable finding in a layer: it is one of those.
lead            updates from the first warning while training goes on to the loss going bad (`went_bad`), of the
                detected programs whose loss does; below 0 where the warning came after. For the others, when the first
                warning came, in percent of the run.
while training  healthy runs of which anything was told on their way (`scores.first_warning`).

Intervals are Wilson's, 95 %. `--split` keeps the test part out of sight while rules are tuned. `--publish` writes how
well each rule does on the test part into its page.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import outcomes
from cadence import first_updates, thinned
from peer_rules import PEERS, Alarm
from programs import CAUSES, HEALTHY, Program, programs
from record import BUILD, ROOT, read, record
from scores import (
    Case,
    Detection,
    Judge,
    Share,
    classes,
    detection,
    diagnosis,
    first_warning,
    leads,
    went_bad,
)

from adamax_tb.rules import RULE_NAMES, diagnose
from adamax_tb.schema import Run

CADENCES = (1, 10, 100)
USUAL = 10
OURS = "adamax-tb"
MEASURED = ROOT / "adamax_tb" / "rules" / "pages" / "measured.json"


def ours(run: Run, accuracy: float | None) -> list[Alarm]:
    """Returns our findings that are critical or a warning, each first cause before what follows from it."""
    return [
        Alarm(f.rule, f.layer, f.first_step)
        for cause in diagnose(run)
        for f in (cause, *cause.consequences)
        if f.severity in ("critical", "warning")
    ]


JUDGES: Mapping[str, Judge] = {OURS: ours, **PEERS}


def evaluated(split: str, told: Callable[[str], None]) -> dict[str, Any]:
    """Returns all numbers of one split."""
    chosen = [p for p in programs() if p.split == split]
    known = outcomes.read()
    full = {p.name: read(BUILD / p.name) for p in chosen}
    told(f"{len(chosen)} runs read")

    def accuracy(program: Program, short: bool) -> float | None:
        error = known[program.name].runs["1"][0 if short else 1][1]
        is_classifier = known[program.name].constant[1] != 1.0
        return 1 - error if is_classifier and error is not None else None

    def cases(every: int, short: bool = False) -> list[Case]:
        made = []
        for p in chosen:
            if short and outcomes.label(known[p.name], short=True) != _verdict(p):
                continue
            run = first_updates(full[p.name], outcomes.SHORT) if short else full[p.name]
            made.append(Case(p, thinned(run, every) if every > 1 else run, accuracy(p, short)))
        return made

    at = {every: cases(every) for every in CADENCES}
    shorts = {every: cases(every, short=True) for every in CADENCES}
    told("thinned")
    result: dict[str, Any] = {"programs": counted(chosen), "short_programs": len(shorts[1])}
    for name, judge in JUDGES.items():
        result[name] = {
            "detection": {str(every): detection(at[every], judge) for every in CADENCES},
            "short": {str(every): detection(shorts[every], judge) for every in CADENCES},
            **diagnosis(at[USUAL], judge),
        }
        told(f"{name} judged")
    warnings = {c.program.name: first_warning(c.run) for c in at[USUAL]}
    bad = {name: went_bad(run) for name, run in full.items()}
    healthy = [p for p in chosen if not p.is_faulty]
    result[OURS] |= {
        **leads(at[USUAL], warnings, bad),
        "while_training": Share(sum(warnings[p.name] is not None for p in healthy), len(healthy)),
        "findings_per_healthy_run": np.mean(
            [len(ours(c.run, None)) for c in at[USUAL] if not c.program.is_faulty]
        ),
        "classes": classes(at[USUAL], ours),
        "rules": {rule: of_rule(rule, at[USUAL]) for rule in RULE_NAMES},
    }
    visible = {case.program.name for case in shorts[1]}
    result["verdicts"] = verdicts(at[USUAL], warnings, bad, visible)
    return result


def of_rule(rule: str, cases: list[Case]) -> dict[str, Share]:
    """Returns how well one rule does: the form of `adamax_tb.rules.manual.Measured`."""
    first = {case.program.name: (ours(case.run, None) or [None])[0] for case in cases}
    labelled = [c.program for c in cases if c.program.label == rule]
    named = [
        c.program for c in cases if (a := first[c.program.name]) is not None and a.rule == rule
    ]
    healthy = [c.program for c in cases if not c.program.is_faulty]
    found = [p for p in labelled if (a := first[p.name]) is not None and a.rule in p.acceptable]
    return {
        "recall": Share(len(found), len(labelled)),
        "precision": Share(sum(rule in p.acceptable for p in named), len(named)),
        "healthy_alarms": Share(sum(p in healthy for p in named), len(healthy)),
    }


def publish(result: Mapping[str, Any]) -> None:
    """Writes the numbers of the test part for the rules' pages."""
    measured = {
        rule: {"part": "test", **{name: [s.count, s.of] for name, s in shares.items()}}
        for rule, shares in result[OURS]["rules"].items()
    }
    lines = [f"{json.dumps(rule)}: {json.dumps(numbers)}" for rule, numbers in measured.items()]
    MEASURED.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def _verdict(program: Program) -> str:
    return "faulty" if program.is_faulty else "healthy"


def verdicts(
    cases: list[Case],
    warnings: Mapping[str, int | None],
    bad: Mapping[str, int | None],
    visible: set[str],
) -> dict[str, Any]:
    """Returns program → what was said of it, and whether its outcome is `visible` after `outcomes.SHORT` updates."""
    return {
        case.program.name: {
            "label": case.program.label,
            "acceptable": case.program.acceptable,
            f"as labelled after {outcomes.SHORT}": case.program.name in visible,
            "first_warning": warnings[case.program.name],
            "went_bad": bad[case.program.name],
            OURS: [f"{a.rule} {a.layer or ''}".strip() for a in ours(case.run, None)],
            **{n: sorted({a.rule for a in p(case.run, case.accuracy)}) for n, p in PEERS.items()},
        }
        for case in cases
    }


def counted(chosen: list[Program]) -> dict[str, dict[str, int]]:
    """Returns how many programs there are by label, optimizer and kind of network."""
    kinds: dict[str, Callable[[Program], str]] = {
        "label": lambda p: p.label,
        "optimizer": lambda p: p.setup.optimizer.name,
        "network": lambda p: p.setup.network.kind,
    }
    counts: dict[str, dict[str, int]] = {}
    for kind, of in kinds.items():
        counts[kind] = {}
        for program in chosen:
            counts[kind][of(program)] = counts[kind].get(of(program), 0) + 1
    return counts


def table(results: Mapping[str, Any], every_program: bool) -> str:
    """Returns the numbers as text."""
    lines = []
    for split, result in results.items():
        labels = result["programs"]["label"]
        total, healthy = sum(labels.values()), labels[HEALTHY]
        lines += [
            f"\n{split.upper()}: {total - healthy} faulty and {healthy} healthy programs; {result['short_programs']} "
            f"of them are as labelled after {outcomes.SHORT} updates",
            *_detections(result, "detection", "whole run"),
            *_detections(result, "short", f"first {outcomes.SHORT} updates"),
            *_diagnoses(result),
            *_classes(result[OURS]["classes"]),
            *_leads(result[OURS]),
        ]
        if every_program:
            lines += [f"  {name:42} {_said(x)}" for name, x in result["verdicts"].items()]
    return "\n".join(lines)


def _detections(result: Mapping[str, Any], kind: str, title: str) -> list[str]:
    lines = [f"\n{title:24}{'recall':20}{'precision':20}{'healthy alarmed':20}"]
    for name in JUDGES:
        for every in CADENCES if name == OURS else (USUAL,):
            found = result[name][kind][str(every)]
            shares = (found.recall, found.precision, found.false_alarms)
            lines.append(
                f"{name + f', 1 in {every}':24}" + "".join(f"{share.told():20}" for share in shares)
            )
    return lines


def _diagnoses(result: Mapping[str, Any]) -> list[str]:
    columns = ("exact", "acceptable", "any", "place")
    lines = ["\n" + " " * 24 + "".join(f"{column:20}" for column in columns)]
    for name in JUDGES:
        shares = (result[name][column].told() for column in columns)
        lines.append(f"{name:24}" + "".join(f"{share:20}" for share in shares))
    return lines


def _classes(found: Mapping[str, Any]) -> list[str]:
    columns = ("detected", "exact", "acceptable", "any", "place")
    lines = [f"\n{'class':28}" + "".join(f"{column:>12}" for column in columns)]
    for label, scores in found.items():
        shares = (scores[column] for column in columns)
        cells = (f"{share.count}/{share.of}" if share.of else "-" for share in shares)
        cause = " (cause)" if label in CAUSES else ""
        lines.append(f"{label + cause:28}" + "".join(f"{cell:>12}" for cell in cells))
    return lines


def _leads(mine: Mapping[str, Any]) -> list[str]:
    return [
        f"\nlead: {_quartiles(mine['lead'])} updates, {len(mine['lead'])} runs; first warning of the others: "
        f"{_quartiles(mine['delay'])} % of the run, {len(mine['delay'])} runs",
        f"healthy runs alarmed at any time while training: {mine['while_training'].told()}; findings per healthy "
        f"run: {mine['findings_per_healthy_run']:.2f}",
    ]


def _said(verdict: Mapping[str, Any]) -> str:
    return f"{verdict['label']:24} {'; '.join(verdict[OURS]) or '-'}"


def _quartiles(values: list[float]) -> str:
    if not values:
        return "-"
    low, middle, high = np.percentile(values, (25, 50, 75))
    return f"{middle:.0f} [{low:.0f}, {high:.0f}]"


def _json(value: Any) -> Any:
    if isinstance(value, Share):
        return {
            **asdict(value),
            "value": value.value if value.of else None,
            "interval": value.interval,
        }
    if isinstance(value, Detection):
        return {name: getattr(value, name) for name in asdict(value)}
    return float(value)


def main() -> None:
    """Records what is not recorded, and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--json", type=Path, help="write the numbers, and what was said of each program"
    )
    parser.add_argument("--split", choices=("tuning", "test"), help="only this part")
    parser.add_argument(
        "--programs", action="store_true", help="say what was found in each program"
    )
    parser.add_argument("--publish", action="store_true", help="write the rules' figures")
    args = parser.parse_args()
    if args.publish and args.split == "tuning":
        parser.error("what is published is measured on the test part: leave out --split tuning")
    splits = (args.split,) if args.split else ("tuning", "test")
    record([p for p in programs() if p.split in splits])
    results = {
        split: evaluated(
            split, lambda line, split=split: print(f"{split}: {line}", file=sys.stderr)
        )
        for split in splits
    }
    print(table(results, args.programs))
    if args.publish:
        publish(results["test"])
    if args.json:
        args.json.write_text(json.dumps(results, default=_json, indent=1) + "\n")


if __name__ == "__main__":
    main()
