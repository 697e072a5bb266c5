"""What is told of the providers, and how others are accepted."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from provider_place import BUILT, THING, Place

from moor import providers
from moor.failure import CommandError
from moor.toolchain import provider_lock
from setup.docker_provider import package_hash

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def begun(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    place.init()
    return place


def test_an_upgrade_accepts_what_is_new(begun: Place) -> None:
    begun.put("thing", "2.0.0", "newer")
    found = providers.upgrade(begun.program, begun.stack, begun.variables)
    assert found.changes == (f"aws: {THING} had to be 1.0.0, got 2.0.0",)
    assert begun.locked()[THING].version == "1.0.0"
    found.accept(begun.variables)
    begun.init()
    taken = provider_lock.read(begun.stack.folder / ".terraform.lock.hcl")
    assert (taken[THING].version, begun.locked()[THING].version) == ("2.0.0", "2.0.0")
    again = providers.upgrade(begun.program, begun.stack, begun.variables)
    assert again.changes == ()


def test_an_upgrade_accepts_another_file_of_the_same_version(begun: Place) -> None:
    begun.put("thing", "1.0.0", "replaced")
    found = providers.upgrade(begun.program, begun.stack, begun.variables)
    (change,) = found.changes
    assert change.startswith(f"aws: {THING} 1.0.0: had to have one of the checksums h1:")
    found.accept(begun.variables)
    begun.init()
    assert begun.locked()[THING].hashes == (package_hash(begun.package("thing", "1.0.0")),)


def test_what_is_locked_is_told(begun: Place) -> None:
    found = {item.name: item for item in providers.locked([begun.stack], begun.variables)}
    assert found[BUILT].origin == "built here from setup/provider with Go 1.25.8"
    assert found[BUILT].pinned == (
        "sources of go.sum aaaaaaaaaaaa, built with Go 1.25.8 when it was locked"
    )
    assert (found[THING].stack, found[THING].version) == ("aws", "1.0.0")
    assert found[THING].pinned == package_hash(begun.package("thing", "1.0.0"))


def test_an_upgrade_keeps_checksums_of_other_platforms_of_what_stays(begun: Place) -> None:
    lock = begun.locked()
    more = (*lock[THING].hashes, "h1:ofAnotherPlatform=")
    provider_lock.write_kept(begun.kept, lock | {THING: lock[THING]._replace(hashes=more)})
    begun.configure(">= 1.0.0, < 4.0.0")
    found = providers.upgrade(begun.program, begun.stack, begun.variables)
    assert found.changes == ()
    assert set(found.lock[THING].hashes) == set(more)


def test_what_is_new_and_what_is_no_longer_needed_is_told(begun: Place) -> None:
    lock = begun.locked()
    gone = "registry.terraform.io/acme/gone"
    provider_lock.write_kept(begun.kept, {gone: lock[THING], BUILT: lock[BUILT]})
    found = providers.upgrade(begun.program, begun.stack, begun.variables)
    checksum = package_hash(begun.package("thing", "1.0.0"))
    assert found.changes == (
        f"aws: {THING} 1.0.0, {checksum}: new",
        f"aws: {gone} 1.0.0: no longer needed",
    )


def test_an_upgrade_fails_where_nothing_is_to_be_had(begun: Place) -> None:
    shutil.rmtree(begun.mirror)
    with pytest.raises(CommandError, match=r"^aws: the providers must be found, got:"):
        providers.upgrade(begun.program, begun.stack, begun.variables)
