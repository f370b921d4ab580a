"""Published checkpoints by name: the table, the search in it, and its page."""
