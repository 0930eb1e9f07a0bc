"""Names of runs and layers, and sentences that hold them, as they can be shown: nothing in them acts on a screen."""


def printable(text: str) -> str:
    """Returns `text` with what a screen obeys written out: escapes, line ends, marks that turn the direction."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
