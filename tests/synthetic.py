"""Runs made of numbers that a test chooses, written by the real writer: what a test of reading and judging needs."""

import numpy as np

from adamax_tb import schema
from adamax_tb.writer import EventWriter

LAYERS = (
    ("dense_1/kernel", (8, 4)),
    ("dense_1/bias", (4,)),
    ("dense_2/kernel", (4, 3)),
    ("dense_2/bias", (3,)),
)


def table(layers=LAYERS, states="mu", optimizer="AdaMax"):
    return schema.LayerTable(
        version=schema.VERSION,
        layers=[schema.Layer(name=name, shape=shape, dtype="float32") for name, shape in layers],
        statistics=schema.recorded_statistics(states),
        step_statistics=schema.STEP_STATS,
        optimizer=optimizer,
        hyperparameters={"learning_rate": 0.001, "beta_1": 0.9},
        every=1,
    )


def healthy_stats(steps, layers=LAYERS, states="mu"):
    """Statistics of an uneventful run: all 1, but for what would be alarming at 1."""
    stats = {
        name: np.ones((len(steps), len(layers)), np.float32)
        for name in schema.recorded_statistics(states)
    }
    for name in ("nonfinite", "gradient_zeros", "u_zeros", "dead_units"):
        if name in stats:
            stats[name][:] = 0
    return stats


def write_run(
    directory,
    steps,
    stats=None,
    loss=None,
    layers=LAYERS,
    states="mu",
    optimizer="AdaMax",
    only=None,
):
    """Writes one event file and returns its path."""
    steps = np.asarray(steps, np.int64)
    loss = np.linspace(2.0, 0.1, len(steps)) if loss is None else np.asarray(loss, float)
    rows = table(layers, states, optimizer)
    values = {**healthy_stats(steps, layers, states), **(stats or {})}
    if only is not None:
        rows.statistics[:] = only
        values = {name: values[name] for name in only}
    writer = EventWriter(str(directory), rows)
    step_stats = {"loss": loss, "loss_peak": loss, "learning_rate": np.full(len(steps), 0.001)}
    writer.write(steps, values, step_stats)
    writer.close()
    return writer.path
