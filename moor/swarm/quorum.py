"""Whether a swarm can do without a manager, in words: a majority has to be there for any change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs_lib.swarm.quorum import majority

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moor.swarm.cluster import Member


def without(members: Iterable[Member], name: str, *, for_good: bool) -> str:
    """Return what is wrong with doing without a manager; empty where nothing is.

    Args:
        members: The swarm's members.
        name: The node; of a worker nothing is wrong.
        for_good: Whether it is to be a manager no more. One that is only away for a while still
            counts as one of those of whom a majority has to be there.
    """
    managers = [member for member in members if member.is_manager]
    if name not in (member.name for member in managers):
        return ""
    left = [member for member in managers if member.name != name]
    if not left:
        # There is nobody who would miss it for a while; for good it takes the swarm along.
        return "it is the only manager, and the swarm is in it" if for_good else ""
    counted = len(left) if for_good else len(managers)
    there = sum(member.is_reachable for member in left)
    if there >= majority(counted):
        return ""
    lost = ", ".join(sorted(m.name for m in left if not m.is_reachable))
    beside = f"; {lost} cannot be reached" if lost else ""
    return (
        f"of {counted} managers {majority(counted)} have to be there, and without it "
        f"{there} would be{beside}"
    )
