import os
import threading
import time

import numpy as np
import pytest
from synthetic import ADAMAX, LAYERS, healthy_stats, table, write_flight, write_run
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from tensorboard.compat.proto import summary_pb2

from adamax_tb import read_runs, schema
from adamax_tb.recordfile import RecordFile
from adamax_tb.writer import EventWriter

#: What one record takes while it waits, and room for 40 of them.
_VECTORS = 1 + len(schema.recorded_statistics(ADAMAX))
NUMBERS_BYTES = 4 * ((_VECTORS - 1) * len(LAYERS) + len(schema.STEP_STATS))
RECORD_BYTES = 500 + 300 * _VECTORS + NUMBERS_BYTES
ROOM = 40


def write_each(writer, steps, critical=(), **step_stats):
    """Writes one record a call, as a slow training would."""
    for step in steps:
        numbers = {name: np.array([value]) for name, value in step_stats.items()}
        writer.write(np.array([step]), healthy_stats([step]), numbers, critical=step in critical)


def test_a_flushed_record_is_on_the_disk_while_the_writer_lives(tmp_path):
    writer = EventWriter(str(tmp_path / "a"), table())
    writer.write(np.array([1]), healthy_stats([1]), {"loss": np.array([2.0])})
    writer.flush()
    run = read_runs(tmp_path)["a"]
    assert run.steps.tolist() == [1]
    assert run.loss.tolist() == [2.0]
    writer.close()


def test_a_record_reaches_the_disk_by_itself_within_the_flush_interval(tmp_path):
    synced = threading.Event()

    class Records:
        def __init__(self, path):
            self.inner = RecordFile(path)
            self.write, self.close = self.inner.write, self.inner.close

        def flush(self):
            self.inner.flush()
            synced.set()

    writer = EventWriter(str(tmp_path / "a"), table(), open_records=Records, flush_s=0.05)
    writer.write(np.array([1]), healthy_stats([1]), {})
    assert synced.wait(30)
    writer.close()


def test_metadata_stands_on_the_first_event_only(tmp_path):
    one = os.path.getsize(write_run(tmp_path / "one", range(1, 2)))
    two = os.path.getsize(write_run(tmp_path / "two", range(1, 3)))
    three = os.path.getsize(write_run(tmp_path / "three", range(1, 4)))
    assert three - two < (two - one) + 8
    assert two - one < one / 2


def test_a_disk_that_fails_is_reported_once_and_reaches_nobody(tmp_path):
    class Full:
        def write(self, record):
            raise OSError(28, "No space left on device")

        def flush(self):
            pass

        def close(self):
            pass

    with pytest.warns(UserWarning, match="OptimizerHealth") as warned:
        writer = EventWriter(str(tmp_path / "a"), table(), open_records=lambda path: Full())
        for step in range(1, 50):
            writer.write(np.array([step]), healthy_stats([step]), {})
        writer.flush()
        writer.close()
    report, loss = (str(warning.message) for warning in warned)
    assert "No space left on device. Training goes on" in report
    assert "49 records of OptimizerHealth" in loss


def refused(path):
    raise OSError(30, "Read-only file system")


def test_an_outage_that_fills_the_memory_set_aside_is_told_as_that(tmp_path, monkeypatch):
    monkeypatch.setattr("adamax_tb.writer.QUEUE_BYTES", ROOM * RECORD_BYTES)
    with pytest.warns(UserWarning, match="OptimizerHealth") as warned:
        writer = EventWriter(str(tmp_path / "a"), table(), open_records=refused)
        writer.flush()
        write_each(writer, range(1, 10 * ROOM))
        writer.close()
    fault, thinned, lost = (str(warning.message) for warning in warned)
    assert "Read-only file system. Training goes on" in fault
    assert "were thinned: what waits for it fills the memory set aside. Training goes on" in thinned
    assert "are lost: [Errno 30] Read-only file system" in lost
    assert ROOM / 2 < int(lost.split()[0]) < 2 * ROOM


