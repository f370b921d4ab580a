"""C++ kernels for the CPU behind functions of `mindrcnn.ops` and `mindrcnn.evaluation`, which say what they compute.

`build.py` compiles them, `library.py` opens them, `switch.py` says whether the functions of `ops` use them, the other
modules wrap them.
"""
