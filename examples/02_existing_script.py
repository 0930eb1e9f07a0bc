"""An ordinary Keras script with one line added: `OptimizerHealth` records what its optimizer does, whichever it is.

    python examples/02_existing_script.py
    tensorboard --logdir runs

What to look at: the run 02_existing_script is healthy, and its optimizer is Adam. Click the row `dense/kernel` of the
heat map: where AdaMax has its infinity norm u, Adam has "Second moment, root of v (mean)". Without a browser
`adamax-tb check runs` says the same, and ends with 0 as long as all runs are healthy.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
from sklearn.datasets import load_digits

import adamax_tb

images, labels = load_digits(return_X_y=True)
images = images.astype("float32") / 16

model = keras.Sequential(
    [
        keras.Input((64,)),
        keras.layers.Dense(64, activation="relu", name="dense"),
        keras.layers.Dense(10, name="logits"),
    ]
)
model.compile(
    optimizer=keras.optimizers.Adam(1e-3),  # the optimizer stays as it is
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.fit(
    images,
    labels,
    epochs=10,
    validation_split=0.2,
    verbose=2,
    callbacks=[adamax_tb.OptimizerHealth("runs/02_existing_script")],  # the added line
)
