"""Files that an earlier synthesis has left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs_lib.synthesis import old_assets

if TYPE_CHECKING:
    from pathlib import Path


def test_only_what_the_configuration_names_stays(tmp_path: Path) -> None:
    stack = tmp_path / "stacks" / "docker"
    for name in ("a/1/file", "a/2/file", "b/3/file"):
        file = stack / "assets" / name
        file.parent.mkdir(parents=True)
        file.write_text("x", encoding="utf-8")
    (stack / "assets" / "stray").write_text("x", encoding="utf-8")
    (stack / "terraform.tfstate").write_text("x", encoding="utf-8")
    (stack / "cdk.tf.json").write_text('{"source": "assets/a/2/file"}', encoding="utf-8")
    old_assets.remove(tmp_path)
    left = sorted(str(p.relative_to(stack)) for p in stack.rglob("*") if p.is_file())
    assert left == ["assets/a/2/file", "cdk.tf.json", "terraform.tfstate"]


def test_a_folder_without_a_configuration_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "stacks" / "other" / "assets" / "a"
    file.parent.mkdir(parents=True)
    file.touch()
    old_assets.remove(tmp_path)
    assert file.exists()
