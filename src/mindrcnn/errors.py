"""The exception type for everything that a user can put right."""


class InputError(Exception):
    """Bad input from outside the program: a file, a key, an option, a full disk.

    The message is one sentence or a few short lines: which file, field or line; what was wanted; what was found.
    Programs print it without a traceback and exit with status 2.
    """