def test_a_flight_record_that_is_lost_is_counted(tmp_path):
    with pytest.warns(UserWarning, match="OptimizerHealth") as warned:
        writer = EventWriter(str(tmp_path / "a"), table(), open_records=refused)
        write_each(writer, [7])
        write_flight(writer, len(LAYERS), [5, 6, 7])
        writer.close()
    assert "4 records of OptimizerHealth" in str(warned[-1].message)


def test_a_writer_whose_disk_fails_while_the_queue_is_full_still_closes(tmp_path, monkeypatch):
    monkeypatch.setattr("adamax_tb.writer.QUEUE_BYTES", ROOM * RECORD_BYTES)
    stuck = threading.Event()

    class Failing:
        def write(self, record):
            stuck.wait(30)
            raise OSError(5, "Input/output error")

        def flush(self):
            pass

        close = flush

    with pytest.warns(UserWarning, match="too slow|Input/output error") as warned:
        writer = EventWriter(str(tmp_path / "a"), table(), open_records=lambda path: Failing())
        write_each(writer, range(1, 10 * ROOM))
        closing = threading.Thread(target=writer.close)
        closing.start()
        stuck.set()
        closing.join(30)
    assert not closing.is_alive()
    assert len(warned) == 3  # too slow, then failing, and what is lost by that


def test_records_reach_the_disk_while_they_keep_coming(tmp_path):
    flushes = []

    class Records:
        def __init__(self, path):
            pass

        def write(self, record):
            time.sleep(0.01)

        def flush(self):
            flushes.append(time.monotonic())

        def close(self):
            pass

    writer = EventWriter(str(tmp_path / "a"), table(), open_records=Records, flush_s=0.05)
    for step in range(1, 101):
        writer.write(np.array([step]), healthy_stats([step]), {})
    writer.close()
    assert len(flushes) > 5


def test_a_missing_step_statistic_is_unknown_not_zero(tmp_path):
    writer = EventWriter(str(tmp_path / "a"), table())
    writer.write(np.array([1, 2]), healthy_stats([1, 2]), {"loss": np.array([3.0, 1e300])})
    writer.close()
    run = read_runs(tmp_path)["a"]
    assert np.all(np.isnan(run.step_stat("clip_factor")))
    assert run.loss.tolist() == [3.0, np.inf]


def test_a_flight_is_read_back_to_the_bit(tmp_path):
    norms = np.random.default_rng(0).normal(size=(5, len(LAYERS))).astype(np.float32)
    norms[2, 1], norms[3, 2], norms[4] = np.nan, np.inf, [schema.NOT_RECORDED, -np.inf, 0, 1e-40]
    writer = EventWriter(str(tmp_path / "a"), table())
    write_each(writer, range(1, 11))
    writer.write_flight(
        np.arange(6, 11),
        norms,
        {
            "loss": np.array([1, 2, np.inf, np.nan, 1e300]),
            "learning_rate": np.geomspace(1, 1e-4, 5),
            "reason": np.full(5, schema.FLIGHT_REASONS.index("interrupt")),
        },
    )
    write_each(writer, range(11, 13))
    writer.close()
    run = read_runs(tmp_path)["a"]
    assert run.steps.tolist() == list(range(1, 13))
    assert np.all(run.stat("u_mean") == 1)
    flight = run.flight
    assert flight.steps.tolist() == [6, 7, 8, 9, 10]
    np.testing.assert_array_equal(flight.gradient_norm.view(np.uint32), norms.view(np.uint32))
    np.testing.assert_array_equal(flight.loss, [1, 2, np.inf, np.nan, np.inf])
    np.testing.assert_array_equal(flight.learning_rate, np.geomspace(1, 1e-4, 5).astype(np.float32))
    assert np.all(np.isnan(flight.loss_scale))
    assert flight.reasons == ("interrupt",) * 5


