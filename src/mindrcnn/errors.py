"""The exceptions that programs end with one message for."""


class InputError(Exception):
    """Bad input from outside the program: a file, a key, an option, a full disk.

    The message is one sentence or a few short lines: which file, field or line; what was wanted; what was found.
    Programs print it without a traceback and exit with status 2.
    """


class LostRank(RuntimeError):
    """Another process of the job has ended; why is said there.

    Programs print the message without a traceback and exit with status 4.
    """


class OutOfMemory(RuntimeError):
    """The memory of the machine or device does not suffice; the message says what to reduce."""
