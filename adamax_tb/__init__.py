"""adamax-tb: the optimizer-health panel of TensorBoard.

`OptimizerHealth`, `record` and `AdaMax` are for training and need Keras; `read_runs` and `diagnose` need neither Keras
nor TensorFlow. Each is imported when it is first asked for.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "AdaMax": "optimizer",
    "OptimizerHealth": "callback",
    "record": "loop",
    "read_runs": "reader",
    "diagnose": "rules",
    "Finding": "rules",
    "Run": "schema",
}
__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'adamax_tb' has no attribute {name!r}")
    return getattr(importlib.import_module(f"adamax_tb.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
