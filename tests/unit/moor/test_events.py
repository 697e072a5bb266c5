"""What Terraform says while it works."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moor.toolchain.events import Diagnostic, Event, parse

RESOURCE = {"addr": "aws_instance.Machine_0123ABCD", "resource_type": "aws_instance"}


def line(**more: object) -> str:
    return json.dumps({"@level": "info", "@message": "words", **more})


def test_an_event_with_a_resource() -> None:
    event = parse(line(type="apply_start", hook={"resource": RESOURCE, "action": "create"}) + "\n")
    assert (event.kind, event.text) == ("apply_start", "words")
    assert event.address == "aws_instance.Machine_0123ABCD"
    assert event.action == "create"
    assert event.diagnostic is None
    assert event.data["@level"] == "info"


def test_a_change_that_is_planned() -> None:
    event = parse(line(type="planned_change", change={"resource": RESOURCE, "action": "delete"}))
    assert (event.address, event.action) == ("aws_instance.Machine_0123ABCD", "delete")


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"hook": None, "change": None},
        {"hook": "x", "change": 1},
        {"hook": {"resource": None}},
        {"hook": {"resource": {}}},
    ],
)
def test_an_event_about_no_resource(more: dict[str, Any]) -> None:
    event = parse(line(type="version", **more))
    assert (event.kind, event.address, event.action) == ("version", "", "")


def test_a_line_without_a_kind_is_a_log_line() -> None:
    assert parse(line()).kind == "log"


@pytest.mark.parametrize(
    "text",
    ["", "Error: No configuration files", '"text"', "[1]", "null", "1", "{", '{"type": "version"}'],
)
def test_a_line_that_is_no_event_is_its_text(text: str) -> None:
    assert parse(f"{text}\n") == Event(kind="text", text=text)


def test_a_diagnostic_with_all_its_parts() -> None:
    found = {
        "severity": "warning",
        "summary": "Old",
        "detail": "Very old.",
        "address": "aws_eip.A",
        "snippet": {},
    }
    assert parse(line(type="diagnostic", diagnostic=found)).diagnostic == Diagnostic(
        severity="warning", summary="Old", detail="Very old.", address="aws_eip.A"
    )


def test_a_diagnostic_without_a_severity_is_an_error() -> None:
    event = parse(line(type="diagnostic", diagnostic={}))
    assert event.diagnostic == Diagnostic(severity="error", summary="")


@pytest.mark.parametrize("more", [{"type": "diagnostic"}, {"type": "diagnostic", "diagnostic": 1}])
def test_a_diagnostic_that_says_nothing_is_none(more: dict[str, Any]) -> None:
    assert parse(line(**more)).diagnostic is None


def test_only_diagnostics_are_diagnostics() -> None:
    assert parse(line(type="log", diagnostic={"summary": "x"})).diagnostic is None


def test_the_data_stays_out_of_what_is_printed_of_an_event() -> None:
    assert repr(parse(line(type="outputs", outputs={"key": "hunter2"}))) == (
        "Event(kind='outputs', text='words')"
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["hook", "change", "resource", "addr", "action", "diagnostic", "@message"]
            ),
            inner,
        )
    ),
    max_leaves=10,
)


@given(document=JSON, text=st.text())
def test_whatever_terraform_says_can_be_read(document: object, text: str) -> None:
    for one in (parse(json.dumps(document)), parse(text)):
        assert isinstance(one.address + one.action + one.kind + one.text, str)
        assert one.diagnostic is None or one.kind == "diagnostic"
