"""A training step and the state that it changes."""
