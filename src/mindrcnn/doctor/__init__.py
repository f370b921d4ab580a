"""The check of a data set for problems that would break or degrade training (`mindrcnn doctor`)."""
