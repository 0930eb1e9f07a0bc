"""A vanishing gradient: ten layers of sigmoid, each of which passes on a quarter of it at most.

    python examples/04_vanishing.py
    tensorboard --logdir runs/04_vanishing

The mended run has relu and he_normal, as the finding says. What to look at:

- The bar: "Critical since step 1: vanishing-gradient". The card: in digits/dense_1/kernel the gradient is less than a
  millionth of what it is in digits/logits/kernel.
- The heat map is yellow at the bottom and ever darker towards the top, and the line beside it, the gradient by depth,
  leans from top left to bottom right. Choose the run "mended" in the table: there it is nearly upright.
- "Show at step 1", then "Update / weight": both runs move their first layer by about as much. AdaMax divides by the
  gradient's size, so that updates hide what is wrong. "Share of descent" does not: 0 in the sick run.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
from sklearn.datasets import load_digits

import adamax_tb

images, labels = load_digits(return_X_y=True)
images = images.astype("float32") / 16


def train(run: str, activation: str, initializer: str) -> None:
    keras.utils.set_random_seed(0)
    hidden = [
        keras.layers.Dense(64, activation, kernel_initializer=initializer, name=f"dense_{i}")
        for i in range(1, 11)
    ]
    model = keras.Sequential(
        [keras.Input((64,)), *hidden, keras.layers.Dense(10, name="logits")], name="digits"
    )
    model.compile(
        optimizer=adamax_tb.AdaMax(1e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    recording = adamax_tb.OptimizerHealth(run)
    model.fit(images, labels, batch_size=64, epochs=15, verbose=2, callbacks=[recording])


train("runs/04_vanishing/sick", "sigmoid", "glorot_uniform")  # what Dense takes by default
train("runs/04_vanishing/mended", "relu", "he_normal")
