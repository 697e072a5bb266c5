"""Compose files, read by Compose itself."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from constructs_lib.compose.check import check
from constructs_lib.compose.errors import ComposeError
from constructs_lib.compose.failures import failures, shown, unset_variables
from constructs_lib.compose.parse import parse
from constructs_lib.compose.plugin import MISSING, find_compose, is_missing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from constructs_lib.aws.firewall import Opening
    from constructs_lib.compose.model import ComposeProject

_TIMEOUT_SECONDS: Final = 60
_ENGINE_VARIABLES: Final = ("DOCKER_HOST", "DOCKER_CONTEXT", "COMPOSE_FILE", "COMPOSE_PROJECT_NAME")
"""Variables that would point Compose somewhere else. Reading needs no engine."""


_YAML: Final = ("--format", "yaml")
_NO_JSON: Final = "types.SSHKey"
"""Compose cannot write a build's SSH key as JSON, and fails."""


def load_project(
    files: Sequence[Path],
    *,
    name: str,
    variables: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    openings: Sequence[Opening] | None = None,
) -> ComposeProject:
    """Read, understand and check Compose files.

    Args:
        files: The Compose files; later ones are merged into the first, whose folder is the
            project's: relative paths start there, and its `.env` is read.
        name: The project's name.
        variables: What the files may use as `${NAME}`, before the caller's environment.
        environment: The caller's environment; that of this process by default.
        openings: What the machine's security groups let in; None where nothing is known of the
            machine.

    Raises:
        ComposeError: The files cannot be used; with every problem.
    """
    environ = {
        k: v
        for k, v in {**(os.environ if environment is None else environment)}.items()
        if k not in _ENGINE_VARIABLES
    } | dict(variables or {})
    file = shown(files[0])
    folder = files[0].parent.resolve()
    # What it is for who runs Compose there.
    environ["PWD"] = str(folder)
    document, problems = _config(files, name, environ)
    mounts, volumes = _local_sources(document, files, name, environ)
    try:
        project = parse(document, file=file, folder=folder, local=mounts, local_volumes=volumes)
        problems += _without_content(project, {*environ, *_dotenv(folder)})
        check(project, openings=openings)
    except ComposeError as error:
        raise ComposeError([*problems, *error.problems]) from None
    if problems:
        raise ComposeError(problems)
    return project


def _without_content(project: ComposeProject, known: AbstractSet[str]) -> list[str]:
    missing = sorted(
        {
            (item.variable, service.name)
            for service in project.services.values()
            for item in (
                *service.deliveries,
                *(service.build.secrets.values() if service.build else ()),
            )
            if item.variable is not None and item.variable not in known
        }
    )
    return [
        f'{project.file}: services.{service}: variable "{variable}" is not set; a secret or '
        "config takes its content from it: export it"
        for variable, service in missing
    ]


def delivered_value(
    variable: str, *, folder: Path, variables: Mapping[str, str] | None = None
) -> str:
    """Return the value of a variable that is a secret's or config's content.

    Args:
        variable: Its name.
        folder: The project's folder, whose `.env` counts last.
        variables: What counts before the environment of this process.
    """
    return {**_dotenv(folder), **os.environ, **dict(variables or {})}[variable]


