"""Run a command: `python -m moor up`."""

from moor.command_line import app

if __name__ == "__main__":
    app(prog_name="python -m moor")
