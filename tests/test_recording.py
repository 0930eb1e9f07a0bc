"""Where trainings really run: cadences that adjust, chosen variables, loops without fit, several optimizers at once."""

import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from models import LOSS, RNG, X, Y, classifier, dictated, fit, gradients, mean_output, train
from stock import copies_variables

import adamax_tb
from adamax_tb.overhead import Meter
from adamax_tb.rules import notes

# Arguments


@pytest.mark.parametrize("overhead", [0, 1, -0.1, "2 %", None, True])
def test_a_bad_overhead_is_named(tmp_path, overhead):
    with pytest.raises(ValueError, match="`overhead`.*between 0 and 1"):
        adamax_tb.OptimizerHealth(tmp_path, every="auto", overhead=overhead)


@pytest.mark.parametrize("variables", ["(", 5])
def test_bad_variables_are_named(tmp_path, variables):
    with pytest.raises(ValueError, match="`variables` must be a regular expression"):
        adamax_tb.OptimizerHealth(tmp_path, variables=variables)


# Variables


@pytest.mark.parametrize("arguments", [{}, {"global_clipnorm": 0.1}])
def test_only_chosen_variables_are_recorded_and_as_without_the_choice(tmp_path, arguments):
    for name, variables in (("all", None), ("some", "/kernel$")):
        model = classifier(adamax_tb.AdaMax(**arguments))
        fit(model, adamax_tb.OptimizerHealth(tmp_path / name, variables=variables))
    runs = adamax_tb.read_runs(tmp_path)
    assert runs["some"].layers == ("net/hidden/kernel", "net/out/kernel")
    for stat in set(runs["all"].statistics) - {"descent_share"}:
        # joined with other variables before they are reduced, or not: another order of adding up
        np.testing.assert_allclose(
            runs["some"].stat(stat), runs["all"].stat(stat)[:, [0, 2]], rtol=1e-5, err_msg=stat
        )
    shares = np.abs(runs["some"].stat("descent_share")).sum(axis=1)
    np.testing.assert_allclose(shares, 1, rtol=1e-6)


