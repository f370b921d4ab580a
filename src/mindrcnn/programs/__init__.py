"""The command lines of the `mindrcnn` sub-commands, one module each.

A module here describes and parses its words and calls the function that does the work, which it imports only then:
help and a wrong option need not wait for MindSpore to load.
"""
