"""What is written down of a deployment that succeeded."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from moor.failure import CommandError

FORMAT: Final = 1
"""Counts up when an older record cannot be read as a newer one."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Deployed(_Part):
    """A service as it was deployed.

    Attributes:
        image: What its image is called.
        id: The image's id on the engine; in a swarm the same as `digest`.
        digest: Its name by digest, as a registry knows it; empty where none does.
        tags: All that the engine called it by.
        built: Whether it was built here.
        configuration: The digest of the service's configuration.
    """

    image: str
    id: str
    digest: str = ""
    tags: tuple[str, ...] = ()
    built: bool = False
    configuration: str = ""

    @property
    def shown(self) -> str:
        """The image with the beginning of its digest, for a person."""
        name = self.image or (self.tags[0].rpartition(":")[0] if self.tags else "image")
        _, _, digest = (self.digest or self.id).partition("sha256:")
        name = name.partition("@")[0]
        return f"{name} {digest[:12]}" if digest else name


class Record(_Part):
    """A deployment that succeeded.

    Attributes:
        format: How it is written.
        number: Counts the deployments of an environment, from 1.
        when: When it was done: ISO 8601, UTC.
        by: By whom: `USER@COMPUTER`.
        commit: The Git commit of the services' folder; empty where there is none.
        changed: Whether the folder had changes that no commit has.
        back_to: The deployment that it went back to, or None.
        machine: The shape of the machine: what a rollback cannot change.
        services: The services.
        document: The Compose file, resolved, without what is secret in it.
        key: Tells which key the digests below were made with.
        variables: Digests of the variables from outside that the document needs.
        places: Where in the document other secrets stood: variables, and their places.
        sealed: Digests of these.
        contents: Digests of the variables that secrets and configs take their content from.
        files: Digests of the files and folders of this computer that containers got.
    """

    format: Literal[1] = FORMAT
    number: int = Field(ge=1)
    when: str
    by: str
    commit: str = ""
    changed: bool = False
    back_to: int | None = None
    machine: dict[str, Any]
    services: dict[str, Deployed]
    document: dict[str, Any]
    key: str
    variables: dict[str, str] = {}
    places: dict[str, tuple[str, ...]] = {}
    sealed: dict[str, str] = {}
    contents: dict[str, str] = {}
    files: dict[str, str] = {}

    def does_the_same(self, other: Record) -> bool:
        """Return whether nothing but its time and author tells it from another one."""
        names = {"number", "when", "by", "commit", "changed", "back_to"}
        return self.model_dump(exclude=names) == other.model_dump(exclude=names)


def read(text: bytes, place: str) -> Record:
    """Read a record.

    Args:
        text: Its JSON.
        place: Where it is, for messages.

    Raises:
        CommandError: It is no record, or one of another version of Moor's.
    """
    try:
        return Record.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise CommandError(
            f"{place}: must be the record of a deployment, got: {where}: {first['msg']}; it may "
            "be of another version of Moor: remove it, or use that version"
        ) from None
