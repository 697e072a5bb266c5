"""Real Terraform, and providers in a folder: none takes the place of the one that was locked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from moor import providers
from moor.failure import CommandError
from moor.toolchain import provider_lock, terraform_init
from moor.toolchain.provider_lock import LockError
from moor.toolchain.stack import Stack
from moor.toolchain.terraform_cli import Terraform
from moor.toolchain.toolchain import Toolchain
from setup.docker_provider import package_hash
from setup.provider_mirror import platform_name

WRAPPER: Final = Path(terraform_init.__file__).with_name("terraform")
HOST: Final = "registry.terraform.io"
THING: Final = f"{HOST}/acme/thing"
BUILT: Final = f"{HOST}/acme/built"


class Place:
    """A stack that needs two providers, and the folder that they come from."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        self.mirror = folder / "mirror"
        self.kept = folder / "environment" / "providers" / "aws.lock.hcl"
        self.record = folder / "built.json"
        self.put("thing", "1.0.0", "first")
        self.put("built", "1.0.0", "built by Go 1.25")
        self.built(go="1.25.8", sums="a" * 64)
        configuration = folder / "terraform.rc"
        configuration.write_text(
            "disable_checkpoint = true\nprovider_installation {\n"
            f'  filesystem_mirror {{\n    path = "{self.mirror}"\n  }}\n}}\n',
            encoding="utf-8",
        )
        self.program = Toolchain.load().terraform
        self.variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TF_CLI_CONFIG_FILE": str(configuration),
            "CHECKPOINT_DISABLE": "1",
            "MOOR_TERRAFORM": str(self.program),
            "MOOR_PYTHON": sys.executable,
            "MOOR_LOCKS": str(self.kept.parent),
            "MOOR_BUILT": str(self.record),
        }
        self.checkout("first")

    def put(self, name: str, version: str, content: str) -> None:
        """Put a provider into the folder; to install one does not start it."""
        binary = self.package(name, version) / f"terraform-provider-{name}_v{version}"
        binary.parent.mkdir(parents=True, exist_ok=True)
        binary.write_text(content, encoding="utf-8")
        binary.chmod(0o755)

    def package(self, name: str, version: str) -> Path:
        """Return where a provider is."""
        return self.mirror / HOST / "acme" / name / version / platform_name()

    def built(self, *, go: str, sums: str) -> None:
        """Record, as set-up does, what a provider was built from."""
        checksum = package_hash(self.package("built", "1.0.0"))
        record = {"source": "acme/built", "go": go, "sums": sums, "checksum": checksum}
        self.record.write_text(json.dumps(record), encoding="utf-8")

    def checkout(self, name: str) -> None:
        """Synthesize in another checkout, with nothing of Terraform's in it."""
        self.stack = Stack(name="aws", folder=self.root / name / "stacks" / "aws")
        self.stack.folder.mkdir(parents=True, exist_ok=True)
        self.configure(">= 1.0.0, < 3.0.0")

    def configure(self, constraint: str) -> None:
        """Write the configuration."""
        required = {
            name: {"source": f"acme/{name}", "version": constraint} for name in ("thing", "built")
        }
        document = {
            "terraform": {
                "required_providers": required,
                "backend": {"local": {"path": str(self.root / "state")}},
            }
        }
        text = json.dumps(document)
        (self.stack.folder / "cdk.tf.json").write_text(text, encoding="utf-8")

    def init(self) -> None:
        """Initialize as `moor` does."""
        Terraform(program=self.program, variables=self.variables, log=self.root / "log").init(
            self.stack
        )

    def by_hand(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the script that cdktf takes for Terraform."""
        return subprocess.run(
            [WRAPPER, *words],
            cwd=self.stack.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
        )

    def locked(self) -> dict[str, provider_lock.Provider]:
        """Return what is kept."""
        return provider_lock.read(self.kept)

    def refused(self) -> str:
        """Initialize, which must fail, both ways; return what `moor` says."""
        with pytest.raises((CommandError, LockError)) as caught:
            self.init()
        done = self.by_hand("init", "-input=false")
        assert done.returncode == 1, done.stdout
        assert "Error: " in done.stderr
        return str(caught.value)


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
    assert "checksums" in begun.refused()


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


def test_what_is_locked_is_told(begun: Place) -> None:
    found = {item.name: item for item in providers.locked([begun.stack], begun.variables)}
    assert found[BUILT].origin == "built here from setup/provider with Go 1.25.8"
    assert found[BUILT].pinned == (
        "sources of go.sum aaaaaaaaaaaa, built with Go 1.25.8 when it was locked"
    )
    assert (found[THING].stack, found[THING].version) == ("aws", "1.0.0")
    assert found[THING].pinned == package_hash(begun.package("thing", "1.0.0"))
