"""The images that a Dockerfile begins with."""

from __future__ import annotations

import pytest

from constructs_lib.docker.dockerfile import base_images


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM scratch\n", ()),
        ("from busybox:1.36 as x\nFROM x\n", ("busybox:1.36",)),
        ("ARG V=1\nARG BASE=alpine:${V}\nFROM --platform=linux/amd64 ${BASE}\n", ("alpine:1",)),
        ("ARG V\nFROM a:${V:-2}\n", ("a:2",)),
        ("ARG V\nFROM a:$V\n", ()),
        ("FROM a-$TARGETARCH\n", ()),
        ("ARG GIVEN=no\nFROM a:$GIVEN\n", ("a:yes",)),
        (
            "FROM a \\\n  AS b\n# c\nFROM c\nCOPY --from=b /x /y\nCOPY --from=t:1 /x /y\n",
            ("a", "c", "t:1"),
        ),
        ("FROM a\nRUN --mount=type=bind,from=tools,target=/t x\n", ("a", "tools")),
        ("FROM a\nRUN <<EOF\nFROM b\nEOF\nRUN x\n", ("a",)),
        ("# escape=`\nFROM a `\n AS b\n", ("a",)),
        ("FROM unused AS u\nFROM a\n", ("a",)),
        ("FROM nginx AS nginx\n", ("nginx",)),
        ("", ()),
    ],
)
def test_only_what_comes_from_elsewhere_counts(text: str, expected: tuple[str, ...]) -> None:
    assert base_images(text, arguments={"GIVEN": "yes"}).references == expected


def test_stages_behind_the_target_do_not_count() -> None:
    text = "FROM a AS one\nFROM b AS two\nFROM c\n"
    assert base_images(text, arguments={}, target="two").references == ("b",)


def test_an_old_syntax_knows_no_contexts() -> None:
    for version, takes in (("1.3", False), ("1.2.1", False), ("1", True), ("1.10", True)):
        text = f"# syntax=docker/dockerfile:{version}\nFROM a\n"
        assert base_images(text, arguments={}).takes_contexts is takes
