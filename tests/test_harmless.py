"""Whatever goes wrong with the record, training goes on, with the same weights, and the record when it can."""

import contextlib
import ctypes
import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import types

import keras
import numpy as np
import pytest
from models import X as FEATURES
from models import Y as CLASSES
from models import classifier

import adamax_tb
from adamax_tb import eventlog, recording, rules

EPOCHS = 12
STEPS = EPOCHS * 4
ROOT = os.geteuid() == 0


class At(keras.callbacks.Callback):
    """Does things before certain batches of a training, once the records so far are written."""

    def __init__(self, health, **doings):
        super().__init__()
        self._health = health
        self._doings = {int(name.removeprefix("batch_")): do for name, do in doings.items()}
        self._batch = 0

    def on_train_batch_begin(self, batch, logs=None):
        if (do := self._doings.get(self._batch)) is not None:
            flush(self._health)
            do()
            flush(self._health)
        self._batch += 1


def flush(health):
    if (writer := health._recording._writer) is not None:
        writer.flush(30)


def fitted(*callbacks):
    made = classifier(adamax_tb.AdaMax())
    made.fit(FEATURES, CLASSES, batch_size=16, epochs=EPOCHS, verbose=0, callbacks=[*callbacks])
    return made.get_weights()


@pytest.fixture(scope="module")
def unwatched():
    return fitted()


@pytest.fixture
def impatient(monkeypatch):
    """What waits for the device and for another try does so for no time at all."""
    monkeypatch.setattr(eventlog, "RETRY_S", 0.0)
    monkeypatch.setattr(recording, "RESUME_S", 0.0)
    monkeypatch.setattr(recording, "DRAIN_S", 0.0)


