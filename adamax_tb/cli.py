"""The `adamax-tb` command.

`demo` trains example runs, `check` says which layer is sick, `report` writes that and its pictures into a file that can
be mailed, `compare` says which optimizer did best, `export` writes the numbers. It only parses, prints and sets exit
codes; the modules `demo`, `reader`, `rules`, `check`, `report`, `trials`, `comparison`, `compare` and `export` do the
work.
"""

import argparse
import dataclasses
import datetime
import io
import json
import math
import os
import shlex
import shutil
import socket
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from adamax_tb import __version__
from adamax_tb.check import Style, document, in_words, json_schema, still_held, where, worst
from adamax_tb.export import FORMATS
from adamax_tb.memory import MEMORY_HELP, default_memory, memory_size, summary_note
from adamax_tb.names import printable
from adamax_tb.output import Progress, discard, written
from adamax_tb.reader import read_runs, scan_runs
from adamax_tb.rules import SEVERITIES, Finding, diagnose, loss_course
from adamax_tb.schema import Run

HEALTHY, FOUND, UNREADABLE = 0, 1, 2
INTERRUPTED, READER_GONE = 130, 141  # as a shell has it for SIGINT and SIGPIPE


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        argv: arguments without the program's name; of the process by default.

    Returns:
        The exit code: 0 healthy, 1 something found, 2 cannot read or bad usage; 130 interrupted, 141 when the program
        that output is piped to does not read all of it, unless the code says more: that of `check` is its verdict.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # what a terminal cannot show ends nothing
            stream.reconfigure(errors="backslashreplace")
    args = _parser().parse_args(argv)
    try:
        code = int(args.run(args))
        print(end="", flush=True)
        return code
    except BrokenPipeError:  # `adamax-tb export runs --format csv | head`
        discard()
        return READER_GONE
    except (OSError, ValueError, ImportError) as error:
        print(f"adamax-tb {args.command}: {printable(str(error))}", file=sys.stderr)
        return UNREADABLE
    except KeyboardInterrupt:
        return INTERRUPTED


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with arguments, which may be names of files, without their acting on the terminal."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="adamax-tb", description="Optimizer health for Keras and TensorBoard.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)

    demo = commands.add_parser(
        "demo", help="train a healthy, an exploding and a vanishing run, and show them"
    )
    demo.add_argument(
        "--logdir", default="runs", help="where the runs are written (default: %(default)s)"
    )
    demo.add_argument("--no-serve", action="store_true", help="stop after the table of verdicts")
    demo.add_argument(
        "--port", type=_port, default=6006, help="port of TensorBoard (default: %(default)s)"
    )
    demo.set_defaults(run=_demo)

    check = commands.add_parser(
        "check",
        help="say which layer of which run is sick",
        description="Exit code: 0 healthy, 1 found, 2 cannot read. It is the same when nobody reads the output to its "
        "end, as in adamax-tb check runs | head.",
    )
    check.add_argument("logdir", metavar="LOGDIR", help="as given to tensorboard --logdir")
    check.add_argument("--json", action="store_true", help="print one JSON object")
    check.add_argument(
        "--json-schema", action=_PrintSchema, help="print the JSON Schema of that object, and exit"
    )
    check.add_argument(
        "--fail-on",
        choices=["critical", "warning", "never"],
        default="warning",
        help="least severity that makes the exit code 1; what follows from a finding counts, too (default: "
        "%(default)s)",
    )
    check.add_argument(
        "--since",
        type=_step,
        metavar="STEP",
        help="show and count only what still held at this step or later, such as the one a run was resumed at: a "
        "consequence that outlived its cause until then stands in its place",
    )
    _add_memory_argument(check)
    _add_color_argument(check)
    check.set_defaults(run=_check)

    compare = commands.add_parser(
        "compare",
        help="say which optimizer is best, from trials with several rates and seeds",
        description="Trials are what adamax_tb.hparams.TrialWriter wrote, as examples/compare_optimizers.py does. Exit "
        "code: 0 compared, 1 no trial ended with a finite loss, 2 there is none or one cannot be read (the others are "
        "compared).",
    )
    compare.add_argument("logdir", metavar="LOGDIR", help="as given to tensorboard --logdir")
    compare.add_argument("--json", action="store_true", help="print one JSON object")
    compare.add_argument(
        "--target",
        type=_loss,
        metavar="LOSS",
        help="the held-out loss to count the steps to (default: the middle one of those that the optimizers reach)",
    )
    _add_memory_argument(compare)
    _add_color_argument(compare)
    compare.set_defaults(run=_compare)

    report = commands.add_parser(
        "report",
        help="write verdicts, findings and charts into one HTML file",
        description="The file needs nothing beside it and no network. Exit code: 0 written, 2 a run cannot be read "
        "(the others are written).",
    )
    report.add_argument("logdir", metavar="LOGDIR", help="as given to tensorboard --logdir")
    _add_run_argument(report)
    _add_memory_argument(report)
    report.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        default="report.html",
        help="takes this name when it is complete (default: %(default)s)",
    )
    report.set_defaults(run=_report)

    export = commands.add_parser(
        "export",
        help="write every recorded number as CSV, Parquet or JSON",
        description="Exit code: 0 written, 2 a run cannot be read (the others are written).",
    )
    export.add_argument("logdir", metavar="LOGDIR", help="as given to tensorboard --logdir")
    export.add_argument("--format", choices=[*FORMATS], required=True)
    _add_run_argument(export)
    export.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="takes this name when it is complete (default: standard output)",
    )
    export.set_defaults(run=_export, memory=math.inf)
    return parser


