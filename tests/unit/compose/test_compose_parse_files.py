"""Mounts, and files that are copied into a container."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from constructs_lib.compose.errors import ComposeError
from constructs_lib.compose.model import Delivery, FolderMount, NamedMount
from constructs_lib.compose.parse import parse
from constructs_lib.docker.container_options import ContainerOptions, HostMount, TmpfsMount

if TYPE_CHECKING:
    from constructs_lib.compose.model import ComposeProject, Service


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


@pytest.mark.parametrize(
    ("how", "create"),
    [
        ({}, True),
        ({"bind": {"create_host_path": True}}, True),
        ({"bind": {}}, False),
        ({"bind": {"create_host_path": False}}, False),
    ],
)
def test_a_folder_of_the_machine_is_made_unless_its_mount_says_otherwise(
    how: dict[str, Any], *, create: bool
) -> None:
    found = service(volumes=[{"type": "bind", "source": "/srv", "target": "/srv", **how}])
    assert found.options.host_mounts == (HostMount(source="/srv", path="/srv", create=create),)


def test_a_label_of_selinux_on_a_volume_is_kept() -> None:
    volume: dict[str, Any] = {"type": "volume", "source": "data", "target": "/data"}
    labelled = {**volume, "bind": {"selinux": "z"}}
    assert service(volumes=[labelled]).mounts == (
        NamedMount(volume="data", path="/data", selinux="z"),
    )
    with pytest.raises(ComposeError) as caught:
        service(volumes=[{**labelled, "volume": {"nocopy": True}}])
    (problem,) = caught.value.problems
    assert problem == (
        "compose.yaml: services.web.volumes[0].bind.selinux: must not stand beside nocopy or "
        "subpath, got z; leave out one of them"
    )


def bind(source: Path, target: str = "/x", **keys: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
    return {
        "type": "bind",
        "source": str(source),
        "target": target,
        "bind": {"create_host_path": True},
        **keys,
    }


def local(folder: Path, *mounts: dict[str, Any], **keys: Any) -> ComposeProject:  # noqa: ANN401
    """Read mounts whose sources are relative to a folder."""
    given = document(volumes=list(mounts), **keys)
    targets = {("web", mount["target"]) for mount in mounts}
    return parse(given, file="compose.yaml", folder=folder, local=targets)


def refused(folder: Path, *mounts: dict[str, Any]) -> tuple[str, ...]:
    with pytest.raises(ComposeError) as caught:
        local(folder, *mounts)
    return caught.value.problems


def test_a_relative_folder_is_one_of_the_machine(tmp_path: Path) -> None:
    (tmp_path / "site" / "sub").mkdir(parents=True)
    how = {"create_host_path": False, "propagation": "rslave"}
    web = local(
        tmp_path,
        bind(tmp_path / "site", "/site"),
        bind(tmp_path / "site" / "sub", "/sub", read_only=True, bind=how),
        bind(tmp_path.parent / "x", "/up"),
    ).services["web"]
    assert web.deliveries == ()
    assert web.options.host_mounts == ()
    where = "services.web.volumes"
    assert web.folders == (
        FolderMount(
            source=tmp_path / "site", place="folders/site", path="/site", origin=f"{where}[0]"
        ),
        FolderMount(
            source=tmp_path / "site" / "sub",
            place="folders/site/sub",
            path="/sub",
            read_only=True,
            propagation="rslave",
            origin=f"{where}[1]",
        ),
        FolderMount(
            source=tmp_path.parent / "x", place="outside/1/x", path="/up", origin=f"{where}[2]"
        ),
    )


def test_what_is_missing_or_empty_here_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    silent = {"type": "bind", "source": str(tmp_path / "gone-too"), "target": "/c"}
    mounts = [bind(tmp_path / "gone", "/a"), bind(tmp_path / "empty", "/b"), silent]
    web = local(tmp_path, *mounts).services["web"]
    assert [mount.path for mount in web.folders] == ["/a", "/b", "/c"]


def test_what_is_missing_and_no_folder_would_do_for_is_refused(tmp_path: Path) -> None:
    strict = {"create_host_path": False}
    (tmp_path / "broken").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    head = "compose.yaml: services.web.volumes"
    must = "must be a file or folder of this computer, got"
    assert refused(
        tmp_path,
        bind(tmp_path / "gone", "/a", bind=strict),
        bind(tmp_path / "a.yml", "/etc/b.yml", read_only=True),
        bind(tmp_path / "broken", "/c"),
        bind(tmp_path / "pipe", "/d"),
    ) == (
        (
            f"{head}[0].source: {must} no such thing as {tmp_path}/gone; create it, or set "
            "bind.create_host_path to true"
        ),
        (
            f"{head}[1].source: {must} no such thing as {tmp_path}/a.yml, and a new folder would "
            "not do for a file; create it"
        ),
        (
            f"{head}[2].source: {must} a link that leads nowhere, {tmp_path}/broken -> nowhere; "
            "remove it"
        ),
        (
            f"{head}[3].source: {must} neither in {tmp_path}/pipe; use an absolute path for what "
            "is the machine's"
        ),
    )


def test_a_folder_that_cannot_travel_is_told_with_its_key(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "out").symlink_to("/etc/passwd")
    (tmp_path / "site" / os.fsdecode(b"a\xff")).touch()
    head = "compose.yaml: services.web.volumes[0].source"
    for read_only in (False, True):
        first, second = refused(tmp_path, bind(tmp_path / "site", read_only=read_only))
        assert first == rf"{head}: must have names in UTF-8, got {tmp_path}/site/a\xff; rename it"
        assert second.startswith(f"{head}: must have links that stay inside of it, got {tmp_path}")


@pytest.mark.parametrize("is_local", [False, True])
def test_a_label_that_the_engine_would_drop_is_refused(tmp_path: Path, *, is_local: bool) -> None:
    (tmp_path / "a").mkdir()
    mounts = [
        bind(tmp_path / "a", "/a", bind={"selinux": "z", "create_host_path": True}),
        bind(tmp_path / "a", "/b", bind={"selinux": "Z", "propagation": "rslave"}),
        bind(tmp_path / "a", "/c", bind={"selinux": "z"}),
    ]
    targets = {("web", m["target"]) for m in mounts} if is_local else set()
    with pytest.raises(ComposeError) as caught:
        parse(document(volumes=mounts), file="compose.yaml", folder=tmp_path, local=targets)
    text = "with which the engine sets no label, got"
    head = "compose.yaml: services.web.volumes"
    spread = (
        f"{head}[1].bind.selinux: must not stand beside propagation: rslave, {text} Z; leave one "
        "of them out"
    )
    assert spread in caught.value.problems
    made = (
        f"{head}[2].bind.selinux: must not stand beside create_host_path: false, {text} z; leave "
        "one of them out"
    )
    # What we make ourselves is there in any case.
    assert (made in caught.value.problems) is not is_local


def test_a_label_reaches_a_folder_of_ours_that_the_engine_is_not_to_make(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    mount = bind(tmp_path / "a", "/a", bind={"selinux": "z"})
    assert local(tmp_path, mount).services["web"].folders[0].selinux == "z"


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


def test_a_secret_that_could_not_be_seen_is_refused() -> None:
    given = document(secrets=[{"source": "s"}], tmpfs=["/run"]) | {
        "secrets": {"s": {"environment": "S"}}
    }
    with pytest.raises(ComposeError, match=r"services.web.secrets\[0\]: must not be "):
        parse(given, file="compose.yaml")


def test_a_read_only_container_gets_files(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("a")
    given = local(
        tmp_path,
        bind(tmp_path / "a.conf", "/a", read_only=True),
        bind(tmp_path / "a.conf", "/b"),
        read_only=True,
    )
    assert [d.writable for d in given.services["web"].deliveries] == [False, True]


def test_a_mounted_file_keeps_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").touch()
    real = Path.stat

    def stat(path: Path, **how: bool) -> os.stat_result:
        given = list(real(path, **how))
        given[4:6] = [1000, 0]
        return os.stat_result(given)

    monkeypatch.setattr(Path, "stat", stat)
    (found,) = local(tmp_path, bind(tmp_path / "a")).services["web"].deliveries
    assert (found.uid, found.gid) == ("1000", "0")


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
