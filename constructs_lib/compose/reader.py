"""Compose files, read by Compose itself."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from constructs_lib.compose.check import check
from constructs_lib.compose.errors import ComposeError
from constructs_lib.compose.failures import failures, shown, unset_variables
from constructs_lib.compose.parse import parse
from constructs_lib.compose.parse_backup import KEY as BACKUP
from constructs_lib.compose.places import LOADER, Written, mapping_of
from constructs_lib.compose.plugin import MISSING, find_compose, is_missing
from constructs_lib.compose.portable import portable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from constructs_lib.aws.firewall import Opening
    from constructs_lib.compose.model import ComposeProject

_TIMEOUT_SECONDS: Final = 20
_ENV_FILE_VARIABLES: Final = ("COMPOSE_ENV_FILES",)
"""Variables that name other files than `.env`."""

_REPLACED: Final = ("\ufffd", r"\ufffd")
"""What Compose writes in the place of bytes that are no UTF-8."""

_EXTENSION: Final = "x-moor"
"""A key of this project's in Compose files."""

_OTHER_FILES: Final = (b"include", b"extends")
"""Keys that name other files."""

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
    strict: bool = False,
    swarm: bool = False,
    folder: Path | None = None,
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
        strict: Whether a variable that is not set is an error, whatever the files say. Otherwise
            it is empty, as it is for Compose, and the project has a warning.
        swarm: Whether the services run in a swarm, and not on one machine.
        folder: The project's folder, where it is not that of the first file.

    Raises:
        ComposeError: The files cannot be used; with every problem.
    """
    environ = environ_of(variables or {}, environment)
    file = shown(files[0])
    own = (folder or files[0].parent).resolve()
    try:
        return _project(files, name, environ, openings, folder=own, strict=strict, swarm=swarm)
    except RecursionError:
        raise ComposeError([f"{file}: must not be nested this deeply; write it flatter"]) from None


def environ_of(
    variables: Mapping[str, str], environment: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the environment that Compose reads files in.

    Args:
        variables: What the files may use as `${NAME}`, before the caller's environment.
        environment: The caller's environment; that of this process by default.
    """
    return {
        k: v
        for k, v in {**(os.environ if environment is None else environment)}.items()
        if k not in _ENGINE_VARIABLES
    } | dict(variables)


def _project(
    files: Sequence[Path],
    name: str,
    environ: Mapping[str, str],
    openings: Sequence[Opening] | None,
    *,
    folder: Path,
    strict: bool,
    swarm: bool,
) -> ComposeProject:
    file = shown(files[0])
    # What it is for who runs Compose there.
    environ = {**environ, "PWD": str(folder)}
    document, unset = read_config(files, name, environ, folder)
    problems = _extension_problems(document, file)
    extension = document.get(_EXTENSION)
    if strict or (isinstance(extension, dict) and extension.get("strict") is True):
        problems += unset
        unset = []
    _add_backups(document, files, name, environ, folder)
    mounts, volumes = _local_sources(document, files, name, environ, folder)
    mesh = _mesh(document, files) if swarm else None
    contents: Mapping[str, str] = {}
    try:
        project = parse(
            document,
            file=file,
            folder=folder,
            local=mounts,
            local_volumes=volumes,
            mesh=mesh,
        )
        contents = _contents(project, folder, environ)
        problems += _without_content(project, contents.keys())
        check(project, openings=openings)
    except ComposeError as error:
        # What is not set may well be why.
        raise ComposeError([*problems, *unset, *error.problems]) from None
    if problems:
        raise ComposeError(problems)
    return replace(
        project,
        warnings=(*unset, *project.warnings),
        contents=contents,
        document=portable(document, folder, mounts=mounts, volumes=volumes, mesh=mesh or ()),
    )


def _add_backups(
    document: dict[str, Any],
    files: Sequence[Path],
    name: str,
    environ: Mapping[str, str],
    folder: Path,
) -> None:
    """Add a key of this project's to services: Compose writes those as YAML, and never as JSON.

    Nothing is asked where the key can be nowhere, in no file that another one names either.
    """
    texts = [file.read_bytes() for file in files]
    if not any(word in text for text in texts for word in (BACKUP.encode(), *_OTHER_FILES)):
        return
    told, _ = read_config(files, name, environ, folder, *_YAML)
    for service, raw in (told.get("services") or {}).items():
        if BACKUP in raw:
            document["services"][service][BACKUP] = raw[BACKUP]


