"""Turns TensorBoard's data provider into `Run`s: every recorded step, under both of its loaders.

It computes no verdict and speaks no HTTP.
"""

import threading
from typing import Any

import numpy as np
from tensorboard.data import provider

from adamax_tb import schema
from adamax_tb.schema import Run, natural_key

#: More samples than any tag can hold: data providers have no word for "all", and 0 means none.
_ALL = 2**31 - 1


class RunSource:
    """The runs of a data provider; a run is read again only when it has grown.

    Args:
        data_provider: TensorBoard's `DataProvider`.
    """

    def __init__(self, data_provider: provider.DataProvider) -> None:
        self._provider = data_provider
        self._lock = threading.Lock()
        self._cache: dict[tuple[str, str], tuple[Any, Run | None]] = {}

    def runs(self, context: Any, experiment: str) -> tuple[dict[str, Run], dict[str, str]]:
        """Reads all runs that hold our data.

        Args:
            context: TensorBoard's `RequestContext`.
            experiment: TensorBoard's experiment ID.

        Returns:
            The runs by name, in natural order, and for each run that cannot be read the reason.
        """
        listed = self._provider.list_tensors(
            context, experiment_id=experiment, plugin_name=schema.PLUGIN_NAME
        )
        runs: dict[str, Run] = {}
        errors: dict[str, str] = {}
        with self._lock:
            for name in sorted(listed, key=natural_key):
                try:
                    run = self._run(context, experiment, name, listed[name])
                except ValueError as error:
                    errors[name] = str(error)
                else:
                    if run is not None:
                        runs[name] = run
            for key in [
                key for key in self._cache if key[0] == experiment and key[1] not in listed
            ]:
                del self._cache[key]
        return runs, errors

    def run(self, context: Any, experiment: str, name: str) -> Run | None:
        """Returns one run as `runs` does, None when there is none of that name with our data.

        Raises:
            ValueError: it cannot be read.
        """
        listed = self._provider.list_tensors(
            context,
            experiment_id=experiment,
            plugin_name=schema.PLUGIN_NAME,
            run_tag_filter=provider.RunTagFilter(runs=[name]),
        )
        if name not in listed:
            return None
        with self._lock:
            return self._run(context, experiment, name, listed[name])

    def _run(self, context: Any, experiment: str, name: str, tags: dict[str, Any]) -> Run | None:
        state = {tag: (series.max_step, series.max_wall_time) for tag, series in tags.items()}
        cached = self._cache.get((experiment, name))
        if cached is not None and cached[0] == state:
            return cached[1]
        series = {tag: self._series(context, experiment, name, tag) for tag in tags}
        run = schema.run_from_series(name, series)
        self._cache[experiment, name] = (state, run)
        return run

    def _series(
        self, context: Any, experiment: str, run: str, tag: str
    ) -> tuple[list[int], list[float], list[Any]]:
        # tag by tag: one gRPC answer may hold 256 MiB
        data = self._provider.read_tensors(
            context,
            experiment_id=experiment,
            plugin_name=schema.PLUGIN_NAME,
            downsample=_ALL,
            run_tag_filter=provider.RunTagFilter(runs=[run], tags=[tag]),
        )
        points = data.get(run, {}).get(tag, [])
        return (
            [p.step for p in points],
            [p.wall_time for p in points],
            [_value(p.numpy) for p in points],
        )


def _value(array: Any) -> Any:
    if array.dtype.kind in "OS":  # the layer table: one string
        value = array.reshape(-1)[0] if array.size else b""
        return value if isinstance(value, bytes) else str(value).encode()
    return np.asarray(array, np.float32).reshape(-1)