def _add_run_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--run",
        action="append",
        dest="names",
        metavar="NAME",
        help="a run to write; may be given again (default: all)",
    )


def _add_memory_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--memory",
        type=memory_size,
        metavar="SIZE",
        default=default_memory(),
        help=MEMORY_HELP[0].lower() + MEMORY_HELP[1:-1],  # as the other arguments have it
    )


def _add_color_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--color",
        choices=["auto", "always", "never"],
        default="auto",
        help="auto: on a terminal, unless NO_COLOR is set (default: %(default)s)",
    )


class _PrintSchema(argparse.Action):
    """Prints the JSON Schema and exits, as --version does: no LOGDIR is needed."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, nargs=0)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(json_schema(), end="", flush=True)
        parser.exit()


def _step(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"must be a step, a whole number from 1 on, not {text!r}")
    return int(text)


def _loss(text: str) -> float:
    try:
        loss = float(text)
    except ValueError:
        loss = math.nan
    if not math.isfinite(loss):
        raise argparse.ArgumentTypeError(f"must be a loss, a finite number, not {text!r}")
    return loss


def _port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"must be a port number from 1 to 65535, not {text!r}")
    return int(text)


def _demo(args: argparse.Namespace) -> int:
    from adamax_tb import demo

    if not args.no_serve:
        _check_port(args.port)
    demo.train(args.logdir)
    runs = read_runs(args.logdir)
    findings = {name: diagnose(run) for name, run in runs.items() if name in demo.MODELS}
    print()
    print(_table(runs, findings))
    print()
    if args.no_serve:
        print(f"See them with: {_tensorboard()} --logdir {printable(shlex.quote(args.logdir))}")
        return HEALTHY
    address = f"http://127.0.0.1:{args.port}/#optimizer_health"
    print(f"Starting TensorBoard (some seconds): {address} (Ctrl-C stops it)", flush=True)
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", args.logdir]
    os.execv(sys.executable, [*command, "--host", "127.0.0.1", "--port", str(args.port)])


def _tensorboard() -> str:
    """Returns how to start this installation's TensorBoard: another one on the PATH has no such tab."""
    own = os.path.join(sysconfig.get_path("scripts"), "tensorboard")
    on_path = shutil.which("tensorboard")
    return os.path.relpath(own) if os.path.exists(own) and on_path != own else "tensorboard"


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise OSError(
                f"Port {port} is taken ({error.strerror}). Take another: adamax-tb demo --port {port + 1}, or make "
                f"demo PORT={port + 1}"
            ) from error


