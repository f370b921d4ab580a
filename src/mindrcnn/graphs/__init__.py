"""Compiled graphs: cells that compile once, and the cache in which later processes find the result."""
