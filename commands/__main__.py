"""Run a command: `python -m commands up`."""

from commands.command_line import app

if __name__ == "__main__":
    app(prog_name="python -m commands")
