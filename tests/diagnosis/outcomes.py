"""What became of each program, and what would have become of it at another rate or without its fault.

    .venv/bin/python tests/diagnosis/outcomes.py [NAME ...]     trains what has changed, writes outcomes.json

A program is judged by the loss of all its training examples, not by any statistic that a rule sees. The measure is its
**shortfall**: the part of what could have been learned that was not,

    (loss - best) / (constant - best)

where `best` is the lowest loss among the same program at 0.1, 0.3, 3 and 10 times its rate and its twin without the
fault, each after as many updates, and `constant` that of the best prediction that does not look at the inputs. It is 0
for the best of these runs and 1 for one that learned nothing, whatever the loss's scale, the noise in the labels, or
how bad the first weights are. A program and its twin are also compared by what they get wrong, the part of classes or
the variance unexplained; by nothing else where the twin has another loss or other targets.

Faulty is what is not finite, or falls short by more than `FAULTY`: more than a third of what the same number of
updates could have learned. Healthy is what falls short by less than `SOUND` at all four rates: nobody would stop that
run. What lies between is borderline, such as a rate a factor of 3 below the best, or a network half of which is dead
and the rest learns on: a person would say either, so no such program is in the set, and no rule is judged by it.
Where nothing learned (`best` is within `LEARNABLE` of `constant`) there is no counterfactual: borderline, too.
"""

import ast
import dataclasses
import functools
import hashlib
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

FAULTY = 0.35
SOUND = 0.15
LEARNABLE = 0.05
#: The short runs that are judged as well: so many updates.
SHORT = 100
FACTORS = (0.1, 0.3, 3.0, 10.0)
FILE = Path(__file__).with_name("outcomes.json")
#: What decides how a program trains, beside its description.
SOURCES = ("tasks.py", "networks.py", "losses.py", "setups.py")