def trained_with(health, unwatched, **doings):
    """Trains, does things meanwhile, and sees that the weights are those of the same training unwatched."""
    for ours, theirs in zip(fitted(health, At(health, **doings)), unwatched, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def messages(warned):
    return [str(warning.message) for warning in warned]


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 256 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if not ROOT or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(ballast):
    with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def test_a_full_disk_is_waited_for_and_nothing_is_lost(small_disk, unwatched, impatient):
    health = adamax_tb.OptimizerHealth(small_disk / "a", every=1)
    ballast = small_disk / "ballast"

    with pytest.warns(UserWarning, match="OptimizerHealth") as warned:
        trained_with(health, unwatched, batch_8=lambda: fill(ballast), batch_30=ballast.unlink)
    (report,) = messages(warned)
    assert "cannot write into" in report
    assert "No space left on device. Training goes on" in report
    run = adamax_tb.read_runs(small_disk)["a"]
    assert run.steps.tolist() == list(range(1, STEPS + 1))
    assert run.notes == ()
    files = [*(small_disk / "a").iterdir()]
    assert len(files) == 2  # no file is left of all the times it was tried in vain
    assert min(file.stat().st_size for file in files) > 1000


def test_a_disk_that_stays_full_costs_the_rest_which_is_said(small_disk, unwatched, impatient):
    health = adamax_tb.OptimizerHealth(small_disk / "a", every=1)
    with pytest.warns(UserWarning, match="OptimizerHealth") as warned:
        trained_with(health, unwatched, batch_20=lambda: fill(small_disk / "ballast"))
    report, loss = messages(warned)
    assert "No space left on device. Training goes on" in report
    kept = adamax_tb.read_runs(small_disk)["a"].steps.tolist()
    assert kept == list(range(1, len(kept) + 1))
    assert len(kept) >= 20
    assert f"{STEPS - len(kept)} records of OptimizerHealth" in loss
    assert "are lost" in loss


def test_a_directory_that_is_deleted_is_made_again(tmp_path, unwatched, impatient):
    health = adamax_tb.OptimizerHealth(tmp_path / "a", every=1)
    with pytest.warns(UserWarning, match="OptimizerHealth") as warned:
        trained_with(health, unwatched, batch_20=lambda: shutil.rmtree(tmp_path / "a"))
    (report,) = messages(warned)
    assert "was deleted. Training goes on" in report
    # step 20 may have been on its way
    assert adamax_tb.read_runs(tmp_path)["a"].steps.tolist()[-28:] == list(range(21, STEPS + 1))


def test_a_file_that_is_deleted_has_another_follow_it(tmp_path, unwatched, impatient):
    health = adamax_tb.OptimizerHealth(tmp_path / "a", every=1)

    def delete():
        (file,) = (tmp_path / "a").iterdir()
        file.unlink()

    with pytest.warns(UserWarning, match="was deleted. Training goes on"):
        trained_with(health, unwatched, batch_20=delete)
    assert adamax_tb.read_runs(tmp_path)["a"].steps.tolist()[-28:] == list(range(21, STEPS + 1))


def test_a_directory_that_is_renamed_takes_its_records_along(tmp_path, unwatched, impatient):
    health = adamax_tb.OptimizerHealth(tmp_path / "a", every=1)

    def rename():
        (tmp_path / "a").rename(tmp_path / "b")
        # even a new file, as after a fault, finds it
        health._recording._writer._log.fall(OSError("put in on purpose"))

    with pytest.warns(UserWarning, match="put in on purpose"):
        trained_with(health, unwatched, batch_20=rename)
    runs = adamax_tb.read_runs(tmp_path)
    assert list(runs) == ["b"]
    assert runs["b"].steps.tolist() == list(range(1, STEPS + 1))
    assert len([*(tmp_path / "b").iterdir()]) == 2


PERMISSION = """
import os, sys, warnings
sys.path.insert(0, sys.argv[1])
directory = sys.argv[2]
import adamax_tb
from adamax_tb import eventlog
from test_harmless import STEPS, At, fitted, messages
eventlog.RETRY_S = 0
health = adamax_tb.OptimizerHealth(directory + "/a", every=1)
os.chmod(directory, 0o500)
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always", UserWarning)
    ours = fitted(health, At(health, batch_30=lambda: os.chmod(directory, 0o700)))
(report,) = messages(warned)
assert "Permission denied" in report and "Training goes on" in report, report
assert adamax_tb.read_runs(directory)["a"].steps.tolist() == [*range(1, STEPS + 1)]
assert all((a == b).all() for a, b in zip(ours, fitted(), strict=True))
os.mkdir(directory + "/unlisted", 0o300)
writer = adamax_tb.HealthWriter(directory + "/unlisted", ["w"])
writer.write(1, {"gradient_norm": [1.0]})
writer.close()
os.chmod(directory + "/unlisted", 0o700)
assert adamax_tb.read_runs(directory)["unlisted"].steps.tolist() == [1]
print("harmless")
"""


def test_a_permission_that_is_lost_and_comes_back_loses_nothing(tmp_path):
    command = [sys.executable, "-c", PERMISSION, os.path.dirname(__file__), str(tmp_path)]
    if ROOT:  # to whom nothing is forbidden, unless it gives that up
        setpriv = shutil.which("setpriv") or pytest.skip("root cannot give up its rights here")
        command = [setpriv, "--bounding-set=-dac_override,-dac_read_search", *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.stdout.endswith("harmless\n"), done.stderr


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_writer_whose_thread_is_killed_goes_on_with_another(tmp_path, unwatched, impatient):
    health = adamax_tb.OptimizerHealth(tmp_path / "a", every=1)

    def kill():
        thread = health._recording._writer._thread
        raised = ctypes.py_object(SystemExit)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), raised)
        health._recording._writer._queue.put(threading.Event())  # it wakes up, and dies
        thread.join(30)
        assert not thread.is_alive()

    with pytest.warns(UserWarning, match="OptimizerHealth") as warned:
        trained_with(health, unwatched, batch_20=kill)
    (report,) = messages(warned)
    assert "was killed. Training goes on" in report
    assert adamax_tb.read_runs(tmp_path)["a"].steps.tolist() == list(range(1, STEPS + 1))


def test_a_full_queue_thins_the_record_and_harms_nothing(tmp_path, unwatched, monkeypatch):
    monkeypatch.setattr("adamax_tb.writer.QUEUE_BYTES", 0)
    health = adamax_tb.OptimizerHealth(tmp_path / "a", every=1)
    with pytest.warns(UserWarning, match="OptimizerHealth") as warned:
        trained_with(health, unwatched)
    (report,) = messages(warned)
    assert "thinned" in report
    assert "Training goes on" in report
    run = adamax_tb.read_runs(tmp_path)["a"]
    assert len(run.steps) + run.step_stat("thinned").sum() == STEPS


