"""`OptimizerHealth` in real `fit` calls: what a user may get wrong, and that being watched does no harm."""

import os
import threading

import keras
import numpy as np
import pytest
from models import X, Y, classifier, fit

import adamax_tb


@pytest.mark.parametrize("every", [0, -1, 2.5, "10", None, True, 10_001])
def test_a_bad_every_is_named(tmp_path, every):
    with pytest.raises(ValueError, match="`every`.*positive integer"):
        adamax_tb.OptimizerHealth(tmp_path / "a", every=every)


def test_a_log_dir_below_a_file_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="`log_dir`.*file"):
        adamax_tb.OptimizerHealth(tmp_path / "file" / "run")


def test_a_log_dir_that_is_a_file_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="`log_dir`.*file"):
        adamax_tb.OptimizerHealth(tmp_path / "file")


def test_a_log_dir_without_permission_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    with pytest.raises(ValueError, match="`log_dir`.*permission"):
        adamax_tb.OptimizerHealth(tmp_path / "a")


def test_a_model_not_compiled_is_told_to_compile(tmp_path):
    callback = adamax_tb.OptimizerHealth(tmp_path / "a")
    with pytest.raises(ValueError, match=r"compiled model.*model\.compile"):
        callback.set_model(classifier(None))


@pytest.mark.parametrize(
    ("every", "epochs", "steps"),
    [(1, 1, [1, 2, 3, 4, 5, 6, 7, 8]), (10, 5, [1, 10, 20, 30, 40]), (100, 1, [1])],
)
def test_records_come_at_step_1_and_at_multiples_of_every(tmp_path, every, epochs, steps):
    fit(
        classifier(adamax_tb.AdaMax()),
        adamax_tb.OptimizerHealth(tmp_path / "a", every=every),
        epochs=epochs,
    )
    run = adamax_tb.read_runs(tmp_path)["a"]
    assert run.steps.tolist() == steps
    assert run.layers == ("net/hidden/kernel", "net/hidden/bias", "net/out/kernel", "net/out/bias")
    assert run.optimizer == "AdaMax"
    assert run.hyperparameters["learning_rate"] == 0.001
    assert np.all(np.isfinite(run.loss))


def test_a_second_fit_continues_the_run(tmp_path):
    made = classifier(adamax_tb.AdaMax())
    callback = adamax_tb.OptimizerHealth(tmp_path / "a", every=4)
    fit(made, callback, epochs=2)
    fit(made, callback, epochs=2)
    assert adamax_tb.read_runs(tmp_path)["a"].steps.tolist() == [1, *range(4, 33, 4)]


def test_a_fit_from_an_earlier_checkpoint_replaces_what_followed_it(tmp_path):
    made = classifier(adamax_tb.AdaMax())
    callback = adamax_tb.OptimizerHealth(tmp_path / "a", every=4)
    fit(made, callback, epochs=1)
    state = [v.numpy() for v in made.optimizer.variables]
    fit(made, callback, epochs=3)
    for variable, value in zip(made.optimizer.variables, state, strict=True):
        variable.assign(value)
    fit(made, callback, epochs=1)
    run = adamax_tb.read_runs(tmp_path)["a"]
    assert run.steps.tolist() == [1, 4, 8, 12, 16]
    assert "replaced" in run.notes[0]


def test_after_fit_the_optimizer_is_as_it_was(tmp_path):
    optimizer = adamax_tb.AdaMax()
    made = classifier(optimizer)
    before = set(optimizer.__dict__)
    fit(made, adamax_tb.OptimizerHealth(tmp_path / "a"), epochs=1)
    names = ("_distributed_tf_update_step", "_clip_gradients", "scale_loss")
    assert not set(names) & set(optimizer.__dict__)
    assert before <= set(optimizer.__dict__)
    assert len(optimizer.variables) == 2 + 2 * 4
    assert made.train_function is None  # the next fit traces its own, without us


def test_an_interrupted_fit_is_recorded_when_the_next_one_starts(tmp_path):
    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 5:
                raise KeyboardInterrupt

    made = classifier(adamax_tb.AdaMax())
    callback = adamax_tb.OptimizerHealth(tmp_path / "a", every=2)
    with pytest.raises(KeyboardInterrupt):
        fit(made, callback, Interrupt(), epochs=1)
    fit(made, callback, epochs=1)
    assert adamax_tb.read_runs(tmp_path)["a"].steps.tolist() == [1, 2, 4, 6, 8, 10, 12, 14]


def test_evaluate_and_predict_take_the_callback_and_leave_nothing(tmp_path):
    optimizer = adamax_tb.AdaMax()
    made = classifier(optimizer)
    callback = adamax_tb.OptimizerHealth(tmp_path / "a")
    made.evaluate(X, Y, verbose=0, callbacks=[callback])
    made.predict(X, verbose=0, callbacks=[callback])
    assert "scale_loss" not in optimizer.__dict__