def test_a_choice_that_no_variable_meets_is_said_and_harms_nothing(tmp_path):
    watched, alone = classifier("adamax"), classifier("adamax")
    with pytest.warns(UserWarning, match="`variables`"):
        fit(watched, adamax_tb.OptimizerHealth(tmp_path, variables="no such"))
    fit(alone)
    for a, b in zip(watched.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_model_of_many_variables_in_nested_models(tmp_path, jit_compile):
    def block(i):
        inputs = keras.Input((4,))
        x = inputs
        for j in range(8):
            x = keras.layers.Dense(4, "tanh", name=f"dense_{j}")(x)
        return keras.Model(inputs, x, name=f"block_{i}")

    inputs = x = keras.Input((4,))
    for i in range(6):
        x = x + block(i)(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile(adamax_tb.AdaMax(), "mse", jit_compile=jit_compile)
    data = RNG.normal(size=(24, 4)).astype("float32")
    model.fit(
        data, data[:, :1], batch_size=8, verbose=0,
        callbacks=[adamax_tb.OptimizerHealth(tmp_path, every=3)],
    )  # fmt: skip
    run = adamax_tb.read_runs(tmp_path)["."]
    assert len(run.layers) == 98
    assert len(set(run.layers)) == 98
    wanted = [np.linalg.norm(w) for w in model.get_weights()]
    np.testing.assert_allclose(run.stat("weight_norm")[-1], wanted, rtol=1e-5)
    assert (run.stat("gradient_norm") > 0).all()


@pytest.mark.parametrize("jit_compile", [False, True])
def test_as_on_a_gpu_the_record_is_the_same(tmp_path, jit_compile, monkeypatch):
    """There is none here: what is tried is the way statistics are computed there, in whole and without a branch."""
    monkeypatch.setattr(
        "adamax_tb.recording.DRAIN_S", 60.0
    )  # the flight records end where training does
    data = X[:8], Y[:8]
    devices = tf.config.list_logical_devices
    for name in ("cpu", "gpu"):
        model = classifier(adamax_tb.AdaMax(), jit_compile=jit_compile)
        if name == "gpu":
            monkeypatch.setattr(
                tf.config,
                "list_logical_devices",
                lambda kind: [kind] if kind == "GPU" else devices(kind),
            )
        callback = adamax_tb.OptimizerHealth(tmp_path / name, every=3)
        x = np.repeat(data[0][np.newaxis], 9, axis=0)
        x[6, 0, 0] = np.nan  # update 7
        y = np.repeat(data[1][np.newaxis], 9, axis=0)
        model.fit(
            x.reshape(-1, 6),
            y.reshape(-1),
            batch_size=8,
            shuffle=False,
            verbose=0,
            callbacks=[callback],
        )
    runs = adamax_tb.read_runs(tmp_path)
    assert runs["gpu"].steps.tolist() == runs["cpu"].steps.tolist() == [1, 3, 6, 7, 9]
    for stat in runs["cpu"].statistics:
        np.testing.assert_allclose(
            runs["gpu"].stat(stat), runs["cpu"].stat(stat), rtol=1e-5, atol=1e-9, err_msg=stat
        )
    assert runs["gpu"].flight.steps.tolist() == [*range(1, 10)]


# The cadence


def test_the_cadence_keeps_to_the_budget():
    meter = Meter()
    for _ in range(10):
        meter.step(1.0, 1, 0)
        meter.step(1.5, 1, 1)
    assert meter.record_s == pytest.approx(0.5)
    assert meter.step_s == pytest.approx(1.0)
    # 0.5 / every of a step that takes 1 + 0.5 / every
    assert meter.expected(10) == pytest.approx(0.05 / 1.05)
    allowed = (1, 2, 5, 10, 20, 50, 100)
    assert meter.cadence(0.05, 10, allowed) == 10
    assert meter.cadence(0.0475, 10, allowed) == 20
    assert meter.cadence(0.9, 10, allowed) == 1
    assert meter.cadence(0.001, 10, allowed) == 100
    # 1: 0.333, but 2: 0.2 is no better than the present one with its margin
    assert meter.cadence(0.21, 5, allowed) == 5
    meter.sentinel_s = 0.04
    assert meter.expected(50) == pytest.approx(0.05 / 1.01)


def test_nothing_is_said_before_enough_is_known():
    meter = Meter()
    for _ in range(2):
        meter.step(1.0, 1, 0)
        meter.step(1.5, 1, 1)
    assert np.isnan(meter.record_s)
    assert np.isnan(meter.spent())
    for _ in range(10):  # nothing to compare with
        meter.step(1.5, 1, 1)
    assert np.isnan(meter.record_s)
    assert meter.cadence(0.02, 10, (1, 10, 100)) == 10


def test_steps_of_several_updates_are_counted_by_update():
    meter = Meter()
    for _ in range(5):
        meter.step(10.0, 10, 0)
        meter.step(12.0, 10, 2)
    assert meter.step_s == pytest.approx(1.0)
    assert meter.record_s == pytest.approx(1.0)


def test_what_recording_costs_is_in_the_record_for_a_fixed_cadence_too(tmp_path):
    fit(classifier("adamax"), adamax_tb.OptimizerHealth(tmp_path, every=4), epochs=40)
    overhead = adamax_tb.read_runs(tmp_path)["."].step_stat("overhead")
    known = overhead[np.isfinite(overhead)]
    assert known.size
    assert (known >= 0).all()
    assert (known < 1).all()


# Loops without fit


@pytest.mark.parametrize("compiled", [False, True])
def test_a_loop_is_recorded_with_its_loss(tmp_path, compiled):
    model = classifier("adamax")
    optimizer = adamax_tb.AdaMax()
    with adamax_tb.record(optimizer, tmp_path, every=2) as recording:

        def step(x, y):
            with tf.GradientTape() as tape:
                loss = recording.loss(LOSS(y, model(x)))
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            return loss

        step = tf.function(step) if compiled else step
        losses = [float(step(X[:8], Y[:8])) for _ in range(10)]
    run = adamax_tb.read_runs(tmp_path)["."]
    assert run.steps.tolist() == [1, 2, 4, 6, 8, 10]
    np.testing.assert_allclose(run.loss, np.array(losses, np.float32)[run.steps - 1], rtol=1e-6)
    assert not set(optimizer.__dict__) & {"scale_loss", "_clip_gradients"}
    assert not [t for t in threading.enumerate() if t.name.startswith("adamax-tb")]


def test_a_loop_gives_the_statistics_of_fit(tmp_path):
    one, two = classifier(adamax_tb.AdaMax()), classifier(adamax_tb.AdaMax())
    fit(one, adamax_tb.OptimizerHealth(tmp_path / "fit", every=5), epochs=2)
    with adamax_tb.record(two, tmp_path / "loop", every=5):
        for _ in range(2):
            for i in range(0, 64, 8):
                two.train_on_batch(X[i : i + 8], Y[i : i + 8])
    runs = adamax_tb.read_runs(tmp_path)
    for stat in runs["fit"].statistics:
        np.testing.assert_array_equal(runs["fit"].stat(stat), runs["loop"].stat(stat), err_msg=stat)
    np.testing.assert_array_equal(runs["fit"].loss, runs["loop"].loss)


def test_a_loop_keeps_up_with_fast_steps(tmp_path):
    model = classifier("adamax")
    with adamax_tb.record(model, tmp_path, every=1):
        for _ in range(600):
            model.train_on_batch(X[:8], Y[:8])
    assert adamax_tb.read_runs(tmp_path)["."].steps.tolist() == [*range(1, 601)]


def test_updates_made_before_a_recording_began_are_no_thinned_records(tmp_path):
    model = classifier(adamax_tb.AdaMax())
    model.fit(X, Y, batch_size=4, epochs=3, verbose=0)
    health = adamax_tb.OptimizerHealth(tmp_path, every=5)
    for _ in range(2):
        model.fit(X, Y, batch_size=4, verbose=0, callbacks=[health])
    run = adamax_tb.read_runs(tmp_path)["."]
    assert run.steps.tolist() == [50, 55, 60, 65, 70, 75, 80]
    assert np.all(run.step_stat("thinned") == 0)


def test_records_that_a_loop_overwrites_before_it_is_looked_at_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("adamax_tb.loop.LOOK_S", 1e6)
    model = classifier("adamax")
    with adamax_tb.record(model, tmp_path, every=1):
        for _ in range(600):
            model.train_on_batch(X[:8], Y[:8])
    run = adamax_tb.read_runs(tmp_path)["."]
    assert run.steps[-1] == 600
    assert 100 < len(run.steps) < 600
    assert run.step_stat("thinned").sum() == 600 - len(run.steps)
    (note,) = notes(run)
    assert note.startswith(f"{600 - len(run.steps)} records were thinned")


def test_a_model_that_was_trained_before_is_traced_anew_for_a_loop(tmp_path):
    model = classifier("adamax")
    model.train_on_batch(X[:8], Y[:8])
    with adamax_tb.record(model, tmp_path, every=2):
        for _ in range(3):
            model.train_on_batch(X[:8], Y[:8])
    assert adamax_tb.read_runs(tmp_path)["."].steps.tolist() == [2, 4]


def test_a_step_traced_before_is_said_to_be_unseen(tmp_path):
    model, optimizer = classifier("adamax"), adamax_tb.AdaMax()

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = LOSS(y, model(x))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

    step(X[:8], Y[:8])
    with pytest.warns(UserWarning, match="traced before"), adamax_tb.record(optimizer, tmp_path):
        step(X[:8], Y[:8])


def test_a_loop_that_raises_leaves_its_last_updates(tmp_path):
    model = classifier("adamax")

    def loop():
        with adamax_tb.record(model, tmp_path):
            for i in range(20):
                model.train_on_batch(X[:8], Y[:8])
                _ = 1 / (13 - i)

    with pytest.raises(ZeroDivisionError):
        loop()
    flight = adamax_tb.read_runs(tmp_path)["."].flight
    assert flight.steps.tolist() == [*range(1, 15)]
    assert set(flight.reasons) == {"exception"}


def test_a_flight_record_ends_with_the_last_update_after_an_earlier_checkpoint(tmp_path):
    model = dictated((3,))
    model.compile(adamax_tb.AdaMax(0.01), mean_output, jit_compile=False)
    callback = adamax_tb.OptimizerHealth(tmp_path)
    (grads,) = gradients(20, (3,))
    train(model, [grads[:16]], callback)
    model.optimizer.iterations.assign(12)  # after the last record, at 10
    bad = grads[:1].copy()
    bad[0, 0] = np.nan
    train(model, [bad], callback)
    flight = adamax_tb.read_runs(tmp_path)["."].flight
    assert flight.steps.tolist() == [13]  # not 14 to 16, which are of another future


@pytest.mark.parametrize("steps_per_execution", [1, 2])
def test_keras_may_choose_whether_to_compile(tmp_path, steps_per_execution):
    model = classifier("adam", jit_compile="auto", steps_per_execution=steps_per_execution)
    fit(model, adamax_tb.OptimizerHealth(tmp_path, every=4), epochs=1)
    assert adamax_tb.read_runs(tmp_path)["."].steps.tolist() == [1, 4, 8]


def test_two_callbacks_on_one_optimizer_both_record(tmp_path):
    model = classifier("adamax")
    before = set(model.optimizer.__dict__)
    callbacks = [
        adamax_tb.OptimizerHealth(tmp_path / name, every=every)
        for name, every in (("often", 2), ("seldom", 8))
    ]
    for _ in range(2):
        fit(model, *callbacks, epochs=1)
    runs = adamax_tb.read_runs(tmp_path)
    assert runs["often"].steps.tolist() == [1, *range(2, 17, 2)]
    assert runs["seldom"].steps.tolist() == [1, 8, 16]
    assert not set(model.optimizer.__dict__) & {"scale_loss", "_clip_gradients"}
    assert before <= set(model.optimizer.__dict__)


def test_a_loop_compiled_by_xla_is_recorded(tmp_path):
    model, optimizer = classifier("adamax"), adamax_tb.AdaMax()
    with adamax_tb.record(optimizer, tmp_path, every=2):

        @tf.function(jit_compile=True)
        def step(x, y):
            with tf.GradientTape() as tape:
                loss = LOSS(y, model(x))
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

        for _ in range(4):
            step(X[:8], Y[:8])
    assert adamax_tb.read_runs(tmp_path)["."].steps.tolist() == [1, 2, 4]


def test_a_loop_has_no_automatic_cadence(tmp_path):
    with pytest.raises(ValueError, match="`every` must be a whole number"):
        adamax_tb.record(adamax_tb.AdaMax(), tmp_path, every="auto")


def test_a_method_that_the_user_put_into_the_optimizer_is_called_and_stays(tmp_path):
    watched, alone = classifier("adamax"), classifier("adamax")

    def ours(gradients):
        return [0.1 * g for g in gradients]

    for model in (watched, alone):
        model.optimizer.__dict__["_clip_gradients"] = ours
    fit(watched, adamax_tb.OptimizerHealth(tmp_path), epochs=1)
    fit(alone, epochs=1)
    assert watched.optimizer.__dict__["_clip_gradients"] is ours
    for a, b in zip(watched.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_an_automatic_cadence_with_more_steps_per_execution_than_it_may_have(tmp_path):
    model = classifier("adamax", steps_per_execution=600)
    data = tf.data.Dataset.from_tensors((X[:8], Y[:8])).repeat()
    model.fit(
        data, steps_per_epoch=2400, verbose=0, shuffle=False,
        callbacks=[adamax_tb.OptimizerHealth(tmp_path, every="auto")],
    )  # fmt: skip
    assert adamax_tb.read_runs(tmp_path)["."].steps.tolist() == [1, 1200, 2400]


@pytest.mark.parametrize("thing", [5, "adam", None])
def test_what_is_no_optimizer_is_named(tmp_path, thing):
    with pytest.raises(ValueError, match="`optimizer` must be a Keras optimizer"):
        adamax_tb.record(thing, tmp_path)


def test_a_model_not_compiled_is_named(tmp_path):
    with pytest.raises(ValueError, match="`optimizer` must be a Keras optimizer or a compiled"):
        adamax_tb.record(keras.Sequential([keras.layers.Dense(1)]), tmp_path)


# Several optimizers


class Adversaries(keras.Model):
    """Two networks, each with an optimizer of its own, as a GAN has."""

    def __init__(self):
        super().__init__()
        self.one, self.two = keras.layers.Dense(6, name="one"), keras.layers.Dense(1, name="two")

    def call(self, x):
        return self.two(self.one(x))

    def compile(self, one, two):
        super().compile(jit_compile=False)
        self.optimizer_one, self.optimizer_two = one, two

    def train_step(self, data):
        x, _ = data
        with tf.GradientTape(persistent=True) as tape:
            made = self.two(self.one(x))
            loss = tf.reduce_mean(tf.square(made - 1))
        for layer, optimizer, sign in (
            (self.one, self.optimizer_one, 1.0),
            (self.two, self.optimizer_two, -0.1),
        ):
            gradients = tape.gradient(loss, layer.trainable_variables)
            optimizer.apply([sign * g for g in gradients], layer.trainable_variables)
        return {"loss": loss}


def test_a_model_with_two_optimizers_is_recorded_in_two_runs(tmp_path):
    watched, alone = Adversaries(), Adversaries()
    for model in (watched, alone):
        model(X[:1])
    alone.set_weights(watched.get_weights())
    for model in (watched, alone):
        model.compile(adamax_tb.AdaMax(1e-2), keras.optimizers.SGD(1e-2))
    callbacks = [
        adamax_tb.OptimizerHealth(tmp_path / name, every=4, optimizer=optimizer)
        for name, optimizer in (("one", watched.optimizer_one), ("two", watched.optimizer_two))
    ]
    fit(watched, *callbacks, epochs=2)
    fit(alone, epochs=2)
    runs = adamax_tb.read_runs(tmp_path)
    assert (runs["one"].optimizer, runs["two"].optimizer) == ("AdaMax", "SGD")
    assert [len(runs[name].layers) for name in ("one", "two")] == [2, 2]
    for name in ("one", "two"):
        assert runs[name].steps.tolist() == [1, 4, 8, 12, 16]
        assert (runs[name].stat("gradient_norm") > 0).all()
    for a, b in zip(watched.get_weights(), alone.get_weights(), strict=True):
        # TensorFlow multiplies -0.1 and the learning rate first where nobody looks at the gradient in between
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_a_callback_at_the_optimizer_that_nobody_uses_says_so(tmp_path):
    model = Adversaries()
    model.compile(adamax_tb.AdaMax(), keras.optimizers.SGD())
    with pytest.warns(UserWarning, match=r"8 of 8 updates.*were not made.*`optimizer`"):
        fit(model, adamax_tb.OptimizerHealth(tmp_path), epochs=1)


def test_two_models_in_turn_are_two_runs(tmp_path):
    one, two = classifier("adam"), classifier("sgd")
    callbacks = [adamax_tb.OptimizerHealth(tmp_path / name, every=4) for name in ("one", "two")]
    for _ in range(2):
        fit(one, callbacks[0], epochs=1)
        fit(two, callbacks[1], epochs=1)
    runs = adamax_tb.read_runs(tmp_path)
    assert [runs[name].optimizer for name in ("one", "two")] == ["Adam", "SGD"]
    assert all(run.steps.tolist() == [1, 4, 8, 12, 16] for run in runs.values())


def test_after_fit_train_on_batch_goes_on_unwatched(tmp_path):
    watched, alone = classifier("adamw"), classifier("adamw")
    fit(watched, adamax_tb.OptimizerHealth(tmp_path), epochs=1)
    fit(alone, epochs=1)
    for model in (watched, alone):
        model.train_on_batch(X[:8], Y[:8])
    for a, b in zip(watched.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert adamax_tb.read_runs(tmp_path)["."].steps.tolist() == [1]


@copies_variables
@pytest.mark.parametrize("name", ["Adam", "SGD", "Lion", "RMSprop"])
def test_the_saved_model_is_what_it_is_without_us(tmp_path, name):
    optimizer = getattr(keras.optimizers, name)
    watched, alone = classifier(optimizer()), classifier(optimizer())
    saved = tmp_path / "watched.keras"

    class Save(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.save(saved)  # while it is watched

    fit(watched, adamax_tb.OptimizerHealth(tmp_path / "run"), Save(), epochs=2)
    fit(alone, epochs=2)
    loaded = keras.models.load_model(saved)
    for a, b in zip(loaded.optimizer.variables, alone.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


# Mixed precision


def scaled(initial_scale, jit_compile=False, **arguments):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        optimizer = keras.optimizers.LossScaleOptimizer(
            keras.optimizers.Adam(1e-3, **arguments),
            initial_scale=initial_scale,
            dynamic_growth_steps=5,
        )
        return classifier(optimizer, jit_compile=jit_compile)
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("arguments", [{}, {"gradient_accumulation_steps": 2}])
def test_every_batch_that_loss_scaling_threw_away_is_counted(tmp_path, jit_compile, arguments):
    model = scaled(2.0**40, jit_compile, **arguments)  # float16 overflows until it is some 2**15
    fit(model, adamax_tb.OptimizerHealth(tmp_path, every=3), epochs=10)
    run = adamax_tb.read_runs(tmp_path)["."]
    per_update = arguments.get("gradient_accumulation_steps", 1)
    made = int(model.optimizer.iterations.numpy())
    until_last = run.step_stat("skipped_steps").sum()
    assert run.step_stat("skipped_steps")[0] >= 20
    left = 80 - made * per_update - until_last
    # thrown away after the last record, and batches that did not fill an update
    assert 0 <= left <= 6


def test_a_fit_in_which_nothing_is_updated_says_so(tmp_path):
    model = scaled(2.0**100)
    with pytest.warns(UserWarning, match="40 of 40 updates.*were not made. Loss scaling"):
        fit(model, adamax_tb.OptimizerHealth(tmp_path), epochs=5)
