"""The Compose files of `compose_corpus/hosted`, in the manner of projects that people host.

They are written for these tests, in the shapes and with the habits of the files that such projects
publish: data in relative folders that are not there, settings beside the file, variables that
nobody sets, ports in every syntax. Their images cannot be had without the internet: where a file
is deployed, an override file beside it names stand-ins (`sandbox/stand_ins.py`) in the place of
the images, lets healthchecks run each second, and lowers the `ulimits` that a machine of the
sandbox, itself a container, may not raise. The files themselves stay as they are.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.aws.firewall import EVERYWHERE, Opening
from constructs_lib.aws.port_range import PortRange
from constructs_lib.compose import reader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from constructs_lib.compose.model import ComposeProject

FOLDER: Final = Path(__file__).parent / "compose_corpus" / "hosted"
TABLE: Final = FOLDER.with_suffix(".toml")
RESULTS: Final = FOLDER.with_suffix(".json")
PROJECT: Final = "corpus"

_LOW_LIMIT: Final = 4096
"""For `ulimits` in the sandbox."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosted:
    """One of the files.

    Attributes:
        name: Its folder.
        shows: What it has that others have not.
        services: How many services it has, without those of profiles that are not active.
        containers: How many containers they are.
        ends: The services that end by themselves, and well.
        bases: The images that its Dockerfiles begin with.
        refused: What of it is refused, and rightly; empty for nothing.
        sandbox_cannot: Why it cannot run on a machine of the sandbox; empty where it can.
        few: Whether it is one of those that each run of the tests deploys.
    """

    name: str
    shows: str
    services: int
    containers: int
    ends: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    refused: str = ""
    sandbox_cannot: str = ""
    few: bool = False

    @property
    def file(self) -> Path:
        """The Compose file."""
        return FOLDER / self.name / "compose.yaml"


def hosted() -> tuple[Hosted, ...]:
    """Return all files, as the table has them."""
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    found = []
    for name, row in table.items():
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
        found.append(Hosted(name=name, **values))
    return tuple(found)


def environment() -> dict[str, str]:
    """Return the environment that the files are read in: nothing of the caller's but its paths."""
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


def document(file: Path) -> dict[str, Any]:
    """Return what Compose makes of a file, as it is."""
    found, *_ = reader.read_config([file], PROJECT, environment(), file.parent)
    return found


def openings(project: ComposeProject) -> tuple[Opening, ...]:
    """Return what a machine has to let in for the ports of a project."""
    ports = {
        PortRange(*port.published, port.protocol)
        for service in project.services.values()
        for port in service.ports
        if port.published is not None
    }
    return tuple(
        Opening(
            setting="http.ports",
            ports=(ports_,),
            cidrs=EVERYWHERE,
            description="what the file publishes",
            for_services=True,
        )
        for ports_ in sorted(ports)
    )


@dataclass(slots=True)
class StandIn:
    """What an image of a file has to be able to do.

    Attributes:
        ports: The TCP ports that its containers listen on.
        folders: The folders that its containers can write to.
        tools: What their healthchecks and scripts call by a path.
        programs: What is named as an entry point.
        ends: Whether its containers end by themselves.
        is_checked: Whether it has a healthcheck of its own.
    """

    ports: set[int]
    folders: set[str]
    tools: set[str]
    programs: set[str]
    ends: bool = False
    is_checked: bool = False


def repository(app: Hosted, reference: str, *, ends: bool = False) -> str:
    """Return where the registry has an image's stand-in for a file, without its tag.

    Args:
        app: The file.
        reference: The image, as the file names it.
        ends: Whether it is the one that ends by itself.
    """
    bare = reference.partition("@")[0]
    head, slash, last = bare.rpartition("/")
    name = f"{head}{slash}{last.partition(':')[0]}".replace(":", "-").lower()
    return f"{app.name}/{'ends/' if ends else ''}{name}"


def tag(reference: str) -> str:
    """Return the tag of an image."""
    return reference.partition("@")[0].rpartition("/")[2].partition(":")[2] or "latest"


def stand_ins(app: Hosted, raw: Mapping[str, Any]) -> dict[tuple[str, bool], StandIn]:
    """Return the stand-ins that a file needs, by the image and whether it ends.

    Args:
        app: The file.
        raw: What Compose makes of it.
    """
    services = raw["services"]
    waited_for = {
        other
        for body in services.values()
        for other, how in (body.get("depends_on") or {}).items()
        if how["condition"] == "service_healthy"
    }
    found: dict[tuple[str, bool], StandIn] = {}
    for name, body in services.items():
        ends = name in app.ends
        references = app.bases if "build" in body else (body["image"],)
        for reference in references:
            key = reference, ends and "build" not in body
            stand_in = found.setdefault(key, StandIn(set(), set(), set(), set()))
            stand_in.ports |= _ports(body)
            stand_in.folders |= _folders(body)
            stand_in.tools |= set(_tools(body))
            stand_in.programs |= set(_programs(body))
            stand_in.ends = key[1]
            has_test = bool((body.get("healthcheck") or {}).get("test"))
            stand_in.is_checked |= name in waited_for and not has_test
    return found


