"""Findings while real models train: told once, in good time, without harm, and training ends where it is to."""

import os
import pty
import subprocess
import sys
import termios
import textwrap
import threading
import time

import keras
import numpy as np
import pyte
import pytest
import tensorflow as tf
from models import LOSS, X, Y, classifier, dictated, fit, gradients, mean_output, train
from stock import copies_variables

import adamax_tb
from adamax_tb import rules
from adamax_tb.rules import Finding

NAN_AT = 34


@pytest.fixture(autouse=True)
def prompt(monkeypatch):
    """What goes by the clock goes by the record."""
    monkeypatch.setattr("adamax_tb.recording.DRAIN_S", 0.0)
    monkeypatch.setattr("adamax_tb.watch.Budget.affords", lambda budget, urgent: True)


def found_from(step, rule="dead-units", severity="warning"):
    """Returns what stands for `rules.judged` and finds one thing from this step on."""

    def judged(run):
        steps = run.steps[run.steps >= step].tolist()
        where = [(run.layers[0], steps[0], steps[-1])] if steps else []
        return [Finding(rule, severity, *held, "Here.", {}, "That.") for held in where], {}

    return judged


def nan_model(steps=200, **arguments):
    """Returns a model and gradients of which update `NAN_AT`'s is NaN."""
    model = dictated((3,), (4,))
    model.compile(adamax_tb.AdaMax(1e-3), mean_output, **{"jit_compile": False, **arguments})
    grads = gradients(steps, (3,), (4,))
    grads[0][NAN_AT - 1, 1] = np.nan
    return model, grads


# Arguments


