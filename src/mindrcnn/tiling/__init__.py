"""Large images cut into overlapping tiles, and what was found in these put together again."""
