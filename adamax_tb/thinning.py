"""What a record that is left out hands on to the next one: no count and no peak is lost when records are thinned.

A record is a mapping from names of statistics to arrays; the functions change the later one in place.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adamax_tb.schema import STEP_COUNTS, recorded

Record = Mapping[str, NDArray[Any]]


def hand_on(earlier: Record, later: Record, updates: int) -> None:
    """Makes record `later` cover the updates of the one before it as well.

    Args:
        earlier: of `schema.STEP_STATS` (1,) each and of `schema.STATS` (L,) each; what is missing is not handed on.
        later: the same ones.
        updates: from the one to the other.
    """
    for name in set(STEP_COUNTS) & set(earlier):
        later[name][:] += earlier[name]
    if "since_restart" in earlier and np.isnan(later["since_restart"]):
        later["since_restart"][:] = earlier["since_restart"] + updates
    _keep_peak(earlier, later, "loss_peak", ())
    _keep_peak(earlier, later, "gradient_norm_peak", ("gradient_norm_peak_step",))


def _keep_peak(earlier: Record, later: Record, name: str, at: tuple[str, ...]) -> None:
    """Keeps the larger of two peaks, and where it was; NaN counts as the largest, the first one if both are.

    One that was not recorded gives way to any other.
    """
    if name in earlier:
        known, known_later = recorded(earlier[name]), recorded(later[name])
        larger = known & (np.isnan(earlier[name]) | (earlier[name] > later[name]) | ~known_later)
        for kept in (name, *at):
            if kept in earlier:
                later[kept][larger] = earlier[kept][larger]
