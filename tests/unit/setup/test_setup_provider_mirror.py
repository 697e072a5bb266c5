"""Which providers are found on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from provider_files import PLATFORM, packed, unpacked

from setup.cli_configuration import read_user_configurations
from setup.provider_mirror import AWS, DOCKER, Found, Provider, candidate_trees, find

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize(
    ("version", "expected"),
    [("5.99.9", False), ("5.100.0", True), ("6.25.0", True), ("6.999.0", True), ("7.0.0", False)],
)
@pytest.mark.parametrize("layout", [packed, unpacked])
def test_find_respects_the_versions(
    tree: Path, layout: object, version: str, *, expected: bool
) -> None:
    assert layout in (packed, unpacked)
    (packed if layout is packed else unpacked)(tree, "hashicorp/aws", version)

    assert (find(AWS, [tree], PLATFORM) is not None) is expected


def test_find_takes_the_newest_by_number_not_by_letter(tree: Path, tmp_path: Path) -> None:
    unpacked(tree, "kreuzwerker/docker", "4.9.0")
    newest = packed(tmp_path / "other", "kreuzwerker/docker", "4.10.0")

    assert find(DOCKER, [tree, tmp_path / "other"], PLATFORM) == Found(
        tree=tmp_path / "other", path=newest, version=(4, 10, 0)
    )


def test_find_passes_over_what_is_for_others(tree: Path) -> None:
    unpacked(tree, "hashicorp/aws", "6.0.0", platform="plan9_mips")
    packed(tree, "hashicorp/aws", "6.1.0", platform="plan9_mips")
    (tree / "registry.terraform.io/hashicorp/aws/6.2.0" / PLATFORM).mkdir(parents=True)
    (tree / "registry.terraform.io/hashicorp/aws/not-a-version").touch()

    assert find(AWS, [tree], PLATFORM) is None


def test_the_places_that_are_looked_into(tmp_path: Path, home: Path) -> None:
    (tmp_path / "opt/vendor").mkdir(parents=True)
    (home / ".terraformrc").write_text(
        'provider_installation {\n  filesystem_mirror {\n    path = "/srv/mirror"\n  }\n}\n'
        '# path = "/srv/comment"\nplugin_cache_dir = "/srv/cache"\n'
    )
    variables = {"HOME": str(home), "TF_PLUGIN_CACHE_DIR": "/var/cache/plugins"}
    trees = candidate_trees(variables, read_user_configurations(variables).values(), root=tmp_path)

    assert trees == [
        Path("/var/cache/plugins"),
        Path("/srv/mirror"),
        Path("/srv/cache"),
        home / ".terraform.d/plugins",
        home / ".local/share/terraform/plugins",
        tmp_path / "usr/local/share/terraform/plugins",
        tmp_path / "usr/share/terraform/plugins",
        tmp_path / "opt",
        tmp_path / "opt/vendor",
    ]


def test_find_passes_over_what_may_not_be_read(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = unpacked(tree, "hashicorp/aws", "6.1.0")
    unpacked(tree, "hashicorp/aws", "6.0.0")
    real = Path.glob

    def glob(self: Path, pattern: str) -> Iterator[Path]:
        if self == closed:
            raise PermissionError
        return real(self, pattern)

    monkeypatch.setattr(Path, "glob", glob)
    found = find(AWS, [tree], PLATFORM)

    assert found is not None
    assert found.version == (6, 0, 0)


def test_a_provider_knows_its_type() -> None:
    provider = Provider(source="kreuzwerker/docker", oldest=(1, 0, 0), before=(2, 0, 0))

    assert provider.type == "docker"
    assert provider.takes((1, 9, 9))
    assert not provider.takes((2, 0, 0))
