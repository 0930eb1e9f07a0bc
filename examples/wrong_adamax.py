"""AdaMax as many tutorials have it, run literally beside the right one.

    python examples/wrong_adamax.py
    adamax-tb check runs
    tensorboard --logdir runs

Tutorials that go from Adam to AdaMax by hand often end with these lines, b being 0.9:

    v    = b v + (1 - b) g
    g'   = g / (sqrt(v) + eps)
    m    = b m + (1 - b) g' / (1 - b^t)
    lr_t = lr / (1 - (b / (1 - b))^t)
    w    = w - lr_t m

Term by term:

`v = b v + (1 - b) g` averages the gradient itself. Adam averages its square, AdaMax takes the decayed maximum of its
size, u = max(beta_2 u, |g|); both are never negative. This average is negative wherever the first gradient is.

`sqrt(v)` of a negative number is NaN: at step 1 in every coordinate with a negative gradient, about half of them. The
weights are NaN from then on, the loss at step 2, and all gradients.

`g / (sqrt(v) + eps)` is divided before it is averaged. AdaMax divides the average, m / u: one large gradient then
makes u large at once, and the step small.

`(1 - b) g' / (1 - b^t)` corrects each term for the bias of the whole average: the first gradient enters 10 times as
heavy as it should, the next 5.3 times. The correction belongs outside, m / (1 - b^t).

`1 - (b / (1 - b))^t` should be 1 - b^t. With b = 0.9 it is 1 - 9^t: -8, -80, -728 ... The learning rate is negative,
so that the first steps go up the slope, and a billionth of its size after ten.

`b` for everything: AdaMax has two, beta_1 = 0.9 for m and beta_2 = 0.999 for u.

Three runs on scikit-learn's digits: `right`; `tutorial`, those lines; and `tutorial_squared`, with the average of g^2
in v, which cures the NaN and lets the rest be seen.

What to look at: `tutorial` is critical since step 1, when the weights become NaN although every gradient is finite;
choose "Weight norm" in the heat map. Of `tutorial_squared`, the learning rate beside the loss: below 0, then 0, while
the loss stays where it was. (Their state is not AdaMax's, so of these two only gradients and weights are recorded.)
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from keras import ops
from sklearn.datasets import load_digits

import adamax_tb

B = 0.9


@keras.saving.register_keras_serializable(package="examples")
class TutorialRate(keras.optimizers.schedules.LearningRateSchedule):
    """lr / (1 - (b / (1 - b))^t), t counted from 1."""

    def __init__(self, learning_rate):
        self.learning_rate = learning_rate

    def __call__(self, step):
        t = ops.cast(step + 1, "float32")
        return self.learning_rate / (1 - ops.power(B / (1 - B), t))

    def get_config(self):
        return {"learning_rate": self.learning_rate}


class TutorialAdaMax(keras.optimizers.Optimizer):
    """The lines above; with `squared`, v averages g^2."""

    def __init__(self, learning_rate=0.001, epsilon=1e-7, squared=False, **kwargs):
        super().__init__(TutorialRate(learning_rate), **kwargs)
        self.epsilon = epsilon
        self.squared = squared

    def build(self, variables):
        if not self.built:
            super().build(variables)
            self._m, self._v = self.add_optimizer_variables(variables, ["m", "v"])

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        m, v = self._m[index], self._v[index]
        t = ops.cast(self.iterations + 1, "float32")
        self.assign(v, B * v + (1 - B) * (ops.square(gradient) if self.squared else gradient))
        scaled = gradient / (ops.sqrt(v) + self.epsilon)
        self.assign(m, B * m + (1 - B) * scaled / (1 - ops.power(B, t)))
        self.assign_sub(variable, ops.cast(learning_rate, variable.dtype) * m)


class CountNaN(keras.callbacks.Callback):
    """Says at which step weights become NaN, and how many."""

    def __init__(self):
        super().__init__()
        self.step = 0

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        weights = np.concatenate([np.ravel(v.numpy()) for v in self.model.trainable_variables])
        fraction = np.mean(np.isnan(weights))
        if fraction and not getattr(self, "told", False):
            self.told = True
            print(f"  step {self.step}: {fraction:.0%} of the weights are NaN")


def train(name, optimizer):
    print(f"{name}:", flush=True)
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(64, "tanh", name="hidden_1"),
            keras.layers.Dense(64, "tanh", name="hidden_2"),
            keras.layers.Dense(10, name="logits"),
        ],
        name="digits",
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"])
    images, labels = load_digits(return_X_y=True)
    history = model.fit(
        (images / 8 - 1).astype("float32"),
        labels,
        batch_size=64,
        epochs=5,
        verbose=0,
        callbacks=[adamax_tb.OptimizerHealth(f"runs/{name}", every=1), CountNaN()],
    ).history
    print(f"  loss {history['loss'][-1]:.3g}, accuracy {history['accuracy'][-1]:.0%}", flush=True)


train("right", adamax_tb.AdaMax(0.002))
train("tutorial", TutorialAdaMax(0.002))
train("tutorial_squared", TutorialAdaMax(0.002, squared=True))
