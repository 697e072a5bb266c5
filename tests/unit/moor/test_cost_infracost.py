"""Infracost's figures: its JSON, and when it is asked."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from moor.cost import infracost
from moor.failure import CommandError

if TYPE_CHECKING:
    from pathlib import Path


def component(name: str, quantity: str, price: str, monthly: str | None) -> dict[str, Any]:
    return {
        "name": name,
        "unit": "hours",
        "monthlyQuantity": quantity,
        "price": price,
        "monthlyCost": monthly,
    }


ANSWER: dict[str, Any] = {
    "version": "0.2",
    "currency": "USD",
    "timeGenerated": "2026-11-28T20:00:00.123Z",
    "projects": [
        {
            "breakdown": {
                "resources": [
                    {
                        "name": "aws_instance.Machine",
                        "costComponents": [
                            component("Instance usage", "730", "0.024", "17.52"),
                            component("CPU credits", "0", "0.05", None),
                        ],
                        "subresources": [
                            {
                                "name": "root_block_device",
                                "costComponents": [component("Storage", "20", "0.0952", "1.904")],
                            }
                        ],
                    }
                ]
            }
        }
    ],
}


def program(folder: Path, script: str) -> Path:
    """A stand-in for Infracost, which asks prices of a service on the internet."""
    file = folder / "infracost"
    file.write_text(f"#!{shutil.which('sh')}\n{script}\n", encoding="utf-8")
    file.chmod(0o755)
    return file


def test_its_figures_are_told_as_its_own() -> None:
    bill = infracost.read(ANSWER, "eu-central-1")
    assert [(line.what, line.quantity, str(line.usd)) for line in bill.lines] == [
        ("aws_instance.Machine: Instance usage", "730 hours", "17.52"),
        ("aws_instance.Machine: root_block_device: Storage", "20 hours", "1.90"),
    ]
    assert bill.maker == "Infracost's, instead of the table's"
    assert [source.date for source in bill.sources] == ["2026-11-28"]
    assert str(bill.total) == "19.42"


def test_it_is_asked_only_where_it_is_there_and_has_a_key(tmp_path: Path) -> None:
    variables = {"PATH": str(tmp_path), "HOME": str(tmp_path / "home")}
    assert infracost.find({**variables, "INFRACOST_API_KEY": "key"}) is None
    file = program(tmp_path, "exit 0")
    assert infracost.find(variables) is None
    assert infracost.find({**variables, "INFRACOST_API_KEY": "key"}) == str(file)
    keys = tmp_path / "home" / ".config" / "infracost"
    keys.mkdir(parents=True)
    (keys / "credentials.yml").write_text("version: 0.1\n", encoding="utf-8")
    assert infracost.find(variables) == str(file)


def test_it_is_asked_about_the_stacks_configuration(tmp_path: Path) -> None:
    (tmp_path / "answer.json").write_text(json.dumps(ANSWER), encoding="utf-8")
    file = program(tmp_path, f'echo "$*" > {tmp_path}/asked; cat {tmp_path}/answer.json')
    stack = tmp_path / "stacks" / "aws"
    variables = {"PATH": "/usr/bin:/bin"}
    bill = infracost.ask(str(file), stack, "eu-central-1", variables)
    assert str(bill.total) == "19.42"
    assert (tmp_path / "asked").read_text(encoding="utf-8") == (
        f"breakdown --path {stack} --format json --no-color --log-level error\n"
    )


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo working; echo Error: no key >&2; exit 1", "must succeed, got: Error: no key"),
        ("exit 1", "must succeed, got: no reason"),
        ("echo '<html>'", "must answer in its JSON format, got JSONDecodeError"),
        ('echo \'{"currency": "USD"}\'', "must answer in its JSON format, got KeyError"),
    ],
)
def test_an_answer_that_is_none_is_told(tmp_path: Path, script: str, message: str) -> None:
    file = program(tmp_path, script)
    with pytest.raises(CommandError) as caught:
        infracost.ask(str(file), tmp_path, "eu-central-1", {"PATH": "/usr/bin:/bin"})
    assert str(caught.value).startswith(f"infracost: {message}")