def _config(
    files: Sequence[Path], name: str, environ: Mapping[str, str], *more: str
) -> tuple[dict[str, Any], list[str]]:
    """Let Compose read the files; the second result is what it only warns of."""
    for file in files:
        if not file.is_file():
            raise ComposeError(
                [f"{shown(file)}: must be a Compose file, got no such file; create it"]
            )
    named = [word for file in files for word in ("--file", str(file.resolve()))]
    folder = files[0].parent.resolve()
    command = [
        *find_compose(),
        "--all-resources",
        *("--project-name", name),
        *("--project-directory", str(folder)),
        *named,
        "config",
        *("--format", "json"),
        *more,
    ]
    try:
        result = subprocess.run(
            command,
            cwd=folder,
            env=dict(environ),
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise ComposeError(
            [f"{shown(files[0])}: must be read within {_TIMEOUT_SECONDS} s, got no answer"]
        ) from None
    except FileNotFoundError:
        raise ComposeError([MISSING]) from None
    if result.returncode != 0 and is_missing(result.stderr):
        raise ComposeError([MISSING])
    problems = list(unset_variables(result.stderr, files))
    if _NO_JSON in result.stderr and not set(_YAML) <= set(more):
        return _config(files, name, environ, *more, *_YAML)
    if result.returncode != 0:
        raise ComposeError([*problems, *failures(result.stderr, files)])
    told = result.stdout
    # What Compose writes is no more than mappings, lists and texts.
    document = _plain(
        yaml.load(told, Loader=_Loader) if set(_YAML) <= set(more) else json.loads(told)  # noqa: S506
    )
    if not isinstance(document, dict):
        raise ComposeError([f"{shown(files[0])}: must hold a mapping of services"])
    return document, problems


def _plain(value: Any) -> Any:  # noqa: ANN401  (JSON)
    """Undo the doubled dollar signs: the output is meant to be read by Compose again."""
    if isinstance(value, str):
        return value.replace("$$", "$")
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    return value


def _local_sources(
    document: Mapping[str, Any], files: Sequence[Path], name: str, environ: Mapping[str, str]
) -> tuple[set[tuple[str, str]], set[str]]:
    """Find the bind mounts, and the volumes, whose source was written as a relative path.

    Resolved, `./data` looks like the machine's `/data`. Where the file itself does not tell
    plainly, Compose is asked once more, which takes a tenth of a synthesis. A variable that holds
    a path into the project's folder, as `PWD` does, is a relative path for that.
    """
    mounts, volumes = _bind_sources(document).keys(), _devices(document)
    if not mounts and not volumes:
        return set(), set()
    sources = _plain_sources(files)
    if volumes or not mounts <= sources.keys():
        folder = files[0].parent.resolve()
        relative = {
            variable: _from(folder, value)
            for variable, value in {**_dotenv(folder), **environ}.items()
            if ":" not in value and Path(value).is_relative_to(folder)
        }
        asked = {**environ, **relative}
        unresolved, _ = _config(files, name, asked, "--no-path-resolution", "--no-env-resolution")
        sources = _bind_sources(unresolved)
        written = _devices(unresolved)
        volumes = {k: written.get(k, device) for k, device in volumes.items()}
    return (
        {mount for mount in mounts & sources.keys() if not sources[mount].startswith("/")},
        {key for key, device in volumes.items() if not device.startswith("/")},
    )


def _from(folder: Path, value: str) -> str:
    """Return a path below a folder as one that is relative to it."""
    below = Path(value).relative_to(folder).as_posix()
    return "." if below == "." else f"./{below}"


def _devices(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the folders that volumes of the engine's own driver stand for, by volume."""
    found = {}
    for key, body in (document.get("volumes") or {}).items():
        options = (body or {}).get("driver_opts") or {}
        bind = {"bind", "rbind"} & set(str(options.get("o", "")).split(","))
        if bind and options.get("device") and (body.get("driver") or "local") == "local":
            found[str(key)] = str(options["device"])
    return found


def _bind_sources(document: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """Return the sources of bind mounts, by service and target, as Compose writes them."""
    return {
        (service, str(mount.get("target"))): str(mount.get("source", ""))
        for service, body in (document.get("services") or {}).items()
        for mount in body.get("volumes") or ()
        if mount.get("type") == "bind"
    }


def _plain_sources(files: Sequence[Path]) -> dict[tuple[str, str], str]:
    """Read the sources of mounts, by service and target, that can only mean what they say."""
    try:
        (file,) = files
        document = yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    if not isinstance(document, dict) or "include" in document:
        return {}
    services = document.get("services")
    sources = {}
    for service, body in services.items() if isinstance(services, dict) else ():
        if not isinstance(body, dict) or "extends" in body:
            continue
        mounts = body.get("volumes")
        for mount in mounts if isinstance(mounts, list) else ():
            words: Sequence[Any] = ()
            if isinstance(mount, str):
                words = mount.split(":")[:2]
            elif isinstance(mount, dict):
                words = mount.get("source"), mount.get("target")
            if len(words) == 2 and all(isinstance(w, str) and "$" not in w for w in words):  # noqa: PLR2004
                sources[str(service), words[1]] = words[0]
    return sources


_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, where PyYAML was built with it."""


def _dotenv(folder: Path) -> dict[str, str]:
    """Read the names in `.env`; Compose itself does so for everything but these checks."""
    try:
        text = (folder / ".env").read_text(encoding="utf-8")
    except OSError:
        return {}
    found = re.findall(r"^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*$", text, re.MULTILINE)
    return {
        key: value[1:-1] if value[:1] in "'\"" and value[-1:] == value[:1] and value[1:] else value
        for key, value in found
    }
