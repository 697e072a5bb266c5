"""The certificates of an environment, where its settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs_lib.identity.pki import Pki

if TYPE_CHECKING:
    from constructs_lib.settings.environment import Environment
    from constructs_lib.settings.settings import Settings

_LONGEST_NAME = 40


def pki_of(environment: Environment, settings: Settings) -> Pki:
    """Return an environment's certificates, made or not."""
    return Pki(
        pki_dir=environment.pki,
        certificates_dir=environment.certificates,
        name=f"{settings.project}-{environment.name}"[:_LONGEST_NAME],
    )
