"""The first run: AdaMax and one callback, on a network that learns as it should.

    python examples/01_first_run.py
    tensorboard --logdir runs

Open the tab "Optimizer health". What to look at:

- The row `01_first_run` of the table: click it if another one, the worst, is selected. The bar below the table says
  "Healthy: no finding".
- "Layers × steps": a row for each kernel and bias, a column for each record, the gradient norm as colour. All rows grow
  slowly darker as the loss falls. Only steps 290 and 580 stand out: every 29th batch has 5 images where others have 64.
- Click the row `dense_1/kernel`. Below, "Update / weight" runs through the grey band: that is where healthy runs have
  it.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
from sklearn.datasets import load_digits

import adamax_tb

images, labels = load_digits(return_X_y=True)  # 1,797 images of 8 x 8 pixels
images = images.astype("float32") / 16

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
    optimizer=adamax_tb.AdaMax(2e-3),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.fit(
    images,
    labels,
    batch_size=64,
    epochs=20,
    verbose=2,
    callbacks=[adamax_tb.OptimizerHealth("runs/01_first_run")],
)
