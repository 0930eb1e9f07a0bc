"""Reading on: a log directory that changes is, at any time, read as if it were read afresh."""

import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from synthetic import LAYERS, healthy_stats, table, write_run

from adamax_tb import read_runs
from adamax_tb.reader import LogDirReader, scan_runs
from adamax_tb.schema import STEP_STATS
from adamax_tb.writer import EventWriter

GROWN = (*LAYERS, ("head/kernel", (3, 2)))


def assert_same(one, other):
    """Compares two runs to the bit."""
    for name in ("name", "layers", "shapes", "statistics", "optimizer", "hyperparameters", "notes"):
        assert getattr(one, name) == getattr(other, name), name
    np.testing.assert_array_equal(one.steps, other.steps)
    np.testing.assert_array_equal(one.wall_times, other.wall_times)
    for name in one.statistics:
        np.testing.assert_array_equal(bits(one.stat(name)), bits(other.stat(name)), name)
    for name in STEP_STATS:
        np.testing.assert_array_equal(bits(one.step_stat(name)), bits(other.step_stat(name)), name)
    assert (one.flight is None) == (other.flight is None)
    if one.flight is not None:
        np.testing.assert_array_equal(one.flight.steps, other.flight.steps)
        np.testing.assert_array_equal(
            bits(one.flight.gradient_norm), bits(other.flight.gradient_norm)
        )
        assert one.flight.reasons == other.flight.reasons


def bits(values):
    return np.ascontiguousarray(values).view(np.uint32)


def follow(reader):
    """Reads on and returns the runs and errors."""
    for _ in reader.read():
        pass
    runs = {name: run for name, source in reader.sources.items() if (run := source.run())}
    return runs, {name: s.error for name, s in reader.sources.items() if s.error}


def assert_as_afresh(reader, logdir):
    runs, errors = follow(reader)
    try:
        expected, expected_errors = scan_runs(logdir)
    except ValueError:
        expected, expected_errors = {}, {}
    assert list(runs) == list(expected)
    assert errors == expected_errors
    for name in runs:
        assert_same(runs[name], expected[name])
    return runs


def append(directory, first, count, layers=LAYERS, flight=None):
    values = np.random.default_rng(first).normal(size=(count, len(layers))).astype(np.float32)
    steps = range(first, first + count)
    return write_run(directory, steps, {"u_mean": values}, layers=layers, flight=flight)


class Growing:
    """A file that grows by some bytes of what is written in the end."""

    def __init__(self, directory, first, count):
        self.path = Path(append(directory, first, count))
        self.whole = self.path.read_bytes()
        self.path.write_bytes(b"")

    def grow(self, size):
        self.path.write_bytes(self.whole[: self.path.stat().st_size + size])


CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("grow"), st.integers(0, 2), st.integers(1, 30_000)),
        st.tuples(st.just("resume"), st.integers(0, 2), st.integers(1, 60)),
        st.tuples(st.just("other layers"), st.integers(0, 2), st.integers(1, 60)),
        st.tuples(st.just("flight"), st.integers(0, 2), st.integers(5, 60)),
        st.tuples(st.just("remove a file"), st.integers(0, 2), st.integers(0, 3)),
        st.tuples(st.just("remove"), st.integers(0, 2), st.just(0)),
        st.tuples(st.just("rename"), st.integers(0, 2), st.just(0)),
        st.tuples(st.just("cut"), st.integers(0, 2), st.integers(1, 3000)),
        st.tuples(st.just("foreign"), st.integers(0, 2), st.integers(1, 3000)),
    ),
    max_size=12,
)


@settings(max_examples=60)
@given(CHANGES)
@example([("grow", 0, 1), ("cut", 0, 1)])  # a torn file that is empty again
def test_whatever_happens_to_the_files_reading_on_is_reading_afresh(tmp_path_factory, changes):
    logdir = tmp_path_factory.mktemp("runs")
    reader = LogDirReader({str(logdir): None})
    growing = {}
    for kind, which, size in changes:
        run = logdir / f"run{which}"
        files = sorted(run.glob("*tfevents*")) if run.exists() else []
        if kind == "grow":
            if which not in growing or not growing[which].path.exists():
                growing[which] = Growing(run, 1 + 40 * len(files), 40)
            growing[which].grow(size)
        elif kind == "resume":
            append(run, size, 8)
        elif kind == "other layers":
            append(run, size, 8, GROWN)
        elif kind == "flight":
            append(run, size, 8, flight={"steps": range(size, size + 8)})
        elif kind == "remove a file" and size < len(files):
            files[size].unlink()
        elif kind == "remove":
            shutil.rmtree(run, ignore_errors=True)
        elif kind == "rename" and files:
            shutil.move(run, logdir / f"moved{len(list(logdir.iterdir()))}")
        elif kind == "cut" and files:
            files[-1].write_bytes(files[-1].read_bytes()[:-size])
        elif kind == "foreign":
            run.mkdir(exist_ok=True)
            (run / "events.out.tfevents.0.host").write_bytes(b"\xff" * size)
        assert_as_afresh(reader, logdir)


