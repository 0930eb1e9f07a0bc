"""The `adamax-tb` command: `demo` trains example runs, `check` says which layer is sick, `export` writes the numbers.

It only parses, prints and sets exit codes; `demo`, `reader`, `rules` and `export` do the work.
"""

import argparse
import contextlib
import json
import os
import shutil
import socket
import sys
import sysconfig
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from adamax_tb import __version__
from adamax_tb.export import FORMATS
from adamax_tb.reader import read_runs, scan_runs
from adamax_tb.rules import (
    SEVERITIES,
    Finding,
    counted_records,
    diagnose,
    finding_json,
    loss_course,
    notes,
    verdict,
)
from adamax_tb.schema import Run

HEALTHY, FOUND, UNREADABLE = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        argv: arguments without the program's name; of the process by default.

    Returns:
        The exit code: 0 healthy, 1 something found, 2 cannot read or bad usage.
    """
    args = _parser().parse_args(argv)
    try:
        return int(args.run(args))
    except BrokenPipeError:  # `adamax-tb check runs | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNREADABLE
    except (OSError, ValueError, ImportError) as error:
        print(f"adamax-tb {args.command}: {error}", file=sys.stderr)
        return UNREADABLE
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="adamax-tb", description="Optimizer health for Keras and TensorBoard."
    )
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
        description="Exit code: 0 healthy, 1 found, 2 cannot read.",
    )
    check.add_argument("logdir", metavar="LOGDIR", help="as given to tensorboard --logdir")
    check.add_argument("--json", action="store_true", help="print one JSON object")
    check.add_argument(
        "--fail-on",
        choices=["critical", "warning", "never"],
        default="warning",
        help="least severity that makes the exit code 1 (default: %(default)s)",
    )
    check.set_defaults(run=_check)

    export = commands.add_parser(
        "export",
        help="write every recorded number as CSV, Parquet or JSON",
        description="Exit code: 0 written, 2 a run cannot be read (the others are written).",
    )
    export.add_argument("logdir", metavar="LOGDIR", help="as given to tensorboard --logdir")
    export.add_argument("--format", choices=[*FORMATS], required=True)
    export.add_argument(
        "--run",
        action="append",
        dest="names",
        metavar="NAME",
        help="a run to write; may be given again (default: all)",
    )
    export.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="takes this name when it is complete (default: standard output)",
    )
    export.set_defaults(run=_export)
    return parser


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
        print(f"See them with: {_tensorboard()} --logdir {args.logdir}")
        return HEALTHY
    address = f"http://127.0.0.1:{args.port}/#optimizer_health"
    print(f"Serving TensorBoard at {address} (Ctrl-C stops it)", flush=True)
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
    findings = {name: diagnose(run) for name, run in runs.items()}
    if args.json:
        document = {**_document(runs, findings), "errors": errors}
        print(json.dumps(document, indent=2, allow_nan=False))
    elif runs:
        print(_report(runs, findings))
    for error in errors.values():
        print(f"adamax-tb check: {_printable(error)}", file=sys.stderr)
    if errors:
        return UNREADABLE
    if args.fail_on == "never":
        return HEALTHY
    failing = SEVERITIES[: SEVERITIES.index(args.fail_on) + 1]
    return FOUND if any(f.severity in failing for fs in findings.values() for f in fs) else HEALTHY


def _export(args: argparse.Namespace) -> int:
    to_terminal = args.output is None and sys.stdout.isatty()
    if to_terminal and args.format == "parquet":
        raise ValueError("Parquet is not for a terminal. Name a file with -o, or redirect: > FILE")
    runs, errors = _scanned(args)
    names = dict.fromkeys(args.names or [*runs, *errors])
    if unknown := [name for name in names if name not in runs and name not in errors]:
        raise ValueError(
            f"There is no run {_printable(unknown[0])!r}. There are: {_printable(', '.join([*runs, *errors]))}"
        )
    chosen = [runs[name] for name in names if name in runs]
    unreadable = [errors[name] for name in names if name in errors]
    if chosen:
        chunks = FORMATS[args.format].chunks(chosen)
        with _output(args.output) as file:
            for chunk in chunks if to_terminal else _told(chunks):
                file.write(chunk)
    for error in unreadable:
        print(f"adamax-tb export: {_printable(error)}", file=sys.stderr)
    return UNREADABLE if unreadable else HEALTHY


@contextlib.contextmanager
def _output(path: str | None) -> Iterator[BinaryIO]:
    """Opens standard output, or a file beside `path` that takes its place when it is complete."""
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    path = os.path.realpath(path)
    if os.path.exists(path) and not os.path.isfile(path):
        # /dev/null, a pipe; of a directory the operating system says what is wrong
        with open(path, "wb") as file:
            yield file
        return
    part = f"{path}.{os.getpid()}.part"
    try:
        with open(part, "wb") as file:
            yield file
        os.replace(part, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)


class _Progress:
    """Says on standard error how far a command is: first after 2 seconds, then every 5, or on a terminal in place."""

    def __init__(self, command: str) -> None:
        self._command = command
        self._in_place = sys.stderr.isatty()
        self._due = time.monotonic() + 2
        self._said = False

    def say(self, how_far: str) -> None:
        """Says it, if it is time."""
        if time.monotonic() >= self._due:
            start, end = ("\r", "") if self._in_place else ("", "\n")
            line = f"{start}adamax-tb {self._command}: {how_far}"
            print(line, end=end, file=sys.stderr, flush=True)
            self._said, self._due = True, time.monotonic() + (0.2 if self._in_place else 5)

    def end(self) -> None:
        """Leaves the line that it was said on."""
        if self._said and self._in_place:
            print(file=sys.stderr)


def _scanned(args: argparse.Namespace) -> tuple[dict[str, Run], dict[str, str]]:
    """Reads the log directory, with progress."""
    progress = _Progress(args.command)
    try:
        return scan_runs(
            args.logdir,
            lambda read, of: progress.say(f"{read / 1e6:,.0f} MB read of {of / 1e6:,.0f}"),
        )
    finally:
        progress.end()


def _told(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yields the chunks, with progress."""
    progress, size = _Progress("export"), 0
    try:
        for chunk in chunks:
            yield chunk
            size += len(chunk)
            progress.say(f"{size / 1e6:,.0f} MB written")
    finally:
        progress.end()


