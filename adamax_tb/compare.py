"""What `adamax-tb compare` says of a comparison: a table for people, a JSON document for machines.

It reads and computes nothing, and prints nothing.
"""

import math
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from adamax_tb.check import Style
from adamax_tb.comparison import AS_GOOD, Comparison, Standing
from adamax_tb.interval import CONFIDENCE, Interval
from adamax_tb.names import printable

#: The version of the JSON document: higher when a reader of the one before would misread it.
JSON_VERSION = 1

_BEST, _WRONG, _PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[0m"
_HEAD = (
    "optimizer",
    "best rate",
    "loss",
    "behind best",
    "accuracy",
    "ms a step",
    "steps to target",
    "sound",
    "good rates",
)


def in_words(comparison: Comparison, style: Style) -> str:
    """Returns the table, what its columns are, and what makes the comparison less fair than it seems.

    Where a line has too few columns for the table, there are several, one below the other.
    """
    lines = []
    for columns in _tables(comparison, style):
        widths = [max(map(len, column)) for column in columns]
        head, *rows = (
            "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
            for row in zip(*columns, strict=True)
        )
        lines += [head, "-" * max(map(len, (head, *rows)))]
        lines += [
            _painted(row, standing, comparison, style)
            for row, standing in zip(rows, comparison.standings, strict=True)
        ]
        lines.append("")
    for text in (*_legend(comparison), *(f"note: {printable(n)}" for n in comparison.notes)):
        lines += _wrapped(text, style)
    return "\n".join(lines)


def document(comparison: Comparison, errors: Mapping[str, str]) -> dict[str, Any]:
    """Returns the comparison as what JSON can hold; what is not known or not finite is null.

    Args:
        comparison: what to tell.
        errors: by the run's name, why it cannot be read.
    """
    return {
        "version": JSON_VERSION,
        "rate_chosen_by": "mean held-out loss over the seeds",
        "confidence": CONFIDENCE,
        "as_good": AS_GOOD,
        "target": {"loss": _known(comparison.target), "given": comparison.given},
        "optimizers": [
            {
                "name": standing.optimizer,
                "rates": list(standing.rates),
                "best_rate": standing.learning_rate,
                "best_rate_is": standing.edge or "inside",
                "seeds": list(standing.seeds),
                "loss": _interval(standing.loss),
                "accuracy": _interval(standing.accuracy),
                "step_ms": _interval(standing.step_ms),
                "seconds": _interval(standing.seconds),
                "target_steps": _known(standing.target_steps),
                "target_reached": standing.target_reached,
                "sound": standing.sound,
                "trials": standing.trials,
                "good_rates": list(standing.good_rates) if standing.good_rates else None,
                "behind_best": _interval(standing.behind) if standing.behind else None,
                "tied_with_best": standing.tied,
            }
            for standing in comparison.standings
        ],
        "notes": list(comparison.notes),
        "errors": dict(errors),
    }


def _cells(standing: Standing, comparison: Comparison) -> tuple[str, ...]:
    name = printable(standing.optimizer)
    sound = f"{standing.sound} of {standing.trials}"
    if standing.learning_rate is None:
        return (name, "none", "diverged", *"----", sound, "-")
    rate = f"{standing.learning_rate:g}"
    edge = {"lowest": "↓", "highest": "↑", "": ""}[standing.edge]
    return (
        name,
        rate + edge,
        _shown(standing.loss),
        _behind(standing),
        _shown(standing.accuracy, 100, " %"),
        _shown(standing.step_ms),
        _steps(standing) if math.isfinite(comparison.target) else "-",
        sound,
        _range(standing),
    )


def _steps(standing: Standing) -> str:
    got_there = f"({standing.target_reached} of {len(standing.seeds)})"
    if math.isinf(standing.target_steps):
        return f"- {got_there}"
    return f"{standing.target_steps:.0f} {got_there}"


def _range(standing: Standing) -> str:
    if standing.good_rates is None:
        return "-"
    low, high = standing.good_rates
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _shown(value: Interval, factor: float = 1, unit: str = "", sign: str = "") -> str:
    """Returns "0.0912 ± 0.0031": two digits of the half width, unless the mean then had more than four."""
    if math.isnan(value.mean):
        return "-"
    mean, half = value.mean * factor, value.half * factor
    if not half or math.isnan(half):  # all the same, or one
        return f"{mean:{sign}.3g}{unit}"
    decimals = 1 - math.floor(math.log10(half))
    if mean:
        decimals = min(decimals, 3 - math.floor(math.log10(abs(mean))))
    decimals = max(0, decimals)
    return f"{mean:{sign}.{decimals}f} ± {half:.{decimals}f}{unit}"


def _behind(standing: Standing) -> str:
    if standing.behind is None:
        return "best"
    return f"{_shown(standing.behind, sign='+')}{' =' if standing.tied else ''}"


def _tables(comparison: Comparison, style: Style) -> Iterator[list[tuple[str, ...]]]:
    """Yields columns, head first, that fit beside each other; each group begins with the optimizers' names."""
    rows = [_cells(standing, comparison) for standing in comparison.standings]
    names, *rest = zip(_HEAD, *rows, strict=True)
    group = [names]
    for column in rest:
        if style.width is not None and len(group) > 1:
            taken = sum(max(map(len, one)) + 2 for one in group) + max(map(len, column))
            if taken > style.width:
                yield group
                group = [names]
        group.append(column)
    yield group


def _painted(line: str, standing: Standing, comparison: Comparison, style: Style) -> str:
    """Returns `line` green for the best and what is not told from it, red for what diverged at every rate."""
    if not style.color:
        return line
    if standing.learning_rate is None:
        return f"{_WRONG}{line}{_PLAIN}"
    best = standing is comparison.standings[0] or standing.tied
    return f"{_BEST}{line}{_PLAIN}" if best else line


def _legend(comparison: Comparison) -> Iterator[str]:
    standings = comparison.standings
    best = standings[0]
    if best.learning_rate is None:
        yield "No optimizer ended with a finite loss at any rate."
        return
    seeds = _span("seed", (len(standing.seeds) for standing in standings))
    rates = _span("rate", (len(standing.rates) for standing in standings))
    yield (
        f"Tried: {rates} and {seeds} per optimizer. The best rate has the lowest mean held-out loss over "
        "the seeds, and loss and accuracy are of the same data: both are a little flattered."
    )
    if any(standing.edge for standing in standings):
        yield (
            "↓ ↑: the best rate is the lowest or highest that was tried, and a better one may lie beyond."
        )
    if best.loss.count > 1:
        yield (
            f"±: {CONFIDENCE:.0%} interval of the mean over the seeds (Student's t). Behind best: the loss minus "
            f"that of {printable(best.optimizer)}, in pairs of the same seed; = marks what is not told from it, as the "
            "interval holds 0."
        )
    if math.isfinite(comparison.target):
        of_losses = "the middle one of the losses above; --target takes another"
        yield (
            f"Target: a held-out loss of {comparison.target:.3g}, {'as given' if comparison.given else of_losses}. "
            "Steps to it: the median over the seeds, as fine as trials were tested (- where half of them never got "
            "there), and how many did."
        )
    yield (
        "Sound: of the trials at all rates those without a critical finding that did not diverge, which is to end "
        f"above the untrained loss or not finite. Good rates: those around the best with up to {AS_GOOD:g} times its "
        "mean loss."
    )


def _span(noun: str, counts: Iterable[int]) -> str:
    known = sorted({*counts})
    if known == [1]:
        return f"1 {noun}"
    return f"{known[0]} {noun}s" if len(known) == 1 else f"{known[0]} to {known[-1]} {noun}s"


def _wrapped(text: str, style: Style) -> list[str]:
    if style.width is None:
        return [text]
    return textwrap.wrap(
        text,
        style.width,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _interval(value: Interval) -> dict[str, Any]:
    return {"mean": _known(value.mean), "half": _known(value.half), "seeds": value.count}


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
