"""Fuzzes what reads event files, layer tables, requests and the server's answers, for as long as it is told to.

    python tests/endurance/fuzz.py [--minutes 20] [--seed SEED] [--corpus tests/corpus]

The same properties as tests/test_hostile_bytes.py, tests/test_hostile_requests.py and the panel's hostile.test.ts, in
turns of some seconds, with a new seed each; a seed that is given makes the same inputs again. An input that breaks a
property is made as small as Hypothesis can make it, saved into the corpus under a name that begins with `found-`, and
told; the same fault in other inputs is counted, and not saved again. An input that takes longer than `PATIENCE_S`
breaks it, too.

Prints what was executed, how fast, the longest, the most memory that the process took, and what was found. It ends with
1 when anything was.
"""

import argparse
import contextlib
import hashlib
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
import hostile_bytes as hostile
import test_hostile_requests as requests
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60
TURN_EXAMPLES = 300
TOLD_S = 10
#: Of the panel's tests, in one turn: as many inputs as these tests take, times this.
PANEL_TIMES = 20


@dataclass
class Target:
    """What is fuzzed: inputs, the property, and how an input is saved (a suffix and its bytes)."""

    name: str
    inputs: st.SearchStrategy[Any]
    property: Callable[[Any], object]
    saved: Callable[[Any], tuple[str, bytes]]
    executions: int = 0
    seconds: float = 0.0
    longest_s: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)


def targets(client: Any) -> list[Target]:
    """Returns all targets; `client` asks a server."""
    table_bytes = st.one_of(st.binary(max_size=200), hostile.layer_table_bytes())
    return [
        Target(
            "event files",
            st.tuples(hostile.event_files(), st.integers(0, 100)),
            lambda of: hostile.assert_survives(of[0], len(of[0]) * of[1] // 100),
            lambda of: (".events", of[0]),
        ),
        Target(
            "layer tables", table_bytes, hostile.assert_table_survives, lambda of: (".table", of)
        ),
        Target(
            "requests",
            st.tuples(hostile.queries(), hostile.headers),
            lambda of: requests.assert_answered(client, *of[0], of[1]),
            lambda of: (".query", "?".join(of[0]).encode()),
        ),
    ]


@contextlib.contextmanager
def patience() -> Iterator[None]:
    """Raises TimeoutError in what takes too long."""

    def given_up(*_: object) -> None:
        raise TimeoutError(f"longer than {PATIENCE_S} s")

    signal.signal(signal.SIGALRM, given_up)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def fault(error: BaseException) -> str:
    """Returns what tells one fault from another: the kind of error, and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(str(ROOT / "adamax_tb"))]
    own = own or [frame for frame in frames if frame.filename.startswith(str(ROOT))] or frames
    return f"{type(error).__name__} in {Path(own[-1].filename).name}:{own[-1].lineno}"


def turn(target: Target, number: int, corpus: Path) -> None:
    """Tries some inputs of a target, made from the seed `number`; saves the first that breaks it in a new way."""
    smallest: list[Any] = []
    known = set(target.faults)

    @seed(number)
    @settings(
        max_examples=TURN_EXAMPLES,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(target.inputs)
    def tried(of: Any) -> None:
        started = time.monotonic()
        try:
            with patience():
                target.property(of)
        except Exception as error:
            if (kind := fault(error)) in known:
                target.faults[kind] += 1
                return
            smallest[:] = [of]  # Hypothesis ends with the smallest
            raise
        finally:
            taken = time.monotonic() - started
            target.executions += 1
            target.seconds += taken
            target.longest_s = max(target.longest_s, taken)

    try:
        tried()
    except Exception as error:
        if not smallest:
            raise
        kind = fault(error)
        target.faults[kind] += 1
        suffix, data = target.saved(smallest[0])
        path = corpus / f"found-{hashlib.sha256(data).hexdigest()[:8]}{suffix}"
        path.write_bytes(data)
        print(f"{target.name}, seed {number}: {kind}: {error}\n  saved as {path}", flush=True)


def panel(number: int) -> tuple[bool, float]:
    """Runs the panel's tests with more inputs and another seed; returns whether they pass, and the seconds."""
    started = time.monotonic()
    command = [sys.executable, "setup.py", "npm", "test", "--", "hostile"]
    environ = {**os.environ, "FUZZ_SEED": str(number), "FUZZ_TIMES": str(PANEL_TIMES)}
    done = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=600
    )
    if done.returncode:
        print(f"the panel's decoder, seed {number}:\n{done.stdout[-3000:]}", flush=True)
    return done.returncode == 0, time.monotonic() - started


def resident_mb() -> float:
    """Returns the most memory that this process has taken."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def summary(all_targets: list[Target], panel_turns: int, panel_faults: int) -> str:
    """Returns the table of what was done."""
    lines = [
        "| target | executions | per second | longest (s) | faults |",
        "|---|---|---|---|---|",
    ]
    for target in all_targets:
        rate = target.executions / max(target.seconds, 1e-9)
        counted = ", ".join(f"{kind} ×{count}" for kind, count in target.faults.items()) or "none"
        lines.append(
            f"| {target.name} | {target.executions:,} | {rate:,.0f} | {target.longest_s:.2f} | {counted} |"
        )
    # as many as hostile.test.ts makes
    made = panel_turns * PANEL_TIMES * (8_000 + 1_000 + 2_000 + 2_000)
    lines.append(f"| answers, in the panel's decoder | {made:,} | | | {panel_faults or 'none'} |")
    return "\n".join(lines)


def main() -> int:
    """Fuzzes, and returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=None, help="default: another one each time")
    parser.add_argument("--corpus", type=Path, default=ROOT / "tests" / "corpus")
    args = parser.parse_args()
    first = random.SystemRandom().randrange(2**32) if args.seed is None else args.seed
    print(f"seed {first}", flush=True)
    with tempfile.TemporaryDirectory() as logdir:
        all_targets = targets(requests.served(Path(logdir)))
        started = told = time.monotonic()
        panel_turns = panel_faults = turns = 0
        while (passed := time.monotonic() - started) < 60 * args.minutes:
            for target in all_targets:
                turn(target, first + turns, args.corpus)
            if turns % 20 == 0:
                passes, _ = panel(first + turns)
                panel_turns, panel_faults = panel_turns + 1, panel_faults + (not passes)
            turns += 1
            if time.monotonic() - told > TOLD_S:
                told = time.monotonic()
                done = sum(target.executions for target in all_targets)
                kinds = sum(len(target.faults) for target in all_targets) + panel_faults
                print(
                    f"{passed / 60:.1f} of {args.minutes:g} minutes: {done:,} executions, {kinds} faults, "
                    f"{resident_mb():,.0f} MB",
                    flush=True,
                )
    print(summary(all_targets, panel_turns, panel_faults))
    print(f"{passed / 60:.1f} minutes, {turns} turns, at most {resident_mb():,.0f} MB resident")
    return int(panel_faults > 0 or any(target.faults for target in all_targets))


if __name__ == "__main__":
    sys.exit(main())
