"""Training: steps, checkpoints, tracking and the processes of a job."""
