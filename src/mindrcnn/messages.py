"""Wording that messages share."""

from collections.abc import Sequence


def shortened(names: Sequence[str], limit: int = 6) -> str:
    """Returns the first `limit` names and how many more there are: "a, b, c and 4 more"."""
    rest = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {rest} more" if rest > 0 else "")
