"""Records every program at every update, into build/diagnosis/NAME.

    .venv/bin/python tests/diagnosis/record.py [NAME ...]      a part of `make diagnosis`

A program whose description, and whatever it is trained and recorded with, are what they were is not recorded again.
"""

import hashlib
import logging
import os
import shutil
import sys
import time
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import outcomes
from cadence import unjudged
from programs import Program, programs

import adamax_tb
from adamax_tb.schema import Run

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "diagnosis"
#: What decides what is recorded of a training, in adamax_tb.
RECORDING = ("optimizer.py", "stats.py", "slots.py", "recorder.py", "head.py")


def key(program: Program) -> str:
    """Returns what changes when `program` must be recorded anew."""
    digest = hashlib.sha256(outcomes.key(program).encode())
    for name in RECORDING:
        digest.update(outcomes.meaning(ROOT / "adamax_tb" / name).encode())
    return digest.hexdigest()


def is_recorded(program: Program) -> bool:
    """Tells whether the record of `program` is there and up to date."""
    stamp = BUILD / program.name / "key"
    return stamp.exists() and stamp.read_text() == key(program)


def recorded(program: Program, log_dir: Path, every: int = 1) -> Run:
    """Trains `program` and returns what was recorded of it."""
    import keras

    keras.backend.clear_session()
    shutil.rmtree(log_dir, ignore_errors=True)
    made = program.training()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Gradients do not exist")  # that is what is wrong
        warnings.filterwarnings("ignore", message=".*updates that OptimizerHealth expected")
        made.model.fit(
            made.x,
            made.y,
            batch_size=made.batch_size,
            shuffle=False,
            verbose=0,
            callbacks=[adamax_tb.OptimizerHealth(log_dir, every=every)],
        )
    return read(log_dir)


def read(log_dir: Path) -> Run:
    """Returns the run in `log_dir`, but for what rules had a part in."""
    return unjudged(adamax_tb.read_runs(log_dir)["."])


def record(wanted: list[Program]) -> None:
    """Records those of `wanted` that are not recorded yet."""
    missing = [program for program in wanted if not is_recorded(program)]
    logging.getLogger("adamax_tb").setLevel(logging.ERROR)  # findings are no news here
    start = time.monotonic()
    for i, program in enumerate(missing, 1):
        spent = time.monotonic() - start
        print(
            f"[{i}/{len(missing)}, {spent:.0f} s] recording {program.name}",
            file=sys.stderr,
            flush=True,
        )
        recorded(program, BUILD / program.name)
        (BUILD / program.name / "key").write_text(key(program))


def main() -> None:
    """Records all programs, or those named."""
    names = sys.argv[1:]
    record([p for p in programs() if not names or p.name in names])


if __name__ == "__main__":
    main()
