"""The reference of the settings: it says what the model says, and is found stale when not."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel, Field
from settings_files import document, private_key
from synthesis import ROOT

from constructs_lib.settings import reference
from constructs_lib.settings.load import load_settings
from constructs_lib.settings.nodes import nodes_of
from constructs_lib.settings.reference import BEGIN, END, EXAMPLE, PRODUCTION, README
from constructs_lib.settings.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from settings_files import Load, Problems


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Copy what is made from the model."""
    for name in (README, EXAMPLE):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def names(model: type[BaseModel], above: str = "") -> Iterator[str]:
    """Yield the keys that have a plain value, in another way than the program does."""
    for name, field in model.model_fields.items():
        inner = [
            c
            for c in (field.annotation, *get_args(field.annotation))
            if isinstance(c, type) and issubclass(c, BaseModel)
        ]
        if inner:
            any_name = "NAME." if get_origin(field.annotation) is dict else ""
            yield from names(inner[0], f"{above}{name}.{any_name}")
        else:
            yield f"{above}{name}"


def opened(text: str) -> str:
    """Remove the marks that comment keys out, but not those of the comments behind them."""
    return re.sub(r"^( {0,4})# (?=.*: *\S)", r"\1", text[text.index("\n\n") :], flags=re.MULTILINE)


