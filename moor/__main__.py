"""Run a command: `python -m moor up`."""

from moor.program import main

if __name__ == "__main__":
    main()