def test_a_flight_replaces_an_earlier_one_from_its_first_step_on(tmp_path):
    writer = EventWriter(str(tmp_path / "a"), table())
    write_each(writer, range(1, 21))
    write_flight(writer, 4, [2, 3], np.full((2, 4), 1), reason="nonfinite loss")
    write_flight(writer, 4, range(5, 11), np.full((6, 4), 2), reason="nonfinite loss")
    write_flight(writer, 4, range(8, 13), np.full((5, 4), 3), reason="exception")
    writer.close()
    flight = read_runs(tmp_path)["a"].flight
    assert flight.steps.tolist() == [2, 3, *range(5, 13)]
    assert flight.gradient_norm[:, 3].tolist() == [1] * 2 + [2] * 3 + [3] * 5
    assert flight.reasons == ("nonfinite loss",) * 5 + ("exception",) * 5


def test_a_flight_may_come_before_the_files_first_record(tmp_path):
    write_run(tmp_path / "a", [1, 2], layers=LAYERS[:3])
    writer = EventWriter(str(tmp_path / "a"), table())
    write_flight(writer, 4, [3, 4])
    writer.write_flight(np.zeros(0, np.int64), np.zeros((0, 4), np.float32), {})
    write_each(writer, [5, 6], loss=0.5)
    writer.close()
    run = read_runs(tmp_path)["a"]
    assert run.layers == tuple(name for name, _ in LAYERS)
    assert run.steps.tolist() == [1, 2, 5, 6]
    assert run.loss[2:].tolist() == [0.5, 0.5]
    assert run.flight.steps.tolist() == [3, 4]


def test_each_tag_of_a_file_has_its_metadata_once(tmp_path):
    writer = EventWriter(str(tmp_path / "a"), table())
    for step in (1, 2):
        write_each(writer, [step])
        write_flight(writer, 4, [step])
    writer.close()
    events = LegacyEventFileLoader(writer.path).Load()  # TensorBoard's own
    values = [value for event in events for value in event.summary.value]
    described = [value.tag for value in values if value.HasField("metadata")]
    assert len(described) == len(set(described))
    assert set(described) == {value.tag for value in values}
    assert described[0] == schema.LAYERS_TAG
    assert {v.metadata.data_class for v in values if v.HasField("metadata")} == {
        summary_pb2.DATA_CLASS_TENSOR
    }


def test_tensorboards_own_reader_sees_every_update_of_a_flight(tmp_path):
    norms = np.arange(80, dtype=np.float32).reshape(20, 4)
    flight = {"steps": range(81, 101), "gradient_norm": norms, "reason": "exception"}
    write_run(tmp_path / "a", range(1, 101), flight=flight)
    events = EventAccumulator(str(tmp_path / "a"), size_guidance={"tensors": 0})
    events.Reload()
    read = events.Tensors(schema.FLIGHT_TAG)
    assert [event.step for event in read] == list(range(81, 101))
    values = [np.frombuffer(event.tensor_proto.tensor_content, "<f4") for event in read]
    np.testing.assert_array_equal(values, norms)
    reasons = [
        np.frombuffer(event.tensor_proto.tensor_content, "<f4")[-1]
        for event in events.Tensors(schema.FLIGHT_STEP_TAG)
    ]
    assert reasons == [schema.FLIGHT_REASONS.index("exception")] * 20
    assert len(events.Tensors(schema.STEP_TAG)) == 100


class Slow:
    """A file on a disk that takes `seconds` for each record, or waits until `free` is set."""

    def __init__(self, path, seconds=0.0, free=None):
        self.inner = RecordFile(path)
        self.seconds, self.free = seconds, free

    def write(self, record):
        time.sleep(self.seconds)
        if self.free is not None:
            assert self.free.wait(30)
        self.inner.write(record)

    def flush(self):
        self.inner.flush()

    def close(self):
        self.inner.close()