MAKERS = {
    "fit": adamax_tb.OptimizerHealth,
    "loop": lambda *args, **kwargs: adamax_tb.record(adamax_tb.AdaMax(), *args, **kwargs),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("on_finding", ["print", 5, []])
def test_what_is_no_function_is_named(tmp_path, make, on_finding):
    with pytest.raises(ValueError, match=r"`on_finding` must be a function.*Received: on_finding="):
        make(tmp_path, on_finding=on_finding)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize(
    "stop_on", ["nan", ["nonfinite", "exploding"], 5, [None], {"nonfinite": 1}]
)
def test_names_that_no_rule_has_are_answered_with_those_there_are(tmp_path, make, stop_on):
    with pytest.raises(
        ValueError, match=r"`stop_on`.*There are: .*dead-units, .*Received: stop_on="
    ):
        make(tmp_path, stop_on=stop_on)


@pytest.mark.parametrize("stop_on", [None, (), "nonfinite", ["dead-units"], {"spike-stall"}])
def test_names_of_rules_are_taken_as_they_come(tmp_path, stop_on):
    adamax_tb.OptimizerHealth(tmp_path, stop_on=stop_on)


# fit


@pytest.mark.parametrize("arguments", [{}, {"jit_compile": True}, {"steps_per_execution": 5}])
def test_a_nan_ends_the_epoch_at_the_next_record_with_its_flight_record(
    tmp_path, caplog, arguments
):
    found = []
    model, grads = nan_model(**arguments)
    health = adamax_tb.OptimizerHealth(tmp_path, on_finding=found.append, stop_on="nonfinite")
    train(model, grads, health, epochs=3)
    assert int(model.optimizer.iterations.numpy()) == 40
    assert len(model.history.epoch) == 1
    run = adamax_tb.read_runs(tmp_path)["."]
    assert run.flight.reasons[NAN_AT - 1] == "nonfinite gradient"
    assert [(f.rule, f.first_step) for f in found] == [("nonfinite", NAN_AT)]
    told, stopped = (r.message for r in caplog.records if r.name == "adamax_tb")
    assert told.startswith("OptimizerHealth, step 40: nonfinite (critical). ")
    assert stopped == "OptimizerHealth, step 40: training ends here: nonfinite is in `stop_on`."


def test_the_flight_record_is_on_the_disk_when_training_is_told_to_end(tmp_path):
    flights = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.model.stop_training:
                flights.append(adamax_tb.read_runs(tmp_path)["."].flight)

    model, grads = nan_model()
    train(model, grads, adamax_tb.OptimizerHealth(tmp_path, stop_on="nonfinite"), Look())
    (flight,) = flights
    assert NAN_AT in flight.steps


def test_training_ends_within_its_epoch_and_the_next_fit_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(rules, "judged", found_from(50))
    model = classifier(adamax_tb.AdaMax())
    health = adamax_tb.OptimizerHealth(tmp_path, every=1, stop_on=["dead-units"])
    fit(model, health, epochs=20)
    # held at 50 to 56: a tenth of the records
    assert int(model.optimizer.iterations.numpy()) == 56
    assert len(model.history.epoch) == 7
    assert set(adamax_tb.read_runs(tmp_path)["."].flight.reasons) == {"critical finding"}
    monkeypatch.setattr(rules, "judged", lambda run: ([], {}))
    fit(model, health, epochs=1)
    assert int(model.optimizer.iterations.numpy()) == 64


@copies_variables
def test_what_other_callbacks_and_the_validation_do_at_the_end_they_do(tmp_path, monkeypatch):
    monkeypatch.setattr(rules, "judged", found_from(50))
    model = classifier(adamax_tb.AdaMax())
    health = adamax_tb.OptimizerHealth(tmp_path, every=1, stop_on="dead-units")
    history = model.fit(
        X, Y, batch_size=8, epochs=20, verbose=0, validation_data=(X, Y),
        callbacks=[health, keras.callbacks.ModelCheckpoint(tmp_path / "last.keras")],
    )  # fmt: skip
    assert len(history.history["val_loss"]) == 7
    assert (tmp_path / "last.keras").exists()


def test_without_stop_on_training_goes_on(tmp_path):
    model, grads = nan_model(60)
    train(model, grads, adamax_tb.OptimizerHealth(tmp_path))
    assert int(model.optimizer.iterations.numpy()) == 60


def test_a_warning_is_told_once_over_several_fits(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(rules, "judged", found_from(10))
    model = classifier(adamax_tb.AdaMax())
    found = []
    health = adamax_tb.OptimizerHealth(tmp_path, every=1, on_finding=found.append)
    for _ in range(5):
        fit(model, health, epochs=1)
    assert [(f.rule, f.severity) for f in found] == [("dead-units", "warning")]
    assert len([r for r in caplog.records if r.name == "adamax_tb"]) == 1
    assert adamax_tb.read_runs(tmp_path)["."].flight is None  # that is for what is critical


def raising(found):
    raise RuntimeError("no network")


@pytest.mark.parametrize("on_finding", [[].append, raising])
def test_the_weights_are_the_same_whatever_the_function_does(tmp_path, monkeypatch, on_finding):
    monkeypatch.setattr(rules, "judged", found_from(10))
    watched, alone = classifier(adamax_tb.AdaMax()), classifier(adamax_tb.AdaMax())
    health = adamax_tb.OptimizerHealth(tmp_path, every=1, on_finding=on_finding)
    if on_finding is raising:
        with pytest.warns(UserWarning, match="`on_finding`.*no network"):
            fit(watched, health)
    else:
        fit(watched, health)
    fit(alone)
    for ours, theirs in zip(watched.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert adamax_tb.read_runs(tmp_path)["."].steps.tolist() == [*range(1, 41)]


def test_a_rule_that_raises_costs_no_record(tmp_path, monkeypatch):
    monkeypatch.setattr(rules, "judged", lambda run: 1 / 0)
    with pytest.warns(UserWarning, match="could not judge.*ZeroDivisionError") as warned:
        fit(classifier(adamax_tb.AdaMax()), adamax_tb.OptimizerHealth(tmp_path, every=1))
    assert len(warned) == 1
    assert adamax_tb.read_runs(tmp_path)["."].steps.tolist() == [*range(1, 41)]


def test_a_function_may_interrupt_the_training(tmp_path, monkeypatch):
    monkeypatch.setattr(rules, "judged", found_from(10))

    def interrupting(found):
        raise KeyboardInterrupt

    model = classifier(adamax_tb.AdaMax())
    health = adamax_tb.OptimizerHealth(tmp_path, every=1, on_finding=interrupting)
    with pytest.raises(KeyboardInterrupt):
        fit(model, health)
    assert int(model.optimizer.iterations.numpy()) == 12
    health.on_train_end()  # a process ends here
    assert adamax_tb.read_runs(tmp_path)["."].steps.tolist() == [*range(1, 13)]


def test_a_budget_that_affords_nothing_leaves_what_is_found_to_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(rules, "judged", found_from(10))
    monkeypatch.setattr("adamax_tb.watch.Budget.affords", lambda budget, urgent: False)
    seen = []

    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(len(found))

    found = []
    health = adamax_tb.OptimizerHealth(tmp_path, every=1, on_finding=found.append)
    fit(classifier(adamax_tb.AdaMax()), health, Look())
    assert seen == [0] * 5
    assert len(found) == 1


# Loops without fit


def waited_for(holds):
    """Waits until what another thread does makes `holds()` true."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_loop_is_told_to_stop(tmp_path):
    model = classifier("adamax")
    x = X.copy()
    x[0, 0] = np.nan
    threads = []
    on_finding = lambda found: threads.append(threading.current_thread())  # noqa: E731
    with adamax_tb.record(
        model, tmp_path, every=2, on_finding=on_finding, stop_on="nonfinite"
    ) as recording:
        for _ in range(4):
            model.train_on_batch(X[:8], Y[:8])
        assert not recording.should_stop
        for _ in range(2):
            model.train_on_batch(x[:8], Y[:8])
        waited_for(lambda: recording.should_stop)
        assert 5 in adamax_tb.read_runs(tmp_path)["."].flight.steps
    assert recording.should_stop
    assert threads
    assert threading.main_thread() not in threads


def test_a_function_that_exits_ends_the_loop(tmp_path, monkeypatch):
    monkeypatch.setattr(rules, "judged", found_from(10))
    model = classifier("adamax")

    def exiting(found):
        if threading.current_thread() is not threading.main_thread():
            sys.exit("enough")

    def loop():
        with adamax_tb.record(model, tmp_path, every=1, on_finding=exiting) as recording:

            def stopped():
                model.train_on_batch(X[:8], Y[:8])
                return recording.should_stop

            waited_for(stopped)

    with pytest.raises(SystemExit, match="enough"):
        loop()
    assert "scale_loss" not in model.optimizer.__dict__


def test_a_loop_gets_its_weights_as_without(tmp_path, monkeypatch):
    monkeypatch.setattr(rules, "judged", found_from(3))
    watched, alone = classifier(adamax_tb.AdaMax()), classifier(adamax_tb.AdaMax())
    found = []
    with adamax_tb.record(watched, tmp_path, every=1, on_finding=found.append):
        for _ in range(30):
            watched.train_on_batch(X[:8], Y[:8])
    for _ in range(30):
        alone.train_on_batch(X[:8], Y[:8])
    assert len(found) == 1
    for ours, theirs in zip(watched.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


# The terminal

SCRIPT = """
    import sys
    import keras
    import numpy as np
    import adamax_tb, adamax_tb.recording

    adamax_tb.recording.DRAIN_S = 0.0
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="d")])
    model.compile(adamax_tb.AdaMax(), "mse", jit_compile=False)
    x = np.ones((480, 4), np.float32)
    x[8 * 33 :] = np.nan
    model.fit(x, x[:, :3], batch_size=8, epochs=2, shuffle=False, verbose=VERBOSE,
              callbacks=[adamax_tb.OptimizerHealth(sys.argv[1], stop_on=STOP_ON)])
    print("after")
