"""The processes of one job: their environment, their connection and what they exchange."""
