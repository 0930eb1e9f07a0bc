"""Three short training runs on scikit-learn's digits: one healthy, one whose gradient explodes, one whose vanishes.

It trains and records; `cli` prints the verdicts and starts TensorBoard.
"""

import os
import shutil
from collections.abc import Callable
from typing import Any

EPOCHS = 20
#: A line of progress is a second or two.
EPOCHS_A_LINE = 5
BATCH_SIZE = 64


def healthy(keras: Any, adamax: Any) -> Any:
    """Returns a relu network of three layers that learns the digits."""
    return _classifier(keras, adamax(1e-3), depth=3, activation="relu", initializer="he_normal")


def exploding(keras: Any, adamax: Any) -> Any:
    """Returns a network whose learning rate is meant to decay, but grows: the decay rate is above 1."""
    schedule = keras.optimizers.schedules.ExponentialDecay(1e-3, decay_steps=29, decay_rate=2.0)
    return _classifier(
        keras, adamax(schedule), depth=8, activation="leaky_relu", initializer="he_normal"
    )


def vanishing(keras: Any, adamax: Any) -> Any:
    """Returns a deep sigmoid network: each layer passes on at most a quarter of the gradient."""
    return _classifier(
        keras, adamax(1e-3), depth=12, activation="sigmoid", initializer="glorot_uniform"
    )


MODELS: dict[str, Callable[[Any, Any], Any]] = {
    "healthy": healthy,
    "exploding": exploding,
    "vanishing": vanishing,
}


def train(logdir: str, epochs: int = EPOCHS) -> None:
    """Trains the models of `MODELS` and records each into the directory of its name below `logdir`.

    Args:
        logdir: made if missing; runs of these names that are there already are replaced.
        epochs: how often each model sees the 1,797 digits.

    Raises:
        ImportError: Keras, what it runs on or scikit-learn is missing.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import adamax_tb

    print("Starting Keras (some seconds)", flush=True)
    adamax = adamax_tb.AdaMax  # says what to install where there is no Keras
    import keras

    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            "The demo trains on scikit-learn's digits: pip install scikit-learn"
        ) from error

    images, labels = load_digits(return_X_y=True)
    images = (images / 8.0 - 1.0).astype("float32")
    for name, build in MODELS.items():
        run = os.path.join(logdir, name)
        shutil.rmtree(run, ignore_errors=True)
        keras.utils.set_random_seed(0)
        model = build(keras, adamax)
        print(f"Training {name} into {run}", flush=True)
        model.fit(
            images,
            labels,
            batch_size=BATCH_SIZE,
            epochs=epochs,
            verbose=0,
            callbacks=[adamax_tb.OptimizerHealth(run), _Progress()],
        )


def _classifier(keras: Any, optimizer: Any, depth: int, activation: str, initializer: str) -> Any:
    layers = [
        keras.layers.Dense(
            64, activation=activation, kernel_initializer=initializer, name=f"dense_{i + 1}"
        )
        for i in range(depth)
    ]
    model = keras.Sequential(
        [keras.Input((64,)), *layers, keras.layers.Dense(10, name="logits")], name="digits"
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])
    return model


def _Progress() -> Any:  # made when Keras is there; used like the class it returns an instance of
    import keras

    class Progress(keras.callbacks.Callback):
        """Lines that count epochs and show the loss."""

        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            done, of, logs = epoch + 1, self.params["epochs"], logs or {}
            if done % EPOCHS_A_LINE == 0 or done == of:
                told = f"loss {logs['loss']:.4g}  accuracy {logs['accuracy']:.0%}"
                print(f"  epoch {done}/{of}  {told}", flush=True)

    return Progress()
