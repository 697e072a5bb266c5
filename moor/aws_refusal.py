"""What AWS has refused, in our words."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from moor.failure import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def told(what: str) -> Iterator[None]:
    """Tell in our words what AWS has refused.

    Args:
        what: What must be, such as `snapshot snap-1: must be deleted`.

    Raises:
        CommandError: AWS refused.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  # heavy

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise CommandError(f"{what}, got: {error}") from None
