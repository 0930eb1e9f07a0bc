"""A spike stall: one bad batch fills the infinity norm u, and the steps are too small for thousands of updates.

    python examples/06_spike_stall.py
    tensorboard --logdir runs/06_spike_stall

Batch 30 of both runs is 1,000 times too large. The mended run clips, as the finding says. What to look at:

- The bar: "Critical since step 30: spike-stall". The card: a gradient of some hundreds in digits/logits/kernel at
  step 30, and the step, about 5,000, up to which training stands still.
- "Show at step 30": the heat map of u, dark before that step and bright from there to the end.
- "Gradient norm" has one peak, and is as before at once. "Infinity norm u (mean)" jumps with it, and comes down by a
  thousandth with each update: beta_2 is 0.999. The mended run's u has no jump.
- "Loss", under "Training": 1.3 at the end of the sick run, 0.17 at the end of the mended one.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from collections.abc import Iterator

import keras
import numpy as np
from sklearn.datasets import load_digits

import adamax_tb

images, labels = load_digits(return_X_y=True)
images = images.astype("float32") / 16


def batches(count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    for step in range(1, count + 1):
        chosen = rng.choice(len(images), 64)
        scale = 1000 if step == 30 else 1  # for one batch, the sensor was in another unit
        yield scale * images[chosen], labels[chosen]


def train(run: str, clip: float | None) -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(64, activation="relu", name="dense_1"),
            keras.layers.Dense(64, activation="relu", name="dense_2"),
            keras.layers.Dense(10, name="logits"),
        ],
        name="digits",
    )
    model.compile(
        optimizer=adamax_tb.AdaMax(1e-3, global_clipnorm=clip),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    recording = adamax_tb.OptimizerHealth(run)
    model.fit(batches(600), steps_per_epoch=600, shuffle=False, verbose=2, callbacks=[recording])


train("runs/06_spike_stall/sick", clip=None)
train("runs/06_spike_stall/mended", clip=0.5)
