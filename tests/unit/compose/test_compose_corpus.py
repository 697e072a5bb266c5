"""The corpus of the equivalence tests has every key that is supported, but for those listed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from compose_keys import supported, used

from constructs_lib.compose import reader, support

CORPUS: Final = Path(__file__).parents[2] / "compose_corpus"

SANDBOX_CANNOT: Final = {
    "services.privileged": "the machines are containers that may not let theirs do everything",
    "services.blkio_config.": "the machines have no block devices of their own",
    "services.gpus": "there is no GPU",
    "services.deploy.resources.reservations.devices.": "there is no GPU",
    "services.storage_opt": "it takes a file system with project quotas",
    "services.networks.interface_name": "the machines' engine is Docker 26; this needs 28",
    "services.networks.gw_priority": "the machines' engine is Docker 26; this needs 28",
    "services.volumes.volume.subpath": "the folder must be in the volume before the container is",
    "services.build.ssh": "it takes an agent, or a key, that opens something",
}
"""What the corpus cannot have, and why. `test_compose_services` has them all."""

# Supported keys of which Compose leaves nothing in what it says.
READ_BY_COMPOSE: Final = {"services.label_file", "configs.environment", "secrets.environment"}


def test_the_corpus_has_every_key_that_the_sandbox_can_do() -> None:
    found = set()
    variables = {"PATH": os.environ["PATH"], "REGISTRY": "r", "COMPOSE_PROFILES": "*"}
    for file in CORPUS.glob("*/compose.yaml"):
        document, _ = reader.read_config([file], "corpus", variables, file.parent)
        found |= set(used(document, support.PROJECT))
    missing = set(supported(support.PROJECT)) - found - READ_BY_COMPOSE
    unlisted = {key for key in missing if not key.startswith(tuple(SANDBOX_CANNOT))}
    assert unlisted == set()
    # And nothing is listed that is there.
    assert {start for start in SANDBOX_CANNOT if not any(k.startswith(start) for k in missing)} == (
        set()
    )