def test_a_rule_that_fails_is_left_out_and_the_others_judge(tmp_path, monkeypatch):
    def broken(run, course):
        raise ZeroDivisionError("put in on purpose")

    monkeypatch.setitem(rules.RULES, "dead-units", broken)
    health = adamax_tb.OptimizerHealth(tmp_path / "a", every=1)
    weights = []
    with pytest.warns(UserWarning, match="OptimizerHealth") as warned:
        weights += fitted(health)
    (report,) = messages(warned)
    assert "by rule 'dead-units', which is left out: ZeroDivisionError" in report
    assert "Training goes on" in report
    for ours, theirs in zip(weights, fitted(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    run = adamax_tb.read_runs(tmp_path)["a"]
    assert run.steps.tolist() == list(range(1, STEPS + 1))
    with pytest.warns(UserWarning, match="'dead-units' could not judge run 'a'.*report it"):
        with_fault = adamax_tb.diagnose(run)
    monkeypatch.undo()
    assert with_fault == [f for f in adamax_tb.diagnose(run) if f.rule != "dead-units"]


def test_a_fault_of_the_recorder_pauses_the_record(tmp_path, unwatched, impatient, monkeypatch):
    health = adamax_tb.OptimizerHealth(tmp_path / "a", every=1)
    faults = []

    def break_drain():
        drain = health._recording.recorder.drain

        def broken():
            if len(faults) < 3:
                faults.append(None)
                raise RuntimeError("put in on purpose")
            return drain()

        monkeypatch.setattr(health._recording.recorder, "drain", broken)

    with pytest.warns(UserWarning, match="OptimizerHealth") as warned:
        trained_with(health, unwatched, batch_20=break_drain)
    (report,) = messages(warned)
    assert "tries again every" in report
    assert "put in on purpose" in report
    assert len(faults) == 3
    # what waited on the device meanwhile is there
    assert adamax_tb.read_runs(tmp_path)["a"].steps.tolist() == list(range(1, STEPS + 1))


@pytest.mark.parametrize(
    "place", ["on_train_begin", "on_epoch_begin", "on_train_batch_begin", "on_train_batch_end"]
)
def test_a_fault_of_the_callback_ends_the_record_not_the_training(
    tmp_path, unwatched, monkeypatch, place
):
    health = adamax_tb.OptimizerHealth(tmp_path / "a", every=1)

    def broken(self):
        raise RuntimeError("put in on purpose")

    if place == "on_epoch_begin":  # Keras fills it in; here nobody did
        monkeypatch.setattr(health, "set_params", lambda params: None)
        monkeypatch.setattr(health, "params", None)
    elif place == "on_train_begin":
        monkeypatch.setattr(recording.Recording, "begin", broken)
    else:
        inner = {"on_train_batch_begin": "_begin_call", "on_train_batch_end": "_end_call"}[place]
        monkeypatch.setattr(type(health), inner, broken)
    with pytest.warns(UserWarning, match="stopped recording.*Training goes on"):
        trained_with(health, unwatched)


@pytest.mark.parametrize("place", ["look", "finish"])
def test_a_fault_beside_a_loop_ends_the_record_not_the_loop(tmp_path, monkeypatch, place):
    optimizer = adamax_tb.AdaMax()
    weight = keras.Variable([1.0])
    optimizer.build([weight])
    faults = threading.Event()

    def broken(*arguments):
        faults.set()
        raise RuntimeError("put in on purpose")

    monkeypatch.setattr(recording.Recording, place, broken)
    with (
        pytest.warns(
            UserWarning, match="stopped recording.*on purpose.*Training goes on"
        ) as warned,
        adamax_tb.record(optimizer, tmp_path / "a", every=1),
    ):
        for _ in range(3):
            optimizer.apply([np.ones(1, np.float32)])
        assert place == "finish" or faults.wait(30)
    assert len(warned) == 1
    np.testing.assert_allclose(weight, [0.997], rtol=1e-5)


def test_another_callback_that_raises_ends_the_training_as_without_us(tmp_path):
    class Own(Exception):
        pass

    class Raises(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                raise Own

    def raised(*callbacks):
        made = classifier(adamax_tb.AdaMax())
        with pytest.raises(Own):
            made.fit(FEATURES, CLASSES, batch_size=16, verbose=0, callbacks=[*callbacks, Raises()])
        return made.get_weights()

    health = adamax_tb.OptimizerHealth(tmp_path / "a", every=1)
    for ours, theirs in zip(raised(health), raised(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    health._finish("exception")  # as when Python ends
    assert adamax_tb.read_runs(tmp_path)["a"].steps.tolist() == [1, 2, 3]


def test_two_trainings_in_one_directory_are_two_runs(tmp_path, unwatched):
    first = adamax_tb.HealthWriter(tmp_path / "a", ["w"])
    first.write(1, {"gradient_norm": [1.0]})
    first.flush()
    health = adamax_tb.OptimizerHealth(tmp_path / "a", every=1)
    with pytest.warns(UserWarning, match="run of its own, in .*a/2: give each") as warned:
        trained_with(health, unwatched)
    assert len(warned) == 1
    first.write(2, {"gradient_norm": [1.0], "loss": 2.0})
    first.close()
    runs = adamax_tb.read_runs(tmp_path)
    assert list(runs) == ["a", "a/2"]
    assert runs["a"].steps.tolist() == [1, 2]
    assert runs["a/2"].steps.tolist() == list(range(1, STEPS + 1))
    fitted(adamax_tb.OptimizerHealth(tmp_path / "a", every=1))  # nobody is there any more
    assert len([*(tmp_path / "a").glob("events*")]) == 2


def test_a_training_that_got_a_directory_of_its_own_goes_on_there(tmp_path):
    first = adamax_tb.HealthWriter(tmp_path / "a", ["w"])
    first.write(1, {"gradient_norm": [1.0]})
    first.flush()
    second = adamax_tb.HealthWriter(tmp_path / "a", ["w"])
    health = adamax_tb.OptimizerHealth(tmp_path / "a", every=1)
    made = classifier(adamax_tb.AdaMax())
    with pytest.warns(UserWarning, match="a run of its own") as warned:
        second.write(1, {"gradient_norm": [1.0]})
        second.write(2, {"u_mean": [1.0]})  # which takes another file
        second.close()
        for _ in range(2):
            made.fit(FEATURES, CLASSES, batch_size=16, verbose=0, callbacks=[health])
    assert len(warned) == 2
    first.close()
    runs = adamax_tb.read_runs(tmp_path)
    assert {name: run.steps.tolist() for name, run in runs.items()} == {
        "a": [1],
        "a/2": [1, 2],
        "a/3": list(range(1, 9)),
    }


OTHER = """
import sys
from adamax_tb import HealthWriter
writer = HealthWriter(sys.argv[1], ["w"])
for step in range(1, 11):
    writer.write(step, {"gradient_norm": [1.0], "loss": float(step)})
writer.flush()
print("written", flush=True)
sys.stdin.readline()
writer.write(11, {"gradient_norm": [1.0], "loss": 11.0})
writer.close()
"""


def test_two_processes_in_one_directory_are_two_runs(tmp_path):
    command = [sys.executable, "-W", "error", "-c", OTHER, str(tmp_path / "a")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    others = [subprocess.Popen(command, text=True, **pipes) for _ in range(2)]
    try:
        assert [other.stdout.readline() for other in others] == ["written\n"] * 2
        reports = [other.communicate("\n", timeout=60)[1] for other in others]
    finally:
        for other in others:
            other.kill()
    assert sorted("a run of its own" in report for report in reports) == [False, True]
    runs = adamax_tb.read_runs(tmp_path)
    assert {name: run.steps.tolist() for name, run in runs.items()} == {
        "a": list(range(1, 12)),
        "a/2": list(range(1, 12)),
    }


def test_a_process_that_was_killed_has_no_hold_on_its_directory(tmp_path):
    command = [sys.executable, "-c", OTHER, str(tmp_path / "a")]
    other = subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout.readline() == "written\n"
    other.kill()
    other.communicate()
    writer = adamax_tb.HealthWriter(tmp_path / "a", ["w"])
    writer.write(11, {"gradient_norm": [1.0]})
    writer.close()
    assert adamax_tb.read_runs(tmp_path)["a"].steps.tolist() == list(range(1, 12))


def test_clocks_that_are_set_back_mix_nothing_up(tmp_path, monkeypatch):
    now = [2e9]
    monkeypatch.setattr(time, "time", lambda: now[0])
    monkeypatch.setattr(time, "time_ns", lambda: int(now[0] * 1e9))
    for first in (1, 5, 9):  # each a resumed training, an hour earlier by its clock
        writer = adamax_tb.HealthWriter(tmp_path / "a", ["w"])
        for step in range(first, first + 4):
            writer.write(step, {"gradient_norm": [1.0], "loss": float(step)})
            now[0] -= 600
        writer.close()
        now[0] -= 3600
    run = adamax_tb.read_runs(tmp_path)["a"]
    assert run.steps.tolist() == list(range(1, 13))
    assert run.loss.tolist() == list(range(1, 13))
    for part in (run.wall_times[:4], run.wall_times[4:8], run.wall_times[8:]):
        assert np.all(np.diff(part) >= 0)


def test_a_flight_outlives_a_clock_that_is_set_back(tmp_path, monkeypatch):
    from synthetic import healthy_stats, table, write_flight

    from adamax_tb.writer import EventWriter

    now = [2e9]
    monkeypatch.setattr(time, "time", lambda: now[0])
    writer = EventWriter(str(tmp_path / "a"), table())
    writer.write(np.arange(1, 11), healthy_stats(range(10)), {})
    writer.close()
    now[0] -= 3600
    writer = EventWriter(str(tmp_path / "a"), table())
    write_flight(writer, 4, range(1, 11))
    writer.close()
    assert adamax_tb.read_runs(tmp_path)["a"].flight.steps.tolist() == list(range(1, 11))


def test_a_record_that_cannot_be_written_is_left_out_alone(tmp_path):
    from synthetic import healthy_stats, table, write_flight

    from adamax_tb.writer import EventWriter

    writer = EventWriter(str(tmp_path / "a"), table())
    writer.write(np.array([1]), healthy_stats([1]), {})
    writer.flush()
    with pytest.warns(UserWarning, match="OptimizerHealth") as warned:
        flights = {"loss": np.zeros(2)}  # of a kind that is new in this file
        writer.write_flight(np.array([1, 2**70], object), np.ones((2, 4), np.float32), flights)
        for step in (2**70, 2**71):
            writer.write(np.array([step], object), healthy_stats([1]), {})
        writer.write(np.array([2]), healthy_stats([1]), {})
        write_flight(writer, 4, [2])
        writer.close()
    (report,) = messages(warned)
    assert "left out a record" in report
    run = adamax_tb.read_runs(tmp_path)["a"]
    assert run.steps.tolist() == [1, 2]
    assert run.flight.steps.tolist() == [2]


def test_a_first_record_that_cannot_be_written_takes_no_table_with_it(tmp_path):
    from synthetic import healthy_stats, table

    from adamax_tb.writer import EventWriter

    writer = EventWriter(str(tmp_path / "a"), table())
    with pytest.warns(UserWarning, match="left out a record"):
        writer.write(np.array([1, 2**70], object), healthy_stats([1, 2]), {})
        writer.write(np.array([2]), healthy_stats([1]), {})
        writer.close()
    assert adamax_tb.read_runs(tmp_path)["a"].steps.tolist() == [2]


def test_where_warnings_are_errors_a_fault_is_logged(tmp_path, unwatched, caplog, monkeypatch):
    hindered = adamax_tb.OptimizerHealth(tmp_path / "a", every=1)
    (tmp_path / "a").write_text("in the way")
    trained_with(hindered, unwatched)

    def broken(self):
        raise RuntimeError("put in on purpose")

    monkeypatch.setattr(type(hindered), "_end_call", broken)
    trained_with(adamax_tb.OptimizerHealth(tmp_path / "b", every=1), unwatched)
    reports = [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]
    assert "cannot write into" in reports[0]
    assert f"{STEPS} records" in reports[1]
    assert "put in on purpose" in reports[2]
    assert len(reports) == 3


#: Another test of this process may have started JAX, which warns of every fork.
forks = pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning")


@forks
def test_a_process_that_is_forked_leaves_the_record_to_its_parent(tmp_path):
    from synthetic import healthy_stats, table

    from adamax_tb.writer import EventWriter

    writer = EventWriter(str(tmp_path / "a"), table())
    writer.write(np.array([1]), healthy_stats([1]), {})
    writer.flush()
    writer.write(np.array([2]), healthy_stats([1]), {})
    child = os.fork()
    if not child:
        try:
            writer.flush()
            writer.write(np.array([9]), healthy_stats([1]), {})
            writer.close()
            os.kill(os.getpid(), 9)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 9
    writer.write(np.array([3]), healthy_stats([1]), {})
    writer.close()
    run = adamax_tb.read_runs(tmp_path)["a"]
    assert run.steps.tolist() == [1, 2, 3]
    assert run.notes == ()


@forks
def test_a_worker_of_a_data_loader_that_is_ended_harms_no_record(tmp_path, unwatched):
    """It was forked, with our handlers of signals."""
    workers = []

    def fork():
        workers.append(os.fork())
        if not workers[-1]:
            try:
                time.sleep(60)
            finally:
                os._exit(0)

    def end():
        os.kill(workers[0], signal.SIGTERM)
        os.waitpid(workers[0], 0)

    health = adamax_tb.OptimizerHealth(tmp_path / "a", every=1)
    trained_with(health, unwatched, batch_10=fork, batch_30=end)
    run = adamax_tb.read_runs(tmp_path)["a"]
    assert run.steps.tolist() == list(range(1, STEPS + 1))
    assert run.notes == ()


@forks
def test_a_worker_that_outlives_its_process_holds_no_directory(tmp_path):
    from adamax_tb.rundirectory import RunDirectory

    directory = RunDirectory(str(tmp_path / "a"))
    directory.hold()
    there, here = os.pipe()
    worker = os.fork()
    if not worker:
        os.write(here, b"!")
        time.sleep(60)
        os._exit(0)
    try:
        assert os.read(there, 1)
        os.close(directory._descriptor)  # as the end of a process does
        directory._descriptor = None
        other = RunDirectory(str(tmp_path / "a"))
        other.hold()
        assert other.is_asked_one
        other.release()
    finally:
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)
        os.close(there)
        os.close(here)


real_fstat = os.fstat


def no_links(descriptor):
    return types.SimpleNamespace(st_nlink=0, st_size=real_fstat(descriptor).st_size)


def unlockable(descriptor, operation):
    raise OSError(errno.ENOLCK, "No locks available")


@pytest.mark.parametrize(("name", "call"), [("os.fstat", no_links), ("fcntl.flock", unlockable)])
def test_file_systems_that_know_less_are_written_all_the_same(tmp_path, monkeypatch, name, call):
    from synthetic import healthy_stats, table

    from adamax_tb.writer import EventWriter

    monkeypatch.setattr(name, call)
    writer = EventWriter(str(tmp_path / "a"), table())
    for step in range(1, 6):
        writer.write(np.array([step]), healthy_stats([1]), {})
        writer.flush()
        writer._log._directory.hold()  # as after an outage
    writer.close()
    run = adamax_tb.read_runs(tmp_path)["a"]
    assert run.steps.tolist() == [1, 2, 3, 4, 5]
    assert len([*(tmp_path / "a").iterdir()]) == 1


def test_a_directory_that_another_computer_deleted_is_made_and_held_anew(tmp_path, monkeypatch):
    from adamax_tb.rundirectory import RunDirectory

    directory = RunDirectory(str(tmp_path / "a"))
    directory.hold()
    (tmp_path / "a").rmdir()

    def stale(descriptor):
        monkeypatch.undo()
        raise OSError(errno.ESTALE, "Stale file handle")  # as NFS has it

    monkeypatch.setattr(os, "fstat", stale)
    directory.hold()
    other = RunDirectory(str(tmp_path / "a"))
    other.hold()
    assert directory.is_asked_one
    assert other.path == str(tmp_path / "a" / "2")
    directory.release()
    other.release()


def test_a_training_that_is_interrupted_and_begun_again_is_one_run(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                raise KeyboardInterrupt

    interrupted = adamax_tb.OptimizerHealth(tmp_path / "a", every=1)
    made = classifier(adamax_tb.AdaMax())
    with pytest.raises(KeyboardInterrupt):  # as in a notebook, whose objects live on
        made.fit(FEATURES, CLASSES, batch_size=16, verbose=0, callbacks=[interrupted, Stop()])
    again = adamax_tb.OptimizerHealth(tmp_path / "a", every=1)
    made.fit(FEATURES, CLASSES, batch_size=16, verbose=0, callbacks=[again])
    runs = adamax_tb.read_runs(tmp_path)
    assert list(runs) == ["a"]
    assert runs["a"].steps.tolist() == list(range(1, 8))


def test_an_interruption_while_the_file_is_closed_loses_nothing_of_the_next_fit(
    tmp_path, monkeypatch
):
    from adamax_tb.writer import EventWriter

    close = EventWriter.close

    def interrupted(self):
        close(self)
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(EventWriter, "close", interrupted)
    health = adamax_tb.OptimizerHealth(tmp_path / "a", every=1)
    made = classifier(adamax_tb.AdaMax())
    with pytest.raises(KeyboardInterrupt):
        made.fit(FEATURES, CLASSES, batch_size=16, verbose=0, callbacks=[health])
    made.fit(FEATURES, CLASSES, batch_size=16, verbose=0, callbacks=[health])
    assert adamax_tb.read_runs(tmp_path)["a"].steps.tolist() == list(range(1, 9))


def test_a_file_that_cannot_be_closed_gives_its_directory_free(tmp_path, monkeypatch):
    from adamax_tb.recordfile import RecordFile

    def broken(self):
        self._file.close()
        raise OSError(122, "Disk quota exceeded")

    writer = adamax_tb.HealthWriter(tmp_path / "a", ["w"])
    writer.write(1, {"gradient_norm": [1.0]})
    writer.flush()
    monkeypatch.setattr(RecordFile, "close", broken)
    with pytest.warns(UserWarning, match="Disk quota exceeded"):
        writer.close()
    monkeypatch.undo()
    other = adamax_tb.HealthWriter(tmp_path / "a", ["w"])
    other.write(2, {"gradient_norm": [1.0]})
    other.close()
    assert adamax_tb.read_runs(tmp_path)["a"].steps.tolist() == [1, 2]


def test_a_loop_whose_optimizer_cannot_be_asked_any_more_is_left_alone(tmp_path, monkeypatch):
    optimizer = adamax_tb.AdaMax()
    optimizer.build([keras.Variable([1.0])])

    def broken(self):
        raise RuntimeError("put in on purpose")

    with (
        pytest.warns(UserWarning, match="stopped recording.*on purpose"),
        adamax_tb.record(optimizer, tmp_path / "a", every=1) as loop,
    ):
        optimizer.apply([np.ones(1, np.float32)])
        monkeypatch.setattr(recording.Recording, "iterations", property(broken))
    assert "_clip_gradients" not in optimizer.__dict__
    assert loop._recording._writer is None


def test_a_relative_directory_is_where_it_was_when_it_was_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    writer = adamax_tb.HealthWriter("a", ["w"])
    (tmp_path / "b").mkdir()
    monkeypatch.chdir(tmp_path / "b")
    writer.write(1, {"gradient_norm": [1.0]})
    writer.close()
    assert list(adamax_tb.read_runs(tmp_path)) == ["a"]


def test_what_waits_takes_no_more_memory_than_is_counted():
    import tracemalloc

    from synthetic import healthy_stats

    from adamax_tb import events, schema

    rows = []
    tracemalloc.start()
    for step in range(100):
        stats = {schema.statistic_tag(n): v.copy() for n, v in healthy_stats([step]).items()}
        rows.append(events.Rows.of(np.array([step]), stats, 0.0, False))
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert 0.5 < taken / sum(row.size_bytes for row in rows) < 1.25
