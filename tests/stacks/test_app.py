"""The app as `cdktf synth` runs it: real keys, real folders, and nothing of either left over."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

import pytest
from synthesis import ROOT

import main

if TYPE_CHECKING:
    from pathlib import Path

KEYS = ("pki/ca-key.pem", "certificates/key.pem", "ssh/id_ed25519")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder that the app takes for its own."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.setattr(main, "__file__", str(folder / "main.py"))
    monkeypatch.setenv("ENVIRONMENT", str(ROOT / "environments" / "sandbox.yaml"))
    monkeypatch.delenv("CDKTF_OUTDIR", raising=False)
    return folder


def written(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_a_second_synthesis_is_the_same_byte_for_byte(project: Path) -> None:
    main.main()
    first = written(project)
    main.main()
    assert written(project) == first
    stacks = [name for name in first if name.endswith("cdk.tf.json")]
    assert stacks == [f"cdktf.out/sandbox/stacks/{s}/cdk.tf.json" for s in ("aws", "docker")]


def test_no_secret_is_in_what_is_synthesized(project: Path) -> None:
    main.main()
    output = b"\n".join(written(project / "cdktf.out").values())
    assert b"PRIVATE KEY" not in output
    secrets = [
        line
        for key in KEYS
        for line in (project / ".moor" / "sandbox" / key).read_bytes().splitlines()
        if not line.startswith(b"-----")
    ]
    assert len(secrets) > len(KEYS)
    assert [line for line in secrets if line in output] == []
    # What a search for a line would find, were it there.
    public = (project / ".moor" / "sandbox" / "ssh" / "id_ed25519.pub").read_bytes().split()[1]
    assert public in output
    # Nor any certificate: another one must not replace the machine.
    assert b"CERTIFICATE" not in output


def test_every_key_is_private(project: Path) -> None:
    main.main()
    own = project / ".moor" / "sandbox"
    assert {key: (own / key).stat().st_mode & 0o777 for key in KEYS} == dict.fromkeys(KEYS, 0o600)
    for folder in ("pki", "certificates", "ssh"):
        assert (own / folder).stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_nobody_else_reads_the_configuration(project: Path, umask: int) -> None:
    output = project / "cdktf.out" / "sandbox"
    # As the version before has left it.
    (output / "stacks" / "docker").mkdir(parents=True, mode=0o755)
    previous = os.umask(umask)
    try:
        main.main()
    finally:
        os.umask(previous)
    for folder in (output, output / "stacks"):
        assert folder.stat().st_mode & 0o777 == 0o700
    outside = [file for file in output.rglob("*.json") if output / "stacks" not in file.parents]
    assert [file.name for file in outside] == ["manifest.json"]


def test_what_a_deployment_has_seen_to_end_is_not_started_again(project: Path) -> None:
    main.main()
    output = project / "cdktf.out" / "sandbox" / "stacks" / "docker" / "cdk.tf.json"
    (web,) = web_of(output)
    assert web["must_run"] is True
    (digest,) = [
        label["value"]
        for label in web["labels"]
        if label["label"] == "com.docker.compose.config-hash"
    ]
    known = project / ".moor" / "sandbox" / "ended.json"
    known.write_text(json.dumps({web["name"]: digest}), encoding="utf-8")
    main.main()
    assert [container["must_run"] for container in web_of(output)] == [False]


def web_of(output: Path) -> list[dict[str, Any]]:
    containers = json.loads(output.read_bytes())["resource"]["docker_container"]
    return [container for name, container in containers.items() if "_web_" in name]


def test_the_folders_that_are_made_for_it_are_private(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDKTF_OUTDIR", str(tmp_path / "new" / "output"))
    main.main()
    for folder in ("new", "new/output", "new/output/stacks"):
        assert (tmp_path / folder).stat().st_mode & 0o777 == 0o700
    assert not (project / "cdktf.out").exists()


def test_the_output_goes_where_the_command_line_says(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "not" / "there" / "yet"
    monkeypatch.setenv("CDKTF_OUTDIR", str(elsewhere))
    main.main()
    assert (elsewhere / "stacks" / "aws" / "cdk.tf.json").is_file()
    assert not (project / "cdktf.out").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "{file}: no such settings file; set ENVIRONMENT to another, or create it"),
        ("aws: [\n", "{file}: is not YAML: line 2, column 1: "),
        ("awss: {}\n", "{file}: aws: must be set; add it\n{file}: awss: unknown key; "),
    ],
)
def test_bad_settings_are_one_clear_error_and_nothing_is_done(
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str | None,
    message: str,
) -> None:
    file = tmp_path / "trial.yaml"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    monkeypatch.setenv("ENVIRONMENT", str(file))
    with pytest.raises(SystemExit, match="^" + re.escape(message.format(file=file))):
        main.main()
    assert list(project.iterdir()) == []


def test_a_damaged_key_is_one_clear_error_and_stays_as_it_is(project: Path) -> None:
    main.main()
    key = project / ".moor" / "sandbox" / "ssh" / "id_ed25519"
    key.write_bytes(b"damaged")
    with pytest.raises(SystemExit) as caught:
        main.main()
    assert str(caught.value).startswith(f"{key}: private key: must be ")
    assert key.read_bytes() == b"damaged"


def test_an_existing_key_pair_needs_no_key_of_ours(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main.main()
    made = project / ".moor" / "sandbox" / "ssh" / "id_ed25519"
    text = (ROOT / "environments" / "sandbox.yaml").read_text(encoding="utf-8")
    file = tmp_path / "own.yaml"
    file.write_text(
        text.replace("aws:\n", f"aws:\n  key_pair: {{name: mine, private_key_file: {made}}}\n"),
        encoding="utf-8",
    )
    monkeypatch.setenv("ENVIRONMENT", str(file))
    main.main()
    assert not (project / ".moor" / "own" / "ssh").exists()
    stack = (project / "cdktf.out" / "own" / "stacks" / "aws" / "cdk.tf.json").read_text("utf-8")
    assert f'${{file(\\"{made}\\")}}' in stack
    assert "aws_key_pair" not in stack
