"""Starts the processes of a job and watches over them."""
