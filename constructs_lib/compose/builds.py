"""What a build is made of: the digests that tell when to build again, and what the builder is told.

Nothing is built here, and nobody is asked.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.compose.parse_build import REMOTE
from constructs_lib.docker.build_context import (
    ContextError,
    Ignored,
    digest_of,
    file_content,
    inside,
)
from constructs_lib.docker.dockerfile import BaseImages, base_images
from constructs_lib.docker.reference import familiar, identifier

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from constructs_lib.compose.model import Build

IMAGE: Final = "docker-image://"
"""What an additional context begins with that is an image."""

SERVICE: Final = "service:"
"""What one begins with that is the image of another service."""

_LAYOUT: Final = "oci-layout://"
_SHORT: Final = 16
_DOCKERFILE: Final = "Dockerfile"
_GLOB: Final = re.compile(r"([*?\[\]\\])")
_NO_INPUT: Final = ("ssh", "tags")
"""Options that change nothing in the image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A build, with all that was found out about its files.

    Attributes:
        digests: What tells when to build again: each part, and its digest.
        bases: The images that it begins with or copies from, and takes as contexts; but for other
            services' images that it names as such.
        takes_contexts: Whether the Dockerfile's syntax lets an image be put in another's place.
        dockerfile: The text of the Dockerfile, where the builder is to read that instead of the
            file in the context.
        ignored: What the `.dockerignore` beside that text must say.
    """

    digests: Mapping[str, str]
    bases: tuple[str, ...] = ()
    takes_contexts: bool = True
    dockerfile: bytes | None = None
    ignored: bytes = b""

    @property
    def tag(self) -> str:
        """The image's tag: whatever goes into the image changes it."""
        return short(json.dumps(self.digests, sort_keys=True))[:12]


def short(content: bytes | str) -> str:
    """Return a digest that a person can compare at a glance."""
    data = content.encode(errors="surrogateescape") if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()[:_SHORT]


def key_of(build: Build) -> str:
    """Return what two builds have in common that are the same one, in every checkout."""
    section = {
        "context": _place(build.context, build),
        "dockerfile": build.dockerfile,
        "inline": build.dockerfile_inline,
        "args": dict(build.args),
        "target": build.target,
        "platform": build.platform,
        "contexts": {name: _place(path, build) for name, path in build.contexts.items()},
        "secrets": {
            name: [s.target, s.variable, s.file and _place(str(s.file), build)]
            for name, s in build.secrets.items()
        },
        "options": build.options,
    }
    return json.dumps(section, sort_keys=True)


def _place(path: str, build: Build) -> str:
    """Return a path from the project's folder; what is no path of this computer stays as it is."""
    if not path.startswith("/") or not build.project_folder:
        return path
    return os.path.relpath(path, build.project_folder)


def identifiers(builds: Sequence[Build]) -> dict[str, str]:
    """Return the ids of the constructs of builds, by their keys.

    An id tells which Dockerfile of which context is built, so that it stays when a file or an
    argument changes; only where that is not enough it has a digest of everything else.

    Args:
        builds: The builds.
    """
    found: dict[str, str] = {}
    users: dict[str, set[str]] = {}
    for build in builds:
        place = _place(build.context, build)
        recipe = "" if build.dockerfile == _DOCKERFILE else build.dockerfile
        if build.dockerfile_inline is not None:
            recipe = f"inline-{short(build.dockerfile_inline)}"
        # A dot would be left out where Terraform and people read the id.
        place = "here" if place == "." else place
        parts = (place, recipe, build.target or "", build.platform or "")
        name = identifier(*(part.replace(" ", "_") for part in parts)).rstrip(",")
        key = key_of(build)
        found[key] = name
        users.setdefault(name, set()).add(key)
    return {
        key: name if len(users[name]) == 1 else f"{name},{short(key)}"
        for key, name in found.items()
    }


