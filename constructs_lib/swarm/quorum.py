"""How many managers of a swarm may be lost.

A swarm's managers agree by majority. Of two managers the majority is two: one that is lost takes
the swarm's management with it, as with one manager, only twice as likely.

Source: Docker, "Administer and maintain a swarm of Docker Engines".
"""

from __future__ import annotations


def majority(managers: int) -> int:
    """Return how many of the managers have to be there.

    Args:
        managers: How many there are, 0 or more, whether they answer or not.
    """
    return managers // 2 + 1


def spare(managers: int) -> int:
    """Return how many of the managers may be lost at once.

    Args:
        managers: How many there are, 1 or more.
    """
    return managers - majority(managers)


def bears_absence(managers: int, reachable: int, *, leaving: int = 1) -> bool:
    """Return whether the swarm is managed while reachable managers are away for a time.

    Args:
        managers: How many there are.
        reachable: How many of them are reachable.
        leaving: How many of the reachable ones go.
    """
    return reachable - leaving >= majority(managers)


def bears_removal(managers: int, reachable: int, *, is_reachable: bool) -> bool:
    """Return whether the swarm is managed when one manager is none any more.

    The managers have to agree on it before, and those that stay are to be a majority of those
    that are left.

    Args:
        managers: How many there are, with that one.
        reachable: How many of them are reachable.
        is_reachable: Whether that one is.
    """
    after = managers - 1
    if after < 1 or reachable < majority(managers):
        return False
    return reachable - is_reachable >= majority(after)
