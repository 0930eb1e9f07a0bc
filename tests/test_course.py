"""How a run went: what its loss did and what its updates promised."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import healthy_stats, write_run

from adamax_tb import read_runs
from adamax_tb.rules.course import course_of
from adamax_tb.schema import Arrays, Run


def run_of(steps, loss, shapes=((3, 2), (2,)), **stats):
    """A run in memory: statistics are given as (T,), the same for each layer."""
    steps = np.asarray(steps, np.int64)
    layers = ("dense/kernel", "dense/bias")
    values = healthy_stats(steps, layers)
    values |= {name: np.repeat(np.float32(x)[:, None], 2, axis=1) for name, x in stats.items()}
    whole = {"loss": np.float32(loss), "loss_peak": np.float32(loss)}
    return Run(
        ".",
        steps,
        np.zeros(len(steps)),
        layers,
        shapes,
        tuple(values),
        "SGD",
        {},
        _stats=Arrays(values),
        _step_stats=Arrays(whole),
    )


def test_plain_sgd_promises_the_rate_times_the_squared_gradient_of_each_update():
    steps = np.arange(1, 51)
    gradient = np.geomspace(1, 0.1, 50)
    weights = np.linspace(2, 3, 50)
    run = run_of(
        steps,
        np.ones(50),
        gradient_norm=gradient,
        weight_norm=weights,
        update_ratio=0.1 * gradient / weights,
    )
    assert course_of(run).descent.whole == pytest.approx(2 * np.sum(0.1 * gradient**2), rel=1e-5)


@given(st.integers(2, 50), st.floats(0.8, 1.2))
def test_what_is_promised_between_two_records_is_that_of_an_exponential_course(every, decay):
    steps = np.concatenate([[1], np.arange(every, 501, every)])
    per_update = decay ** (steps / 10.0)
    run = run_of(
        steps,
        np.ones(len(steps)),
        gradient_norm=per_update,
        weight_norm=np.ones(len(steps)),
        update_ratio=np.ones(len(steps)),
    )
    each = 2 * decay ** (np.arange(1, steps[-1] + 1) / 10.0)
    assert course_of(run).descent.whole == pytest.approx(each.sum(), rel=1e-3)


def test_a_layer_that_is_not_finite_promises_nothing():
    gradient = np.array([1, np.inf, np.nan, 1])
    run = run_of([1, 2, 3, 4], np.ones(4), gradient_norm=gradient)
    assert np.isfinite(course_of(run).descent.whole)
    assert (course_of(run).descent.per_update[1:3] == 0).all()


def test_a_single_update_that_promises_the_world_does_not_make_the_pace():
    gradient = np.full(100, 1e-3)
    gradient[50] = 1e9
    run = run_of(range(1, 101), np.ones(100), gradient_norm=gradient)
    assert course_of(run).promised > 1e5
    assert course_of(run).pace < 0.1


@pytest.mark.parametrize(
    ("loss", "remaining"),
    [
        (np.linspace(2, 0, 101), 0.02),
        (np.full(101, 2.0), 1.0),
        (np.linspace(2, 6, 101), 2.96),
        (np.linspace(-1, -2, 101), np.nan),
        ([*np.ones(100), np.inf], np.inf),
        (np.full(101, np.nan), np.nan),
    ],
)
def test_what_remains_of_the_loss_is_a_part_of_the_first(loss, remaining):
    loss = np.array(loss)
    loss[~np.isfinite(loss)] = loss[-1]
    if np.isinf(remaining):
        loss[50:] = np.inf
    found = course_of(run_of(range(1, 102), loss)).loss.remaining
    assert found == pytest.approx(remaining, abs=0.05, nan_ok=True)


def test_a_loss_that_fell_to_what_guessing_gives_is_not_learned():
    loss = np.concatenate([np.linspace(30, np.log(10), 20), np.full(80, np.log(10) * 1.01)])
    guessing = run_of(range(1, 101), loss, shapes=((3, 10), (10,)))
    course = course_of(guessing).loss
    assert course.guessing
    assert course.remaining == 1
    assert not course.learned
    assert "what guessing gives" in course.described()
    assert not course_of(run_of(range(1, 101), loss, shapes=((3, 9), (9,)))).loss.guessing


@pytest.mark.parametrize(
    ("first_ratio", "first_step", "fresh"),
    [(1.0, 1, True), (0.001, 1, False), (1.0, 501, False)],
)
def test_a_network_is_untrained_when_its_last_bias_is_its_first_update(
    tmp_path, first_ratio, first_step, fresh
):
    ratios = np.full((20, 4), 0.01, np.float32)
    ratios[0, 3] = first_ratio
    write_run(tmp_path, range(first_step, first_step + 20), {"update_ratio": ratios})
    assert course_of(read_runs(tmp_path)["."]).fresh == fresh