def test_a_slow_disk_thins_what_is_ordinary_and_keeps_what_is_critical(tmp_path, monkeypatch):
    monkeypatch.setattr("adamax_tb.writer.QUEUE_BYTES", ROOM * RECORD_BYTES)
    critical = {*range(90, 100), *range(200, 400, 7)}
    writer = EventWriter(str(tmp_path / "a"), table(), lambda path: Slow(path, 0.005))
    with pytest.warns(UserWarning, match="thinned: the disk is too slow") as warned:
        write_each(writer, range(1, 401), critical)
        write_flight(writer, 4, range(391, 401))
    assert writer._waiting_bytes > 0  # nobody waited for the disk
    writer.flush()
    write_each(writer, range(401, 411))
    writer.close()
    assert len(warned) == 1
    assert writer.log_dir in str(warned[0].message)
    run = read_runs(tmp_path)["a"]
    kept, thinned = run.steps.tolist(), run.step_stat("thinned")
    assert critical <= set(kept)
    assert len(kept) < 400
    assert thinned.sum() == 410 - len(kept)
    np.testing.assert_array_equal(thinned, np.diff(kept, prepend=0) - 1)
    assert run.flight.steps.tolist() == list(range(391, 401))
    assert kept[-10:] == list(range(401, 411))  # there is room again
    assert not thinned[-9:].any()


def test_the_last_record_comes_before_the_flight_that_ends_with_it(tmp_path, monkeypatch):
    monkeypatch.setattr("adamax_tb.writer.QUEUE_BYTES", 0)  # takes nothing but what is critical
    writer = EventWriter(str(tmp_path / "a"), table())
    with pytest.warns(UserWarning, match="thinned"):
        write_each(writer, range(1, 11), critical=(1,))
        write_flight(writer, 4, range(3, 11))
    writer.close()
    run = read_runs(tmp_path)["a"]
    assert run.steps.tolist() == [1, 10]
    assert run.flight.steps.tolist() == list(range(3, 11))


