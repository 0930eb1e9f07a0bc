"""What is served of log directories in trouble: the rest of them, and the reason."""

import dataclasses
import platform
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from synthetic import LAYERS, healthy_stats, table, write_flight, write_run

from adamax_tb import diagnose, read_runs
from adamax_tb.reader import LogDirReader, scan_runs
from adamax_tb.writer import EventWriter
from tb_plugin import data
from tb_plugin.data import RunSource
from tb_plugin.documents import Documents


def noisy(count, layers=LAYERS):
    rng = np.random.default_rng(0)
    return {
        name: rng.uniform(1, 2, values.shape).astype(np.float32)
        for name, values in healthy_stats(range(count), layers).items()
    }


def following(*roots, memory_bytes=np.inf):
    """A source that looks every 50 ms; `RunSource.stop` ends it."""
    source = RunSource({str(root): group for root, group in roots}, 0.05, memory_bytes)
    source.start()
    source.state(30)
    return source


def wait(source, wanted):
    deadline = time.monotonic() + 20
    while not wanted(source.state()):
        assert time.monotonic() < deadline, source.state()
        time.sleep(0.02)
    return source.state()


def test_resuming_within_summaries_keeps_the_rest_and_every_other_run(tmp_path):
    layers = tuple((f"dense_{i}/kernel", (4, 4)) for i in range(200))

    def write(name, first, count):
        write_run(tmp_path / name, range(first, first + count), noisy(count, layers), layers=layers)

    for name in ("a", "z"):
        write(name, 1, 400)
    source = following((tmp_path, None), memory_bytes=5e6)
    assert source.state().runs["a"].run.summarized_until == 256
    write("a", 40, 20)
    write("z", 401, 20)
    state = wait(
        source, lambda s: s.runs["a"].run.steps[-1] == 59 and s.runs["z"].run.steps[-1] == 420
    )
    # 39 records are before step 40; those that share a row with later ones are gone, and said to be
    per = 256 // len(state.runs["z"].blocks[0].steps)
    kept = 39 // per * per
    assert sum(block.records for block in state.runs["a"].blocks) == kept + 20
    assert f"{per} records around the step" in " ".join(state.runs["a"].run.notes)
    write("a", 2, 18)
    write("z", 421, 300)
    state = wait(
        source, lambda s: s.runs["a"].run.steps[-1] == 19 and s.runs["z"].run.steps[-1] == 720
    )
    source.stop()
    assert state.errors == {}
    assert any("had been summarised" in note for note in state.runs["a"].run.notes)


def test_restarts_within_summaries_are_where_they_were(tmp_path):
    restarts = np.zeros(4096)
    restarts[[100, 2000]] = 1
    since = np.where(restarts > 0, 0, np.nan)
    numbers = {"restarts": restarts, "since_restart": since}
    write_run(tmp_path / "a", range(1, 4097), noisy(4096), step_stats=numbers)
    for limit in (np.inf, 200_000, 60_000):
        source = following((tmp_path, None), memory_bytes=limit)
        served = source.state().runs["a"]
        source.stop()
        assert (served.run.summarized_until is not None) == (limit < np.inf)
        assert served.run.restarts.tolist() == [101, 2001]
        document = Documents(source).runs(source.state(), None)["runs"][0]
        assert (document["first_step"], document["records"]) == (1, 4096)
        assert not [note for note in document["notes"] if "too few" in note]


def test_a_flight_that_comes_after_the_last_record_is_judged(tmp_path):
    writer = EventWriter(str(tmp_path / "a"), table())
    writer.write(np.arange(1, 41), healthy_stats(range(40)), {"loss": np.linspace(2, 1, 40)})
    writer.flush()
    source = following((tmp_path, None))
    assert source.state().runs["a"].findings == ()
    norms = np.ones((8, 4))
    norms[-1, 0] = np.nan
    write_flight(writer, 4, range(41, 49), norms)
    writer.close()
    state = wait(source, lambda s: s.runs["a"].findings != ())
    source.stop()
    assert list(state.runs["a"].findings) == diagnose(read_runs(tmp_path)["a"])


def test_a_run_that_cannot_be_read_is_not_read_again_until_it_changes(tmp_path, monkeypatch):
    from adamax_tb.eventfile import EventFile

    write_run(tmp_path / "bad", [1, 2, 3])
    write_run(tmp_path / "bad", [4], layers=(("d/kernel", (2, 2)), ("d/kernel", (2, 2))))
    reader = LogDirReader({str(tmp_path): None})
    opened = []
    events = EventFile.events
    monkeypatch.setattr(
        EventFile, "events", lambda self, size: (opened.append(self.name), events(self, size))[1]
    )
    counts = []
    for _ in range(3):
        opened.clear()
        for _ in reader.read():
            pass
        counts.append(len(opened))
        assert "two layers alike" in reader.sources["bad"].error
    assert counts == [2, 0, 0]


