"""Several processes that train together, for real, on loopback: one record per job, whatever happens to them."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from workers import JAX, TENSORFLOW, Workers

from adamax_tb import diagnose, read_runs

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = {"tensorflow": TENSORFLOW, "jax": JAX}
UPDATES = {"tensorflow": {"updates": 60}, "jax": {"epochs": 1}}  # of 50
PAUSE_S = 0.05
#: Sums of half batches, added up, differ from those of whole ones in the last digits, fed back sixty times.
TRAINED = 1e-3


def train(tmp_path, backend="tensorflow", name="run", **options):
    """Has workers train to the end; returns what they said. Each has a log directory of its own name."""
    options = {**UPDATES[backend], "pause": PAUSE_S, **options}
    logs = tmp_path / f"{name} logs"
    logs.mkdir()
    directories = [tmp_path / name / str(i) for i in range(2)]
    with Workers(SCRIPTS[backend], directories, logs, options, backend) as workers:
        return workers.wait()


def the_run(tmp_path, name="run"):
    """The one run that a job wrote, which is the chief's."""
    runs = read_runs(tmp_path / name)
    assert set(runs) == {"0"}
    assert [path.name for path in (tmp_path / name).iterdir()] == ["0"]
    return runs["0"]


def compared(run, name):
    values = run.stat(name)
    return values[~np.isnan(values)]


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_two_workers_record_what_one_process_records_of_whole_batches(backend, tmp_path):
    texts = train(tmp_path, backend)
    train(tmp_path, backend, "alone", workers=1, pause=0)
    two, one = the_run(tmp_path), the_run(tmp_path, "alone")
    assert two.steps.tolist() == one.steps.tolist()
    assert two.layers == one.layers
    assert set(two.statistics) - set(one.statistics) == {
        "replica_spread",
        "replica_gradient_spread",
    }
    for name in one.statistics:
        np.testing.assert_allclose(
            two.stat(name), one.stat(name), rtol=TRAINED, atol=1e-6, err_msg=name
        )
    # measured: workers that apply one reduced gradient agree to the last bit
    for name in ("replica_spread", "replica_gradient_spread"):
        assert compared(two, name).size
        assert not compared(two, name).any()
    assert not [f.rule for f in diagnose(two) if f.rule == "replicas-disagree"]
    assert not any("OptimizerHealth" in text for text in texts)


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_a_worker_that_changes_its_copy_is_told_of_by_the_chief_alone(backend, tmp_path):
    more = {"updates": 120} if backend == "tensorflow" else {"epochs": 3}
    chief, other = train(tmp_path, backend, noise=[1, 40], **more)
    (found,) = [f for f in diagnose(the_run(tmp_path)) if f.rule == "replicas-disagree"]
    assert (found.severity, found.layer) == ("critical", "sequential/hidden/kernel")
    assert found.first_step > 40
    assert "were equal at first" in found.message
    assert "gradients that they apply are the same" in found.message
    assert "replicas-disagree (critical)" in chief
    assert "OptimizerHealth" not in other


def test_processes_whose_gradients_nobody_reduces_are_told_so(tmp_path):
    chief, _ = train(tmp_path, "jax", apart=True, epochs=3)
    (found,) = [f for f in diagnose(the_run(tmp_path)) if f.rule == "replicas-disagree"]
    assert "these are not reduced over the processes" in found.message
    assert "compared for the first time" in found.message
    assert found.evidence["layers"] == 4
    assert "DataParallel" in found.suggestion
    assert "not reduced" in chief


def test_a_worker_that_is_killed_leaves_the_chief_a_record_with_its_last_updates(tmp_path):
    (tmp_path / "logs").mkdir()
    options = {"updates": 400, "pause": PAUSE_S, "kill": [1, 60]}
    directories = [tmp_path / "run" / str(i) for i in range(2)]
    with Workers(TENSORFLOW, directories, tmp_path / "logs", options) as workers:
        chief, other = (process.wait(240) for process in workers.processes)
    assert other == -9
    assert chief not in (0, -9)
    run = the_run(tmp_path)
    assert run.notes == ()
    assert run.steps.tolist()[:60] == [*range(1, 61)]
    assert set(run.flight.reasons) == {"exception"}
    assert run.flight.steps[-1] == run.steps[-1]