def test_a_directory_that_cannot_be_made_any_more_harms_the_record_not_the_training(tmp_path):
    callback = adamax_tb.OptimizerHealth(tmp_path / "a", every=2)
    assert not (tmp_path / "a").exists()  # it comes with the first record
    (tmp_path / "a").write_text("in the way")
    made, unwatched = classifier(adamax_tb.AdaMax()), classifier(adamax_tb.AdaMax())
    with pytest.warns(UserWarning, match="OptimizerHealth") as warned:
        fit(made, callback)
    report, loss = (str(warning.message) for warning in warned)
    assert "cannot write into" in report
    assert "Training goes on" in report
    assert "21 records of OptimizerHealth" in loss
    fit(unwatched)
    for ours, theirs in zip(made.get_weights(), unwatched.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("log_dir", [None, 5])
def test_a_log_dir_that_is_no_path_is_named(log_dir):
    with pytest.raises(ValueError, match="`log_dir` must be a path"):
        adamax_tb.OptimizerHealth(log_dir)


def test_two_layers_of_one_name_are_two_rows(tmp_path):
    inputs = keras.Input((6,))

    class Twins(keras.Model):
        def __init__(self):
            super().__init__(name="m")
            self.one, self.two = keras.layers.Dense(6, name="d"), keras.layers.Dense(3, name="d")

        def call(self, x):
            return self.two(self.one(x))

    made = Twins()
    made(inputs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    made.compile(adamax_tb.AdaMax(), loss, jit_compile=False)
    fit(made, adamax_tb.OptimizerHealth(tmp_path / "a"), epochs=1)
    run = adamax_tb.read_runs(tmp_path)["a"]
    assert len(set(run.layers)) == 4
    norms = run.stat("gradient_norm")[0]
    assert len(set(norms.tolist())) == 4


def test_a_spike_after_the_last_record_of_a_fit_is_in_the_first_of_the_next(tmp_path):
    made = classifier(adamax_tb.AdaMax())
    callback = adamax_tb.OptimizerHealth(tmp_path / "a", every=10)
    fit(made, callback, epochs=2)
    made.fit(1e3 * X[:8], Y[:8], batch_size=8, verbose=0, callbacks=[callback])  # update 17
    fit(made, callback, epochs=1)
    run = adamax_tb.read_runs(tmp_path)["a"]
    assert run.steps.tolist() == [1, 10, 20]
    assert run.stat("gradient_norm_peak_step")[-1, 0] == 17


def test_a_run_that_blows_up_makes_no_noise_of_its_own(tmp_path):
    made = classifier(adamax_tb.AdaMax(1e6))
    fit(made, adamax_tb.OptimizerHealth(tmp_path / "a", every=1))  # warnings are errors here
    (finding,) = adamax_tb.diagnose(adamax_tb.read_runs(tmp_path)["a"])
    assert (finding.rule, finding.severity) == ("exploding-gradient", "critical")


def test_no_thread_outlives_a_fit(tmp_path):
    fit(classifier(adamax_tb.AdaMax()), adamax_tb.OptimizerHealth(tmp_path / "a"), epochs=1)
    assert not [t for t in threading.enumerate() if t.name == "adamax-tb writer"]


def test_a_frozen_layer_is_no_row_and_one_without_gradient_is_not_recorded(tmp_path):
    inputs = keras.Input((6,))
    used = keras.layers.Dense(3, name="used")(inputs)
    frozen = keras.layers.Dense(3, name="frozen", trainable=False)(inputs)
    unused = keras.layers.Dense(3, name="unused")(inputs)
    made = keras.Model(inputs, {"out": used + frozen, "other": unused})
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    made.compile(adamax_tb.AdaMax(), {"out": loss}, jit_compile=False)
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        made.fit(
            X, {"out": Y}, batch_size=8, epochs=1, verbose=0,
            callbacks=[adamax_tb.OptimizerHealth(tmp_path / "a", every=1)],
        )  # fmt: skip
    run = adamax_tb.read_runs(tmp_path)["a"]
    assert not any("frozen" in layer for layer in run.layers)
    unused = run.layers.index("unused/kernel")
    assert np.all(run.stat("weight_norm")[:, unused].view(np.uint32) == 0x7FFFFFFF)
    assert np.all(run.stat("weight_norm")[:, run.layers.index("used/kernel")] > 0)


@pytest.mark.parametrize("optimizer", [adamax_tb.AdaMax, keras.optimizers.SGD])
def test_a_schedule_that_cannot_be_saved_is_recorded_as_any_other(tmp_path, optimizer):
    class Schedule(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return 0.01

    fit(classifier(optimizer(Schedule())), adamax_tb.OptimizerHealth(tmp_path / "a", every=1))
    run = adamax_tb.read_runs(tmp_path)["a"]
    assert run.hyperparameters["learning_rate"] == pytest.approx(0.01)
    assert len(run.steps) > 1
