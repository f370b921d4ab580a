"""Processes of one job: who they are, and what they exchange."""
