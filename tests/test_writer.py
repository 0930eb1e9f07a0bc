import os
import threading
import time

import numpy as np
import pytest
from synthetic import healthy_stats, table, write_run

from adamax_tb import read_runs
from adamax_tb.writer import QUEUE_SIZE, EventWriter, python_records


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
            self.inner = python_records(path)
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

    with pytest.warns(UserWarning, match="No space left.*Training goes on") as warned:
        writer = EventWriter(str(tmp_path / "a"), table(), open_records=lambda path: Full())
        for step in range(1, 50):
            writer.write(np.array([step]), healthy_stats([step]), {})
        writer.flush()
        writer.close()
    assert len(warned) == 1


def test_a_writer_whose_disk_fails_while_the_queue_is_full_still_closes(tmp_path):
    stuck = threading.Event()

    class Failing:
        def write(self, record):
            stuck.wait(30)
            raise OSError(5, "Input/output error")

        def flush(self):
            pass

        close = flush

    with pytest.warns(UserWarning, match="too slow|Input/output error"):
        writer = EventWriter(str(tmp_path / "a"), table(), open_records=lambda path: Failing())
        for step in range(1, QUEUE_SIZE + 10):
            writer.write(np.array([step]), healthy_stats([step]), {})
        closing = threading.Thread(target=writer.close)
        closing.start()
        stuck.set()
        closing.join(30)
    assert not closing.is_alive()


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
