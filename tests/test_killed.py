"""What a recording process leaves that was killed, in small; tests/endurance/kill.py does it at length."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from synthetic import LAYERS, table

from adamax_tb import read_runs, schema
from adamax_tb.writer import EventWriter

KILL = Path(__file__).parent / "endurance" / "kill.py"
#: The events of a file: a record, or an update of a flight record.
WRITTEN = "rrfr"


def test_killed_at_any_moment_a_writer_leaves_all_that_was_flushed(tmp_path):
    arguments = ["--times", "5", "--fits", "0", "--buffered", "2", "--seed", "1"]
    killed = subprocess.run(
        [sys.executable, KILL, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert killed.returncode == 0, killed.stdout + killed.stderr


@pytest.fixture
def whole(tmp_path):
    """The bytes of a file, and where in it each event ends."""
    rows = table()
    rows.statistics[:] = ["u_mean"]
    writer = EventWriter(str(tmp_path / "whole"), rows)
    for step, kind in enumerate(WRITTEN, start=1):
        if kind == "r":
            u_mean = np.full((1, len(LAYERS)), step, np.float32)
            writer.write(np.array([step]), {"u_mean": u_mean}, {"loss": np.array([1.0 / step])})
        else:
            norms = np.full((1, len(LAYERS)), step, np.float32)
            writer.write_flight(np.array([step - 1]), norms, {})
    writer.close()
    content, ends = Path(writer.path).read_bytes(), [0]
    while ends[-1] < len(content):
        (size,) = struct.unpack_from("<Q", content, ends[-1])
        ends.append(ends[-1] + 12 + size + 4)
    assert len(ends) == 1 + 1 + len(WRITTEN)  # the version comes first
    return content, ends


def test_cut_at_any_byte_a_file_gives_every_whole_record_and_says_that_it_is_cut(whole, tmp_path):
    content, ends = whole
    path = tmp_path / "cut" / f"events.out.tfevents.1.{schema.PLUGIN_NAME}"
    path.parent.mkdir()
    for size in range(ends[-4], len(content) + 1):  # the last three events
        path.write_bytes(content[:size])
        run = read_runs(path.parent)["."]
        left = WRITTEN[: sum(end <= size for end in ends[2:])]
        steps = [step for step, kind in enumerate(left, start=1) if kind == "r"]
        assert run.steps.tolist() == steps
        assert run.loss.tolist() == [np.float32(1.0 / step) for step in steps]
        assert run.stat("u_mean").tolist() == [[step] * len(LAYERS) for step in steps]
        assert (run.flight is not None) == ("f" in left)
        assert [note.partition(" ends within a record: ")[0] for note in run.notes] == (
            [] if size in ends else [path.name]
        )


@pytest.mark.parametrize("events", [0, 1])
def test_cut_before_its_first_record_a_file_is_an_error_that_says_so(events, whole, tmp_path):
    content, ends = whole
    path = tmp_path / "cut" / f"events.out.tfevents.1.{schema.PLUGIN_NAME}"
    path.parent.mkdir()
    path.write_bytes(content[: ends[events] + 20])
    with pytest.raises(ValueError, match="cannot be read.* ends within a record"):
        read_runs(path.parent)