def test_a_directory_that_is_missing_hides_no_other(tmp_path):
    write_run(tmp_path / "one" / "a", [1])
    source = following((tmp_path / "one", "first"), (tmp_path / "two", "second"))
    state = source.state()
    assert list(state.runs) == ["first/a"]
    assert "no directory" in state.errors["second"]
    write_run(tmp_path / "two" / "b", [1])
    state = wait(source, lambda s: len(s.runs) == 2)
    source.stop()
    assert state.errors == {}


def test_an_error_nobody_thought_of_is_told_and_does_not_last(tmp_path, monkeypatch):
    write_run(tmp_path / "a", [1])

    def failing(*args):
        raise RuntimeError("no credentials")

    monkeypatch.setattr(data.LogDirReader, "read", failing)
    source = following((tmp_path, None))
    assert "no credentials" in source.state().errors["."]
    assert not source.state().loading
    monkeypatch.undo()
    state = wait(source, lambda s: "a" in s.runs)
    source.stop()
    assert state.errors == {}


def test_a_directory_that_cannot_be_read_for_a_moment_keeps_its_runs(tmp_path, monkeypatch):
    write_run(tmp_path / "a", [1])
    source = following((tmp_path, None))
    served = wait(source, lambda s: s.runs["a"].judged).runs["a"]

    def failing(*args):
        raise OSError("stale file handle")

    monkeypatch.setattr(data.LogDirReader, "read", failing)
    state = wait(source, lambda s: s.errors)
    assert "stale file handle" in state.errors["."]
    assert state.runs["a"] is served
    monkeypatch.undo()
    state = wait(source, lambda s: not s.errors)
    source.stop()
    assert state.runs["a"] is served


def test_a_run_that_cannot_be_judged_is_not_called_healthy(tmp_path, monkeypatch):
    write_run(tmp_path / "a", [1])
    monkeypatch.setattr(data, "diagnose", lambda run: 1 / 0)
    source = following((tmp_path, None))
    document = Documents(source).runs(source.state(), None)
    source.stop()
    assert document["runs"][0]["verdict"] is None
    assert "cannot be judged" in document["errors"][0]["error"]


def test_a_run_that_is_read_afresh_is_served_as_it_was_until_then(tmp_path):
    write_run(tmp_path / "a", range(1, 2001))
    source = RunSource({str(tmp_path): None}, 0, np.inf)
    source._read()
    write_run(tmp_path / "b", [1])
    older = min((tmp_path / "a").iterdir())
    older.write_bytes(older.read_bytes())  # the same, so that only a file before it is new
    older.rename(older.with_name(older.name.replace("tfevents.", "tfevents.1")))
    served = []
    publish = source._publish
    source._publish = lambda run: (
        publish(run),
        served.append(len(source.state().runs["a"].run.steps)),
    )[0]
    source._read()
    assert set(served) == {2000}


def test_a_passing_error_of_the_disk_takes_nothing_away(tmp_path, monkeypatch):
    from adamax_tb.eventfile import EventFile

    writer = EventWriter(str(tmp_path / "a"), table())
    writer.write(np.arange(1, 11), healthy_stats(range(10)), {"loss": np.ones(10)})
    writer.flush()
    reader = LogDirReader({str(tmp_path): None})
    list(reader.read())
    writer.write(np.arange(11, 21), healthy_stats(range(10)), {"loss": np.ones(10)})
    writer.close()

    def broken(self, size):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(EventFile, "events", broken)
    list(reader.read())
    assert "Input/output error" in reader.sources["a"].error
    assert len(reader.sources["a"].run().steps) == 10
    generation = reader.sources["a"].assembly.generation
    monkeypatch.undo()
    list(reader.read())
    assert reader.sources["a"].error == ""
    assert len(reader.sources["a"].run().steps) == 20
    assert reader.sources["a"].assembly.generation == generation


def test_damage_that_comes_while_following_is_told(tmp_path):
    path = write_run(tmp_path / "a", range(1, 11))
    source = following((tmp_path, None))
    assert source.state().runs["a"].run.notes == ()
    with open(path, "ab") as file:
        file.write(b"\xff" * 100)
    state = wait(source, lambda s: s.runs["a"].run.notes)
    source.stop()
    assert "is damaged at byte" in state.runs["a"].run.notes[0]


