"""What the records of runs may take in memory: how it is said, what it is when nobody says, what a reader is told."""

import argparse
import os
import re

#: What records may take unless somebody says otherwise, and no more than half of what the machine has.
MEMORY_BYTES = 4e9
_UNITS = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "KI": 2**10, "MI": 2**20, "GI": 2**30}
#: The help of an argument of `memory_size`, a sentence.
MEMORY_HELP = (
    "What the records of all runs may take in memory, such as 400MB or 2GiB, 0 for as much as they need; above it "
    "older steps are kept as summaries, the smallest, largest and mean value of several records (default: 4GB, and no "
    "more than half of the machine's memory)."
)


def memory_size(text: str) -> float:
    """Returns how many bytes `text` says, such as "400MB" or "2GiB"; "0" is as much as there is.

    Raises:
        argparse.ArgumentTypeError: it says none.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]I?)?B?", text.strip().upper())
    if match is None or (unit := match[2] or "") not in _UNITS:
        raise argparse.ArgumentTypeError(
            f"must be a size in bytes such as 400MB or 2GiB, or 0, not {text!r}"
        )
    return float(match[1]) * _UNITS[unit] or float("inf")


def default_memory() -> float:
    """Returns how many bytes records may take on this machine when nobody says."""
    try:
        return min(MEMORY_BYTES, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2)
    except (AttributeError, ValueError, OSError):  # not on Windows
        return MEMORY_BYTES


def summary_note(until: int, argument: str, memory_bytes: float) -> str:
    """Returns the sentence on a run of which only summaries are kept up to the step `until`.

    Args:
        until: the step.
        argument: what sets the limit, such as "--memory".
        memory_bytes: the limit.
    """
    return (
        f"Up to step {until:,} only summaries of several records are kept, their smallest, largest and mean values: "
        f"all runs together take more than {argument}={memory_bytes / 1e6:.6g}MB. A finding that began there is told "
        "from the end of such a summary on. The files hold everything; a larger value shows it."
    )
