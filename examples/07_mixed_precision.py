"""Mixed precision: what loss scaling does, and what it cannot do.

    python examples/07_mixed_precision.py
    tensorboard --logdir runs/07_mixed_precision

A softplus written by hand holds exp(x), which leaves the range of float16 where x is above 11. The few batches that
have such an x give NaN. Loss scaling takes that for a scale that is too large, throws the batch away and halves it. The
mended run computes this layer in float32, as the finding says. What to look at:

- The bar: "Critical since step 150: skipped-steps, with 1 consequence" (a few steps more or less on your machine). The
  card: one batch in ten is thrown away, and the scale fell below 1.
- "Loss scale", under "Training", falls through the whole sick run. In the mended one it rises, doubled after every 100
  updates, until twice a batch is thrown away: so it tries whether a larger one does. That is healthy.
- The heat map: from about step 290 on the rows of "dense" have the grey dots of an exact 0. With a scale that small its
  gradients are below the smallest float16. The loss still falls, as the last layer goes on learning.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
from sklearn.datasets import load_digits
from sklearn.preprocessing import scale

import adamax_tb

images, labels = load_digits(return_X_y=True)
images = scale(images).astype(
    "float32"
)  # mean 0 and variance 1: pixels that are rarely set reach 42


def softplus(x):  # by hand: exp leaves float16's range above 11
    return keras.ops.log(1 + keras.ops.exp(x))


def train(run: str, dtype: str | None) -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(64, name="dense"),
            keras.layers.Activation(softplus, dtype=dtype, name="softplus"),
            keras.layers.Dense(10, dtype="float32", name="logits"),
        ],
        name="digits",
    )
    optimizer = keras.optimizers.LossScaleOptimizer(
        adamax_tb.AdaMax(1e-3), dynamic_growth_steps=100
    )
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    recording = adamax_tb.OptimizerHealth(run)
    model.fit(images, labels, batch_size=64, epochs=20, verbose=2, callbacks=[recording])


keras.config.set_dtype_policy("mixed_float16")
train("runs/07_mixed_precision/sick", dtype=None)
train("runs/07_mixed_precision/mended", dtype="float32")
