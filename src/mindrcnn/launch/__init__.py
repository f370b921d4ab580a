"""The launcher: the processes of a job, from their start to their end."""
