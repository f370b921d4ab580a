"""The conversion of a configuration of the MindSpore model zoo to one of this package (`mindrcnn migrate`)."""
