"""Compose reads the files; what it complains of is said in this project's words."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from constructs_lib.compose import plugin, reader
from constructs_lib.compose.errors import ComposeError
from constructs_lib.compose.model import BackupCommands
from constructs_lib.compose.reader import load_project

if TYPE_CHECKING:
    from collections.abc import Mapping

    from constructs_lib.compose.model import ComposeProject


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(folder: Path, text: str, **variables: str) -> ComposeProject:
    file = folder / "compose.yaml"
    file.write_text(text)
    return load_project([file], name="moor", variables=variables)


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ComposeError) as caught:
        load(folder, text)
    return list(caught.value.problems)


def test_interpolation_dotenv_env_files_anchors_and_extends(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TAG=1.27\nGIVEN=dotenv\n")
    (tmp_path / "web.env").write_text("FROM_FILE=yes\n")
    (tmp_path / "base.yaml").write_text("services: {base: {image: 'nginx:${TAG}', user: '5'}}\n")
    project = load(
        tmp_path,
        """
        x-labels: &labels {team: a}
        services:
          web:
            extends: {file: base.yaml, service: base}
            env_file: [web.env]
            environment: {GIVEN: "${GIVEN}", PRICE: "5$$", NAME: "${COMPOSE_PROJECT_NAME}"}
            labels: {<<: *labels, tier: front}
          debug: {image: busybox, profiles: [debug]}
        """,
        GIVEN="settings",
    )
    assert list(project.services) == ["web"]
    web = project.services["web"]
    assert (web.image, web.options.user, web.options.labels) == (
        "nginx:1.27",
        "5",
        {"team": "a", "tier": "front"},
    )
    assert web.environment == {
        "FROM_FILE": "yes",
        "GIVEN": "settings",
        "PRICE": "5$",
        "NAME": "moor",
    }


def test_several_files_are_merged(tmp_path: Path) -> None:
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.write_text("services: {web: {image: nginx, environment: {A: '1'}}}")
    two.write_text("services: {web: {image: httpd, environment: {B: '2'}}}")
    web = load_project([one, two], name="moor").services["web"]
    assert (web.image, web.environment) == ("httpd", {"A": "1", "B": "2"})


def test_profiles_are_chosen_by_the_variable(tmp_path: Path) -> None:
    text = "services: {debug: {image: busybox, profiles: [debug]}}"
    assert list(load(tmp_path, text, COMPOSE_PROFILES="debug").services) == ["debug"]


def test_a_volume_that_no_service_uses_stays(tmp_path: Path) -> None:
    project = load(tmp_path, "services: {web: {image: nginx}}\nvolumes: {data: {}}")
    assert [(v.key, v.name) for v in project.volumes.values()] == [("data", "moor_data")]


def test_a_relative_path_is_told_from_the_machines(tmp_path: Path) -> None:
    (tmp_path / "page").write_text("hello")
    project = load(
        tmp_path,
        f"services: {{web: {{image: nginx, volumes: ['./page:/a', '{tmp_path}/page:/b']}}}}",
    )
    web = project.services["web"]
    assert [d.path for d in web.deliveries] == ["/a"]
    assert [m.path for m in web.options.host_mounts] == ["/b"]


@pytest.mark.parametrize(
    ("source", "is_local"),
    [
        ("./data", True),
        ("${PWD}/data", True),
        ("$PWD/data", True),
        ("${PWD:-.}/data", True),
        ("${HERE}/data", True),
        ("${FROM_FILE}", True),
        ("${RELATIVE}", True),
        ("HERE/data", False),
        ("${ELSEWHERE}/data", False),
    ],
)
def test_a_path_of_this_computer_in_a_variable_means_this_computer(
    tmp_path: Path, source: str, *, is_local: bool
) -> None:
    folder = tmp_path / "project"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "a").touch()
    (folder / ".env").write_text(f"FROM_FILE={folder}/data\n")
    spelled = source.replace("HERE/", f"{folder}/") if source.startswith("HERE") else source
    project = load(
        folder,
        f"""
        services: {{web: {{image: nginx, volumes: ['{spelled}:/a', 'vol:/v']}}}}
        volumes: {{vol: {{driver_opts: {{type: none, o: bind, device: '{spelled}'}}}}}}
        """,
        HERE=str(folder),
        ELSEWHERE="/srv",
        RELATIVE="./data",
        PWD="/nowhere",
    )
    web, volume = project.services["web"], project.volumes["vol"]
    assert [mount.source for mount in web.folders] == ([folder / "data"] if is_local else [])
    assert len(web.options.host_mounts) == (not is_local)
    assert volume.folder == (folder / "data" if is_local else None)
    device = volume.driver_opts["device"]
    assert (device == "/var/lib/moor/moor/folders/data") is is_local


def test_only_a_bound_folder_of_the_engines_own_driver_is_one(tmp_path: Path) -> None:
    project = load(
        tmp_path,
        """
        services: {web: {image: nginx}}
        volumes:
          nfs: {driver_opts: {type: nfs, o: 'addr=192.0.2.1,rw', device: ':/export'}}
          other: {driver: own, driver_opts: {o: bind, device: ./x}}
          read: {driver_opts: {type: none, o: 'bind,ro', device: ./x}}
        """,
    )
    assert {key: volume.place for key, volume in project.volumes.items()} == {
        "nfs": "",
        "other": "",
        "read": "folders/x",
    }


def test_the_content_of_a_secret_is_in_no_value(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("geheim-a")
    project = load(
        tmp_path,
        """
        services: {web: {image: nginx, secrets: [key, token]}}
        secrets: {key: {file: ./key}, token: {environment: TOKEN}}
        """,
        TOKEN="geheim-b",
    )
    assert "geheim" not in repr(project)
    assert len(project.services["web"].deliveries) == 2


def test_a_secret_without_its_variable(tmp_path: Path) -> None:
    text = """
    services: {web: {image: x, secrets: [s]}}
    secrets: {s: {environment: MOOR_TEST_NOT_SET}}
    """
    assert problems(tmp_path, text) == [
        (
            'compose.yaml: services.web: variable "MOOR_TEST_NOT_SET" is not set; a secret or '
            "config "
            "takes its content from it: export it"
        )
    ]


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ComposeError, match=r"no.yaml: must be a Compose file, got no such file"):
        load_project([tmp_path / "no.yaml"], name="moor")


_NAMES = st.sampled_from(["web", "db", "job"])
_SERVICES = st.fixed_dictionaries(
    {"image": st.sampled_from(["nginx", "a/b:1", "h:5000/x@sha256:" + "0" * 64])},
    optional={
        "command": st.one_of(st.text("ab $\"'", max_size=6), st.lists(st.text("a", max_size=2))),
        "entrypoint": st.sampled_from([[], "", ["a"], "a b"]),
        "environment": st.dictionaries(
            st.text("AB_", min_size=1, max_size=3), st.one_of(st.none(), st.integers(), st.text())
        ),
        "ports": st.lists(
            st.sampled_from(["80", "80:80", "127.0.0.1::80", "[::1]:81:81", "8000-8002:80-82/udp"])
        ),
        "volumes": st.lists(
            st.sampled_from(["data:/d", "/x", "./y:/y:ro", "/h:/h:z", "~/n:/n", "data:/e:nocopy"]),
            unique=True,
        ),
        "tmpfs": st.sampled_from(["/run", ["/run:size=1m", "/t"], []]),
        "depends_on": st.lists(_NAMES, unique=True),
        "healthcheck": st.sampled_from(
            [{"disable": True}, {"test": "true", "interval": "5s"}, {"test": ["NONE"]}]
        ),
        "restart": st.sampled_from(["no", "always", "on-failure:3", "unless-stopped", "sometimes"]),
        "deploy": st.sampled_from(
            [
                {"replicas": 2},
                {"replicas": 0},
                {"mode": "global"},
                {"resources": {"limits": {"cpus": "0.25", "memory": "5m", "pids": 3}}},
                {"restart_policy": {"condition": "any", "max_attempts": 2}},
            ]
        ),
        "network_mode": st.sampled_from(["host", "none", "bridge", "service:db"]),
        "ulimits": st.sampled_from([{"nproc": 5}, {"nofile": {"soft": 1, "hard": 2}}]),
        "mem_limit": st.sampled_from(["64m", 1000, "1g", 0]),
        "stop_grace_period": st.sampled_from(["1s", "1.5s", "1m"]),
        "extra_hosts": st.sampled_from([["a:1.2.3.4"], {"b": "::1"}, ["c=host-gateway"]]),
        "security_opt": st.sampled_from([["no-new-privileges"], ["seccomp:x.json"], ["a=b"]]),
        "pull_policy": st.sampled_from(["always", "never", "missing", "daily"]),
        "links": st.lists(_NAMES),
        "x-anything": st.recursive(st.none(), lambda inner: st.lists(inner, max_size=2)),
        "gpus": st.just("all"),
        "labels": st.one_of(st.just(["a", "b=c"]), st.dictionaries(st.text("a."), st.text())),
        "pid": st.sampled_from(["host", "service:web"]),
        "volumes_from": st.sampled_from([["db:ro"], ["container:x"]]),
    },
)


@given(services=st.dictionaries(_NAMES, _SERVICES, min_size=1))
@settings(max_examples=15)
def test_any_file_gives_values_or_a_clear_error(
    services: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("files") / "compose.yaml"
    file.write_text(yaml.safe_dump({"services": services, "volumes": {"data": None}}))
    try:
        project = load_project([file], name="moor", openings=[])
    except ComposeError as error:
        lines = error.problems
    else:
        assert set(project.services) == set(services)
        return
    assert lines
    assert all("compose.yaml: " in line for line in lines)


@pytest.mark.parametrize(
    "docker",
    [
        None,  # no Docker at all
        "echo 'unknown flag: --all-resources' >&2; exit 125",  # an old plugin, or an old Docker
        "echo \"docker: 'compose' is not a docker command.\" >&2; exit 1",
        "printf 'docker: unknown command: docker compose\\n\\nRun docker --help\\n' >&2; exit 1",
    ],
)
def test_no_compose_is_told_apart_from_a_wrong_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, docker: str | None
) -> None:
    monkeypatch.setattr(plugin, "BUILT", tmp_path / "missing")
    if docker is not None:
        (tmp_path / "docker").write_text(f"#!/bin/sh\n{docker}\n")
        (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert problems(tmp_path, "services: {web: {image: nginx}}") == [
        "docker compose: must be 2.30 or newer, got no such plugin; run `make setup`"
    ]


def test_the_users_docker_reads_where_set_up_has_built_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = plugin.BUILT
    monkeypatch.setattr(plugin, "BUILT", tmp_path / "missing")
    (tmp_path / "docker").write_text(f'#!/bin/sh\nshift; echo "$@" >words; exec {built} "$@"\n')
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert list(load(tmp_path, "services: {web: {image: nginx}}").services) == ["web"]
    assert (tmp_path / "words").read_text().startswith("--all-resources --project-name moor")


CORPUS: Final = Path(__file__).parents[2] / "compose_corpus"


@pytest.mark.parametrize(
    "file", sorted(CORPUS.glob("**/*compose*.yaml")), ids=lambda f: f.parent.name
)
def test_what_the_file_tells_of_its_mounts_is_what_compose_says(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without what a file requires Compose stops, and what it has told by then differs.
    environment = {"PATH": os.environ["PATH"], "DATABASE_VERSION": "16"}

    def outcome() -> ComposeProject | tuple[str, ...]:
        try:
            return load_project([file], name="moor", environment=environment)
        except ComposeError as error:
            return error.problems

    told = outcome()
    monkeypatch.setattr(reader, "_plain_sources", lambda _files: {})
    assert outcome() == told


@pytest.mark.parametrize(
    ("mounts", "times"),
    [
        ("[./a:/a, /srv/b:/b:ro, ../c:/c]", 1),
        ("[{type: bind, source: ./a, target: /a}, {type: bind, source: /b, target: /b}]", 1),
        ("[data:/data]", 1),
        ("[./a:/a, '${HERE}/b:/b']", 2),
        ("[./a:/a/]", 2),  # Compose says `/a`
    ],
)
def test_compose_is_asked_again_where_the_file_does_not_tell(
    tmp_path: Path, mounts: str, times: int
) -> None:
    for name in ("a", "b", "../c"):
        (tmp_path / "project" / name).mkdir(parents=True)
    text = f"services: {{web: {{image: nginx, volumes: {mounts}}}}}\nvolumes: {{data: }}\n"
    with (
        mock.patch.object(subprocess, "run", wraps=subprocess.run) as run,
        contextlib.suppress(ComposeError),
    ):
        load(tmp_path / "project", text, HERE="/srv")
    assert run.call_count == times


DOTENV: Final = (
    "A=1 # a comment",
    "A='q # $B'",
    'A="x${B}y"',
    "A=${B:-none}",
    'A="two\\nlines"',
    'A="really\ntwo"',
    "A='p$$w'",
    "A=p$$w",
    "export A=1",
    "A = spaced ",
    "A=x\r",
    "A: colon",
    "A=",
    "A=#x",
    "A=x#y",
    "B=b",
    "# A=no",
    "",
    "A",
)


@given(
    lines=st.lists(st.sampled_from(DOTENV), max_size=5),
    outside=st.dictionaries(st.sampled_from("AB"), st.sampled_from(["", "o", "$x"])),
)
@settings(max_examples=8, deadline=None)
def test_content_from_dotenv_is_what_compose_says(
    lines: list[str], outside: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("dotenv")
    (folder / ".env").write_text("\n".join(lines), newline="")
    file = folder / "compose.yaml"
    file.write_text("services: {web: {image: x, secrets: [s]}}\nsecrets: {s: {environment: A}}\n")
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **outside}
    refused: tuple[str, ...] = ()
    found: Mapping[str, str]
    try:
        found = load_project([file], name="moor", environment=environment).contents
    except ComposeError as error:
        refused, found = error.problems, {}
    file.write_text("services: {web: {image: x, environment: {A: '${A?}'}}}\n")
    said = subprocess.run(
        [*plugin.find_compose(), "--file", str(file), "config", "--format", "json"],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    expected = {}
    if said.returncode == 0:
        value = json.loads(said.stdout)["services"]["web"]["environment"]["A"]
        expected = {"A": value.replace("$$", "$")}
    assert found == expected
    assert all(".yaml: " in line or ".env: " in line for line in refused)


@pytest.mark.parametrize(
    ("file", "name"), [(".env", ".env"), ("web.env", "web.env"), ("compose.yaml", "compose.yaml")]
)
def test_a_file_in_another_encoding_is_told(tmp_path: Path, file: str, name: str) -> None:
    (tmp_path / ".env").write_text("A=1\n")
    (tmp_path / "web.env").write_text("B=1\n")
    text = b"services: {web: {image: x, env_file: [web.env], environment: {A: '${A}'}}}\n"
    (tmp_path / "compose.yaml").write_bytes(text)
    with (tmp_path / file).open("ab") as stream:
        stream.write({".env": b"A=\xe9\n", "web.env": b"C=\xe9\n"}.get(file, b"# \xe9\n"))
    with pytest.raises(ComposeError) as caught:
        load_project([tmp_path / "compose.yaml"], name="moor")
    assert caught.value.problems[0].startswith(f"{name}: ")


def test_a_null_byte_in_a_variable_is_told_with_its_name(tmp_path: Path) -> None:
    for value in ("a\0b", "\ud800"):
        with pytest.raises(ComposeError, match=r"variables\.NULL: must be text"):
            load(tmp_path, "services: {web: {image: x}}", NULL=value)


def test_what_is_nested_too_deeply_is_told_in_one_line(tmp_path: Path) -> None:
    text = f"services: {{web: {{image: x}}}}\nx-a: {'[' * 2000}{']' * 2000}\n"
    (line,) = problems(tmp_path, text)
    assert line.startswith("compose.yaml: ")


def test_compose_is_stopped_in_time_and_the_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reader._TIMEOUT_SECONDS == 20
    (tmp_path / "slow").write_text("#!/bin/sh\nexec sleep 30\n")
    (tmp_path / "slow").chmod(0o755)
    monkeypatch.setattr(plugin, "BUILT", tmp_path / "slow")
    monkeypatch.setattr(reader, "_TIMEOUT_SECONDS", 0.2)
    (line,) = problems(tmp_path, "services: {web: {image: x}}")
    assert line.startswith("compose.yaml: must be read by Compose within")


def test_what_runs_around_a_snapshot_is_read_from_whichever_file_says_it(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(
        "services: {db: {image: postgres, x-backup: {pre: 'echo $$HOME'}}}\n"
    )
    text = "services: {db: {extends: {file: base.yaml, service: db}}, web: {image: nginx}}"
    project = load(tmp_path, text)
    assert project.services["db"].backup == BackupCommands(pre=("sh", "-c", "echo $HOME"))
    assert project.services["web"].backup is None
    own = load(tmp_path, "services: {db: {image: postgres, x-backup: {post: [sync]}}}")
    assert own.services["db"].backup == BackupCommands(post=("sync",))
    assert problems(tmp_path, "services: {db: {image: postgres, x-backup: {before: sync}}}") == [
        "compose.yaml: services.db.x-backup.before: must be pre or post; leave it out"
    ]