def _extension_problems(document: Mapping[str, Any], file: str) -> list[str]:
    """Find what is wrong with this project's own key, which Compose does not look at."""
    extension = document.get(_EXTENSION)
    if extension is None:
        return []
    if not isinstance(extension, dict):
        return [f"{file}: {_EXTENSION}: must be a mapping, got {extension!r:.60}"]
    problems = [
        f"{file}: {_EXTENSION}.{key}: unknown key; the key here is: strict"
        for key in extension
        if key != "strict"
    ]
    strict = extension.get("strict", False)
    if not isinstance(strict, bool):
        problems.append(f"{file}: {_EXTENSION}.strict: must be true or false, got {strict!r:.60}")
    return problems


def _content_variables(project: ComposeProject) -> set[tuple[str, str]]:
    """Return the variables that are the content of something, each with a service that needs it."""
    return {
        (item.variable, service.name)
        for service in project.services.values()
        for item in (
            *service.deliveries,
            *(service.build.secrets.values() if service.build else ()),
        )
        if item.variable is not None
    }


def _without_content(project: ComposeProject, known: AbstractSet[str]) -> list[str]:
    return [
        f'{project.file}: services.{service}: variable "{variable}" is not set; a secret or '
        "config takes its content from it: export it"
        for variable, service in sorted(_content_variables(project))
        if variable not in known
    ]


