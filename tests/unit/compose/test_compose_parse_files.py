"""Mounts, and files that are copied into a container."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from constructs_lib.compose import parse_files
from constructs_lib.compose.errors import ComposeError
from constructs_lib.compose.model import Delivery, NamedMount
from constructs_lib.compose.parse import parse
from constructs_lib.docker.container_options import ContainerOptions, HostMount, TmpfsMount

if TYPE_CHECKING:
    from pathlib import Path

    from constructs_lib.compose.model import Service


def document(**keys: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
    return {"name": "moor", "services": {"web": {"image": "nginx", **keys}}}


def service(**keys: Any) -> Service:  # noqa: ANN401  (JSON)
    return parse(document(**keys), file="compose.yaml").services["web"]


def test_mounts_of_every_kind() -> None:
    found = service(
        volumes=[
            {"type": "volume", "source": "data", "target": "/data", "volume": {"nocopy": True}},
            {"type": "volume", "target": "/anonymous", "volume": {}},
            {
                "type": "bind",
                "source": "/srv",
                "target": "/srv",
                "bind": {"create_host_path": True},
            },
            {"type": "tmpfs", "target": "/t", "tmpfs": {"size": "1048576", "mode": 448}},
        ]
    )
    assert found.mounts == (NamedMount(volume="data", path="/data", no_copy=True),)
    assert found.options == ContainerOptions(
        anonymous_volumes=("/anonymous",),
        host_mounts=(HostMount(source="/srv", path="/srv"),),
        tmpfs_mounts=(TmpfsMount(path="/t", size_bytes=1048576, mode=448),),
    )


def test_a_relative_folder_is_copied_file_by_file(tmp_path: Path) -> None:
    (tmp_path / "site" / "sub").mkdir(parents=True)
    (tmp_path / "site" / "sub" / "a.html").write_text("a")
    (tmp_path / "site" / "sub" / "a.html").chmod(0o644)
    (tmp_path / "site" / "run.sh").write_text("b")
    (tmp_path / "site" / "run.sh").chmod(0o755)
    mount = {"type": "bind", "source": str(tmp_path / "site"), "target": "/site/"}
    project = parse(document(volumes=[mount]), file="compose.yaml", local={("web", "/site/")})
    assert [(d.path, d.mode) for d in project.services["web"].deliveries] == [
        ("/site/run.sh", "0755"),
        ("/site/sub/a.html", "0644"),
    ]
    assert project.services["web"].options.host_mounts == ()


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o644, 0o755, 0o700, 0o666])
def test_a_mounted_file_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "key"
    file.write_text("key")
    file.chmod(mode | 0o2000)
    mount = {"type": "bind", "source": str(file), "target": "/key"}
    project = parse(document(volumes=[mount]), file="compose.yaml", local={("web", "/key")})
    assert [d.mode for d in project.services["web"].deliveries] == [f"{mode:04o}"]


def test_secrets_and_configs(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("geheim")
    given = document(
        secrets=[{"source": "key", "target": "/run/secrets/key"}, {"source": "token"}],
        configs=[{"source": "motd", "target": "/etc/motd", "mode": "0440", "uid": "5"}],
    ) | {
        "secrets": {"key": {"file": str(key)}, "token": {"environment": "TOKEN"}},
        "configs": {"motd": {"content": "hello"}},
    }
    assert parse(given, file="compose.yaml").services["web"].deliveries == (
        Delivery(
            path="/etc/motd",
            content="hello",
            mode="0440",
            uid="5",
            origin="services.web.configs[0]",
        ),
        Delivery(
            path="/run/secrets/key",
            source=key,
            is_secret=True,
            mode="0444",
            origin="services.web.secrets[0]",
        ),
        Delivery(
            path="/run/secrets/token",
            variable="TOKEN",
            is_secret=True,
            mode="0444",
            origin="services.web.secrets[1]",
        ),
    )


@pytest.mark.parametrize("keys", [{"read_only": True}, {"tmpfs": ["/run"]}])
def test_a_secret_that_could_not_be_seen_is_refused(keys: dict[str, Any]) -> None:
    given = document(secrets=[{"source": "s"}], **keys) | {"secrets": {"s": {"environment": "S"}}}
    with pytest.raises(ComposeError, match=r"services.web.secrets\[0\]: must not be "):
        parse(given, file="compose.yaml")


def test_an_empty_or_missing_relative_folder_is_refused(tmp_path: Path) -> None:
    for name, text in (("gone", "got no such thing"), ("empty", "got the empty folder")):
        if name == "empty":
            (tmp_path / name).mkdir()
        mount = {"type": "bind", "source": str(tmp_path / name), "target": "/x"}
        with pytest.raises(ComposeError, match=text):
            parse(document(volumes=[mount]), file="compose.yaml", local={("web", "/x")})


def test_a_folder_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    monkeypatch.setattr(parse_files, "FILE_LIMIT", 1)
    mount = {"type": "bind", "source": str(tmp_path), "target": "/x"}
    with pytest.raises(ComposeError) as caught:
        parse(document(volumes=[mount]), file="compose.yaml", local={("web", "/x")})
    assert caught.value.problems == (
        (
            "compose.yaml: services.web.volumes[0].source: must hold at most 1 files and 50 MiB, "
            f"got 2 files and 0 MiB in {tmp_path}; build it into an image"
        ),
    )


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"uid": "٣"}, "uid: must be a whole number, got '٣'"),
        ({"gid": "4294967295"}, "gid: must be in 0..4294967294, got 4294967295"),
        (
            {"mode": "01777"},
            "mode: must be permissions such as 0440, got 01777; the provider takes no others",
        ),
    ],
)
def test_numbers_of_a_config_are_what_the_kernel_takes(keys: dict[str, str], expected: str) -> None:
    given = document(configs=[{"source": "motd", **keys}]) | {"configs": {"motd": {"content": "x"}}}
    with pytest.raises(ComposeError) as caught:
        parse(given, file="compose.yaml")
    assert caught.value.problems == (f"compose.yaml: services.web.configs[0].{expected}",)


def test_numbers_of_a_folder_in_memory_are_numbers() -> None:
    mount = {"type": "tmpfs", "target": "/t", "tmpfs": {"size": "-1", "mode": 99999}}
    with pytest.raises(ComposeError) as caught:
        parse(document(volumes=[mount]), file="compose.yaml")
    assert caught.value.problems == (
        "compose.yaml: services.web.volumes[0].tmpfs.size: must be 0 or more, got -1",
        "compose.yaml: services.web.volumes[0].tmpfs.mode: must be in 0..4095, got 99999",
    )


def test_what_is_wrong_with_configs_and_secrets_is_told(tmp_path: Path) -> None:
    given = document(
        configs=[{"source": "motd", "uid": "me"}, {"source": "motd", "target": "motd"}],
        secrets=[{"source": "gone"}, {"source": "elsewhere"}],
    ) | {
        "secrets": {"gone": {"file": str(tmp_path / "gone")}, "elsewhere": {"external": True}},
        "configs": {"motd": {"content": "hello"}},
    }
    with pytest.raises(ComposeError) as caught:
        parse(given, file="compose.yaml")
    assert caught.value.problems[-3:] == (
        "compose.yaml: services.web.configs[0].uid: must be a whole number, got 'me'",
        (
            f"compose.yaml: secrets.gone.file: must be a file, got no such file as "
            f"{tmp_path}/gone; services.web needs it"
        ),
        "compose.yaml: services.web.configs[1]: must have a path of its own, got /motd twice",
    )
