"""The commands of `moor`: one file each, found by its name. See `moor.program`."""