def test_only_what_is_new_is_read(tmp_path, monkeypatch):
    from adamax_tb.eventfile import EventFile

    writer = EventWriter(str(tmp_path / "a"), table())
    reader = LogDirReader({str(tmp_path): None})
    counts = []
    events = EventFile.events

    def counted(self, size_bytes):
        for event in events(self, size_bytes):
            counts[-1] += 1
            yield event

    monkeypatch.setattr(EventFile, "events", counted)
    for first in (1, 11, 21):
        writer.write(np.arange(first, first + 10), healthy_stats(range(10)), {"loss": np.ones(10)})
        writer.flush()
        counts.append(0)
        follow(reader)
    counts.append(0)
    runs, _ = follow(reader)
    writer.close()
    assert counts == [11, 10, 10, 0]
    assert runs["a"].steps.tolist() == list(range(1, 31))
    assert reader.sources["a"].assembly.generation == 0


def test_an_older_file_that_goes_on_is_read_before_the_newer_one(tmp_path, monkeypatch):
    monkeypatch.setattr("adamax_tb.rundirectory.fcntl", None)  # as where no directory can be locked
    older = EventWriter(str(tmp_path / "a"), table())
    reader = LogDirReader({str(tmp_path): None})
    for first, directory in ((1, None), (101, "a"), (11, None)):
        if directory is None:
            older.write(
                np.arange(first, first + 10), healthy_stats(range(10)), {"loss": np.ones(10)}
            )
            older.flush()
        else:
            append(tmp_path / directory, first, 10)
        assert_as_afresh(reader, tmp_path)
    older.close()
    assert read_runs(tmp_path)["a"].steps.tolist() == [*range(1, 21), *range(101, 111)]


def test_what_was_given_before_does_not_change_when_the_run_goes_on(tmp_path):
    reader = LogDirReader({str(tmp_path): None})
    append(tmp_path / "a", 1, 10)
    before = follow(reader)[0]["a"]
    expected = before.stat("u_mean").copy()
    append(tmp_path / "a", 5, 10)
    after = follow(reader)[0]["a"]
    np.testing.assert_array_equal(before.stat("u_mean"), expected)
    assert before.steps.tolist() == list(range(1, 11))
    assert after.steps.tolist() == list(range(1, 15))
    assert reader.sources["a"].assembly.generation == 1


def test_a_record_that_came_in_several_events_is_one(tmp_path):
    from tensorboard.compat.proto import event_pb2

    from adamax_tb.eventfile import EventFile
    from adamax_tb.recordfile import RecordFile

    path = Path(append(tmp_path / "a", 1, 5))
    file = EventFile(path.name, lambda: path.open("rb"))
    events = list(file.events(path.stat().st_size))
    parted = RecordFile(str(tmp_path / "b.tfevents.optimizer_health"))
    for event in events:
        for value in event.summary.value:
            one = event_pb2.Event(wall_time=event.wall_time, step=event.step)
            one.summary.value.add().CopyFrom(value)
            parted.write(one.SerializeToString())
    parted.close()
    assert_same(
        follow(LogDirReader({str(tmp_path): None}))[0]["."],
        follow(LogDirReader({str(tmp_path / "a"): None}))[0]["."],
    )


def test_a_file_with_another_name_is_known_by_its_records(tmp_path):
    path = Path(append(tmp_path / "a", 1, 5))
    path.rename(path.with_name("events.out.tfevents.1.host"))
    assert read_runs(tmp_path)["a"].steps.tolist() == [1, 2, 3, 4, 5]


def test_a_record_whose_checksum_is_wrong_is_skipped_with_a_note(tmp_path):
    path = Path(append(tmp_path / "a", 1, 20))
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)
    run = read_runs(tmp_path)["a"]
    assert len(run.steps) == 19
    assert "the record there is skipped" in run.notes[0]


def test_runs_in_the_memory_filesystem_are_read_and_followed(tmp_path):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    append(tmp_path / "deep" / "a", 1, 10, flight={"steps": range(3, 11)})
    reader = LogDirReader({"memory://bucket/runs": None})
    with pytest.raises(FileNotFoundError, match="memory://bucket/runs"):
        follow(reader)
    memory.put(str(tmp_path), "/bucket/runs", recursive=True)
    try:
        runs = assert_as_afresh(reader, "memory://bucket/runs")
        assert_same(runs["deep/a"], read_runs(tmp_path)["deep/a"])
        append(tmp_path / "deep" / "a", 11, 10)
        memory.put(f"{tmp_path}/", "/bucket/runs", recursive=True)
        runs = assert_as_afresh(reader, "memory://bucket/runs")
        assert runs["deep/a"].steps.tolist() == list(range(1, 21))
    finally:
        memory.rm("/bucket", recursive=True)


def test_runs_behind_a_web_server_are_read(tmp_path):
    pytest.importorskip("aiohttp")
    append(tmp_path / "a", 1, 10)
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    handler.log_message = lambda *args: None
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        run = read_runs(f"http://127.0.0.1:{server.server_port}/")["a"]
        server.shutdown()
    assert_same(run, read_runs(tmp_path)["a"])


def test_an_address_that_nothing_can_open_is_an_error_that_says_so():
    with pytest.raises(ValueError, match="nowhere"):
        read_runs("nowhere://bucket/runs")


def test_runs_of_several_directories_have_tensorboards_names(tmp_path):
    from tensorboard.backend.event_processing import plugin_event_multiplexer

    append(tmp_path / "one", 1, 3)
    append(tmp_path / "two" / "deep", 1, 3)
    roots = {str(tmp_path / "one"): "first", str(tmp_path / "two"): "second"}
    board = plugin_event_multiplexer.EventMultiplexer()
    for path, name in roots.items():
        board.AddRunsFromDirectory(path, name)
    runs, _ = follow(LogDirReader(roots))
    assert set(runs) == set(board.Runs()) == {"first/.", "second/deep"}
