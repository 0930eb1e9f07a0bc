"""What is said of something that went wrong with watching: a warning, and never an exception.

It repairs nothing: whoever meets a fault says so, and lets training go on.
"""

import logging
import warnings

_log = logging.getLogger("adamax_tb")


def told(words: str, stacklevel: int = 3) -> None:
    """Warns of a fault; where warnings are errors, which would end the training, it is logged as an error."""
    try:
        warnings.warn(words, stacklevel=stacklevel)
    except Warning:
        _log.error("%s", words)