def _contents(project: ComposeProject, folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the values of the variables that are the content of a secret or config.

    What the environment does not have may be in `.env`, whose meaning only Compose itself knows:
    it is asked for what they are worth, in a document of its own. Nothing of them is an argument.
    """
    names = {variable for variable, _ in _content_variables(project)}
    found = {name: environ[name] for name in names & environ.keys()}
    elsewhere = sorted(names - environ.keys())
    if elsewhere and (
        (folder / ".env").is_file() or any(name in environ for name in _ENV_FILE_VARIABLES)
    ):
        found |= values_of(elsewhere, project.name, folder, environ)
    return found


def values_of(
    names: Sequence[str], project: str, folder: Path, environ: Mapping[str, str]
) -> dict[str, str]:
    """Return what variables are worth that Compose files use, from `.env` or elsewhere.

    Args:
        names: The variables.
        project: The project's name.
        folder: The project's folder.
        environ: The environment that Compose reads files in.

    Raises:
        ComposeError: Compose cannot read `.env`.
    """
    document = {"services": {"moor": {"image": "moor", "environment": list(names)}}}
    result = ask_compose([], project, folder, environ, text=json.dumps(document))
    if result.returncode != 0:
        raise ComposeError(failures(result.stderr, Written([folder / ".env"])))
    if any(mark in result.stdout for mark in _REPLACED) and (
        bad := _not_utf8(Written([folder / ".env"]))
    ):
        raise ComposeError(bad)
    said = _plain(json.loads(result.stdout))["services"]["moor"]["environment"]
    return {name: value for name, value in said.items() if value is not None}


def read_config(
    files: Sequence[Path], name: str, environ: Mapping[str, str], folder: Path, *more: str
) -> tuple[dict[str, Any], list[str]]:
    """Let Compose read the files.

    Args:
        files: The Compose files.
        name: The project's name.
        environ: The environment that they are read in.
        folder: The project's folder.
        more: Further options of `docker compose config`.

    Returns:
        The document, and which variables are not set.

    Raises:
        ComposeError: They cannot be read; with every problem.
    """
    for file in files:
        if not file.is_file():
            raise ComposeError(
                [f"{shown(file)}: must be a Compose file, got no such file; create it"]
            )
    result = ask_compose(files, name, folder, environ, *more)
    written = Written(files)
    unset = unset_variables(result.stderr, written)
    is_yaml = set(_YAML) <= set(more)
    if _NO_JSON in result.stderr and not is_yaml:
        return read_config(files, name, environ, folder, *more, *_YAML)
    if result.returncode != 0:
        raise ComposeError([*unset, *failures(result.stderr, written)])
    told = result.stdout
    # What Compose writes is no more than mappings, lists and texts.
    document = _plain(yaml.load(told, Loader=LOADER) if is_yaml else json.loads(told))  # noqa: S506
    if not isinstance(document, dict):
        raise ComposeError([f"{shown(files[0])}: must hold a mapping of services"])
    if any(mark in result.stdout for mark in _REPLACED) and (undecodable := _not_utf8(written)):
        raise ComposeError(undecodable)
    return document, unset


def _not_utf8(written: Written) -> list[str]:
    """Tell which files hold what is no UTF-8, in whose place Compose writes something else."""
    folder = written.files[0].parent
    named = [
        folder / text for _, where, text in written if ".env_file" in where and "\0" not in text
    ]
    problems = []
    for file in (*written.files, folder / ".env", *named):
        try:
            file.read_bytes().decode()
        except OSError:
            continue
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            problems.append(
                f"{shown(file)}: line {line}: must be UTF-8, got the byte "
                f"0x{error.object[error.start]:02x}; save it in that encoding"
            )
    return problems


def ask_compose(
    files: Sequence[Path],
    name: str,
    folder: Path,
    environ: Mapping[str, str],
    *more: str,
    text: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Let Compose read files, or a text instead.

    Args:
        files: The Compose files.
        name: The project's name.
        folder: The project's folder.
        environ: The environment that they are read in.
        more: Further options of `docker compose config`.
        text: The text of a Compose file instead of them.

    Raises:
        ComposeError: There is no Compose, or it does not answer.
    """
    read = shown(files[0] if files else folder / ".env")
    for variable, value in environ.items():
        try:
            os.fsencode(value)
        except UnicodeEncodeError:
            value = "\0"  # noqa: PLW2901  (no program can be told it either)
        if "\0" in value:
            raise ComposeError(
                [f"{read}: variables.{variable}: must be text without null bytes; change it"]
            )
    named = [word for file in files for word in ("--file", str(file.resolve()))]
    command = [
        *find_compose(),
        "--all-resources",
        *("--project-name", name),
        *("--project-directory", str(folder)),
        *(named if text is None else ("--file", "-")),
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
            # What it quotes from a file may be in any encoding.
            encoding="utf-8",
            errors="replace",
            input=text or "",
            check=False,
            timeout=_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise ComposeError(
            [
                (
                    f"{read}: must be read by Compose within {_TIMEOUT_SECONDS} s, got no answer; "
                    "look for aliases of aliases in it, and for what it includes"
                )
            ]
        ) from None
    except FileNotFoundError:
        raise ComposeError([MISSING]) from None
    if result.returncode != 0 and is_missing(result.stderr):
        raise ComposeError([MISSING])
    return result


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
    document: Mapping[str, Any],
    files: Sequence[Path],
    name: str,
    environ: Mapping[str, str],
    folder: Path,
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
        relative = {
            variable: _from(folder, value)
            for variable, value in _known(files, name, folder, environ).items()
            if ":" not in value and Path(value).is_relative_to(folder)
        }
        asked = {**environ, **relative}
        unresolved, _ = read_config(
            files, name, asked, folder, "--no-path-resolution", "--no-env-resolution"
        )
        sources = _bind_sources(unresolved)
        written = _devices(unresolved)
        volumes = {k: written.get(k, device) for k, device in volumes.items()}
    return (
        {mount for mount in mounts & sources.keys() if not sources[mount].startswith("/")},
        {key for key, device in volumes.items() if not device.startswith("/")},
    )


def _known(
    files: Sequence[Path], name: str, folder: Path, environ: Mapping[str, str]
) -> Mapping[str, str]:
    """Return the variables that the files may use, with those of `.env`.

    Of a value with several lines, which is no path, only the first one may be right.
    """
    if not (folder / ".env").is_file():
        return environ
    result = ask_compose(files, name, folder, environ, "--environment")
    words = (line.partition("=") for line in result.stdout.splitlines())
    return {**{variable: value for variable, _, value in words}, **environ}


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


def _mesh(document: Mapping[str, Any], files: Sequence[Path]) -> set[tuple[str, int]]:
    """Find the ports that the files themselves give to a swarm's mesh, by service and target.

    Compose writes `mode: ingress` for each port of which nobody has said anything.
    """
    named = [
        file.parent / path
        for file, where, path in Written(files)
        if re.fullmatch(r"include\[\d+\](\.path(\[\d+\])?)?|services\..+\.extends\.file", where)
    ]
    written = {
        (service, str(entry.get("target")))
        for file in dict.fromkeys((*files, *named))
        for service, body in _bodies(file)
        for entry in _entries(body)
        if entry.get("mode") == "ingress"
    }
    by_target = {target for _, target in written}
    return {
        (service, int(port["target"]))
        for service, body in (document.get("services") or {}).items()
        for port in body.get("ports") or ()
        if port.get("mode") == "ingress"
        and isinstance(port.get("target"), int)
        # What is extended has another name there.
        and (
            (service, str(port["target"])) in written
            or (named and str(port["target"]) in by_target)
        )
    }


def _bodies(file: Path) -> list[tuple[str, Mapping[str, Any]]]:
    services = mapping_of(file).get("services")
    found = services.items() if isinstance(services, dict) else ()
    return [(str(name), body) for name, body in found if isinstance(body, dict)]


def _entries(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    ports = body.get("ports")
    return [e for e in ports if isinstance(e, dict)] if isinstance(ports, list) else []


def _plain_sources(files: Sequence[Path]) -> dict[tuple[str, str], str]:
    """Read the sources of mounts, by service and target, that can only mean what they say."""
    document = mapping_of(files[0]) if len(files) == 1 else {}
    if "include" in document:
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
