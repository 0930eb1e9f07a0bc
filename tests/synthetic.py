"""Runs made of numbers that a test chooses, written by the real writer: what a test of reading and judging needs."""

import numpy as np

from adamax_tb import schema
from adamax_tb.writer import EventWriter

#: What the optimizers of these tests have, of `schema.NEEDS`.
ADAMAX = frozenset({"m", "u", "update", "step size", "saturation", "memory"})
ADAM = ADAMAX - {"u"} | {"v"}

LAYERS = (
    ("dense_1/kernel", (8, 4)),
    ("dense_1/bias", (4,)),
    ("dense_2/kernel", (4, 3)),
    ("dense_2/bias", (3,)),
)


def table(layers=LAYERS, has=ADAMAX, optimizer="AdaMax"):
    return schema.LayerTable(
        version=schema.VERSION,
        layers=[schema.Layer(name=name, shape=shape, dtype="float32") for name, shape in layers],
        statistics=schema.recorded_statistics(has),
        step_statistics=schema.STEP_STATS,
        optimizer=optimizer,
        hyperparameters={"learning_rate": 0.001, "beta_1": 0.9},
        every=1,
    )


def healthy_stats(steps, layers=LAYERS, has=ADAMAX):
    """Statistics of an uneventful run: all 1, but for what would be alarming at 1.

    Its updates are a hundredth of the weights and promise 0.04 of loss each.
    """
    stats = {
        name: np.ones((len(steps), len(layers)), np.float32)
        for name in schema.recorded_statistics(has)
    }
    for name in ("nonfinite", "gradient_zeros", "u_zeros", "v_zeros", "dead_units"):
        if name in stats:
            stats[name][:] = 0
    if "update_ratio" in stats:
        stats["update_ratio"][:] = 0.01
    return stats


def write_run(
    directory,
    steps,
    stats=None,
    loss=None,
    layers=LAYERS,
    has=ADAMAX,
    optimizer="AdaMax",
    only=None,
    flight=None,
    step_stats=None,
):
    """Writes one event file and returns its path.

    `flight` is None or a dict with "steps" and any of "gradient_norm", "loss" and "reason" (of `FLIGHT_REASONS`).
    """
    steps = np.asarray(steps, np.int64)
    loss = np.linspace(2.0, 0.1, len(steps)) if loss is None else np.asarray(loss, float)
    rows = table(layers, has, optimizer)
    values = {**healthy_stats(steps, layers, has), **(stats or {})}
    if only is not None:
        rows.statistics[:] = only
        values = {name: values[name] for name in only}
    writer = EventWriter(str(directory), rows)
    numbers = {"loss": loss, "loss_peak": loss, "learning_rate": np.full(len(steps), 0.001)}
    writer.write(steps, values, {**numbers, **(step_stats or {})})
    if flight is not None:
        write_flight(writer, len(layers), **flight)
    writer.close()
    return writer.path


def write_flight(writer, layers, steps, gradient_norm=None, loss=None, reason="nonfinite gradient"):
    """Writes a flight record; gradient norms and losses are 1 where none are given."""
    count = len(steps)
    norms = np.ones((count, layers)) if gradient_norm is None else np.asarray(gradient_norm)
    writer.write_flight(
        np.asarray(steps, np.int64),
        norms.astype(np.float32),
        {
            "loss": np.ones(count) if loss is None else np.asarray(loss, float),
            "learning_rate": np.full(count, 0.001),
            "loss_scale": np.ones(count),
            "reason": np.full(count, schema.FLIGHT_REASONS.index(reason)),
        },
    )
