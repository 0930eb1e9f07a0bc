"""A loop of your own: `adamax_tb.record` around it, the loss told, and an end when a NaN is found.

    python examples/08_custom_loop.py
    tensorboard --logdir runs/08_custom_loop

One pixel of image 1,700 is NaN; the image is in batch 107. The mended run leaves it out. What to look at:

- The terminal: a paragraph tells the finding while the loop runs, and `should_stop` ends it soon after update 107.
- The bar: "Critical since step 107: nonfinite". The card: NaN in digits/dense/kernel and in no other layer, in 64
  entries, which is one pixel times 64 units. At step 106 all was finite: it is that batch.
- "Loss", under "Flight record": no NaN at all, as relu makes a 0 of it. It jumps to 2.3 and stays there, since after
  that update weights are NaN. Who watches the loss alone sees a network that does not learn.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

import adamax_tb

images, labels = load_digits(return_X_y=True)
images = images.astype("float32") / 16
images[1700, 33] = np.nan  # a pixel that was never measured


def train(run: str, images: np.ndarray, labels: np.ndarray) -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(64, activation="relu", name="dense"),
            keras.layers.Dense(10, name="logits"),
        ],
        name="digits",
    )
    optimizer = keras.optimizers.Adam(1e-3)
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    data = tf.data.Dataset.from_tensor_slices((images, labels)).batch(16).repeat(20)

    with adamax_tb.record(optimizer, run, stop_on="nonfinite") as recording:

        @tf.function  # traced inside the `with` block
        def step(x: tf.Tensor, y: tf.Tensor) -> None:
            with tf.GradientTape() as tape:
                loss = recording.loss(loss_of(y, model(x, training=True)))
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

        for x, y in data:
            step(x, y)
            if recording.should_stop:
                break
    print(f"{run} ended after {int(optimizer.iterations)} updates")


train("runs/08_custom_loop/sick", images, labels)
whole = np.isfinite(images).all(axis=1)
train("runs/08_custom_loop/mended", images[whole], labels[whole])
