"""Options that all of the sandbox's containers share."""

from __future__ import annotations

from sandbox.options import UNLESS_STOPPED, limited_log


def test_a_log_cannot_fill_the_disk() -> None:
    assert limited_log("4m") == {"Type": "json-file", "Config": {"max-size": "4m"}}


def test_what_was_stopped_on_purpose_stays_so() -> None:
    assert UNLESS_STOPPED == {"Name": "unless-stopped"}