def _check(args: argparse.Namespace) -> int:
    runs, errors = _scanned(args)
    findings = _judged(args, runs)
    if args.since is not None and runs:
        last = max(int(run.steps[-1]) for run in runs.values())
        if last < args.since:
            raise ValueError(
                f"Argument `--since`: no run has a record at step {args.since} or later; the last is of step {last}."
            )
        # of a run that ended before, what held at its end still does: nobody mended it
        findings = {
            name: still_held(found, min(args.since, int(runs[name].steps[-1])))
            for name, found in findings.items()
        }
        runs = {name: _with_end_noted(run, args.since) for name, run in runs.items()}
    failing = SEVERITIES[: SEVERITIES.index(args.fail_on) + 1] if args.fail_on != "never" else ()
    found = any(worst(of_run) in failing for of_run in findings.values())
    try:
        if args.json:
            content = document(runs, findings, errors, args.since)
            print(json.dumps(content, indent=2, allow_nan=False), flush=True)
        elif runs:
            title = _base_name(args.logdir)
            print(in_words(runs, findings, _style(args.color), title), flush=True)
    except BrokenPipeError:
        discard()
    _tell(args, errors.values())
    return UNREADABLE if errors else FOUND if found else HEALTHY


def _style(color: str) -> Style:
    """Returns how words are laid out on standard output."""
    terminal = sys.stdout is not None and sys.stdout.isatty()
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return Style(
        width=max(40, shutil.get_terminal_size().columns) if terminal else None,
        color=color == "always" or (color == "auto" and terminal and not plain),
    )


def _compare(args: argparse.Namespace) -> int:
    from adamax_tb import compare
    from adamax_tb.comparison import compared
    from adamax_tb.trials import read_trials

    with Progress(args.command) as progress:
        trials, errors = read_trials(
            args.logdir, lambda read, of: progress.say(f"{read} of {of} files of trials read")
        )
    if not any(trial.finished for trial in trials.values()) and not errors:
        raise ValueError(
            f"Argument `logdir`: no trial below {str(args.logdir)!r} is finished. examples/compare_optimizers.py makes "
            "some, and can be given a model of your own; in a training of your own, adamax_tb.hparams.TrialWriter does."
        )
    critical: dict[str, bool] = {}
    if trials:
        try:
            runs, unreadable = _scanned(args)
        except (
            ValueError
        ):  # none was recorded by OptimizerHealth: they can be compared, if not judged
            runs, unreadable = {}, {}
        errors |= {name: error for name, error in unreadable.items() if name in trials}
        runs = {name: run for name, run in runs.items() if name in trials}
        critical = {name: worst(found) == "critical" for name, found in _judged(args, runs).items()}
    code = UNREADABLE
    if any(trial.finished for trial in trials.values()):
        comparison = compared(trials.values(), critical, args.target)
        if args.json:
            content = compare.document(comparison, errors)
            print(json.dumps(content, indent=2, allow_nan=False), flush=True)
        else:
            print(compare.in_words(comparison, _style(args.color)), flush=True)
        finite = comparison.standings[0].learning_rate is not None
        code = UNREADABLE if errors else HEALTHY if finite else FOUND
    _tell(args, errors.values())
    return code


def _report(args: argparse.Namespace) -> int:
    from adamax_tb.report import html_chunks

    runs, unreadable = _chosen(args)
    if runs:
        findings = _judged(args, runs)
        made = datetime.datetime.now().astimezone()
        chunks = html_chunks(_base_name(args.logdir), made, runs, findings, unreadable)
        with Progress(args.command) as progress, written(args.output) as file:
            for count, chunk in enumerate(chunks):
                file.write(chunk)
                progress.say(f"{min(count, len(runs))} of {len(runs)} runs written")
        _tell(args, [f"{args.output} is written."])
    _tell(args, unreadable.values())
    return UNREADABLE if unreadable else HEALTHY