def _table(runs: Mapping[str, Run], findings: Mapping[str, Sequence[Finding]]) -> str:
    """Returns a line per run: its verdict, its first finding and its loss."""
    head = ("run", "verdict", "rule", "layer", "since step", "loss")
    rows = [head]
    for name, found in findings.items():
        course = loss_course(runs[name])
        first = found[0] if found else None
        rows.append(
            (
                _printable(name),
                verdict(list(found)),
                first.rule if first else "-",
                _printable(first.layer or "whole run") if first else "-",
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


def _report(runs: Mapping[str, Run], findings: Mapping[str, Sequence[Finding]]) -> str:
    lines = []
    for name, found in findings.items():
        run = runs[name]
        lines.append(
            f"{_printable(name)}: {verdict(list(found))} ({run.optimizer}, {len(run.layers)} layers, "
            f"{counted_records(run)}, steps {run.steps[0]} to {run.steps[-1]})"
        )
        for finding in found:
            lines += [
                f"  {finding.severity}: {finding.rule} in {_printable(finding.layer or 'the whole run')} "
                f"since step {finding.first_step}",
                f"    {_printable(finding.message)}",
                f"    What to do: {_printable(finding.suggestion)}",
            ]
        lines += [f"  note: {_printable(note)}" for note in notes(run)]
    return "\n".join(lines)


def _document(runs: Mapping[str, Run], findings: Mapping[str, Sequence[Finding]]) -> dict[str, Any]:
    return {
        "runs": [
            {
                "name": name,
                "verdict": verdict(list(found)),
                "optimizer": runs[name].optimizer,
                "records": len(runs[name].steps),
                "last_step": int(runs[name].steps[-1]),
                "findings": [finding_json(finding) for finding in found],
                "notes": notes(runs[name]),
            }
            for name, found in findings.items()
        ]
    }


def _printable(text: str) -> str:
    """Returns `text` with control characters, such as a terminal's escape, written out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


if __name__ == "__main__":
    sys.exit(main())
