"""Dead units: a few steps that are too large push a relu layer to where it gives 0 for every input.

    python examples/05_dead_units.py
    tensorboard --logdir runs/05_dead_units

The mended run has a tenth of the rate, as the finding says. What to look at:

- The bar: "Critical since step 50: dead-units" (on another machine it may be 40 or 60). The card: all 64 units of
  digits/dense_3 are dead, and the loss stands at 2.3, which is what guessing among ten digits gives.
- "Show at step 50", then choose the statistic "Gradient norm" above the heat map: from step 20 on, but for a moment at
  step 40, all rows but logits/bias have the grey dots of an exact 0. Before a dead layer nothing can learn, and behind
  it only a bias.
- "Gradient norm", under "Curves": below the chart stands "sick: 0 at steps ..." up to the end. "Momentum buffer (RMS)"
  fades by a tenth with each update. "Loss" is a flat line, where that of the mended run falls.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
from sklearn.datasets import load_digits

import adamax_tb

images, labels = load_digits(return_X_y=True)
images = images.astype("float32") / 16


def train(run: str, rate: float) -> None:
    keras.utils.set_random_seed(0)
    hidden = [
        keras.layers.Dense(64, "relu", kernel_initializer="he_normal", name=f"dense_{i}")
        for i in range(1, 4)
    ]
    model = keras.Sequential(
        [keras.Input((64,)), *hidden, keras.layers.Dense(10, name="logits")], name="digits"
    )
    model.compile(
        optimizer=keras.optimizers.SGD(rate, momentum=0.9),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    recording = adamax_tb.OptimizerHealth(run)
    model.fit(images, labels, batch_size=64, epochs=10, verbose=2, callbacks=[recording])


train("runs/05_dead_units/sick", rate=1.0)
train("runs/05_dead_units/mended", rate=0.1)
