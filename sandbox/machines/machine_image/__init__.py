"""What the machines are built from; the Python files also run on them."""
