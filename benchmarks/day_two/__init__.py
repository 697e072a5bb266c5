"""A real PostgreSQL on a data volume, and its rows when the machine does not stay."""
