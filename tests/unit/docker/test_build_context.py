"""What of a folder the builder gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from constructs_lib.docker.build_context import INLINE, copy_of


def test_a_folder_that_is_taken_whole_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n", encoding="utf-8")
    assert copy_of(tmp_path, "Dockerfile") is None


def test_what_docker_ignores_is_left_out_and_the_rest_is_as_it_was(tmp_path: Path) -> None:
    context = tmp_path
    (context / "Dockerfile").write_text("FROM scratch\n", encoding="utf-8")
    (context / ".dockerignore").write_text(
        "# local things\n.git\n**/*.log\nDockerfile\n!keep.log\n", encoding="utf-8"
    )
    for name in (".git/HEAD", "src/app.py", "src/debug.log", "keep.log", "deep/empty/.keep"):
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        (context / name).write_text(name, encoding="utf-8")
    (context / "src" / "run").write_text("#!/bin/sh\n", encoding="utf-8")
    (context / "src" / "run").chmod(0o755)
    (context / "link").symlink_to("src/app.py")

    copy = copy_of(context, "Dockerfile")
    assert copy is not None
    with copy as folder:
        found = {str(path.relative_to(folder)) for path in Path(folder).rglob("*")}
        assert found == {
            *("Dockerfile", ".dockerignore", "deep", "deep/empty", "deep/empty/.keep", "keep.log"),
            *("link", "src", "src/app.py", "src/run"),
        }
        assert Path(folder, "src", "run").stat().st_mode & 0o111
        assert Path(folder, "link").is_symlink()
    assert not Path(copy.name).exists()


@pytest.mark.parametrize("ignored", [None, "*\n!app.py\n"])
def test_a_dockerfile_that_is_a_text_is_in_the_copy(tmp_path: Path, ignored: str | None) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "app.py").write_text("app", encoding="utf-8")
    (tmp_path / "src" / "more.py").write_text("more", encoding="utf-8")
    if ignored is not None:
        (tmp_path / ".dockerignore").write_text(ignored, encoding="utf-8")

    copy = copy_of(tmp_path, INLINE, inline="FROM a\n")
    assert copy is not None
    with copy as folder:
        found = {str(path.relative_to(folder)) for path in Path(folder).rglob("*")}
        everything = {INLINE, "app.py", "src", "src/more.py"}
        assert found == (everything if ignored is None else {INLINE, "app.py", ".dockerignore"})
        assert Path(folder, INLINE).read_text(encoding="utf-8") == "FROM a\n"


def test_patterns_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_bytes(b"\xff\xfe\n")
    with pytest.raises(ValueError, match="utf-8"):
        copy_of(tmp_path, "Dockerfile")
