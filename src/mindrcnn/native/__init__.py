"""C++ kernels for the CPU behind functions of `mindrcnn.ops`, which say what they compute.

`build.py` compiles them, `switch.py` says whether they are in use, the other modules wrap them as MindSpore operators.
"""
