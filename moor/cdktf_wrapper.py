"""`cdktf`, with what this project needs around it.

Set-up puts a small script of that name into the virtual environment, so that a plain
`cdktf deploy '*'` inside `pipenv shell` takes the same lock, the same sandbox, the same
Terraform and the same output folder as `make up` does.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from constructs_lib.settings.environment import Environment
from moor import deployment_lock
from moor.failure import CommandError
from moor.toolchain.toolchain import ROOT, Toolchain, with_changes

_ON_RESOURCES: Final = frozenset({"deploy", "apply", "destroy", "diff", "plan"})


def main() -> None:
    """Become cdktf; or say in one line why not."""
    arguments = sys.argv[1:]
    try:
        environment = Environment.from_variable(ROOT, os.environ)
        toolchain = Toolchain.load()
        variables = toolchain.variables(environment)
        if arguments and arguments[0] in _ON_RESOURCES:
            variables = with_changes(variables, _prepare(environment))
    except (CommandError, ValueError, OSError) as error:
        sys.exit(str(error))
    os.chdir(ROOT)
    command = toolchain.command(arguments, environment)
    os.execve(command[0], command, variables)


def _prepare(environment: Environment) -> dict[str, str | None]:
    """Check the settings, take the lock, and see that the sandbox runs.

    The lock is held through `execve`, until cdktf ends.
    """
    # Imported here: `cdktf synth` and `cdktf --help` must not wait for them.
    from constructs_lib.settings.load import load_settings  # noqa: PLC0415
    from moor import sandbox_control  # noqa: PLC0415

    settings = load_settings(environment.settings_file)
    deployment_lock.acquire(environment, _report)
    if settings.sandbox is None:
        return {}
    sandbox = sandbox_control.ready(environment, settings.sandbox, _report)
    return sandbox.environment_variables()


def _report(line: str) -> None:
    sys.stderr.write(f"{line}\n")