"""
BAR = "━"


def script(verbose, stop_on=()):
    code = SCRIPT.replace("VERBOSE", repr(verbose)).replace("STOP_ON", repr(stop_on))
    return [sys.executable, "-c", textwrap.dedent(code)]


QUIET = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONIOENCODING": "utf-8"}


def on_a_terminal(command, columns=400):
    """Runs `command` in a terminal of its own; returns the lines of its screen at the end."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (100, columns))
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=QUIET
    ) as process:
        os.close(theirs)
        screen = pyte.Screen(columns, 100)
        stream = pyte.ByteStream(screen)
        while True:
            try:
                came = os.read(ours, 65536)
            except OSError:  # Linux's way to say that the other end is closed
                break
            if not came:
                break
            stream.feed(came)
    os.close(ours)
    assert process.returncode == 0, screen.display
    return [line.rstrip() for line in screen.display if line.strip()]


@pytest.mark.parametrize(
    ("verbose", "stop_on"), [(0, ()), (1, ()), (2, ()), ("auto", ()), (1, "nonfinite")]
)
def test_on_a_terminal_a_finding_has_a_line_of_its_own_and_the_bar_goes_on_below(
    tmp_path, verbose, stop_on
):
    lines = on_a_terminal([*script(verbose, stop_on), str(tmp_path)])
    (said,) = (i for i, line in enumerate(lines) if "nonfinite (critical)" in line)
    assert lines[said].startswith("OptimizerHealth, step 40: nonfinite (critical). The gradient is")
    assert BAR not in lines[said]
    stopped = [line for line in lines if "training ends here" in line]
    assert len(stopped) == (1 if stop_on else 0)
    assert all(line.startswith("OptimizerHealth, step 40: training ends") for line in stopped)
    bars = [i for i, line in enumerate(lines) if BAR in line]
    if verbose in (1, "auto"):
        assert min(bars) < said < max(bars)
        assert all(lines[i].lstrip()[0].isdigit() for i in bars)
    else:
        assert not bars
    assert lines[-1] == "after"


