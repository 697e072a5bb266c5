"""The emulated AWS API."""
