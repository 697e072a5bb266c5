"""Both stacks, whole: what Terraform is given, compared with a file that a person has read.

A change that is meant shows as a difference of `golden/*.json` in the review. Make the files anew
with

    UPDATE_GOLDEN=1 .venv/bin/python -m pytest tests/stacks/test_golden.py

and read the difference before it is committed. Where `CI` is set that is refused.

What differs between computers and checkouts is replaced: folders, hashes, the interpreter. User
data stands there as a list of lines.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from project_stacks import PROJECT, SETTINGS, SWARM, synthesized
from synthesis import ROOT, Json

from constructs_lib.terraform.stacks import STACKS

GOLDEN = Path(__file__).parent / "golden"

_REPLACED = (
    (re.compile(re.escape(sys.executable)), "<python>"),
    (re.compile(re.escape(str(ROOT)) + r"(?![\w.-])"), "<checkout>"),
    (re.compile(re.escape(str(PROJECT)) + r"(?![\w.-])"), "<project>"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<sha256>"),
    (re.compile(r"\b[0-9A-F]{32}\b"), "<asset>"),
    # The tag of an image that is built: the beginning of its context's hash.
    (re.compile(r"(?<=:)[0-9a-f]{12}$"), "<asset>"),
)


def normalised(value: Any) -> Any:  # noqa: ANN401  (whatever JSON holds)
    if isinstance(value, dict):
        return {
            key: item.splitlines()
            if key == "user_data"
            # That of the file here, which git makes as the umask says.
            else "<mode>"
            if key == "permissions"
            else normalised(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [normalised(item) for item in value]
    if isinstance(value, str):
        for pattern, name in _REPLACED:
            value = pattern.sub(name, value)
    return value


def compare(file: Path, found: Json) -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        assert "CI" not in os.environ, "UPDATE_GOLDEN: must not be set where CI is"
        file.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    assert found == json.loads(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("stack", STACKS)
def test_the_stack_is_as_it_was_reviewed(stack: str) -> None:
    found: Json = {name: normalised(synthesized(name)[stack]) for name in SETTINGS}
    compare(GOLDEN / f"{stack}.json", found)


def test_a_swarm_of_five_machines_is_as_it_was_reviewed() -> None:
    compare(GOLDEN / "aws_swarm.json", {SWARM: normalised(synthesized(SWARM)["aws"])})


def test_a_golden_holds_nothing_of_the_computer_that_made_it() -> None:
    for file in GOLDEN.iterdir():
        text = file.read_text(encoding="utf-8")
        assert str(ROOT) not in text
        assert re.search(r"_[0-9A-F]{8}\b", text) is None


def test_a_golden_is_regenerated_on_request_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The comparison can fail: against an edited golden it does, and leaves it alone."""
    edited = tmp_path / "aws.json"
    edited.write_text('{"sandbox": {}}\n', encoding="utf-8")
    monkeypatch.setattr(sys.modules[__name__], "GOLDEN", tmp_path)
    monkeypatch.delenv("UPDATE_GOLDEN", raising=False)
    with pytest.raises(AssertionError):
        test_the_stack_is_as_it_was_reviewed("aws")
    monkeypatch.setenv("UPDATE_GOLDEN", "1")
    monkeypatch.setenv("CI", "1")
    with pytest.raises(AssertionError, match="must not be set where CI is"):
        test_the_stack_is_as_it_was_reviewed("aws")
    assert edited.read_text(encoding="utf-8") == '{"sandbox": {}}\n'
