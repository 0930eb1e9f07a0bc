"""The heat map of layers and steps: which colour a cell has, the PNG that the cells make, and the chart around it."""

import base64
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from adamax_tb.axis import short
from adamax_tb.figure import (
    Pin,
    figure,
    key,
    pin_mark,
    pins_described,
    step_labels,
    steps_axis,
)
from adamax_tb.levels import NAN, NEGATIVE_INFINITY, POSITIVE_INFINITY

#: Ten control points of matplotlib's viridis (van der Walt and Smith, 2015, CC0), as the panel has them: even steps in
#: perceived lightness, also to colour-blind eyes.
VIRIDIS = (
    "#440154",
    "#482878",
    "#3e4989",
    "#31688e",
    "#26828e",
    "#1f9e89",
    "#35b779",
    "#6ece58",
    "#b5de2b",
    "#fde725",
)
COLORS = 200

#: Cells of a heat map across; more rows than `MOST_ROWS` are put together, and `ROW_PX` is what one has at most.
ACROSS, MOST_ROWS, ROW_PX = 400, 500, 16


@dataclass(frozen=True, slots=True)
class Special:
    """What is no number on the scale: a colour that viridis never takes, and a pattern for eyes that see no hue.

    Attributes:
        label: what a legend says.
        color: of the cell.
        ink: of the pattern in it.
        slope: of its lines: 1 rising, -1 falling, 0 horizontal.
    """

    label: str
    color: str
    ink: str
    slope: int


#: In the order of their numbers in the palette, from `COLORS` on, each with its ink behind it.
SPECIALS = {
    "nan": Special("NaN", "#ff1fa8", "#2a0018", 1),
    "posinf": Special("+∞", "#e3170a", "#ffffff", -1),
    "neginf": Special("−∞", "#00c8ff", "#001c3a", 0),
    "zero": Special("exactly 0", "#c3ccd1", "#9aaab2", 1),
}
MISSING = COLORS + 2 * len(SPECIALS)


@dataclass(frozen=True, slots=True)
class Scale:
    """From which number to which the colours go, by the logarithm, and whether smaller ones have the first, too."""

    low: float
    high: float
    clipped: bool