def test_a_chief_that_is_killed_leaves_what_was_written_and_a_restart_goes_on_with_it(tmp_path):
    (tmp_path / "logs").mkdir()
    checkpoint = str(tmp_path / "checkpoint")
    options = {
        "updates": 600,
        "pause": PAUSE_S,
        "save_at": [39, checkpoint],
        "kill": [0, 200],
    }
    directories = [tmp_path / "run" / str(i) for i in range(2)]
    with Workers(TENSORFLOW, directories, tmp_path / "logs", options) as workers:
        chief, other = (process.wait(240) for process in workers.processes)
    assert chief == -9
    assert other not in (0, -9)
    run = the_run(tmp_path)
    count = len(run.steps)
    assert count > 60  # five seconds at most were not on the disk yet
    assert run.steps.tolist() == [*range(1, count + 1)]
    assert all("its writer was killed" in note for note in run.notes)
    texts = train(tmp_path, restore=f"{checkpoint}-0", updates=100)
    assert "finished at 140" in texts[0]
    again = the_run(tmp_path)
    assert again.steps.tolist() == [*range(1, 141)]
    assert any("started again from an earlier step" in note for note in again.notes)
    np.testing.assert_array_equal(again.stat("weight_norm")[:40], run.stat("weight_norm")[:40])


def test_a_jax_process_that_is_killed_leaves_the_chief_all_records_but_the_last_ones(tmp_path):
    (tmp_path / "logs").mkdir()
    options = {"epochs": 20, "pause": PAUSE_S, "kill": [1, 120]}
    directories = [tmp_path / "run" / str(i) for i in range(2)]
    with Workers(JAX, directories, tmp_path / "logs", options, "jax") as workers:
        assert workers.processes[1].wait(240) == -9
        until = time.monotonic() + 60
        # its training has failed; JAX lets it end only when it misses the other one's sign of life, after 100 s
        while "Traceback" not in workers.logs[0].read_text():
            assert time.monotonic() < until
            time.sleep(0.2)
    run = the_run(tmp_path)
    assert run.notes == ()
    # what was under way, and what the device held, is lost with the update that failed
    assert run.steps.tolist()[:90] == [*range(1, 91)]


@pytest.mark.parametrize(
    ("backend", "options"),
    [
        ("tensorflow", {"updates": 20000, "pause": 0}),
        ("jax", {"epochs": 30}),
    ],
)
def test_stop_on_ends_all_at_the_same_update(backend, options, tmp_path):
    texts = train(tmp_path, backend, stop_on=["replicas-disagree"], noise=[1, 10], **options)
    ends = [int(re.search(r"finished at (\d+)", text)[1]) for text in texts]
    run = the_run(tmp_path)
    planned = options.get("updates") or 50 * options["epochs"]
    assert ends[0] == ends[1] == run.steps[-1] < planned
    assert "training ends soon, in all processes: replicas-disagree is in `stop_on`" in texts[0]
    assert "OptimizerHealth" not in texts[1]
    assert [f.rule for f in diagnose(run)] == ["replicas-disagree"]


def test_a_function_that_exits_ends_the_loops_of_all(tmp_path):
    (tmp_path / "logs").mkdir()
    options = {"updates": 20000, "leave": True, "noise": [1, 10]}
    directories = [tmp_path / "run" / str(i) for i in range(2)]
    with Workers(TENSORFLOW, directories, tmp_path / "logs", options) as workers:
        assert [process.wait(120) for process in workers.processes] == [3, 0]
        (end,) = re.findall(r"finished at (\d+)", workers.logs[1].read_text())
    assert the_run(tmp_path).steps[-1] == int(end) < 20000


