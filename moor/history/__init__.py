"""What was deployed when, and the way back to it."""
