"""What is recorded of every optimizer that Keras has: against its own state, and the weights before and after."""

import keras
import numpy as np
import pytest
from models import dictated, gradients, mean_output, train

import adamax_tb
from adamax_tb import schema

SHAPES = ((3, 4), (4,), (5, 2), ())
STEPS = 6

#: class, arguments, what it has of `schema.NEEDS`
V = {"v", "update", "step size", "memory"}
ADAM = V | {"m", "saturation"}
KINDS = [
    ("Adamax", {}, (ADAM | {"u"}) - {"v"}),
    ("Adam", {}, ADAM),
    ("Adam", {"amsgrad": True}, ADAM),
    ("AdamW", {"weight_decay": 0.1}, ADAM),
    ("Nadam", {}, ADAM),
    ("RMSprop", {}, V),
    ("RMSprop", {"centered": True}, V),
    ("RMSprop", {"momentum": 0.9}, V - {"step size"} | {"momentum"}),
    ("RMSprop", {"momentum": 0.9, "centered": True}, V - {"step size"} | {"momentum"}),
    ("Adagrad", {}, {"accumulator", "update", "step size"}),
    ("Adadelta", {"learning_rate": 1.0}, V),
    ("SGD", {}, {"update"}),
    ("SGD", {"momentum": 0.9}, {"momentum", "update", "memory"}),
    ("SGD", {"momentum": 0.9, "nesterov": True}, {"momentum", "update", "memory"}),
    ("Lion", {}, {"m", "update", "memory"}),
    ("Ftrl", {}, {"accumulator"}),
    ("Lamb", {}, ADAM),
    ("Adafactor", {}, V),
    ("Adafactor", {"clip_threshold": 0.1}, V),
    ("Muon", {"weight_decay": None, "adam_weight_decay": None}, ADAM | {"momentum"}),
]
IDS = [f"{name}{''.join(f'-{key}' for key in arguments)}" for name, arguments, _ in KINDS]


def model(optimizer, **arguments):
    made = dictated(*SHAPES)
    random = np.random.default_rng(1)
    made.set_weights([random.normal(size=shape).astype(np.float32) for shape in SHAPES])
    made.compile(optimizer, mean_output, **arguments)
    return made


def optimizer(name, arguments):
    known = getattr(keras.optimizers, name, None)
    if known is None:
        pytest.skip(f"this Keras has no {name}")
    return known(**{"learning_rate": 0.01, **arguments})


def followed(name, arguments):
    """Trains unwatched, step by step; returns for each step the weights before and after, and the model after it."""
    made = model(optimizer(name, arguments), jit_compile=False)
    y = np.zeros((1, 1), np.float32)
    for t in range(STEPS):
        before = [w.astype(float) for w in made.get_weights()]
        made.train_on_batch([g[t : t + 1] for g in gradients(STEPS, *SHAPES)], y)
        yield before, [w.astype(float) for w in made.get_weights()], made