FIT = """
import sys
import keras
import numpy as np
import tensorflow as tf
import adamax_tb

strategy = tf.distribute.MultiWorkerMirroredStrategy()
with strategy.scope():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1)])
    model.compile(adamax_tb.AdaMax(), "mse")
health = adamax_tb.OptimizerHealth(sys.argv[2])
x, y = np.ones((32, 6), np.float32), np.ones((32, 1), np.float32)
try:
    model.fit(x, y, verbose=0, callbacks=[health])
except ValueError as error:
    print("fit failed:", error)
else:
    print("fit works")
"""


def test_fit_under_a_multi_worker_strategy_fails_in_keras_and_we_say_what_to_do(tmp_path):
    for text in train_fit(tmp_path):
        assert "Train in a loop of your own, with adamax_tb.record" in text
        # when this fails Keras has repaired it: say so in docs/guide/several-workers.md
        assert "fit failed: Attempt to convert a value (PerReplica" in text
    assert not (tmp_path / "run").exists()


def train_fit(tmp_path):
    (tmp_path / "logs").mkdir()
    with Workers(FIT, [tmp_path / "run"] * 2, tmp_path / "logs", {}) as workers:
        return workers.wait()


# The example, which starts it all


def example(tmp_path, name="multi_worker.py", *arguments):
    """The example's process, whose output is to be read."""
    command = [sys.executable, "-u", str(EXAMPLES / name), *arguments]
    return subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def read_until(process, words):
    """Reads what is printed up to a line that holds `words`; returns it and the pids of the workers."""
    said = ""
    for line in process.stdout:
        said += line
        if words in line:
            return said, [int(pid) for pid in re.findall(r"process (\d+)", said)]
    raise AssertionError(said)


def is_running(pid):
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_the_ninth_step_shows_one_run_and_the_replica_that_disagrees(tmp_path):
    process = example(tmp_path, "09_several_workers.py")
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert "worker 1: epoch 12 of 12: loss" in said
    assert "worker 0: OptimizerHealth" in said
    assert "worker 1: OptimizerHealth" not in said
    assert said.rstrip().endswith("tensorboard --logdir runs/09_several_workers")
    assert "oneDNN" not in said
    run = read_runs(tmp_path / "runs")["09_several_workers"]
    (found,) = diagnose(run)
    assert (found.rule, found.layer) == ("replicas-disagree", "digits/dense/kernel")
    # they part at 140; workers are compared twice a second, which is up to a hundred steps of so small a model
    assert 140 < found.first_step <= 260
    assert found.evidence["spread"] == pytest.approx(0.0476, abs=0.01)
    assert run.loss[-1] < 0.3 * run.loss[0]
    assert run.loss[0] == pytest.approx(np.log(10), rel=0.2)  # of all replicas


def test_the_example_on_jax_is_healthy(tmp_path):
    process = example(tmp_path, "multi_worker.py", "--backend", "jax", "--epochs", "4")
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0, said
    run = read_runs(tmp_path / "runs")["multi_worker"]
    assert diagnose(run) == []
    assert run.steps[-1] == 110
    assert compared(run, "replica_spread").size
    assert not compared(run, "replica_spread").any()


def test_a_worker_that_fails_is_named_and_takes_the_others_with_it(tmp_path):
    with example(tmp_path, "multi_worker.py", "--epochs", "500") as process:
        _, workers = read_until(process, "epoch 2 of")
        os.kill(workers[1], signal.SIGKILL)
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "worker 1 was ended by SIGKILL; the others were ended, too." in said
    assert not any(is_running(worker) for worker in workers)
    assert read_runs(tmp_path / "runs")["multi_worker"].steps.size


def test_ctrl_c_ends_all_and_leaves_a_record_that_says_so(tmp_path):
    with example(tmp_path, "multi_worker.py", "--epochs", "500") as process:
        _, workers = read_until(process, "epoch 2 of")
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "asking the workers to end" in said
    assert "Traceback" not in said
    assert not any(is_running(worker) for worker in workers)
    run = read_runs(tmp_path / "runs")["multi_worker"]
    assert run.notes == ()
    assert set(run.flight.reasons) <= {"interrupt", "exception"}  # or that the other one is gone
