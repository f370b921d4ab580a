"""The exceptions by which Python's and NumPy's readers fail on a damaged or hostile file."""

import pickle
import struct
import tokenize
import zipfile
import zlib

READ_ERRORS = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    tokenize.TokenError,  # NumPy parses the header of an array as Python
    SyntaxError,
    ArithmeticError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,  # an encrypted archive; NotImplementedError and RecursionError are RuntimeErrors
    TypeError,
    ValueError,
)
