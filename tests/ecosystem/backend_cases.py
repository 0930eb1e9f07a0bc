"""Trains small models with Keras on the backend that KERAS_BACKEND names, watched and not, and records them.

    KERAS_BACKEND=jax python backend_cases.py DIRECTORY CASE ...

The same weights, batches and steps on every backend, so that the records can be compared.
"""

import sys
import warnings

import keras
import numpy as np
import pytest

import adamax_tb

optimizers = keras.optimizers
RNG = np.random.default_rng(0)
X = RNG.normal(size=(96, 6)).astype("float32")
Y = RNG.integers(0, 3, 96)

OPTIMIZERS = {
    "ours": lambda: adamax_tb.AdaMax(0.01),
    "clipped": lambda: adamax_tb.AdaMax(0.01, global_clipnorm=0.1),
    "restarts": lambda: adamax_tb.AdaMax(0.01, restart_every=7),
    "accumulation": lambda: adamax_tb.AdaMax(0.01, gradient_accumulation_steps=3),
    "scaled": lambda: optimizers.LossScaleOptimizer(
        adamax_tb.AdaMax(0.01), initial_scale=256.0, dynamic_growth_steps=5
    ),
    "adamax": lambda: optimizers.Adamax(0.01),
    "adam": lambda: optimizers.Adam(0.01),
    "amsgrad": lambda: optimizers.Adam(0.01, amsgrad=True),
    "adamw": lambda: optimizers.AdamW(0.01),
    "nadam": lambda: optimizers.Nadam(0.01),
    "lamb": lambda: optimizers.Lamb(0.01),
    "rmsprop": lambda: optimizers.RMSprop(0.01),
    "rmsprop_centered": lambda: optimizers.RMSprop(0.01, centered=True, momentum=0.5),
    "adadelta": lambda: optimizers.Adadelta(1.0),
    "adafactor": lambda: optimizers.Adafactor(0.01),
    "adagrad": lambda: optimizers.Adagrad(0.1),
    "ftrl": lambda: optimizers.Ftrl(0.1),
    "sgd": lambda: optimizers.SGD(0.1),
    "momentum": lambda: optimizers.SGD(0.1, momentum=0.9),
    "nesterov": lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "lion": lambda: optimizers.Lion(0.001),
    "muon": lambda: optimizers.Muon(0.01),
}


def network(optimizer, **arguments):
    """Returns a compiled network whose weights are the same on every backend."""
    inputs = keras.Input((6,))
    hidden = keras.layers.Dense(16, "relu", name="hidden")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(3, name="out")(hidden), name="net")
    random = np.random.default_rng(1)
    model.set_weights(
        [0.4 * random.normal(size=w.shape).astype("float32") for w in model.get_weights()]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, **arguments)
    return model


def fit(model, *callbacks, x=X, **arguments):
    """Trains on batches of 8 in order."""
    given = {"batch_size": 8, "epochs": 2, "shuffle": False, "verbose": 0, **arguments}
    return model.fit(x, Y, callbacks=list(callbacks), **given)


def same_as_alone(model, alone):
    """Fails unless both have the same weights, bit for bit, and as many optimizer variables."""
    for a, b in zip(model.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(model.optimizer.variables) == len(alone.optimizer.variables)


def optimizer(name, out):
    model, alone = network(OPTIMIZERS[name]()), network(OPTIMIZERS[name]())
    fit(model, adamax_tb.OptimizerHealth(f"{out}/{name}", every=4))
    fit(alone)
    same_as_alone(model, alone)


def nan(out):
    """Update 6 has a NaN in it: recorded in full though it is no regular record, with a flight record."""
    x = X.copy()
    x[5 * 8, 0] = np.nan
    fit(network("adam"), adamax_tb.OptimizerHealth(f"{out}/nan", every=4), x=x)


def auto(out):
    """The cadence may change while a compiled step stays as it is."""
    model = network("adam")
    callback = adamax_tb.OptimizerHealth(f"{out}/auto", every="auto")
    callback.set_params({"epochs": 1, "steps": 12})
    fit(model, callback, EveryChanges(callback), epochs=3)


class EveryChanges(keras.callbacks.Callback):
    """Has records taken at every second update from the second epoch on."""

    def __init__(self, health):
        super().__init__()
        self.health = health

    def on_train_begin(self, logs=None):
        self.health._recording._adjusted_s = float("inf")  # not by itself

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            self.health._recording.drain()
            self.health._recording.recorder.set_every(2)


def continued(out):
    """A second fit goes on with the series; validation and a checkpoint of the optimizer come in between."""
    model = network(adamax_tb.AdaMax(0.01))
    health = adamax_tb.OptimizerHealth(f"{out}/continued", every=4)
    saved = keras.callbacks.ModelCheckpoint(f"{out}/checkpoint.keras")
    fit(model, health, saved, validation_data=(X, Y))
    again = keras.models.load_model(f"{out}/checkpoint.keras")
    for a, b in zip(model.optimizer.variables, again.optimizer.variables, strict=True):
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(a.value), keras.ops.convert_to_numpy(b.value)
        )
    fit(model, health, epochs=1)
    alone = network(adamax_tb.AdaMax(0.01))
    fit(alone)
    fit(alone, epochs=1)
    same_as_alone(model, alone)