def heat_map(
    title: str,
    values: NDArray[np.float32],
    marks: NDArray[np.uint8],
    steps: tuple[float, float],
    layers: Sequence[str],
    pins: Sequence[Pin] = (),
) -> str:
    """Returns a figure of cells, one or more layers in a row of them.

    Args:
        title: what is shown.
        values: (rows, columns), as `overview.cells` gives them.
        marks: the same.
        steps: the first and last one.
        layers: the names of all layers.
        pins: marks at a step and a layer.
    """
    rows = len(values)
    scale = scale_of(values)
    numbers = colored(values, marks, scale)
    row_px = max(1, min(ROW_PX, round(640 / rows)))
    large = row_px > 3
    image = picture(numbers if large else enlarged(numbers), (2, row_px) if large else (1, 1))
    axis = steps_axis(*steps)
    inside = [pin for pin in pins if pin.row is not None and axis.low <= pin.step <= axis.high]
    shown = f'<img src="{image}" alt="">' + "".join(
        pin_mark(pin, float(axis.place(pin.step)), ((pin.row or 0) + 0.5) / len(layers))
        for pin in inside
    )
    each = max(1, -(-14 * len(layers) // (row_px * rows)))
    names = without_common_group(layers)
    labels = [((i + 0.5) / len(layers), names[i]) for i in range(0, len(layers), each)]
    legend = [_color_bar(scale)] if np.any(values > 0) else []
    legend += [key(name, _special_label(name)) for name in specials_in(numbers)]
    found = f"{short(scale.low)} to {short(scale.high)}"
    bad = np.nonzero((marks & NAN).any(axis=1))[0]
    lost = f"; NaN in {len(bad)} of {rows} rows" if bad.size else ""
    words = f"{title}, {len(layers)} layers by step: {found}{lost}{pins_described(inside)}"
    return figure(
        title, words, shown, labels, step_labels(axis), legend, "map by-step", rows * row_px
    )


def without_common_group(names: Sequence[str]) -> list[str]:
    """Returns paths without the groups that nine of ten begin with: "dense/kernel" for "net/dense/kernel"."""
    common = ""
    while True:
        longer = Counter(
            common + name[len(common) :].partition("/")[0] + "/"
            for name in names
            if name.startswith(common) and "/" in name[len(common) :]
        ).most_common(1)
        if not longer or longer[0][1] < 0.9 * len(names):
            return [name.removeprefix(common) for name in names]
        common = longer[0][0]


def scale_of(values: NDArray[np.float32]) -> Scale:
    """Returns a scale for the positive ones of `values`: up to the largest, and down to all but a few."""
    positive = values[np.isfinite(values) & (values > 0)].astype(np.float64)
    if not positive.size:
        return Scale(1.0, 10.0, clipped=False)
    low, high = float(np.quantile(positive, 0.005)), float(positive.max())
    clipped = bool(low > 10 * positive.min())
    return Scale(low if clipped else float(positive.min()), high, clipped)


def colored(
    values: NDArray[np.float32], marks: NDArray[np.uint8], scale: Scale
) -> NDArray[np.uint8]:
    """Returns the palette's number for each cell.

    Args:
        values: any shape; NaN is no finite number, 0 or less is 0.
        marks: of that shape, as in `levels.Rows`; what was not finite goes before numbers.
        scale: of the colours.
    """
    span = np.log(scale.high / scale.low) or 1.0
    some = values > 0
    logs = np.log(np.where(some, values, scale.low).astype(np.float64) / scale.low)
    number = np.clip(logs / span * COLORS, 0, COLORS - 1).astype(np.uint8)
    result = np.where(some, number, np.where(np.isnan(values), MISSING, _number("zero")))
    for name, mark in (
        ("neginf", NEGATIVE_INFINITY),
        ("posinf", POSITIVE_INFINITY),
        ("nan", NAN),
    ):
        result = np.where(marks & mark > 0, _number(name), result)
    return result.astype(np.uint8)


def specials_in(numbers: NDArray[np.uint8]) -> list[str]:
    """Returns which of `SPECIALS` occur in the palette's `numbers`; "missing" is one of them."""
    there = [name for name in SPECIALS if np.any(numbers == _number(name))]
    return [*there, "missing"] if np.any(numbers == MISSING) else there


def enlarged(numbers: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Returns the palette's `numbers`, (rows, columns), where what was not finite takes the cells around it, too.

    Where cells are as small as pixels a single one of them would not be seen.
    """
    result = numbers.copy()
    for name in ("neginf", "posinf", "nan"):
        wide = np.pad(numbers == _number(name), 1)
        rows, columns = numbers.shape
        shifted = [wide[i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
        result[np.any(shifted, axis=0)] = _number(name)
    return result


def picture(numbers: NDArray[np.uint8], size: tuple[int, int]) -> str:
    """Returns a PNG of the cells as a data URI.

    Args:
        numbers: (rows, columns), the palette's.
        size: pixels that a cell has across and down; in larger ones the pattern of special cells shows.
    """
    across, down = size
    large = np.repeat(np.repeat(numbers, down, axis=0), across, axis=1)
    y, x = np.indices(large.shape, np.int32)
    for name, special in SPECIALS.items():
        inked = (large == _number(name)) & ((special.slope * x + y) % 6 < 2)
        large[inked & (min(across, down) > 1)] = _number(name) + 1
    image = Image.frombytes("P", (large.shape[1], large.shape[0]), large.tobytes())
    image.putpalette(_palette())
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True, transparency=MISSING)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _number(name: str) -> int:
    return COLORS + 2 * [*SPECIALS].index(name)


def _palette() -> bytes:
    """Returns red, green and blue of each number."""
    stops = np.array([_rgb(color) for color in VIRIDIS], np.float64)
    at = np.linspace(0, len(stops) - 1, COLORS)
    ramp = np.stack([np.interp(at, np.arange(len(stops)), c) for c in stops.T], axis=1)
    others = [_rgb(c) for special in SPECIALS.values() for c in (special.color, special.ink)]
    return np.concatenate([ramp.round(), others, [(0, 0, 0)]]).astype(np.uint8).tobytes()


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _color_bar(scale: Scale) -> str:
    low = ("≤ " if scale.clipped else "") + short(scale.low)
    return f'<span class="bar">{low}<i></i>{short(scale.high)} (logarithmic)</span>'


def _special_label(name: str) -> str:
    return SPECIALS[name].label if name in SPECIALS else "no data"
