"""C++ kernels for the CPU, which implement functions of `mindrcnn.ops` and `mindrcnn.evaluation`.

`build.py` compiles them, `library.py` opens them, and `switch.py` decides whether the functions in `ops` use them. The
other modules wrap them; the functions in `ops` and `evaluation` document what they compute.
"""