def stopped(out):
    """`stop_on` ends the training at the NaN."""
    x = X.copy()
    x[5 * 8, 0] = np.nan
    model = network("adam")
    told = []
    health = adamax_tb.OptimizerHealth(
        f"{out}/stopped", every=4, on_finding=told.append, stop_on="nonfinite"
    )
    fit(model, health, x=x, epochs=50)
    assert [f.rule for f in told] == ["nonfinite"], told
    assert int(model.optimizer.iterations) < 100


def raising(out):
    """The training step's data raises at update 15: what happened before is written, with a flight record."""

    def batches():
        for i in range(14):
            at = slice(8 * (i % 12), 8 * (i % 12) + 8)
            yield X[at], Y[at]
        raise RuntimeError("no more")

    model = network("adam")
    health = adamax_tb.OptimizerHealth(f"{out}/raising", every=4)
    with pytest.raises(Exception, match="no more"):
        model.fit(batches(), verbose=0, callbacks=[health])


def chosen(out):
    """Only kernels are watched, and a layer that is frozen is not."""
    model = network(adamax_tb.AdaMax(0.01))
    model.layers[1].trainable = False
    model.compile(adamax_tb.AdaMax(0.01), model.loss)
    fit(model, adamax_tb.OptimizerHealth(f"{out}/chosen", every=4, variables="/kernel$"))


def eager(out):
    model = network(adamax_tb.AdaMax(0.01), run_eagerly=True)
    fit(model, adamax_tb.OptimizerHealth(f"{out}/eager", every=4))


def half(out):
    """Mixed precision: bfloat16, and float16, whose scale is too large at first."""

    def made(policy):
        optimizer = adamax_tb.AdaMax(0.01)
        if policy == "mixed_float16":
            optimizer = optimizers.LossScaleOptimizer(optimizer, initial_scale=2.0**20)
        return network(optimizer)

    for policy in ("mixed_bfloat16", "mixed_float16"):
        keras.config.set_dtype_policy(policy)
        model, alone = made(policy), made(policy)
        fit(model, adamax_tb.OptimizerHealth(f"{out}/{policy}", every=4))
        fit(alone)
        same_as_alone(model, alone)
    keras.config.set_dtype_policy("float32")


def several_steps(out):
    if keras.backend.backend() == "torch":
        return  # Keras has none there
    model, alone = (network(adamax_tb.AdaMax(0.01), steps_per_execution=5) for _ in range(2))
    fit(model, adamax_tb.OptimizerHealth(f"{out}/several_steps", every=4))
    fit(alone)
    same_as_alone(model, alone)


def endless(out):
    """Trains until a signal ends it; says when it is under way."""
    said = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: print("under way", flush=True) if epoch == 3 else None
    )
    model = network(adamax_tb.AdaMax(0.01))
    watchers = [adamax_tb.OptimizerHealth(f"{out}/{name}", every=4) for name in ("one", "other")]
    fit(model, *watchers, said, epochs=100_000)


class OwnStep(keras.Model):
    """Applies its gradients itself, on PyTorch where they are noted for gradients of their own."""

    def train_step(self, *arguments):
        if keras.backend.backend() != "torch":
            return super().train_step(*arguments)
        ((x, y),) = arguments
        self.zero_grad()
        loss = self.compute_loss(y=y, y_pred=self(x, training=True))
        self.optimizer.scale_loss(loss).backward()
        weights = self.trainable_weights
        self.optimizer.apply([v.value.grad for v in weights], weights)
        return {"loss": loss}


def own_step(out):
    """A train_step of the model's class, and one of its instance, are called as without us, and stay."""
    built = network(adamax_tb.AdaMax(0.01))
    model = OwnStep(built.inputs, built.outputs, name="net")
    model.compile(adamax_tb.AdaMax(0.01), built.loss)
    calls = []

    def counted(*arguments):
        calls.append(1)
        return OwnStep.train_step(model, *arguments)

    model.train_step = counted
    health = adamax_tb.OptimizerHealth(f"{out}/own_step", every=4)
    fit(model, health)
    assert calls
    assert model.train_step is counted
    assert not getattr(health._recording.recorder.buffer, "requires_grad", False)


def nothing_to_train(out):
    """`fit` goes on as it does without us: on PyTorch Keras wants something to train."""
    if keras.backend.backend() == "torch":
        return
    model = network("adam")
    model.trainable = False
    model.compile("adam", model.loss)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*OptimizerHealth")
        fit(model, adamax_tb.OptimizerHealth(f"{out}/nothing", every=4))


def another_optimizer(out):
    """On JAX `fit` keeps the state of the model's own optimizer alone."""
    if keras.backend.backend() != "jax":
        return
    model = network("adam")
    health = adamax_tb.OptimizerHealth(f"{out}/another", optimizer=adamax_tb.AdaMax())
    with pytest.raises(ValueError, match="`optimizer` must be the one that the model was compiled"):
        fit(model, health)


def a_short_call(out):
    """More steps in a call than batches in an epoch: all updates that were to be made were."""
    if keras.backend.backend() == "torch":
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*were not made")
        model = network("adam", steps_per_execution=40)
        fit(model, adamax_tb.OptimizerHealth(f"{out}/a_short_call", every=4))


CASES = {
    **{name: lambda out, name=name: optimizer(name, out) for name in OPTIMIZERS},
    **{f.__name__: f for f in (nan, auto, continued, stopped, raising, chosen, eager, half)},
    **{
        f.__name__: f
        for f in (several_steps, own_step, nothing_to_train, another_optimizer, a_short_call)
    },
    "endless": endless,
}


if __name__ == "__main__":
    directory, *names = sys.argv[1:]
    for case in names:
        CASES[case](directory)
        print(case, "done", flush=True)
