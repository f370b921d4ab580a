"""The limits of a server: waiting, requests and bytes."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of a server.

    batch_size: most images per call of the model.
    wait: seconds that an image waits for others.
    requests: most requests that are read, wait or are computed at a time; further ones are refused.
    bytes: largest file.
    upload_seconds: longest time that a file may take to arrive.
    """

    batch_size: int = 8
    wait: float = 0.005
    requests: int = 64
    bytes: int = 20_000_000
    upload_seconds: float = 30.0
