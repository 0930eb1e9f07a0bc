"""Numbers and counts as messages spell them."""

import numpy as np

from adamax_tb.schema import Run


def counted_records(run: Run) -> str:
    """Returns "1 record" or "12 records"."""
    return f"{run.record_count} record{'' if run.record_count == 1 else 's'}"


def spelled(value: float) -> str:
    """Returns `value` to three digits: "1,860" and "2.5e+14", not "1.86e+03"."""
    if np.isinf(value):
        return "infinitely many"
    return f"{float(f'{value:.3g}'):,.0f}" if 1e3 <= value < 1e6 else f"{value:.3g}"


def sentence(text: str) -> str:
    """Returns `text` with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def rounded(value: float) -> str:
    """Returns `value` to one digit, as one would choose it: "0.003", "1e-05"."""
    return f"{value:.1g}"