def read_recipe(build: Build, *, private: Sequence[Path] = ()) -> Recipe:
    """Read the files of a build.

    Args:
        build: The build.
        private: Folders that no builder gets, though a context may hold them.

    Raises:
        ContextError: A file cannot be read; the text begins with its key below `build`.
    """
    digests: dict[str, str] = {}
    text: bytes | None = None
    generated, ignored = build.dockerfile_inline is not None, b""
    if REMOTE.match(build.context):
        digests["context"] = build.context
        if build.dockerfile_inline is not None:
            text = build.dockerfile_inline.encode()
    else:
        folder = Path(build.context)
        file = None if build.dockerfile_inline is not None else folder / build.dockerfile
        with _key("dockerfile"):
            text = (build.dockerfile_inline or "").encode() if file is None else file_content(file)
        with _key("context"):
            ignores = Ignored.of(folder, file)
            left_out = inside(folder, private)
            digests["context"] = digest_of(folder, ignores.patterns, left_out)[:_SHORT]
        # A file beside the Dockerfile says what is left out, too; a link to it has no such file.
        generated = generated or bool(left_out) or (file is not None and file.is_symlink())
        lines = ["/" + _GLOB.sub(r"\\\1", name) for name in left_out]
        ignored = b"\n".join([ignores.content, *(line.encode() for line in lines)])
    if text is not None:
        digests["dockerfile"] = short(text)
    for name, value in build.args.items():
        digests[f"argument {name}"] = short(value)
    for name, source in build.contexts.items():
        with _key(f"additional_contexts.{name}"):
            digests[f"context {name}"] = _context_digest(source, private)
    if build.secrets:
        # Which there are, and not what is in them: for that the builder builds nothing again.
        digests["secrets"] = short(json.dumps(sorted(s.target for s in build.secrets.values())))
    rest = {k: v for k, v in build.options.items() if k not in _NO_INPUT}
    rest |= {"target": build.target, "platform": build.platform}
    digests["options"] = short(json.dumps(rest, sort_keys=True))
    found = BaseImages(references=())
    if text is not None:
        decoded = text.decode(errors="surrogateescape")
        found = base_images(decoded, arguments=build.args, target=build.target)
    named = {familiar(name) for name in build.contexts}
    images = [s.removeprefix(IMAGE) for s in build.contexts.values() if s.startswith(IMAGE)]
    references = [r for r in found.references if familiar(r) not in named]
    return Recipe(
        digests=digests,
        bases=tuple(dict.fromkeys([*references, *images])),
        takes_contexts=found.takes_contexts,
        dockerfile=text if generated else None,
        ignored=ignored,
    )


@contextlib.contextmanager
def _key(name: str) -> Iterator[None]:
    try:
        yield
    except ContextError as error:
        raise ContextError(f"{name}: {error}") from None


def _context_digest(source: str, private: Sequence[Path]) -> str:
    path = Path(source.removeprefix(_LAYOUT).partition("@")[0])
    if REMOTE.match(source.removeprefix(_LAYOUT)) or source.startswith(SERVICE):
        return source
    if path.is_file():
        return short(file_content(path))
    ignores = Ignored.of(path, None)
    return digest_of(path, ignores.patterns, inside(path, private))[:_SHORT]


def definition(
    build: Build,
    *,
    project: str,
    service: str,
    image: str,
    tags: Sequence[str],
    contexts: Mapping[str, str],
    pull: bool,
    dockerfile: Path | None,
    secret_files: Mapping[str, Path],
) -> dict[str, Any]:
    """Return the Compose file of one build.

    Args:
        build: The build.
        project: The project's name.
        service: The name of a service that the image is for.
        image: What the image is called.
        tags: What else it is called.
        contexts: All its additional contexts, with images instead of services.
        pull: Whether to ask the registries for its base images though the machine may have them.
        dockerfile: The file to read instead of the one in the context.
        secret_files: Where the values of its secrets are.
    """
    options = {**build.options, **({"pull": True} if pull else {})}
    if any(source.startswith(IMAGE) for source in contexts.values()):
        # It would be pulled, too, and may be on the machine only.
        options.pop("pull", None)
    section: dict[str, Any] = {
        **options,
        "context": build.context,
        "dockerfile": build.dockerfile if dockerfile is None else str(dockerfile),
        "args": dict(build.args),
        "target": build.target,
        "platforms": [build.platform] if build.platform else None,
        "tags": [*tags, *options.get("tags", ())],
        "additional_contexts": dict(contexts),
        "secrets": [
            {"source": name, "target": secret.target} for name, secret in build.secrets.items()
        ],
    }
    if REMOTE.match(build.context) and build.dockerfile_inline is not None:
        del section["dockerfile"]
        section["dockerfile_inline"] = build.dockerfile_inline
    given = {key: value for key, value in section.items() if value not in (None, [], {})}
    document: dict[str, Any] = {
        "name": project,
        "services": {service: {"image": image, "build": given}},
        "secrets": {name: {"file": str(path)} for name, path in secret_files.items()},
    }
    return dict(_doubled(document))


def _doubled(value: Any) -> Any:  # noqa: ANN401  (JSON)
    """Double the dollar signs, since Compose reads variables in this file, too."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, list):
        return [_doubled(item) for item in value]
    if isinstance(value, dict):
        return {key: _doubled(item) for key, item in value.items()}
    return value
