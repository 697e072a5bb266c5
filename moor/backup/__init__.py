"""Snapshots of the data volumes: made, listed, tried, restored, and let go."""
