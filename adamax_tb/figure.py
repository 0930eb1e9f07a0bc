"""What every chart is made of: the frame with its labels, the legend, the marks of findings. HTML without a script.

What is drawn may stretch to any width, while labels, which are HTML, keep their size: they can be read on a phone, too.
"""

import dataclasses
import html
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from adamax_tb.axis import Axis, step_ticks
from adamax_tb.names import printable

#: Letters of a word that are shown: there are names of a megabyte.
LONGEST = 200
_LONG_WORD = re.compile(rf"\S{{{LONGEST + 1},}}")

#: Letters that are written from the right.
_FROM_RIGHT = re.compile(
    "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
#: Around words whose direction is their own affair.
_ISOLATE, _END = "\u2068", "\u2069"


@dataclass(frozen=True, slots=True)
class Pin:
    """Where a finding begins: its number in the text, its severity, the step; the row in a heat map, if it has one."""

    number: str
    severity: str
    step: int
    row: int | None = None
    title: str = ""


def text(words: str) -> str:
    """Returns `words` as HTML: nothing in them is markup, acts on the page or turns the words beside it.

    A word of more than `LONGEST` letters is shortened in its middle, as the panel has it.
    """
    return html.escape(_isolated(printable(_LONG_WORD.sub(_shortened, words))))


def _shortened(word: re.Match[str]) -> str:
    tail = math.ceil((LONGEST - 1) * 0.6)
    return f"{word[0][: LONGEST - 1 - tail]}…{word[0][-tail:]}"


def _isolated(words: str) -> str:
    """Returns `words` with the direction of what is written from the right kept to itself, also in an attribute."""
    if not _FROM_RIGHT.search(words):
        return words
    each = (f"{_ISOLATE}{w}{_END}" if _FROM_RIGHT.search(w) else w for w in words.split(" "))
    # neighbours are one text: their order is theirs, too
    return " ".join(each).replace(f"{_END} {_ISOLATE}", " ")


def figure(
    title: str,
    words: str,
    inside: str,
    down: Sequence[tuple[float, str]],
    across: Sequence[tuple[float, str]],
    legend: Sequence[str],
    kind: str,
    height_px: int | None = None,
) -> str:
    """Returns a chart.

    Args:
        title: above it.
        words: what it shows, for who does not see it.
        inside: the picture, HTML.
        down: labels on the left and what part of the height from the top they have.
        across: labels below and what part of the width they have.
        legend: HTML.
        kind: names that the style sheet knows.
        height_px: of the picture; None: as the style sheet says.
    """
    y = "".join(f'<span style="top:{100 * at:.2f}%">{text(label)}</span>' for at, label in down)
    x = "".join(f'<span style="left:{100 * at:.2f}%">{text(label)}</span>' for at, label in across)
    keys = f'<p class="legend">{" ".join(legend)}</p>' if legend else ""
    style = f' style="height:{height_px}px"' if height_px is not None else ""
    return (
        f'<figure class="chart {kind}"><figcaption>{text(title)}</figcaption>'
        f'<div class="y" aria-hidden="true">{y}</div>'
        f'<div class="plot" role="img" aria-label="{text(words)}"{style}>{inside}</div>'
        f'<div class="x" aria-hidden="true">{x}</div>{keys}</figure>\n'
    )


def key(name: str, label: str) -> str:
    """Returns an entry of a legend: the sign that the style sheet has for `name`, and what it means."""
    return f'<span class="key"><i class="{text(name)}"></i>{text(label)}</span>'


def step_labels(axis: Axis) -> list[tuple[float, str]]:
    """Returns the labels across a chart that has steps there."""
    return [(float(axis.place(t)), f"{int(t):,}") for t in step_ticks(axis.low, axis.high, 6)]


def steps_axis(low: float, high: float) -> Axis:
    """Returns the axis from the step `low` to `high`, which may be the same."""
    return Axis(low, high) if high > low else Axis(low - 0.5, high + 0.5)


def pins_described(pins: Sequence[Pin]) -> str:
    """Returns the marks in words, as the end of a sentence."""
    return "".join(f"; finding {pin.number} from step {pin.step}" for pin in pins)


def pins_from(pins: Sequence[Pin], steps: Axis) -> list[str]:
    """Returns marks at steps; those that are close to each other share the label of the first."""
    groups: list[tuple[float, list[Pin]]] = []
    for pin in sorted(pins, key=lambda pin: pin.step):
        at = float(steps.place(pin.step))
        if groups and at - groups[-1][0] < 0.05:
            groups[-1][1].append(pin)
        else:
            groups.append((at, [pin]))
    marks = []
    for at, together in groups:
        numbers = [pin.number for pin in together]
        label = ", ".join(numbers[:3] + ["…"] * (len(numbers) > 3))
        first = dataclasses.replace(together[0], number=label)
        later = {float(steps.place(pin.step)): pin for pin in together[1:]}
        marks.append(pin_mark(first, at))
        marks += [
            pin_mark(dataclasses.replace(pin, number=""), x) for x, pin in later.items() if x != at
        ]
    return marks


def pin_mark(pin: Pin, x: float, y: float | None = None) -> str:
    """Returns a mark at a part of the width and of the height from the top, or (None) a line from top to bottom."""
    kind = "at" if y is not None else "from early" if x < 0.04 else "from"
    top = f"top:{100 * y:.2f}%;" if y is not None else ""
    label = f"<b>{text(pin.number)}</b>" if pin.number else ""
    return (
        f'<span class="pin {kind} {text(pin.severity)}" style="{top}left:{100 * x:.2f}%" title="{text(pin.title)}">'
        f"{label}</span>"
    )
