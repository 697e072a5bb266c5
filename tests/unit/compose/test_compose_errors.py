"""What is wrong is collected, and told once."""

from __future__ import annotations

from constructs_lib.compose.errors import ComposeError, Problems


def test_each_problem_is_told_once_and_in_its_order() -> None:
    error = ComposeError(["b", "a", "b"])
    assert (error.problems, str(error)) == (("b", "a"), "b\na")


def test_a_problem_has_its_file_and_place() -> None:
    problems = Problems("compose.yaml")
    problems.add("services.web.image", "must be a reference, got 'x y'")
    assert problems.found == ["compose.yaml: services.web.image: must be a reference, got 'x y'"]


def test_a_problem_is_one_line_whatever_its_value_is() -> None:
    text = "must be a thing, got a\nb\r\x1b[31m\u2028ä"
    expected = "must be a thing, got a\\nb\\r\\x1b[31m\\u2028ä"
    problems = Problems("c.yaml")
    problems.add("services.web", text)
    assert problems.found == [f"c.yaml: services.web: {expected}"]
    assert ComposeError([text]).problems == (expected,)
