"""What a model ends in, read from its configuration."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import adamax_tb
from adamax_tb.head import head_of

layers, losses = keras.layers, keras.losses


def ending(*last):
    return keras.Sequential([layers.Input((4,)), layers.Dense(8, activation="relu"), *last])


def by_hand(y, outputs):
    return keras.ops.mean(keras.ops.square(y - outputs), axis=-1)


@pytest.mark.parametrize(
    ("last", "loss", "expected"),
    [
        (
            lambda: [layers.Dense(3, activation="softmax")],
            "sparse_categorical_crossentropy",
            ("sparse_categorical_crossentropy", False, "softmax", 3),
        ),
        (
            lambda: [layers.Dense(3), layers.Softmax()],
            losses.SparseCategoricalCrossentropy(from_logits=True),
            ("SparseCategoricalCrossentropy", True, "softmax", 3),
        ),
        (
            lambda: [layers.Dense(1), layers.Activation("sigmoid"), layers.Activation("linear")],
            losses.BinaryCrossentropy(),
            ("BinaryCrossentropy", False, "sigmoid", 1),
        ),
        (lambda: [layers.Dense(1)], "mse", ("mean_squared_error", False, "linear", 1)),
        (lambda: [layers.Dense(1), layers.ReLU()], by_hand, ("", False, "relu", 1)),
        (
            lambda: [layers.Dense(6), layers.Reshape((2, 3))],
            "mse",
            ("mean_squared_error", False, "", 3),
        ),
    ],
)
def test_the_head_of_a_model_is_its_last_activation_and_its_loss(last, loss, expected):
    model = ending(*last())
    model.compile("sgd", loss)
    head = head_of(model)
    assert (head.loss, head.from_logits, head.activation, head.units) == expected


def test_a_model_whose_head_cannot_be_told_has_none():
    unbuilt = keras.Sequential([layers.Dense(3)])
    unbuilt.compile("sgd", "mse")
    assert head_of(unbuilt) is None
    x = layers.Input((4,))
    two = keras.Model(x, [layers.Dense(1)(x), layers.Dense(2)(x)])
    two.compile("sgd", ["mse", "mse"])
    assert head_of(two) is None

    class Subclassed(keras.Model):
        def call(self, x):
            return x

    subclassed = Subclassed()
    subclassed.compile("sgd", "mse")
    assert head_of(subclassed) is None
    assert head_of(ending(layers.Dense(1))) is None  # not compiled


@pytest.mark.parametrize(
    ("arguments", "accumulation", "planned"),
    [
        ({"epochs": 3}, None, 12),
        ({"epochs": 5, "initial_epoch": 3}, None, 8),
        ({"epochs": 3}, 2, 6),
    ],
)
def test_a_run_knows_what_its_model_ends_in_and_how_long_it_was_to_train(
    tmp_path, arguments, accumulation, planned
):
    model = ending(layers.Dense(3, activation="softmax"))
    model.compile(
        keras.optimizers.Adam(1e-3, gradient_accumulation_steps=accumulation),
        "sparse_categorical_crossentropy",
    )
    x, y = np.zeros((32, 4), np.float32), np.zeros(32)
    stop = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: setattr(model, "stop_training", batch == 3)
    )
    health = adamax_tb.OptimizerHealth(tmp_path, every=1)
    model.fit(x, y, batch_size=8, verbose=0, callbacks=[health, stop], **arguments)
    run = adamax_tb.read_runs(tmp_path)["."]
    assert run.planned_step == planned > run.steps[-1]
    assert (run.head.loss, run.head.activation) == ("sparse_categorical_crossentropy", "softmax")


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_a_training_whose_length_nobody_knows_plans_nothing(tmp_path):
    model = ending(layers.Dense(1))
    model.compile("sgd", "mse")
    x, y = np.zeros((24, 4), np.float32), np.zeros((24, 1))
    data = tf.data.Dataset.from_tensor_slices((x, y)).filter(lambda x, y: True).batch(8)
    model.fit(
        data, shuffle=False, verbose=0, callbacks=[adamax_tb.OptimizerHealth(tmp_path, every=1)]
    )
    assert adamax_tb.read_runs(tmp_path)["."].planned_step is None
