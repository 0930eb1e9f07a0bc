"""adamax-tb: the optimizer-health panel of TensorBoard.

`OptimizerHealth`, `record` and `AdaMax` are for training and need Keras; `HealthWriter`, for training without it,
`read_runs` and `diagnose` need neither Keras nor TensorFlow. Each is imported when it is first asked for.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "AdaMax": "optimizer",
    "OptimizerHealth": "callback",
    "record": "loop",
    "HealthWriter": "health_writer",
    "read_runs": "reader",
    "diagnose": "rules",
    "Finding": "rules",
    "Run": "schema",
}
__all__ = [*_HOMES]


if TYPE_CHECKING:  # type checkers and editors cannot follow `_HOMES`
    from adamax_tb.callback import OptimizerHealth as OptimizerHealth
    from adamax_tb.health_writer import HealthWriter as HealthWriter
    from adamax_tb.loop import record as record
    from adamax_tb.optimizer import AdaMax as AdaMax
    from adamax_tb.reader import read_runs as read_runs
    from adamax_tb.rules import Finding as Finding
    from adamax_tb.rules import diagnose as diagnose
    from adamax_tb.schema import Run as Run
else:

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module 'adamax_tb' has no attribute {name!r}")
        try:
            home = importlib.import_module(f"adamax_tb.{_HOMES[name]}")
        except ModuleNotFoundError as error:
            if error.name not in ("keras", "tensorflow"):
                raise
            raise ModuleNotFoundError(
                f"adamax_tb.{name} needs Keras and what it runs on, and there is no {error.name}: pip install keras "
                "tensorflow (or jax or torch in its place, with KERAS_BACKEND set to that)",
                name=error.name,
            ) from error
        return getattr(home, name)


def __dir__() -> list[str]:
    return sorted(__all__)
