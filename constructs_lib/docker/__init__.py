"""Constructs over the Docker provider; they know no Compose."""