def test_on_a_terminal_what_the_demo_finds_has_lines_of_their_own(tmp_path):
    demo = [sys.executable, "-m", "adamax_tb.cli", "demo", "--logdir", tmp_path, "--no-serve"]
    lines = on_a_terminal([*map(str, demo)], columns=1000)
    said = [line for line in lines if "OptimizerHealth, step" in line]
    assert len(said) >= 2  # of the exploding and the vanishing run
    assert all(line.startswith("OptimizerHealth, step") for line in said)
    assert not any("epoch" in line for line in said)
    assert [line.split("  loss")[0] for line in lines if "epoch" in line] == [
        f"  epoch {done}/20" for _ in range(3) for done in (5, 10, 15, 20)
    ]


@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_in_a_file_a_finding_has_a_line_of_its_own(tmp_path, verbose):
    done = subprocess.run(
        [*script(verbose), str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=QUIET, timeout=120, check=True,
    )  # fmt: skip
    lines = done.stdout.decode().splitlines()
    (said,) = (line for line in lines if "nonfinite (critical)" in line)
    assert said.startswith("OptimizerHealth, step 40: ")
    assert BAR not in said


def test_a_loop_as_the_docstring_shows_it_ends(tmp_path):
    model, optimizer = classifier("adamax"), adamax_tb.AdaMax()
    x = np.full((8, 6), np.nan, np.float32)
    with adamax_tb.record(optimizer, tmp_path, every=1, stop_on="nonfinite") as recording:

        @tf.function
        def train_step(x, y):
            with tf.GradientTape() as tape:
                loss = recording.loss(LOSS(y, model(x)))
            grads = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(grads, model.trainable_variables, strict=True))

        for _ in range(10_000):
            train_step(x, Y[:8])
            if recording.should_stop:
                break
            time.sleep(0.003)
        else:
            pytest.fail("the loop was not stopped")
