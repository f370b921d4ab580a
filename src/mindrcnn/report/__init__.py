"""The evaluation report: what a detector gets wrong on a split, how sure the numbers are, and how two runs differ."""