def override(
    app: Hosted, raw: Mapping[str, Any], registry: str, *, checked_each_second: bool = True
) -> dict[str, Any]:
    """Return the file that names the stand-ins in the place of the images.

    Args:
        app: The file.
        raw: What Compose makes of it.
        registry: Where the stand-ins are.
        checked_each_second: Whether healthchecks run each second.
    """
    services: dict[str, Any] = {}
    for name, body in raw["services"].items():
        here: dict[str, Any] = {}
        if "build" in body:
            contexts = {
                re.sub(r"^docker\.io/(library/)?", "", base): f"docker-image://{registry}/"
                f"{repository(app, base)}:{tag(base)}"
                for base in app.bases
            }
            if contexts:
                here["build"] = {"additional_contexts": contexts}
        else:
            place = repository(app, body["image"], ends=name in app.ends)
            here["image"] = f"{registry}/{place}:{tag(body['image'])}"
        if checked_each_second and (body.get("healthcheck") or {}).get("test"):
            here["healthcheck"] = {"interval": "1s", "retries": 60}
        if body.get("ulimits"):
            here["ulimits"] = {
                limit: {"soft": _LOW_LIMIT, "hard": _LOW_LIMIT} for limit in body["ulimits"]
            }
        services[name] = here
    return {"services": services}


def write_override(app: Hosted, raw: Mapping[str, Any], registry: str, folder: Path) -> Path:
    """Write the override file of a file. JSON is YAML, too."""
    file = folder / f"{app.name}.override.json"
    file.write_text(json.dumps(override(app, raw, registry)), encoding="utf-8")
    return file


def _ports(body: Mapping[str, Any]) -> set[int]:
    published = {
        int(port["target"])
        for port in body.get("ports") or ()
        if port.get("protocol", "tcp") == "tcp"
    }
    exposed = {int(word) for word in map(str, body.get("expose") or ()) if word.isdigit()}
    check = " ".join((body.get("healthcheck") or {}).get("test") or ())
    asked = re.findall(r"(?:localhost|127\.0\.0\.1|://[\w.-]+)[: ]([0-9]{2,5})\b", check)
    return published | exposed | {int(word) for word in asked}


def _folders(body: Mapping[str, Any]) -> set[str]:
    return {
        mount["target"].rstrip("/")
        for mount in body.get("volumes") or ()
        if not mount.get("read_only")
        and not mount.get("source", "").startswith(("/lib", "/var/run"))
    }


def _tools(body: Mapping[str, Any]) -> Iterator[str]:
    """Find what healthchecks and scripts call by a path, and does its work and ends."""
    check = (body.get("healthcheck") or {}).get("test") or ["NONE"]
    if check[0] == "CMD":
        yield check[1]
    yield from (word for word in _paths(body) if not _ENTRY.search(word))


def _programs(body: Mapping[str, Any]) -> Iterator[str]:
    """Find what stays up: entry points, and what scripts call in their place."""
    words = _words(body, "entrypoint")
    if words and words[0] not in ("sh", "bash", "/bin/sh", "/bin/bash"):
        yield words[0]
    yield from (word for word in _paths(body) if _ENTRY.search(word))


_ENTRY: Final = re.compile(r"entrypoint(\.sh)?$|^/run\.sh$")
_PATH: Final = re.compile(
    r"(?<![\w./$>])/(?:opt/|usr/|sbin/|entrypoint|docker-entrypoint|run\.sh)[\w./-]*"
)


def _paths(body: Mapping[str, Any]) -> Iterator[str]:
    check = (body.get("healthcheck") or {}).get("test") or ["NONE"]
    script = " ".join([*check[1:], *_words(body, "entrypoint"), *_words(body, "command")])
    mounted = {mount["target"] for mount in body.get("volumes") or ()}
    for word in _PATH.findall(script):
        if not word.endswith("/") and not any(word.startswith(target) for target in mounted):
            yield word


def _words(body: Mapping[str, Any], key: str) -> list[str]:
    value = body.get(key) or []
    return shlex.split(value) if isinstance(value, str) else [str(word) for word in value]
