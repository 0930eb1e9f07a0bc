"""A cadence that goes to where its budget lets it, in trainings long enough for that."""

import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from models import X, Y, classifier

import adamax_tb


class Slow(keras.callbacks.Callback):
    """Makes a training long enough to be adjusted."""

    def on_train_batch_end(self, batch, logs=None):
        time.sleep(0.001)


@pytest.mark.parametrize(("jit_compile", "steps_per_execution"), [(False, 1), (True, 4)])
def test_an_automatic_cadence_goes_to_where_the_budget_lets_it(
    tmp_path, jit_compile, steps_per_execution, monkeypatch
):
    monkeypatch.setattr("adamax_tb.recording.ADJUST_S", 0.3)
    monkeypatch.setattr("adamax_tb.recording.DRAIN_S", 0.1)
    records = {}
    for name, overhead in (("dense", 0.9), ("sparse", 1e-6)):
        model = classifier(
            adamax_tb.AdaMax(), jit_compile=jit_compile, steps_per_execution=steps_per_execution
        )
        callback = adamax_tb.OptimizerHealth(tmp_path / name, every="auto", overhead=overhead)
        data = tf.data.Dataset.from_tensors((X[:8], Y[:8])).repeat()
        steps = 2400
        model.fit(
            data, steps_per_epoch=steps, verbose=0, shuffle=False, callbacks=[callback, Slow()]
        )
        run = adamax_tb.read_runs(tmp_path)[name]
        gaps = np.diff(run.steps)
        records[name] = gaps[-1]
        assert run.steps[0] == 1
        assert (run.steps[1:] % gaps == 0).all() or len(set(gaps.tolist())) > 1
        # the sentinel still sees every update: each record's window begins where the last one ended
        peak_steps = run.stat("gradient_norm_peak_step")
        assert (peak_steps[1:].min(axis=1) > run.steps[:-1]).all()
        assert np.isfinite(run.step_stat("overhead")).any()
    densest = 10 if steps_per_execution == 4 else 1
    assert records["dense"] <= densest
    assert records["sparse"] >= 100
