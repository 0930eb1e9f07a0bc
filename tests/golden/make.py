"""Makes the golden files of a format's version: two short trainings, and their numbers as TensorBoard reads them.

    python tests/golden/make.py tests/golden/version_1

To be run once, by the release that writes that version first. Later releases must read the files as they are, so those
that are there are never made again.
"""

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

import adamax_tb
from adamax_tb import schema
from adamax_tb.schema import LayerTable

BATCH = 8


def train(directory, optimizer, batches, every, nan_at=None, model=None):
    """Trains a network of two layers for so many batches; one row of the batch `nan_at` is NaN."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(BATCH * batches, 4)).astype("float32")
    y = np.digitize(x.sum(axis=1), [-1, 1])
    if nan_at is not None:
        x[BATCH * (nan_at - 1)] = np.nan
    if model is None:
        keras.utils.set_random_seed(0)
        hidden = keras.layers.Dense(6, activation="relu", name="hidden")
        logits = keras.layers.Dense(3, name="logits")
        model = keras.Sequential([keras.Input((4,)), hidden, logits], name="golden")
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer=optimizer, loss=loss)
    health = adamax_tb.OptimizerHealth(directory, every=every)
    model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0, callbacks=[health])
    return model


def rename(directory):
    """Gives the event files names without a machine or a process."""
    for i, path in enumerate(sorted(directory.iterdir()), start=1):
        path.rename(directory / f"events.out.tfevents.{i:010d}.golden.{schema.PLUGIN_NAME}")


def expected(directory):
    """Returns the numbers of a run, read without a line of `adamax_tb.reader`."""
    records, flight = {}, {}
    for path in sorted(directory.iterdir()):
        for event in LegacyEventFileLoader(str(path)).Load():
            values = {value.tag: value.tensor for value in event.summary.value}
            if schema.LAYERS_TAG in values:
                table = LayerTable.FromString(values.pop(schema.LAYERS_TAG).string_val[0])
            floats = {
                tag: np.frombuffer(tensor.tensor_content, "<f4") for tag, tensor in values.items()
            }
            kept = flight if schema.FLIGHT_TAG in floats else records
            if floats:
                for step in [step for step in kept if step >= event.step]:
                    del kept[step]  # it was started again from there
                kept[event.step] = event.wall_time, floats
    rows = [floats for _, floats in records.values()]
    flown = [floats for _, floats in flight.values()]
    step_stats = np.array([row[schema.STEP_TAG] for row in rows]).T
    about = {
        "layers": {layer.name: list(layer.shape) for layer in table.layers},
        "optimizer": table.optimizer,
        "hyperparameters": dict(table.hyperparameters),
        "planned_step": table.planned_step,
        "head": [table.head.loss, table.head.from_logits, table.head.activation, table.head.units],
        "steps": [*records],
        "wall_times": [wall_time for wall_time, _ in records.values()],
        "statistics": {
            name: [numbers(row[schema.statistic_tag(name)]) for row in rows]
            for name in table.statistics
        },
        "step_statistics": {
            name: numbers(column)
            for name, column in zip(table.step_statistics, step_stats, strict=True)
        },
    }
    if flown:
        columns = np.array([row[schema.FLIGHT_STEP_TAG] for row in flown]).T
        about["flight"] = {
            "steps": [*flight],
            "gradient_norm": [numbers(row[schema.FLIGHT_TAG]) for row in flown],
            "loss": numbers(columns[0]),
            "learning_rate": numbers(columns[1]),
            "loss_scale": numbers(columns[2]),
            "reasons": [schema.FLIGHT_REASONS[int(code)] for code in columns[3]],
        }
    return about


def numbers(values):
    """Returns float32 as JSON numbers of as many digits as tell them apart, None for what was not recorded."""
    there = schema.recorded(values)
    return [float(str(x)) if known else None for x, known in zip(values, there, strict=True)]


def main(directory):
    """Writes the runs and `expected.json` into `directory`, which must not be there."""
    directory.mkdir()
    adamax = adamax_tb.AdaMax(0.01, restart_every=15)
    train(directory / "nan", adamax, batches=40, every=10, nan_at=33)
    continued = directory / "continued"
    model = train(continued, keras.optimizers.Adam(0.01), batches=9, every=2)
    model.optimizer.iterations.assign(5)  # as a checkpoint does
    train(continued, None, batches=4, every=2, model=model)
    for run in (directory / "nan", continued):
        rename(run)
    runs = {name: expected(directory / name) for name in ("nan", "continued")}
    text = ",\n".join(f'"{name}": {json.dumps(run)}' for name, run in runs.items())
    (directory / "expected.json").write_text(f"{{{text}}}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