def test_the_reference_of_this_project_is_not_stale() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "constructs_lib.settings.reference", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize("name", [README, EXAMPLE])
def test_what_is_stale_is_found_and_written_anew(
    project: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (project / name).read_text(encoding="utf-8")
    (project / name).write_text(text.replace("TCP port of SSH", "port of SSH"), encoding="utf-8")
    assert reference.main(["--check"], root=project) == 1
    assert capsys.readouterr().err == (
        f"{name}: must say what the settings' model says; "
        "run python -m constructs_lib.settings.reference\n"
    )
    assert reference.main([], root=project) == 0
    assert capsys.readouterr().out == f"{name}: written\n"
    assert (project / name).read_text(encoding="utf-8") == text
    assert reference.main(["--check"], root=project) == 0


def test_a_missing_example_is_stale_and_written(project: Path) -> None:
    (project / EXAMPLE).unlink()
    assert reference.main(["--check"], root=project) == 1
    assert reference.main([], root=project) == 0
    assert (project / EXAMPLE).read_bytes() == (ROOT / EXAMPLE).read_bytes()


@pytest.mark.parametrize("change", [(BEGIN, ""), (END, ""), (END, f"{END}\n{END}")])
def test_it_fails_when_the_marks_are_not_there_once(
    project: Path, change: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    text = (project / README).read_text(encoding="utf-8")
    (project / README).write_text(text.replace(*change), encoding="utf-8")
    assert reference.main([], root=project) == 1
    assert capsys.readouterr().err == (
        f"README.md: settings: must have the lines {BEGIN} and {END} once, in this order\n"
    )


def test_every_key_has_a_row_and_a_line() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \|", reference.table(), re.MULTILINE)
    assert len(set(rows)) == len(rows)
    plain = set(names(Settings))
    sections = {"aws.key_pair", "aws.load_balancer", "aws.network", "state.s3", "sandbox"}
    volumes = {f"{of}.data_volume" for of in ("aws", "aws.machines.workers.NAME")}
    parts = (".snapshots", ".snapshots.schedule")
    sections |= volumes | {f"{volume}{part}" for volume in volumes for part in parts}
    assert set(rows) == plain | sections
    loaded = yaml.safe_load(opened(reference.example()))

    def shown(section: object, above: str = "") -> Iterator[str]:
        assert isinstance(section, dict)
        for key, value in section.items():
            if f"{above}{key}" in plain:
                yield f"{above}{key}"
            else:
                yield from shown(value, f"{above}{key}.")

    loaded["aws"]["machines"]["workers"] = {"NAME": loaded["aws"]["machines"]["workers"]["web"]}
    assert set(shown(loaded)) == plain


def test_a_row_says_what_a_key_means_and_its_default() -> None:
    rows = reference.table().splitlines()
    for row in (
        "| `aws.region` | the AWS region | required |",
        "| `aws.instance_type` | the EC2 instance type, of the image's architecture | `t3.small` |",
        "| `aws.network` | a network of your own | the region's default VPC |",
        (
            "| `aws.machines.workers.NAME.instance_type` | the EC2 instance type, of the image's "
            "architecture | `aws.instance_type` |"
        ),
        (
            "| `aws.machines.workers.NAME.count` | how many machines the pool has, 1 to 100 | "
            "required in `aws.machines.workers.NAME` |"
        ),
        "| `aws.network.vpc_id` | the VPC of the security groups | required in `aws.network` |",
        (
            "| `aws.http.ports` | ports of the services: a number is one of TCP, and `53/udp`, "
            "`8000-8010` or `8000-8010/udp` are others; one of SCTP opens all of SCTP, whose ports "
            "EC2 does not know | `[80, 443]` |"
        ),
        "| `state.s3.prefix` | what the objects' keys begin with | `moor` |",
    ):
        assert row in rows


def test_no_line_of_the_example_is_too_long_for_a_screen() -> None:
    lines = reference.example().splitlines()
    assert [line for line in lines if len(line) > 100 and "role_arn" not in line] == []


def test_what_the_example_sets_is_all_in_the_model() -> None:
    written = load_settings(ROOT / EXAMPLE)
    assert written == Settings.model_validate(dict(PRODUCTION))


def test_the_examples_commented_out_lines_are_valid_and_show_the_defaults(
    load: Load, problems: Problems, tmp_path: Path
) -> None:
    key = tmp_path / "my-key"
    key.write_bytes(private_key())
    key.chmod(0o600)
    # It is loaded from another folder here.
    text = reference.example().replace("../services", str(ROOT / "services"))
    text = text.replace("~/.ssh/my-key", str(key))
    every = yaml.safe_load(opened(text))
    # What excludes each other stands there all the same: subnets, and a swarm's updates.
    assert problems(every) == [
        "aws.network.subnet_id: must not be set beside subnets; put it among them"
    ]
    subnets = every["aws"]["network"].pop("subnets")
    assert [p.partition(" ")[0] for p in problems(every)] == [
        "aws.updates.reboot_strategy:",
        "aws.updates.window_start:",
    ]
    swarm, machines = every.pop("swarm"), every["aws"].pop("machines")
    registry = every.pop("registry")
    assert problems({**every, "registry": registry})[-1:] == [
        (
            "registry: must not be set without a swarm, since one machine keeps what it builds; "
            "remove it"
        )
    ]
    balancer = every["aws"].pop("load_balancer")
    written, shown = load(text), load(yaml.safe_dump(every))
    several = {
        **every,
        "swarm": swarm,
        "registry": registry,
        "aws": {**every["aws"], "machines": machines},
    }
    several["aws"]["load_balancer"] = balancer
    del several["aws"]["updates"], several["aws"]["network"]["subnet_id"]
    several["aws"]["network"] = {**several["aws"]["network"], "subnets": subnets}
    assert [node.name for node in nodes_of(load(several))] == ["manager-1", "web-1", "web-2"]
    assert shown.aws.profile == "work"
    assert shown.aws.role_arn == "arn:aws:iam::123456789012:role/deploy"
    assert shown.aws.image.id == "ami-0123456789abcdef0"
    assert shown.aws.key_pair is not None
    assert shown.aws.network is not None
    assert len(shown.aws.ssh.host_key) == 1
    assert shown.sandbox == load({**document(), "sandbox": {}}).sandbox
    # All else that is commented out is the default.
    changes = {
        "profile": None,
        "role_arn": None,
        "key_pair": None,
        "network": None,
        "data_volume": None,
        "ssh": shown.aws.ssh.model_copy(update={"host_key": ()}),
        "image": shown.aws.image.model_copy(update={"id": None}),
    }
    aws = shown.aws.model_copy(update=changes)
    assert shown.model_copy(update={"aws": aws, "sandbox": None}) == written


@pytest.mark.parametrize(
    ("field", "problem"),
    [
        (
            Field(default=3, examples=[1]),
            "settings: port: description: must be set in its Field, got none",
        ),
        (
            Field(default=None, description="a port"),
            "settings: port: examples: must be set in its Field, got none",
        ),
    ],
)
def test_it_fails_when_a_key_is_not_described(
    project: Path,
    field: int,
    problem: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Undescribed(BaseModel):
        port: int | None = field

    monkeypatch.setattr(reference, "Settings", Undescribed)
    assert reference.main([], root=project) == 1
    assert capsys.readouterr().err == f"{problem}\n"
    assert (project / README).read_bytes() == (ROOT / README).read_bytes(), "nothing was written"
