"""The variables of the commands that set-up runs.

Nothing is written into the user's home. HOME stays as it is, though: the user's settings for
npm, pip, Go, proxies and certificate authorities have to be found.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from setup.project import Project

_HIDDEN = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__", "PIP_USER")
"""Variables that would mix the packages of another environment with ours."""


def home_of(variables: Mapping[str, str]) -> Path:
    """Return the user's home; the root folder for a user who has none.

    Args:
        variables: The environment of the caller.
    """
    try:
        return Path(variables.get("HOME") or Path.home())
    except RuntimeError:  # no HOME, and no entry among the users of this machine
        return Path("/")


def child_variables(project: Project, variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a command that set-up runs.

    Args:
        project: The project's folder.
        variables: The environment of the caller.
    """
    cache = project.cache
    result = {name: value for name, value in variables.items() if name not in _HIDDEN}
    result |= {
        "TMPDIR": str(project.temporary),
        "PIP_CACHE_DIR": str(cache / "pip"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIPENV_CACHE_DIR": str(cache / "pipenv"),
        "PIPENV_PIPFILE": str(project.root / "Pipfile"),
        "PIPENV_VENV_IN_PROJECT": "1",
        "PIPENV_IGNORE_VIRTUALENVS": "1",
        "PIPENV_DONT_LOAD_ENV": "1",
        "PIPENV_NOSPIN": "1",
        "PIPENV_YES": "1",
        "VIRTUALENV_OVERRIDE_APP_DATA": str(cache / "virtualenv"),
        "npm_config_cache": str(cache / "npm"),
        "npm_config_update_notifier": "false",
        "CHECKPOINT_DISABLE": "1",
        "CDKTF_HOME": str(project.tools / "cdktf"),
        "CDKTF_DISABLE_PLUGIN_CACHE_ENV": "1",
        "DISABLE_VERSION_CHECK": "1",
        "DEBIAN_FRONTEND": "noninteractive",
        "JSII_NODE": str(project.node),
        "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(project.jsii_cache),
    }
    # pip asks rustc for its version, and rustup's stand-in for rustc then makes a folder in a
    # home that has none. One that is there is used: a package may have to be compiled.
    rustup = home_of(variables) / ".rustup"
    if "RUSTUP_HOME" not in variables and not os.access(rustup, os.F_OK):
        result["RUSTUP_HOME"] = str(cache / "rustup")
    return result


def go_variables(project: Project, variables: Mapping[str, str]) -> dict[str, str]:
    """Return what is added to the environment of a Go command.

    Args:
        project: The project's folder.
        variables: The environment of the caller.
    """
    configuration = Path(variables.get("XDG_CONFIG_HOME") or home_of(variables) / ".config")
    cache = project.cache
    return {
        # Go's counters go to XDG_CONFIG_HOME, but the user's Go settings stay in force.
        "GOENV": variables.get("GOENV") or str(configuration / "go" / "env"),
        "XDG_CONFIG_HOME": str(cache / "go-configuration"),
        "GOPATH": str(cache / "go"),
        "GOMODCACHE": str(cache / "go" / "pkg" / "mod"),
        "GOCACHE": str(cache / "go-build"),
        "GOBIN": "",
        "GOWORK": "off",
        # The compiler spends a seventh less time where it collects its garbage more rarely.
        "GOGC": variables.get("GOGC") or "400",
        "GOMEMLIMIT": variables.get("GOMEMLIMIT") or "1GiB",
        "CGO_ENABLED": "0",
    }
