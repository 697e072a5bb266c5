"""Real Terraform, and providers in a folder: none takes the place of the one that was locked."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from provider_place import BUILT, THING, Place

from moor import providers
from moor.toolchain import provider_lock
from setup.docker_provider import package_hash

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def begun(place: Place) -> Place:
    """The same after its first `init`."""
    place.init()
    return place


def test_the_first_init_keeps_what_it_has_locked(begun: Place) -> None:
    checksum = package_hash(begun.package("thing", "1.0.0"))
    assert begun.locked() == {
        THING: ("1.0.0", ">= 1.0.0, < 3.0.0", (checksum,)),
        BUILT: ("1.0.0", ">= 1.0.0, < 3.0.0", (f"go.sum:{'a' * 64}", "go:1.25.8")),
    }
    text = begun.kept.read_text(encoding="utf-8")
    assert "Built on each computer from the sources" in text
    # Terraform itself can read what is kept.
    shutil.copy(begun.kept, begun.stack.folder / ".terraform.lock.hcl")
    done = begun.by_hand("providers")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("by_hand", [True, False])
def test_another_checkout_gets_the_same_though_a_newer_one_is_there(
    begun: Place,
    by_hand: bool,  # noqa: FBT001
) -> None:
    before = begun.kept.read_bytes()
    begun.put("thing", "2.0.0", "newer")
    begun.checkout("second")
    if by_hand:
        assert begun.by_hand("init", "-input=false").returncode == 0
    else:
        begun.init()
    taken = provider_lock.read(begun.stack.folder / ".terraform.lock.hcl")
    assert taken[THING].version == "1.0.0"
    assert begun.kept.read_bytes() == before


@pytest.mark.parametrize("checkout", ["first", "second"])
def test_another_file_of_the_same_version_is_refused(begun: Place, checkout: str) -> None:
    was = package_hash(begun.package("thing", "1.0.0"))
    begun.put("thing", "1.0.0", "replaced")
    begun.checkout(checkout)
    now = package_hash(begun.package("thing", "1.0.0"))
    assert begun.refused().splitlines()[-1] == (
        f"{begun.kept}: {THING} 1.0.0: must have one of the checksums {was}, got {now}; "
        "if that is meant, accept it: moor providers upgrade"
    )


def test_another_version_is_refused(begun: Place) -> None:
    shutil.rmtree(begun.package("thing", "1.0.0").parent)
    begun.put("thing", "2.0.0", "newer")
    begun.checkout("second")
    assert begun.refused().splitlines()[-1] == (
        f"{begun.kept}: {THING} must be 1.0.0, got 2.0.0; if that is meant, accept it: "
        "moor providers upgrade"
    )


def test_a_version_that_is_not_allowed_any_more_is_refused(begun: Place) -> None:
    begun.put("thing", "2.0.0", "newer")
    begun.put("built", "2.0.0", "newer")
    begun.configure(">= 2.0.0")
    assert f"{THING} must be 1.0.0, got 2.0.0; if that is meant" in begun.refused()


def test_an_upgrade_by_hand_is_refused(begun: Place) -> None:
    before = begun.kept.read_bytes()
    begun.put("thing", "2.0.0", "newer")
    done = begun.by_hand("init", "-upgrade", "-input=false")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"Error: {begun.kept}: {THING} must be 1.0.0, got 2.0.0; if that is meant, accept it: "
        "moor providers upgrade"
    )
    assert begun.kept.read_bytes() == before
    # And the next one goes back.
    assert begun.by_hand("init", "-input=false").returncode == 0


# What is built here


def test_another_go_is_no_other_provider(begun: Place) -> None:
    before = begun.kept.read_bytes()
    begun.put("built", "1.0.0", "built by Go 1.26")
    begun.built(go="1.26.1", sums="a" * 64)
    begun.init()
    begun.checkout("second")
    assert begun.by_hand("init", "-input=false").returncode == 0
    assert begun.kept.read_bytes() == before


def test_other_sources_are(begun: Place) -> None:
    begun.put("built", "1.0.0", "built by Go 1.25 of something else")
    begun.built(go="1.25.8", sums="b" * 64)
    assert begun.refused() == (
        f"{begun.kept}: {BUILT} 1.0.0: must be built from the sources of go.sum aaaaaaaaaaaa, "
        "got bbbbbbbbbbbb; if that is meant, accept it: moor providers upgrade"
    )
    found = providers.upgrade(begun.program, begun.stack, begun.variables)
    assert found.changes == (
        (
            f"aws: {BUILT} 1.0.0: had to be built from the sources of go.sum aaaaaaaaaaaa, "
            "got bbbbbbbbbbbb"
        ),
    )
    found.accept(begun.variables)
    begun.init()


@pytest.mark.parametrize("checkout", ["first", "second"])
def test_a_file_that_set_up_did_not_build_is_refused(begun: Place, checkout: str) -> None:
    begun.put("built", "1.0.0", "replaced")
    begun.checkout(checkout)
    now = package_hash(begun.package("built", "1.0.0"))
    recorded = json.loads(begun.record.read_text(encoding="utf-8"))["checksum"]
    assert begun.refused().splitlines()[-1] == (
        f"{BUILT} 1.0.0: must be the file that set-up has built, {recorded}, got {now}; remove "
        ".tools/providers and run `make setup`, which builds it anew"
    )


def test_from_a_registry_elsewhere_it_has_checksums_too(begun: Place) -> None:
    """The lock of a computer that builds it does for one that does not, and the other way round."""
    del begun.variables["MOOR_BUILT"]
    begun.checkout("elsewhere")
    begun.init()
    checksum = package_hash(begun.package("built", "1.0.0"))
    both = (f"go.sum:{'a' * 64}", "go:1.25.8", checksum)
    assert begun.locked()[BUILT].hashes == both
    begun.variables["MOOR_BUILT"] = str(begun.record)
    begun.put("built", "1.0.0", "built by Go 1.26")
    begun.built(go="1.26.1", sums="a" * 64)
    begun.init()
    assert begun.locked()[BUILT].hashes == both


# What was there before


def test_the_lock_of_the_version_before_is_taken_over(begun: Place) -> None:
    kept = begun.locked()
    begun.kept.unlink()
    begun.init()
    assert begun.locked() == kept
    begun.kept.unlink()
    assert begun.by_hand("init", "-input=false").stdout.startswith("Nothing to initialize")
    assert begun.locked() == kept


def test_checksums_that_cdktf_asks_for_are_kept_too(begun: Place) -> None:
    for name in ("thing", "built"):
        package = begun.package(name, "1.0.0")
        shutil.copytree(package, package.with_name("plan9_mips"))
    (other,) = begun.package("thing", "1.0.0").with_name("plan9_mips").iterdir()
    other.write_text("first, elsewhere", encoding="utf-8")
    done = begun.by_hand("providers", "lock", f"-fs-mirror={begun.mirror}", "-platform=plan9_mips")
    assert done.returncode == 0, done.stderr
    assert set(begun.locked()[THING].hashes) == {
        package_hash(begun.package("thing", "1.0.0")),
        package_hash(other.parent),
    }
    assert begun.locked()[BUILT].checksums == frozenset()


def test_a_second_init_has_nothing_to_do(begun: Place) -> None:
    assert begun.by_hand("init", "-input=false").stdout.startswith("Nothing to initialize")


def test_checksums_of_other_platforms_stay(begun: Place) -> None:
    lock = begun.locked()
    hashes = (*lock[THING].hashes, "h1:ofAnotherPlatform=", "zh:00")
    provider_lock.write_kept(begun.kept, lock | {THING: lock[THING]._replace(hashes=hashes)})
    begun.init()
    assert set(begun.locked()[THING].hashes) == set(hashes)
    assert begun.by_hand("init", "-input=false").stdout.startswith("Nothing to initialize")


@pytest.mark.parametrize("text", ['provider "x" {}', 'provider "x" {\n  version = 1\n', "provider"])
def test_a_damaged_lock_is_refused(begun: Place, text: str) -> None:
    begun.kept.write_text(text, encoding="utf-8")
    assert begun.refused() == (
        f"{begun.kept}: must be a lock file as Terraform writes it, got something else; take it "
        "from where you share it, or remove it to lock what is there now"
    )


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"source": 1}'])
def test_a_damaged_record_is_refused(begun: Place, text: str) -> None:
    begun.record.write_text(text, encoding="utf-8")
    assert begun.refused() == (
        f"{begun.record}: must be a record of set-up's, got something else; run `make setup`"
    )


def test_nothing_is_kept_where_nobody_says_where(place: Place) -> None:
    del place.variables["MOOR_LOCKS"]
    place.init()
    assert not place.kept.parent.exists()
    # The control: that is what happens without a lock.
    place.put("thing", "2.0.0", "newer")
    place.checkout("second")
    place.init()
    taken = provider_lock.read(place.stack.folder / ".terraform.lock.hcl")
    assert taken[THING].version == "2.0.0"


def test_a_lock_is_read_as_it_was_written(begun: Place) -> None:
    lock: dict[str, Any] = begun.locked()
    provider_lock.write_kept(begun.kept, lock)
    assert begun.locked() == lock
    assert begun.kept.parent.stat().st_mode & 0o777 == 0o700
