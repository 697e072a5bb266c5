"""Check the version of Python, then set up.

This file is kept to syntax that old versions read, so that they get to the message.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this is where the older ones are turned away
    sys.exit(
        "python: version: must be 3.11 or later, got %d.%d (%s); install a later one and name it, "  # noqa: UP031
        "as in: make PYTHON=python3.12" % (sys.version_info[0], sys.version_info[1], sys.executable)
    )

from setup.command_line import main

if __name__ == "__main__":
    sys.exit(main())
