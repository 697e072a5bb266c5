"""A swarm that does at once what it is asked for, and remembers it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from moor.failure import CommandError
from moor.swarm import quorum
from moor.swarm.cluster import Member
from moor.swarm.roll import RESTING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from moor.toolchain.stack import Stack


def manager(name: str, *, leads: bool = False, lost: bool = False, **more: object) -> Member:
    """Return a manager."""
    made = Member(
        name=name,
        state="down" if lost else "ready",
        is_manager=True,
        is_leader=leads,
        is_reachable=not lost,
    )
    return replace(made, **more)  # type: ignore[arg-type]  # what a test says


def worker(name: str, **more: object) -> Member:
    """Return a worker."""
    return replace(Member(name=name), **more)  # type: ignore[arg-type]  # what a test says


def three_and_two() -> list[Member]:
    """Return three managers, of which the first one leads, and two workers."""
    return [
        manager("manager-1", leads=True),
        manager("manager-2"),
        manager("manager-3"),
        worker("web-1"),
        worker("web-2"),
    ]


@dataclass
class FakeCluster:
    """A swarm.

    Attributes:
        there: Its members.
        done: What was asked for, in order.
        fails_at: What fails, in the words of `done`.
        gone: The steps whose results it does not have.
    """

    there: list[Member] = field(default_factory=three_and_two)
    done: list[str] = field(default_factory=list)
    fails_at: str = ""
    gone: list[str] = field(default_factory=list)

    def members(self) -> list[Member]:
        """Return the members."""
        return list(self.there)

    def drain(self, name: str, *, mark: bool = False, despite: bool = False) -> None:
        """Drain."""
        self._may(name, despite=despite)
        self._note(f"drain {name}")
        labels = {RESTING: "yes"} if mark else {}
        self._change(name, availability="drain", labels=labels)

    def hold(self, name: str) -> None:
        """Hold."""
        self._note(f"hold {name}")
        self._change(name, availability="pause", labels={RESTING: "yes"})

    def activate(self, name: str) -> None:
        """Activate."""
        self._note(f"activate {name}")
        self._change(name, availability="active", labels={})

    def promote(self, name: str) -> None:
        """Promote."""
        self._note(f"promote {name}")
        self._change(name, is_manager=True, is_reachable=True)

    def demote(self, name: str, *, despite: bool = False) -> None:
        """Demote."""
        self._may(name, despite=despite, for_good=True)
        self._note(f"demote {name}")
        self._change(name, is_manager=False, is_leader=False, is_reachable=False)

    def label(self, name: str, labels: Mapping[str, str | None]) -> None:
        """Label."""
        self._note(f"label {name} {dict(labels)}")

    def remove(self, name: str, *, force: bool = True, despite: bool = False) -> None:
        """Remove."""
        assert force or not despite
        self._note(f"remove {name}")
        assert not next(m for m in self.there if m.name == name).is_manager
        self.there = [m for m in self.there if m.name != name]

    def join(self, name: str, keep: Mapping[str, str] | None = None) -> None:
        """Join."""
        self._note(f"join {name}")
        labels = dict(keep or {})
        if name.startswith("manager-"):
            self.there.append(manager(name, labels=labels))
        else:
            self.there.append(worker(name, labels=labels))

    def restore(self, stack: Stack, folder: Path) -> list[str]:
        """Restore."""
        assert stack.name == "docker"
        assert folder.name == "swarm"
        return self.gone

    def withdraw(self, services: Sequence[str]) -> None:
        """Withdraw."""
        self._note(f"withdraw {', '.join(services)}")

    def settle(self, name: str) -> None:
        """Settle."""
        self._note(f"settle {name}")

    def _may(self, name: str, *, despite: bool, for_good: bool = False) -> None:
        assert despite or not quorum.without(self.there, name, for_good=for_good), "no quorum"

    def _note(self, what: str) -> None:
        if what == self.fails_at:
            raise CommandError(f"{what}: must work, got a fake's failure")
        self.done.append(what)

    def _change(self, name: str, **changes: object) -> None:
        assert name in (m.name for m in self.there), f"{name} is no member"
        self.there = [
            replace(m, **changes) if m.name == name else m  # type: ignore[arg-type]
            for m in self.there
        ]
