"""Compose files: read by Compose itself, turned into values, and checked.

Nothing here imports cdktf; `constructs_lib.compose.services` makes constructs of the values.
"""