def _export(args: argparse.Namespace) -> int:
    to_terminal = args.output is None and sys.stdout.isatty()
    if to_terminal and args.format == "parquet":
        raise ValueError("Parquet is not for a terminal. Name a file with -o, or redirect: > FILE")
    runs, unreadable = _chosen(args)
    if runs:
        chunks = FORMATS[args.format].chunks([*runs.values()])
        with written(args.output) as file:
            for chunk in map(_on_screen, chunks) if to_terminal else _told(chunks):
                file.write(chunk)
        if args.output is not None:
            _tell(args, [f"{args.output} is written."])
    _tell(args, unreadable.values())
    return UNREADABLE if unreadable else HEALTHY


def _on_screen(chunk: bytes) -> bytes:
    """Returns whole lines or strings of an export as a terminal can show them."""
    return "\n".join(map(printable, chunk.decode().split("\n"))).encode()


def _chosen(args: argparse.Namespace) -> tuple[dict[str, Run], dict[str, str]]:
    """Reads the log directory, and returns of both answers of `scan_runs` the runs that were asked for."""
    runs, errors = _scanned(args)
    names = dict.fromkeys(args.names or [*runs, *errors])
    if unknown := [name for name in names if name not in runs and name not in errors]:
        there = ", ".join(f"'{name}'" for name in (*runs, *errors))
        raise ValueError(f"There is no run {unknown[0]!r}. There are: {there}")
    return (
        {name: runs[name] for name in names if name in runs},
        {name: errors[name] for name in names if name in errors},
    )


def _judged(args: argparse.Namespace, runs: Mapping[str, Run]) -> dict[str, list[Finding]]:
    """Diagnoses the runs, with progress."""
    findings: dict[str, list[Finding]] = {}
    with Progress(args.command) as progress:
        for name, run in runs.items():
            progress.say(f"{len(findings)} of {len(runs)} runs judged")
            findings[name] = diagnose(run)
    return findings


def _with_end_noted(run: Run, since: int) -> Run:
    """Returns `run`, with a note if it has no record at the step `since` or later."""
    if (last := int(run.steps[-1])) >= since:
        return run
    note = f"Its last record is of step {last:,}, before step {since:,}; its verdict is on what held then."
    return dataclasses.replace(run, notes=(*run.notes, note))


def _base_name(logdir: str) -> str:
    return os.path.basename(os.path.abspath(logdir)) or logdir


def _tell(args: argparse.Namespace, sentences: Iterable[str]) -> None:
    for sentence in sentences:
        print(f"adamax-tb {args.command}: {printable(sentence)}", file=sys.stderr)


def _scanned(args: argparse.Namespace) -> tuple[dict[str, Run], dict[str, str]]:
    """Reads the log directory, with progress; a run of which something is summarised has a note of it."""
    with Progress(args.command) as progress:
        runs, errors = scan_runs(
            args.logdir,
            lambda read, of: progress.say(f"{read / 1e6:,.0f} MB read of {of / 1e6:,.0f}"),
            args.memory,
        )
    for name, run in runs.items():
        if (until := run.summarized_until) is not None:
            note = summary_note(until, "--memory", args.memory)
            runs[name] = dataclasses.replace(run, notes=(*run.notes, note))
    return runs, errors


def _told(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yields the chunks, with progress."""
    size = 0
    with Progress("export") as progress:
        for chunk in chunks:
            yield chunk
            size += len(chunk)
            progress.say(f"{size / 1e6:,.0f} MB written")


def _table(runs: Mapping[str, Run], findings: Mapping[str, Sequence[Finding]]) -> str:
    """Returns a line per run: its verdict, its first finding and its loss."""
    head = ("run", "verdict", "rule", "layer", "since step", "loss")
    rows = [head]
    for name, found in findings.items():
        course = loss_course(runs[name])
        first = found[0] if found else None
        rows.append(
            (
                printable(name),
                worst(found),
                first.rule if first else "-",
                where(first) if first else "-",
                str(first.first_step) if first else "-",
                f"{course.first:.3g} → {course.last:.3g}",
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = [
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


if __name__ == "__main__":
    sys.exit(main())
