"""The tags of everything in AWS that is an environment's, by which it is found again."""

from __future__ import annotations


def environment_tags(project: str, environment: str) -> dict[str, str]:
    """Return the tags.

    Args:
        project: The project's name.
        environment: The environment's name.
    """
    return {"project": project, "environment": environment, "managed-by": "moor"}