def test_two_links_to_one_run_are_two_runs_and_a_link_that_leads_back_is_none(tmp_path):
    write_run(tmp_path / "run_1", [1])
    (tmp_path / "latest").symlink_to(tmp_path / "run_1")
    (tmp_path / "run_1" / "back").symlink_to(tmp_path)
    assert list(read_runs(tmp_path)) == ["latest", "run_1"]


def test_a_look_at_many_runs_that_did_not_change_costs_little(tmp_path):
    for i in range(20):
        write_run(tmp_path / f"run{i}", range(1, 20))
    source = RunSource({str(tmp_path): None}, 0, np.inf)
    source._read()
    looked = []
    source._reader._kept_within_memory = lambda: looked.append(1) or ()
    before = source.state()
    source._read()
    assert looked == []
    assert source.state() is before


def test_served_runs_are_not_changed_in_place(tmp_path):
    write_run(tmp_path / "a", range(1, 11))
    source = RunSource({str(tmp_path): None}, 0, np.inf)
    source._read()
    served = source.state().runs["a"]
    kept = dataclasses.replace(served)
    write_run(tmp_path / "a", range(5, 31), {"u_mean": np.full((26, 4), 9, np.float32)})
    source._read()
    assert served == kept
    assert np.all(served.run.stat("u_mean") == 1)
    assert len(source.state().runs["a"].run.steps) == 30


def test_the_torn_end_of_a_growing_file_is_no_news(tmp_path):
    path = write_run(tmp_path / "a", range(1, 41))
    with open(path, "rb") as file:
        whole = file.read()
    reader = LogDirReader({str(tmp_path): None}, again=True)
    notes = []
    for size in (0.5, 0.7, 0.7, 1):
        with open(path, "wb") as file:
            file.write(whole[: int(size * len(whole))])
        list(reader.read())
        notes.append(len(reader.sources["a"].notes))
    assert notes == [0, 0, 1, 0]


def test_many_that_ask_at_once_get_what_was_made_once(tmp_path):
    write_run(tmp_path / "a", range(1, 4001))
    source = RunSource({str(tmp_path): None}, 0, np.inf)
    source._read()
    documents, together = Documents(source), threading.Barrier(8)
    told = []

    def ask():
        together.wait()
        told.append(documents.runs(source.state(), None)["runs"][0])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(document is told[0] for document in told)


#: Eight threads hold 16 MB each at the same time, after a larger array was freed; says what is left of it in the end.
HELD = """
import threading
import numpy as np
import psutil
from tb_plugin.data import give_memory_back

give_memory_back()
np.ones(3_900_000)
process, together = psutil.Process(), threading.Barrier(8)
before = process.memory_info().rss

def work():
    array = np.ones(2_000_000)
    together.wait()
    del array
    together.wait()

threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(process.memory_info().rss - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that keeps it")
def test_what_threads_have_freed_is_given_back():
    done = subprocess.run(
        [sys.executable, "-c", HELD], check=True, capture_output=True, text=True, timeout=60
    )
    assert int(done.stdout) < 16e6


def test_a_summarised_run_begins_with_its_first_record_and_counts_nothing_twice(tmp_path):
    layers = tuple((f"dense_{i}/kernel", (4, 4)) for i in range(150))
    stats = noisy(1500, layers)
    stats["update_ratio"][1:] *= 1e-6
    numbers = {
        "learning_rate": np.full(1500, 1e-6),
        "skipped_steps": np.ones(1500),
        "loss": 2.3 + 0.01 * np.random.default_rng(0).normal(size=1500),
    }
    writer = EventWriter(str(tmp_path / "a"), table(layers))
    for at in range(0, 1500, 100):
        part = slice(at, at + 100)
        of_layers = {name: values[part] for name, values in stats.items()}
        steps = np.arange(at + 1, at + 101)
        writer.write(steps, of_layers, {name: x[part] for name, x in numbers.items()})
        writer.flush()
    writer.close()
    whole, rows = (scan_runs(tmp_path, memory_bytes=limit)[0]["a"] for limit in (np.inf, 4e6))
    assert (whole.summarized_until, rows.summarized_until > 1000) == (None, True)
    assert len(rows.steps) < len(whole.steps) == whole.record_count == rows.record_count == 1500
    assert rows.steps[0] == 1
    assert np.all(np.diff(rows.steps) > 0)
    for name in whole.statistics:
        np.testing.assert_array_equal(rows.stat(name)[0], whole.stat(name)[0], err_msg=name)
    assert rows.step_stat("skipped_steps").sum() == whole.step_stat("skipped_steps").sum() == 1500
    told = [[(f.rule, f.severity, f.first_step) for f in diagnose(run)] for run in (whole, rows)]
    assert told[0] == told[1] != []  # a rule that wants to see where training began