def test_the_fuller_the_queue_the_fewer_records_it_takes(tmp_path, monkeypatch):
    monkeypatch.setattr("adamax_tb.writer.QUEUE_BYTES", ROOM * RECORD_BYTES)
    free = threading.Event()
    writer = EventWriter(str(tmp_path / "a"), table(), lambda path: Slow(path, free=free))
    with pytest.warns(UserWarning, match="thinned"):
        write_each(writer, range(1, 1001))
    free.set()
    writer.close()
    kept = read_runs(tmp_path)["a"].steps
    gaps = np.diff(kept[:-1])  # the last one is there whatever the gap
    assert kept[-1] == 1000
    assert kept[: ROOM // 2].tolist() == list(range(1, ROOM // 2 + 1))
    assert ROOM - 2 <= len(kept) <= ROOM + 1
    assert np.all(np.diff(gaps) >= 0)
    assert {1, 2, 3, 4} <= set(gaps.tolist())


def test_records_of_one_call_are_thinned_one_by_one(tmp_path, monkeypatch):
    monkeypatch.setattr("adamax_tb.writer.QUEUE_BYTES", ROOM * NUMBERS_BYTES)
    free = threading.Event()
    writer = EventWriter(str(tmp_path / "a"), table(), lambda path: Slow(path, free=free))
    steps = np.arange(1, 1001)
    values = np.arange(4000, dtype=np.float32).reshape(1000, 4)
    with pytest.warns(UserWarning, match="thinned"):
        writer.write(
            steps, {**healthy_stats(steps), "u_mean": values}, {"loss": steps}, None, steps == 500
        )
    free.set()
    writer.close()
    run = read_runs(tmp_path)["a"]
    assert {1, 500, 1000} <= set(run.steps.tolist())
    assert len(run.steps) <= ROOM + 2
    assert run.step_stat("thinned").sum() == 1000 - len(run.steps)
    np.testing.assert_array_equal(run.loss, run.steps)
    np.testing.assert_array_equal(run.stat("u_mean"), values[run.steps - 1])


def test_what_a_dropped_record_counted_goes_into_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr("adamax_tb.writer.QUEUE_BYTES", 0)  # takes nothing but what is critical
    steps = np.arange(1, 8)
    peaks = np.ones((7, 4), np.float32)
    peaks[2, 0], peaks[1, 1], peaks[3, 1], peaks[4, 2] = 9, np.nan, 5, 7
    given = peaks.copy()
    writer = EventWriter(str(tmp_path / "a"), table())
    with pytest.warns(UserWarning, match="thinned"):
        writer.write(
            steps,
            {
                **healthy_stats(steps),
                "gradient_norm_peak": peaks,
                "gradient_norm_peak_step": np.repeat(steps[:, None], 4, 1).astype(np.float32),
            },
            {
                "loss_peak": np.array([1, 4, 2, 1, 1, np.nan, 1]),
                "skipped_steps": np.array([0, 2, 0, 3, 1, np.nan, 0]),
                "restarts": np.array([0, 1, 1, 0, 0, 0, 0]),
                "since_restart": np.array([np.nan, 0, 0, np.nan, np.nan, np.nan, np.nan]),
                "nonfinite_steps": np.array([0, 1, 0, 0, 0, 0, 0]),
                "thinned": np.array([0, 0, 0, 2, 0, 0, 0]),  # lost before they came here
            },
            critical=np.array([True, False, False, False, True, False, False]),
        )
    writer.close()
    run = read_runs(tmp_path)["a"]
    assert run.steps.tolist() == [1, 5, 7]
    np.testing.assert_array_equal(run.step_stat("thinned"), [0, 2 + 3, 1])
    np.testing.assert_array_equal(run.step_stat("skipped_steps"), [0, 6, np.nan])
    np.testing.assert_array_equal(run.step_stat("restarts"), [0, 2, 0])
    np.testing.assert_array_equal(run.step_stat("since_restart"), [np.nan, 2, np.nan])
    assert run.restarts.tolist() == [3]
    np.testing.assert_array_equal(run.step_stat("nonfinite_steps"), [0, 1, 0])
    np.testing.assert_array_equal(run.step_stat("loss_peak"), [1, 4, np.nan])
    np.testing.assert_array_equal(run.stat("gradient_norm_peak")[1], [9, np.nan, 7, 1])
    np.testing.assert_array_equal(run.stat("gradient_norm_peak_step")[1], [3, 2, 5, 5])
    np.testing.assert_array_equal(peaks, given)  # what the caller gave stays as it was


def test_a_slow_close_leaves_out_ordinary_records_only(tmp_path, monkeypatch):
    monkeypatch.setattr("adamax_tb.writer.CLOSE_S", 4.0)
    writer = EventWriter(str(tmp_path / "a"), table(), lambda path: Slow(path, 0.01))
    write_each(writer, range(1, 1001), {400, 600})
    write_flight(writer, 4, range(901, 951))
    write_each(writer, range(1001, 1006))
    with pytest.warns(UserWarning, match="thinned") as warned:
        writer.close()
    assert len(warned) == 1
    run = read_runs(tmp_path)["a"]
    assert run.notes == ()
    assert {400, 600, 1005} <= set(run.steps.tolist())
    assert len(run.steps) < 500
    assert run.step_stat("thinned").sum() == 1005 - len(run.steps)
    assert run.flight.steps.tolist() == list(range(901, 951))


def test_a_disk_that_hangs_lets_close_go_with_a_warning(tmp_path, monkeypatch):
    monkeypatch.setattr("adamax_tb.writer.CLOSE_S", 0.2)
    free = threading.Event()
    writer = EventWriter(str(tmp_path / "a"), table(), lambda path: Slow(path, free=free))
    write_each(writer, [1, 2])
    with pytest.warns(UserWarning, match="gave up on the end of|thinned") as warned:
        writer.close()
    assert any("gave up" in str(w.message) and writer.path in str(w.message) for w in warned)
    free.set()
    writer._thread.join(30)
