"""What every Matplotlib picture of a run is made of: the import, the legend, the badge.

Matplotlib is imported when it is asked for.
"""

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: The colours of the report's verdicts, on light and on dark paper.
SEVERITY_COLORS = {
    "critical": ("#b3261e", "#ffa199"),
    "warning": ("#8a5000", "#ffc36b"),
    "info": ("#1a5fb4", "#a3caff"),
    "healthy": ("#1b6e2e", "#93d798"),
}


def matplotlib(module: str = "") -> Any:
    """Returns Matplotlib, or its module of that name; never pyplot, which keeps figures of its own.

    Raises:
        ImportError: there is no Matplotlib.
    """
    try:
        return importlib.import_module(f"matplotlib.{module}" if module else "matplotlib")
    except ImportError as error:
        raise ImportError("This needs Matplotlib: pip install matplotlib") from error


def severity_color(paper: Any, severity: str) -> str:
    """Returns the severity's colour that is seen on `paper`, a colour."""
    red, green, blue, alpha = matplotlib("colors").to_rgba(paper)
    dark = alpha > 0.5 and 0.3 * red + 0.6 * green + 0.1 * blue < 0.5
    return SEVERITY_COLORS[severity][dark]


def badge(ax: "Axes", number: str, severity: str, at: tuple[float, float], **how: Any) -> None:
    """Puts the number of a finding beside a place, as `Axes.annotate` is told."""
    color = severity_color(ax.get_facecolor(), severity)
    ax.annotate(
        number,
        at,
        textcoords="offset points",
        fontsize="small",
        fontweight="bold",
        color=color,
        bbox={"boxstyle": "round,pad=0.2", "facecolor": ax.get_facecolor(), "edgecolor": color},
        **how,
    )


def legend(ax: "Axes", handles: Sequence[Any], inside: bool = False) -> None:
    """Explains what is drawn, `inside` or below the labels of steps, in as many columns as there is room for."""
    if not handles:
        return
    width = 72 * ax.get_window_extent().width / ax.figure.figure.dpi
    longest = max(len(handle.get_label()) for handle in handles)
    below = {"loc": "upper left", "bbox_to_anchor": (0, 0), "borderaxespad": 2.0}
    made = ax.legend(
        handles=handles,
        **({"loc": "best"} if inside else below),
        ncols=max(1, min(len(handles), int(width / (5 * longest + 40)))),
        fontsize="small",
        frameon=False,
    )
    for text in made.get_texts():
        text.set_parse_math(False)
