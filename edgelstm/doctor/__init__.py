"""What a machine is, and what is missing on it."""
