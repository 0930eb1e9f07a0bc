"""A run that is recorded until it crashes, and its last updates."""

import numpy as np
from synthetic import write_run


def crash(directory):
    """A run that is recorded every tenth step until its gradient is NaN, and the 128 updates before."""
    rng = np.random.default_rng(0)
    steps, flown = np.arange(10, 401, 10), np.arange(273, 401)
    growth = np.exp(np.linspace(0, 9, 20))
    norms = np.exp(rng.normal(0, 0.3, (128, 4)))
    norms[-20:] *= growth[:, np.newaxis]
    loss = np.exp(-flown / 150) + rng.uniform(0, 0.1, 128)
    loss[-20:] *= np.sqrt(growth)
    norms[-1], loss[-1] = np.nan, np.nan
    recorded = np.exp(rng.normal(0, 0.3, (40, 4))).astype(np.float32)
    recorded[-2:] = norms[[-11, -1]]
    losses = np.exp(-steps / 150) + rng.uniform(0, 0.1, 40)
    losses[-2:] = loss[[-11, -1]]
    write_run(
        directory,
        steps,
        {
            "gradient_norm": recorded,
            "gradient_norm_peak": recorded * 1.5,
            "nonfinite": np.where(np.isnan(recorded), 5, 0).astype(np.float32),
        },
        losses,
        flight={"steps": flown, "gradient_norm": norms, "loss": loss},
        step_stats={
            "overhead": np.full(40, 0.0134),
            "loss_scale": np.where(steps > 200, 2.0**14, 2.0**15),
            "skipped_steps": np.where(steps == 210, 3, 0),
        },
    )
