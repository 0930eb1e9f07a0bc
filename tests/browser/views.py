"""Views of the panel by their addresses, so that tests can share a page and each start from a view of its own."""

import itertools
from urllib.parse import quote

HASH = "p.optimizer_health."
_COUNT = itertools.count()


def encoded(text):
    """Returns a text as the panel writes it in an address."""
    return quote(text, safe="").replace("%", "~")


def go(panel, **view):
    """Goes to a view; what it does not say is as it was at first.

    Args:
        panel: with the tab open.
        view: what is chosen, a name or a list of names each.
    """
    lists = {name: [value] if isinstance(value, str) else value for name, value in view.items()}
    entries = [f"&{HASH}{name}={encoded(','.join(value))}" for name, value in lists.items()]
    # The address lags behind the page: it may still be this one, which would not be followed.
    entries.append(f"&{HASH}nth={next(_COUNT)}")
    panel.page.evaluate("hash => { location.hash = hash }", f"#optimizer_health{''.join(entries)}")


def address_holds(panel, name, value):
    """Waits until the address says so: it follows when the view has rested."""
    panel.page.wait_for_function(
        "([name, value]) => new URLSearchParams(location.hash.slice(1)).get(name) === value",
        arg=[f"{HASH}{name}", encoded(value)],
        timeout=5_000,
    )