# each is other operations to XLA, but none that others do not have, too
@pytest.mark.parametrize(
    ("name", "arguments", "has", "jit_compile"),
    [(*kind, False) for kind in KINDS]
    + [(*kind, True) for kind in KINDS if kind[0] in ("Nadam", "Adadelta", "Lamb", "Muon")],
    ids=[*IDS, "Nadam-xla", "Adadelta-xla", "Lamb-xla", "Muon-xla"],
)
def test_the_update_is_the_change_of_the_weights_and_the_state_the_optimizers_own(
    name, arguments, has, jit_compile, tmp_path
):
    made = model(optimizer(name, arguments), jit_compile=jit_compile)
    train(made, gradients(STEPS, *SHAPES), adamax_tb.OptimizerHealth(tmp_path, every=1))
    run = adamax_tb.read_runs(tmp_path)["."]
    assert run.statistics == schema.recorded_statistics(has)
    matrices = [i for i, shape in enumerate(SHAPES) if len(shape) == 2]
    for t, (before, after, _) in enumerate(followed(name, arguments)):
        raw = [g[t].astype(float) for g in gradients(STEPS, *SHAPES)]
        if arguments.get("weight_decay"):  # comes before the update, and is left out of it
            before = [w * (1 - 0.01 * arguments["weight_decay"]) for w in before]
        change = [old - new for old, new in zip(before, after, strict=True)]
        norms = [np.linalg.norm(g) for g in raw]
        np.testing.assert_allclose(run.stat("gradient_norm")[t], norms, rtol=1e-6)
        weights = [np.linalg.norm(w) for w in after]
        np.testing.assert_allclose(run.stat("weight_norm")[t], weights, rtol=1e-5)
        if "update" not in has:
            continue
        known = [i for i in range(4) if name != "Muon" or i not in matrices]
        # the weights are near 1, an update near 0.01: float32 knows their difference to 1e-5 of it
        for stat, value in (
            ("update_rms", [np.sqrt(np.mean(c**2)) for c in change]),
            ("update_max", [np.abs(c).max() for c in change]),
            ("update_ratio", [np.linalg.norm(c) / w for c, w in zip(change, weights, strict=True)]),
        ):
            got = run.stat(stat)[t][known]
            np.testing.assert_allclose(
                got, np.array(value)[known], rtol=2e-3, atol=2e-7, err_msg=stat
            )
        assert np.isnan(run.stat("update_rms")[t]).sum() == 4 - len(known)
        descent = np.array([np.sum(g * c) for g, c in zip(raw, change, strict=True)])[known]
        share = descent / np.abs(descent).sum()
        if name != "Muon":
            np.testing.assert_allclose(run.stat("descent_share")[t], share, rtol=5e-3, atol=1e-4)
    assert_state(run, made, arguments, has)


def assert_state(run, made, arguments, has):
    """What the last record says of the optimizer's state is what its variables hold."""
    slots = {
        "m": ("m", "momentum"),
        "v": ("velocity_hat" if arguments.get("amsgrad") else "velocity", "accumulated_grad"),
        "accumulator": ("accumulator",),
        "momentum": ("momentum",),
        "u": ("norm",),
    }
    checked = set()
    for needs in {"m", "u", "v", "accumulator", "momentum"} & has:
        found = {}
        for slot in slots[needs]:
            found = found or {
                i: values for i, values in indexed(made, slot).items() if values.shape == SHAPES[i]
            }
        assert found, (needs, [v.path for v in made.optimizer.variables])
        for i, values in found.items():
            size = np.sqrt(values) if needs in ("v", "accumulator") else values
            stats = {
                "rms": np.sqrt(np.mean(size**2)),
                "min": size.min(), "mean": size.mean(), "max": size.max(), "zeros": np.mean(size == 0),
            }  # fmt: skip
            for key, value in stats.items():
                if f"{needs}_{key}" in run.statistics and not np.isnan(
                    run.stat(f"{needs}_{key}")[-1, i]
                ):
                    got = run.stat(f"{needs}_{key}")[-1, i]
                    assert got == pytest.approx(value, rel=2e-6, abs=1e-12), (needs, key, i)
                    checked.add(needs)
    assert checked == {"m", "u", "v", "accumulator", "momentum"} & has


def indexed(made, slot):
    """Returns {variable's index: value} of the optimizer's variables named `slot`, by the order Keras keeps them in."""
    found = {}
    for i, v in enumerate(made.trainable_variables):
        key = f"{v.path.replace('/', '_')}_{slot}"
        for variable in made.optimizer.variables:
            if variable.path.rpartition("/")[2] == key:
                found[i] = variable.numpy().astype(float)
    return found


def test_a_class_of_ones_own_with_another_update_is_not_taken_for_keras(tmp_path):
    class Mine(keras.optimizers.Adam):
        def update_step(self, gradient, variable, learning_rate):
            self.assign_sub(variable, 0.5 * gradient)

    class Renamed(keras.optimizers.Adam):
        pass

    for kind, has in ((Mine, set()), (Renamed, ADAM)):
        made = model(kind(0.01), jit_compile=False)
        train(
            made,
            gradients(STEPS, *SHAPES),
            adamax_tb.OptimizerHealth(tmp_path / kind.__name__, every=1),
        )
        run = adamax_tb.read_runs(tmp_path)[kind.__name__]
        assert run.statistics == schema.recorded_statistics(has)
