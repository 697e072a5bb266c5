"""What of a folder the builder gets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from constructs_lib.docker.build_context import ContextError, Ignored, digest_of, inside


def made(folder: Path) -> Path:
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("a", encoding="utf-8")
    (folder / "src").mkdir()
    (folder / "src" / "app.py").write_text("app", encoding="utf-8")
    (folder / "src" / "debug.log").write_text("log", encoding="utf-8")
    (folder / "keep.log").write_text("kept", encoding="utf-8")
    return folder


def test_what_goes_into_the_image_has_a_digest_and_nothing_else(tmp_path: Path) -> None:
    context = made(tmp_path)
    patterns = [".git", "**/*.log", "!keep.log"]
    before = digest_of(context, patterns)
    (context / ".git" / "HEAD").write_text("b", encoding="utf-8")
    (context / "src" / "debug.log").write_text("more", encoding="utf-8")
    os.utime(context / "src" / "app.py", (1, 1))
    assert digest_of(context, patterns) == before
    (context / "keep.log").write_text("another", encoding="utf-8")
    changed = digest_of(context, patterns)
    (context / "src" / "app.py").chmod(0o755)
    assert len({before, changed, digest_of(context, patterns), digest_of(context)}) == 4


def test_a_file_below_a_folder_that_is_ignored_may_return(tmp_path: Path) -> None:
    before = digest_of(made(tmp_path), ["*", "!src/app.py"])
    (tmp_path / "src" / "app.py").write_text("another", encoding="utf-8")
    assert digest_of(tmp_path, ["*", "!src/app.py"]) != before


def test_broken_and_looping_links_are_links(tmp_path: Path) -> None:
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    before = digest_of(tmp_path)
    (tmp_path / "broken").unlink()
    (tmp_path / "broken").symlink_to("elsewhere")
    assert digest_of(tmp_path) != before


def test_what_is_private_is_not_looked_at(tmp_path: Path) -> None:
    before = digest_of(made(tmp_path))
    for name in ("cdktf.out", "src/.moor"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "key").write_text("key", encoding="utf-8")
    left_out = inside(tmp_path, [tmp_path / "cdktf.out", tmp_path / "src" / ".moor", Path("/etc")])
    assert left_out == ["cdktf.out", "src/.moor"]
    assert digest_of(tmp_path, without=left_out) == before


def test_a_name_that_the_builder_cannot_take_is_told(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/na\xffme")).touch()
    with pytest.raises(ContextError) as caught:
        digest_of(tmp_path)
    assert str(caught.value) == (
        f"must have names in {tmp_path} that are UTF-8, since the builder takes no others, got "
        "na\\xffme; rename it, or leave it out by a wildcard in .dockerignore"
    )
    assert digest_of(tmp_path, ["na*"])


def test_patterns_that_are_no_text_are_told(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_bytes(b"# caf\xe9\n\xff\xfe\n")
    with pytest.raises(ContextError, match=r"got \\xff\\xfe; rename it"):
        assert Ignored.of(tmp_path, None).patterns
    (tmp_path / ".dockerignore").write_bytes(b"\xef\xbb\xbf# caf\xe9\n*.log\n")
    assert Ignored.of(tmp_path, None).patterns == ["*.log"]


def test_the_file_beside_the_dockerfile_counts_first(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("a\n", encoding="utf-8")
    assert Ignored.of(tmp_path, tmp_path / "Dockerfile").patterns == ["a"]
    (tmp_path / "Dockerfile.dockerignore").write_text("b\n", encoding="utf-8")
    assert Ignored.of(tmp_path, tmp_path / "Dockerfile").patterns == ["b"]
