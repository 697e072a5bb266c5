"""The engine beneath the sandbox."""
