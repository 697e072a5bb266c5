"""Private files, and locks."""
