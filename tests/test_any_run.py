"""Rules meet runs that no training would make: they may find what they like, but never raise, warn or say nonsense."""

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import ADAM, ADAMAX, healthy_stats

from adamax_tb import diagnose
from adamax_tb.rules import RULE_NAMES, finding_json, loss_course, loss_ends
from adamax_tb.schema import NOT_RECORDED, STEP_STATS, Arrays, Head, Run

LAYERS = (
    (
        ("dense_1/kernel", (8, 4)),
        ("dense_1/bias", (4,)),
        ("out/kernel", (4, 3)),
        ("out/bias", (3,)),
    ),
    (("scale", ()),),
    (("gamma", ()), ("norm/beta", (5,))),
    (("embedding/embeddings", (100, 8)), ("other/embeddings", (50, 8))),
    (("conv/kernel", (3, 3, 1, 8)), ("query/bias", (2, 4)), ("dense/kernel", (8, 1))),
)
ODD = [0.0, np.nan, np.inf, -np.inf, 1e-45, 1e-30, 1e30, 3e38, float(NOT_RECORDED)]
PARTS = {"gradient_zeros", "u_zeros", "v_zeros", "dead_units", "saturation", "descent_share"}


@st.composite
def runs(draw):
    layers = draw(st.sampled_from(LAYERS))
    has = draw(st.sampled_from([ADAMAX, ADAM, frozenset({"update"}), frozenset()]))
    count = draw(st.sampled_from([1, 2, 3, 5, 12, 60]))
    start, every = draw(st.sampled_from([1, 2, 5000])), draw(st.sampled_from([1, 10, 100]))
    steps = start + every * np.arange(count)
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    spread = draw(st.sampled_from([0.0, 1.0, 20.0]))
    stats = healthy_stats(steps, layers, has)
    with np.errstate(over="ignore", under="ignore"):
        for name, values in stats.items():
            if name not in PARTS | {"nonfinite", "gradient_norm_peak_step"}:
                values *= np.exp(random.normal(0, spread, values.shape)).astype(np.float32)
        loss = np.exp(random.normal(0, spread, count)).astype(np.float32)
    whole = {name: np.full(count, np.nan, np.float32) for name in STEP_STATS}
    whole |= {
        "loss": loss,
        "loss_peak": loss.copy(),
        "learning_rate": np.full(count, draw(st.sampled_from([1e-3, np.nan])), np.float32),
    }
    for _ in range(draw(st.integers(0, 4))):
        name = draw(st.sampled_from([*sorted(stats), "loss", "loss_peak", "learning_rate"]))
        values = stats.get(name, whole.get(name))
        odd = np.float32(draw(st.sampled_from([0.0, 1.0] if name in PARTS else ODD)))
        values[draw(st.integers(0, count - 1)) :] = odd
    if "gradient_norm_peak_step" in stats:
        stats["gradient_norm_peak_step"][:] = steps[:, None]
    return Run(
        ".",
        steps.astype(np.int64),
        np.zeros(count),
        tuple(name for name, _ in layers),
        tuple(shape for _, shape in layers),
        tuple(stats),
        "Adam",
        {"epsilon": 1e-7, "beta_2": 0.999},
        planned_step=draw(st.sampled_from([None, 10, 100_000])),
        head=draw(
            st.sampled_from([None, Head(loss="MeanSquaredError", activation="relu", units=3)])
        ),
        _stats=Arrays(stats),
        _step_stats=Arrays(whole),
    )


@pytest.mark.filterwarnings("error")
@settings(max_examples=300)
@given(runs())
def test_whatever_a_run_holds_it_gets_findings_that_can_be_told(run):
    for cause in diagnose(run):
        for finding in (cause, *cause.consequences):
            assert finding.rule in RULE_NAMES
            assert finding.layer is None or finding.layer in run.layers
            assert 1 <= finding.first_step <= finding.last_step
            assert finding.suggestion
            assert finding.reference
            words = f"{finding.message} {finding.suggestion}"
            assert not re.search(r"\bnan\b|\binf\b", words), words
            assert np.isfinite(finding.evidence.get("learning_rate", 0.0))
        json.dumps(finding_json(cause), allow_nan=False)


@settings(max_examples=100)
@given(runs())
def test_the_ends_of_a_loss_are_those_of_its_course(run):
    course = loss_course(run)
    np.testing.assert_array_equal(loss_ends(run), (course.first, course.last))
