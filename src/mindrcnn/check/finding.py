"""The result of a rule."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """Something about a run that an expert would point out.

    title: what is wrong, a phrase.
    evidence: the figures, each with its file and steps.
    advice: what to do, sentences that name the keys.
    """

    title: str
    evidence: tuple[str, ...]
    advice: str


class NotCheckedError(Exception):
    """Raised by a rule that lacks what it looks at; the message says what."""
