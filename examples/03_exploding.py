"""An exploding gradient: a learning rate that is meant to decay, but grows.

    python examples/03_exploding.py
    tensorboard --logdir runs/03_exploding

The rate of the sick run doubles with each epoch, as decay_rate is above 1; in the mended one it falls. What to look at:

- The bar: "Critical since step 250: exploding-gradient" (a few steps more or less on your machine). The card: the
  gradient of digits/logits/kernel is then 150 times its usual size, and the rate, 0.001 at first, is to be lowered to
  that again.
- "Show at step 250": the heat map is dark before that step, and turns yellow after it in the kernels.
- "Update / weight" leaves the grey band some 50 steps before: that is the first sign. "Learning rate", under
  "Training", is the cause: it rises where that of the mended run falls.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
from sklearn.datasets import load_digits

import adamax_tb

images, labels = load_digits(return_X_y=True)
images = images.astype("float32") / 16


def train(run: str, decay_rate: float) -> None:
    keras.utils.set_random_seed(0)
    hidden = [
        keras.layers.Dense(64, "leaky_relu", kernel_initializer="he_normal", name=f"dense_{i}")
        for i in range(1, 6)
    ]
    model = keras.Sequential(
        [keras.Input((64,)), *hidden, keras.layers.Dense(10, name="logits")], name="digits"
    )
    schedule = keras.optimizers.schedules.ExponentialDecay(
        1e-3,
        decay_steps=29,
        decay_rate=decay_rate,  # 29 updates are an epoch
    )
    model.compile(
        optimizer=adamax_tb.AdaMax(schedule),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    recording = adamax_tb.OptimizerHealth(run)
    model.fit(images, labels, batch_size=64, epochs=15, verbose=2, callbacks=[recording])


train("runs/03_exploding/sick", decay_rate=2.0)
train("runs/03_exploding/mended", decay_rate=0.9)
