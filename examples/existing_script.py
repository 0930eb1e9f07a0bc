"""An ordinary Keras script with one line added: `OptimizerHealth` records what its optimizer does.

    python examples/existing_script.py
    adamax-tb check runs
    tensorboard --logdir runs

Look at the row of `sequential/dense/kernel` in the heat map, and at its curves.
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
    callbacks=[adamax_tb.OptimizerHealth("runs/adam")],  # the added line
)
