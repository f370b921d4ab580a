"""Readers of data that anybody may have written, within limits of time and memory."""
