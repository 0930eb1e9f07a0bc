"""Small models that several tests train: one whose gradients the test writes down, and a classifier."""

import keras
import numpy as np

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 6)).astype("float32")
Y = RNG.integers(0, 3, 64)
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@keras.saving.register_keras_serializable(package="tests")
class Weight(keras.layers.Layer):
    """A weight whose gradient is the mean of the layer's inputs."""

    def build(self, shape):
        self.w = self.add_weight(shape=shape[1:], initializer="ones", name="w")

    def call(self, x):
        axes = list(range(1, len(x.shape)))
        return keras.ops.reshape(keras.ops.sum(self.w * x, axis=axes), (-1, 1))


def mean_output(_, y):
    return keras.ops.mean(y)


def dictated(*shapes):
    """Returns a model with a weight of each shape, whose gradients are what it is given as x."""
    inputs = [keras.Input(shape) for shape in shapes]
    outputs = [Weight(name=f"layer_{i}")(x) for i, x in enumerate(inputs)]
    return keras.Model(inputs, keras.layers.Add()(outputs) if len(outputs) > 1 else outputs[0])


def gradients(steps, *shapes):
    random = np.random.default_rng(3)
    return [random.normal(size=(steps, *shape)).astype(np.float32) for shape in shapes]


def train(model, grads, *callbacks, y=None, **arguments):
    """Trains a `dictated` model, one row of `grads` after the other."""
    y = np.zeros((len(grads[0]), 1), np.float32) if y is None else y
    settings = {"batch_size": 1, "shuffle": False, "verbose": 0, **arguments}
    model.fit(grads, y, callbacks=[*callbacks], **settings)


def classifier(optimizer, **arguments):
    """Returns a network for `X` and `Y`, compiled unless `optimizer` is None."""
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((6,)),
        keras.layers.Dense(5, "relu", name="hidden"),
        keras.layers.Dense(3, name="out"),
    ]
    made = keras.Sequential(layers, name="net")
    if optimizer is not None:
        made.compile(optimizer, LOSS, **{"jit_compile": False, **arguments})
    return made


def fit(model, *callbacks, epochs=5):
    """Trains on `X` and `Y`, eight batches an epoch."""
    return model.fit(
        X, Y, batch_size=8, epochs=epochs, verbose=0, shuffle=False, callbacks=[*callbacks]
    )
