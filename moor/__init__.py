"""The commands behind `make up`, `make down` and the others, and the `cdktf` wrapper."""
