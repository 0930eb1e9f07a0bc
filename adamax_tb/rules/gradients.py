"""What several rules ask of the gradients of a run."""

import numpy as np
from numpy.typing import NDArray

from adamax_tb.schema import Run, layer_group

#: A gradient this many times its own earlier mean has exploded, if that is beyond its usual scatter; with fewer than
#: `HISTORY` earlier records it takes the square.
EXPLODED = 100.0
HISTORY = 5
#: How many layers, or records, are looked at together where that takes much memory.
LAYERS_AT_ONCE = 64
RECORDS_AT_ONCE = 2048


def kernels_of(run: Run) -> list[int]:
    """Returns the indices of the variables that are matrices or more, in model order.

    The bias of several attention heads is a matrix, too, but no kernel.
    """
    return [
        i
        for i, (layer, shape) in enumerate(zip(run.layers, run.shapes, strict=True))
        if len(shape) >= 2 and "bias" not in layer.rsplit("/", 1)[-1]
    ]


def groups_of(run: Run) -> dict[str, list[int]]:
    """Returns layer → the indices of its variables, in model order."""
    groups: dict[str, list[int]] = {}
    for i, layer in enumerate(run.layers):
        groups.setdefault(layer_group(layer), []).append(i)
    return groups


def bias_of(run: Run, kernel: int) -> int | None:
    """Returns the index of the bias that stands after a kernel in its layer, None if there is none."""
    members = groups_of(run)[layer_group(run.layers[kernel])]
    return next((i for i in members if i > kernel and len(run.shapes[i]) == 1), None)


def per_entry(run: Run, layers: list[int]) -> NDArray[np.float64]:
    """Returns (T, K), the gradient's root mean square over the entries that have any: rows not looked up have none."""
    sizes = np.array([np.prod(run.shapes[i]) for i in layers], np.float64)
    norms = run.stat("gradient_norm")[:, layers].astype(np.float64)
    active = np.ones_like(norms)
    if "gradient_zeros" in run.statistics:
        zeros = run.stat("gradient_zeros")[:, layers].astype(np.float64)
        active = np.maximum(1 - np.nan_to_num(zeros), 1 / sizes)
    return norms / np.sqrt(sizes * active)


def mostly_dead(run: Run, fraction: float) -> NDArray[np.bool_]:
    """Returns (T, L), whether at least this fraction of the units is dead; False where it was not recorded."""
    result = np.zeros((len(run.steps), len(run.layers)), np.bool_)
    if "dead_units" not in run.statistics:
        return result
    at = 0
    for part in run.parts(RECORDS_AT_ONCE):
        result[at : at + len(part.steps)] = part.stat("dead_units") >= fraction
        at += len(part.steps)
    return result


def growth_of(
    norms: NDArray[np.float32], peaks: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Returns (T, L) twice: how many times each layer's usual norm its peak is, and whether that is an explosion.

    A run of a thousand layers takes gigabytes in double precision at once: it goes by some layers at a time.
    """
    growth, exploded = np.zeros(norms.shape), np.zeros(norms.shape, np.bool_)
    for start in range(0, norms.shape[1], LAYERS_AT_ONCE):
        some = slice(start, start + LAYERS_AT_ONCE)
        usual, limit = usual_so_far(norms[:, some].astype(np.float64))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            times = np.where(usual > 0, peaks[:, some] / usual, 0.0)
        growth[:, some] = np.where(np.isnan(times), 0.0, times)
        exploded[:, some] = growth[:, some] >= limit
    return growth, exploded


def usual_so_far(
    norms: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns what each layer's norm usually was before each record, and what growth over that is an explosion.

    Args:
        norms: (T, L); entries that are 0 or not finite do not count.

    Returns:
        usual: (T, L), the geometric mean of the earlier norms; 0 without any.
        limit: (T, L), `EXPLODED`, or four standard deviations of the earlier norms' logarithms if that is more.
    """
    counted = np.isfinite(norms) & (norms > 0)
    logs = np.log(np.where(counted, norms, 1.0))
    count = np.cumsum(counted, axis=0)[:-1]
    mean = np.cumsum(logs, axis=0)[:-1] / np.maximum(count, 1)
    square = np.cumsum(np.square(logs), axis=0)[:-1] / np.maximum(count, 1)
    scatter = np.sqrt(np.maximum(square - np.square(mean), 0))
    usual = np.zeros_like(norms)
    usual[1:] = np.where(count > 0, np.exp(mean), 0.0)
    limit = np.full_like(norms, EXPLODED**2)
    with np.errstate(over="ignore"):
        known = np.maximum(EXPLODED, np.exp(4 * scatter))
    limit[1:] = np.where(count >= HISTORY, known, EXPLODED**2)
    return usual, limit


def whole_norm(run: Run, layers: list[int] | None = None) -> NDArray[np.float64]:
    """Returns (T,), the gradient norm of all layers, or of some, together; those that are not finite left out."""
    parts = []
    for part in run.parts(RECORDS_AT_ONCE):
        norms = part.stat("gradient_norm")
        squares = np.square(norms if layers is None else norms[:, layers], dtype=np.float64)
        parts.append(np.sum(squares, axis=1, where=np.isfinite(squares)))
    return np.sqrt(np.concatenate(parts))


def usual_norm(run: Run, before: int) -> float:
    """Returns the median gradient norm of all layers together over the records before index `before`."""
    whole = whole_norm(run.until(max(1, before)))
    return float(np.median(whole[whole > 0])) if (whole > 0).any() else 1.0
