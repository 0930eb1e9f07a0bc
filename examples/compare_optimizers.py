"""Which optimizer is best for this model? Six of them, each at several learning rates and with several seeds.

    python examples/compare_optimizers.py            # 6 optimizers x 4 rates x 5 seeds: 8 minutes
    python examples/compare_optimizers.py --quick    # 3 x 2 x 3: under a minute
    adamax-tb compare runs/compare                   # the table again, with --target another one
    tensorboard --logdir runs/compare                # the tabs "Optimizer health" and "HParams"

To compare them on a model of your own, change `model`, `data`, `LOSS` and `METRICS` below, and perhaps the rates.

All optimizers get the same number of rates, and the same number of steps at each; trials of the same seed begin with
the same weights and see the same batches. They take turns, so that whatever else the machine does strikes all.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import argparse
import shutil
import subprocess
import sys
import time

import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

import adamax_tb
from adamax_tb.hparams import TrialWriter

BATCH_SIZE = 32
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
METRICS = ["accuracy"]  # [] where there is no such thing


def model():
    """Returns a new model, not compiled; the panel finds the same layer in two runs by its name."""
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(16, 3, activation="relu", name="conv_1"),
            keras.layers.Conv2D(32, 3, activation="relu", name="conv_2"),
            keras.layers.Flatten(),
            keras.layers.Dense(10, name="logits"),
        ],
        name="digits",
    )


def data():
    """Returns inputs and labels to train on, and inputs and labels that are held out: NumPy arrays."""
    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype("float32").reshape(-1, 8, 8, 1)
    order = np.random.default_rng(0).permutation(len(images))
    train, held_out = order[:1347], order[1347:]
    return images[train], labels[train], images[held_out], labels[held_out]


# An optimizer, made with a learning rate, and the rates to try: as many for each, the best of them in between.
OPTIMIZERS = {
    "SGD": (keras.optimizers.SGD, (0.03, 0.1, 0.3, 1.0)),  # plain, without momentum
    "AdaGrad": (keras.optimizers.Adagrad, (0.03, 0.1, 0.3, 1.0)),
    "RMSProp": (keras.optimizers.RMSprop, (0.001, 0.003, 0.01, 0.03)),
    "Adam": (keras.optimizers.Adam, (0.001, 0.003, 0.01, 0.03)),
    "AMSGrad": (
        lambda rate: keras.optimizers.Adam(rate, amsgrad=True),
        (0.001, 0.003, 0.01, 0.03),
    ),
    "AdaMax": (adamax_tb.AdaMax, (0.001, 0.003, 0.01, 0.03)),
}
QUICK = {"SGD": (0.1, 0.3), "Adam": (0.003, 0.01), "AdaMax": (0.003, 0.01)}


def compiled(optimizer):
    """Returns a new model for training with `optimizer`."""
    made = model()
    made.compile(optimizer, LOSS, metrics=METRICS, jit_compile=False)
    return made


class Course(keras.callbacks.Callback):
    """Tests the model on held-out data before training and after each epoch, and tells the trial.

    The clock stands still while it does. It is `judge` that is tested, with the model's weights: a model like it that
    was traced once, for all trials.
    """

    def __init__(self, trial, judge, inputs, labels):
        super().__init__()
        self.trial, self.judge, self.held_out = trial, judge, (inputs, labels)
        self.seconds = 0.0

    def on_train_begin(self, logs=None):
        self.test()

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        step = int(self.model.optimizer.iterations.numpy())  # waits for the device, too
        self.seconds += time.perf_counter() - self.began
        self.test(step)

    def test(self, step=0):
        self.judge.set_weights(self.model.get_weights())
        results = np.atleast_1d(self.judge.evaluate(*self.held_out, batch_size=512, verbose=0))
        self.loss, self.accuracy = results[0], results[1] if METRICS else np.nan
        self.trial.reached(step, self.loss, self.accuracy, self.seconds)


def train(trial, optimizer, seed, arrays, judge, epochs):
    """Trains one model; returns its `Course`."""
    inputs, labels, *held_out = arrays
    keras.utils.set_random_seed(seed)  # the same weights for each optimizer
    batches = (
        tf.data.Dataset.from_tensor_slices((inputs, labels))
        .shuffle(len(inputs), seed=seed)  # and the same batches in the same order
        .batch(BATCH_SIZE)
    )
    trained = compiled(optimizer)
    course = Course(trial, judge, *held_out)
    health = adamax_tb.OptimizerHealth(trial.log_dir)
    trained.fit(batches, epochs=epochs, shuffle=False, verbose=0, callbacks=[health, course])
    trial.finish()
    return course


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, help="how many (default: 5, quick: 3)")
    parser.add_argument("--epochs", type=int, help="the budget of a trial (default: 12, quick: 3)")
    parser.add_argument("--quick", action="store_true", help="3 optimizers with 2 rates each")
    parser.add_argument(
        "--logdir", default="runs/compare", help="its trials are replaced (default: %(default)s)"
    )
    args = parser.parse_args(arguments)
    epochs = args.epochs or (3 if args.quick else 12)
    seeds = range(args.seeds or (3 if args.quick else 5))
    rates = QUICK if args.quick else {name: own for name, (_, own) in OPTIMIZERS.items()}
    for name in OPTIMIZERS:
        shutil.rmtree(os.path.join(args.logdir, name), ignore_errors=True)

    arrays, judge = data(), compiled("sgd")
    trials = [
        (seed, name, own[i])
        for seed in seeds
        for i in range(max(map(len, rates.values())))
        for name, own in rates.items()
        if i < len(own)
    ]
    began = time.perf_counter()
    for done, (seed, name, rate) in enumerate(trials):
        left = (time.perf_counter() - began) / done * (len(trials) - done) if done else 0
        how_long = f", {left:.0f} s left" if done else ""
        print(
            f"[{done + 1}/{len(trials)}{how_long}] {name} at {rate:g}, seed {seed}",
            end=": ",
            flush=True,
        )
        trial = TrialWriter(args.logdir, name, rate, seed)
        course = train(trial, OPTIMIZERS[name][0](rate), seed, arrays, judge, epochs)
        accuracy = f", accuracy {course.accuracy:.1%}" if METRICS else ""
        print(f"held-out loss {course.loss:.4g}{accuracy}", flush=True)

    print()
    compare = [sys.executable, "-m", "adamax_tb.cli", "compare", args.logdir]
    code = subprocess.run(compare).returncode
    print(
        f"\nOpen:  tensorboard --logdir {args.logdir}\n"
        "  HParams: a row per trial; 'Sort by' is at the lower left.\n"
        "  Optimizer health: a run per trial; pick the same seed of two optimizers and compare their heat maps."
    )
    return code


if __name__ == "__main__":
    sys.exit(main())
