"""Compose files: read by Compose itself, turned into values, and checked.

Nothing here imports cdktf; `constructs_lib.compose_project` makes constructs of the values.
"""
