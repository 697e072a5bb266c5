"""What a drawing of both stacks shows, as plain values: who reaches what, and where data is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Keeping = Literal["machine", "container", "copy", "foreign", "nothing"]
"""What becomes of data, from the place where it is.

`machine` outlives containers and is lost with the machine's disk; `container` is lost with its
container; `copy` comes from the project's own files, and can be made again; `foreign` is not of
this project; `nothing` is in memory.
"""

Wait = Literal["started", "healthy", "done"]
"""What a service waits for in another one."""

MACHINE: Final = "machine"
"""The key of what answers where no service does: the machine, or each node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Somebody who may connect from outside.

    Attributes:
        key: What tells it from others.
        name: What a person calls it.
        networks: Its networks; empty where the name says it all.
    """

    key: str
    name: str
    networks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPort:
    """A port, or several in a row, that a door lets through.

    Attributes:
        text: The ports, as settings have them.
        answers: The keys of who answers: services' names, or the machine's; empty where nobody
            does.
    """

    text: str
    answers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """An opening of a security group.

    Attributes:
        key: The setting that opens it.
        visitor: The key of who may connect.
        name: Why it is open.
        guard: What somebody who may connect needs as well; empty for nothing.
        ports: What is open.
        through: What a connection passes on its way, such as a load balancer; empty for nothing.
    """

    key: str
    visitor: str
    name: str
    guard: str = ""
    ports: tuple[OpenPort, ...]
    through: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A machine, or several that are alike.

    Attributes:
        key: What tells it from others.
        name: What a person calls it.
        lines: What it is, a line each.
        disks: Its disks, a line each.
    """

    key: str
    name: str
    lines: tuple[str, ...]
    disks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A port of a service that others can reach on the machine.

    Attributes:
        key: What tells it from others of the service.
        text: The machine's port and the container's.
        note: What else a person should know; empty for nothing.
    """

    key: str
    text: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Data of a service.

    Attributes:
        name: What it is called.
        path: Where the container sees it; empty where the name says it all.
        keeping: What becomes of it.
        read_only: Whether the container may only read it.
    """

    name: str
    path: str
    keeping: Keeping
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A service, and its containers.

    Attributes:
        name: Its name.
        count: How many there are of it, where it is not one; empty otherwise.
        image: What it is made of.
        notes: What else a person should know, a line each.
        networks: The keys of the networks that it is on.
        ports: Its published ports.
        data: Its data.
    """

    name: str
    count: str = ""
    image: str
    notes: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    ports: tuple[Published, ...] = ()
    data: tuple[Data, ...] = ()

    @property
    def lines(self) -> int:
        """How many lines it takes, about."""
        return 2 + len(self.notes) + bool(self.networks) + len(self.ports) + len(self.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow:
    """A service that begins after another one.

    Attributes:
        service: The one that waits.
        needs: The one that it waits for.
        wait: What for.
    """

    service: str
    needs: str
    wait: Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkMark:
    """A network.

    Attributes:
        key: Its key in the Compose file, or what stands for a network that is none of it.
        name: What a person calls it.
        note: What is special about it; empty for nothing.
        is_none: Whether it stands for the machine's own network, that of another container, or no
            network at all.
    """

    key: str
    name: str
    note: str = ""
    is_none: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """All of it.

    Attributes:
        name: What is drawn.
        place: Where that is.
        visitors: Who may connect from outside.
        doors: What lets them in.
        hosts: The machines.
        among: What the machines open to each other; empty where there is one.
        services: The services, in the order of the file.
        arrows: Which of them waits for which.
        networks: The networks that some service is on.
    """

    name: str
    place: str
    visitors: tuple[Visitor, ...]
    doors: tuple[Door, ...]
    hosts: tuple[Host, ...]
    among: str = ""
    services: tuple[Card, ...]
    arrows: tuple[Arrow, ...]
    networks: tuple[NetworkMark, ...]