Verdict = Literal["faulty", "healthy", "borderline"]
#: (loss, error), None where it is not finite.
Score = tuple[float | None, float | None]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a program ended, and its counterfactuals.

    Attributes:
        key: of the description and the sources it was trained with.
        constant: score of the best constant prediction.
        initial: score before the first update.
        runs: "1" for the program itself, the other factors of its rate, and "remedy" → scores after `SHORT` updates
            and at the end.
        comparable: whether the losses of the program and its remedy are of one kind.
        inactive: the part of the units of a hidden relu layer that are 0 for every example in the end, of the layer
            where it is the largest; None without relu.
    """

    key: str
    constant: Score
    initial: Score
    runs: Mapping[str, tuple[Score, Score]]
    comparable: bool
    inactive: float | None = None


def label(outcome: Outcome, short: bool = False) -> Verdict:
    """Returns what became of a program in the end, or after `SHORT` updates if `short`."""
    if outcome.runs["1"][0 if short else 1][0] is None:
        return "faulty"
    missed = shortfall(outcome, short)
    if missed is None:
        return "borderline"
    return "faulty" if missed > FAULTY else "healthy" if missed < SOUND else "borderline"


def shortfall(outcome: Outcome, short: bool = False) -> float | None:
    """Returns the largest part of what could have been learned that was not; None where nothing could be."""
    at = 0 if short else 1
    scores = {name: run[at] for name, run in outcome.runs.items()}
    own = scores.pop("1")
    twin = scores.pop("remedy", None)
    losses = [score[0] for score in scores.values()]
    parts = []
    if twin is not None:
        parts.append(_part(own[1], [twin[1]], outcome.constant[1]))
        losses += [twin[0]] if outcome.comparable else []
    parts.append(_part(own[0], losses, outcome.constant[0]))
    known = [part for part in parts if part is not None]
    return max(known, default=None)


def _part(own: float | None, others: list[float | None], constant: float | None) -> float | None:
    best = min([x for x in (own, *others) if x is not None], default=None)
    if own is None or best is None or constant is None:
        return None
    if constant - best < LEARNABLE * abs(constant):
        return None
    return (own - best) / (constant - best)


def read() -> dict[str, Outcome]:
    """Returns program → outcome, as committed."""
    if not FILE.exists():
        return {}
    return {name: Outcome(**fields) for name, fields in json.loads(FILE.read_text()).items()}


def key(program: Any) -> str:
    """Returns what changes when a program trains otherwise than it did."""
    digest = hashlib.sha256(repr((program.setup, program.remedy)).encode())
    for name in SOURCES:
        digest.update(meaning(FILE.with_name(name)).encode())
    return digest.hexdigest()[:16]


@functools.cache
def meaning(file: Path) -> str:
    """Returns what a Python file does: two that differ in layout, comments and docstrings have the same."""
    tree = ast.parse(file.read_text())
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(
            node
        ):
            del node.body[0]
    return ast.dump(tree)


def measured(program: Any) -> Outcome:
    """Returns the outcome of `program`: six trainings at most."""
    runs, constant, initial, inactive = _trained(program.setup, FACTORS)
    comparable = True
    if program.remedy is not None:
        repaired, *_ = _trained(program.remedy, ())
        runs["remedy"] = repaired["1"]
        ours, theirs = program.setup, program.remedy
        comparable = (ours.loss, ours.targets) == (theirs.loss, theirs.targets)
    return Outcome(key(program), constant, initial, runs, comparable, inactive)


def _trained(
    setup: Any, factors: tuple[float, ...]
) -> tuple[dict[str, Any], Score, Score, float | None]:
    """Trains one model several times over, from the same weights: tracing takes longer than training."""
    import tensorflow as tf
    from losses import constant_error, constant_loss
    from setups import FactoredRate, training

    factor = tf.Variable(1.0, trainable=False)
    made = training(setup, rated=lambda rate: FactoredRate(rate, factor))
    model, task = made.model, made.task
    model.steps_per_execution = 20
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    before = [variable.numpy() for variable in variables]
    forward = tf.function(lambda x: model(x, training=False), autograph=False)

    def score() -> Score:
        return _score(setup.loss, task, forward(task.x).numpy())

    width = model.output_shape[-1]
    constant = (
        _rounded(constant_loss(setup.loss, task, task.y, width)),
        _rounded(constant_error(task, task.y)),
    )
    initial = score()
    runs = {}
    for times in (1.0, *factors):
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)
        factor.assign(times)
        scores = []
        cut = SHORT * made.batch_size
        for part in (slice(0, cut), slice(cut, None)):
            if len(made.x[part]):
                arguments = {"batch_size": made.batch_size, "shuffle": False, "verbose": 0}
                model.fit(made.x[part], made.y[part], **arguments)
            scores.append(score())
        if times == 1:
            inactive = _inactive(model, task.x)
        runs[f"{times:g}"] = tuple(scores)
    return runs, constant, initial, inactive


def _inactive(model: Any, x: np.ndarray) -> float | None:
    import keras

    relus = [
        layer.output
        for layer in model.layers
        if isinstance(layer, keras.layers.Activation) and layer.activation is keras.activations.relu
    ]
    if not relus:
        return None
    outputs = keras.Model(model.input, relus)(x, training=False)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    largest = [np.asarray(output).max(axis=tuple(range(output.ndim - 1))) for output in outputs]
    return max(_rounded(float(np.mean(~(units > 0)))) for units in largest)


def _score(loss: str, task: Any, outputs: np.ndarray) -> Score:
    from losses import error_of, loss_of

    return (
        _rounded(loss_of(loss, task.y, outputs)),
        _rounded(error_of(loss, task, task.y, outputs)),
    )


def _rounded(value: float) -> float | None:
    return float(f"{value:.5g}") if np.isfinite(value) else None


def write(outcomes: Mapping[str, Outcome]) -> None:
    """Writes outcomes.json, a line per program."""
    lines = [
        f"{json.dumps(name)}: {json.dumps(dataclasses.asdict(outcomes[name]))}"
        for name in sorted(outcomes)
    ]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def main() -> None:
    """Trains the programs whose outcome is not known, and says which are not what they are labelled."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from programs import programs

    wanted = sys.argv[1:]
    known = read()
    outcomes = {}
    for program in programs():
        if program.name in known and known[program.name].key == key(program) and not wanted:
            outcomes[program.name] = known[program.name]
        elif not wanted or program.name in wanted:
            start = time.perf_counter()
            outcomes[program.name] = measured(program)
            print(_told(program, outcomes[program.name], time.perf_counter() - start), flush=True)
            write(known | outcomes)
        elif program.name in known:
            outcomes[program.name] = known[program.name]
    write(outcomes)
    wrong = [
        p
        for p in programs()
        if p.name in outcomes
        and label(outcomes[p.name]) != ("faulty" if p.is_faulty else "healthy")
    ]
    print(f"\n{len(outcomes)} programs, {len(wrong)} not what they are labelled")
    for program in wrong:
        print(_told(program, outcomes[program.name], 0.0))


def _told(program: Any, outcome: Outcome, seconds: float) -> str:
    def number(value: float | None) -> str:
        return "NaN" if value is None else f"{value:.3g}"

    missed = shortfall(outcome)
    runs = "  ".join(f"{name}:{number(run[1][0])}" for name, run in outcome.runs.items())
    errors = ",".join(number(run[1][1]) for n, run in outcome.runs.items() if n in ("1", "remedy"))
    verdict = label(outcome)
    wrong = "" if verdict == ("faulty" if program.is_faulty else "healthy") else "  <---"
    return (
        f"{program.name:40} {program.label:22} {verdict:10} short {label(outcome, short=True):10} "
        f"missed {number(missed):6} constant {number(outcome.constant[0])} first {number(outcome.initial[0])}  "
        f"{runs}  errors {errors}  inactive {number(outcome.inactive)}  {seconds:.1f} s{wrong}"
    )


if __name__ == "__main__":
    main()
