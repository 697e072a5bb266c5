"""Loading settings: every problem of a file, in the words of the file, and nothing but that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from settings_files import A_NETWORK, OFFICE, document

from constructs_lib.settings.load import SettingsError, load_settings
from constructs_lib.settings.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from settings_files import Load, Problems


@pytest.mark.parametrize("word", ["off", "reboot", "etcd-lock"])
def test_plain_words_are_text(load: Load, word: str) -> None:
    settings = load(f"{yaml.safe_dump(document())}  updates:\n    reboot_strategy: {word}\n")
    assert settings.aws.updates.reboot_strategy == word


def test_a_time_of_day_needs_no_quotes(load: Load) -> None:
    window = "  updates: {window_start: 14:00, window_length: 1h30m}\n"
    updates = load(yaml.safe_dump(document()) + window).aws.updates
    assert (updates.window_start, updates.window_length) == ("14:00", "1h30m")


def test_digits_with_a_leading_zero_are_text(load: Load) -> None:
    # YAML 1.1 reads an octal number.
    text = yaml.safe_dump(document()) + "  image: {owner: 012345670123}\n"
    assert load(text).aws.image.owner == "012345670123"


# The file itself


def test_it_fails_when_the_file_is_missing(tmp_path: Path) -> None:
    (tmp_path / "sandbox.yaml").touch()
    (tmp_path / "production.example.yaml").touch()
    file = tmp_path / "staging.yaml"
    with pytest.raises(SettingsError) as caught:
        load_settings(file)
    assert str(caught.value) == (
        f"{file}: no such settings file; set ENVIRONMENT to another, or create it "
        "(the environments here are: sandbox)"
    )


def test_it_fails_when_the_file_is_missing_and_no_other_is_there(tmp_path: Path) -> None:
    file = tmp_path / "staging.yaml"
    with pytest.raises(SettingsError) as caught:
        load_settings(file)
    assert str(caught.value) == (
        f"{file}: no such settings file; set ENVIRONMENT to another, or create it"
    )


def test_the_file_is_named_as_one_sees_it_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "environments").mkdir()
    file = tmp_path / "environments" / "trial.yaml"
    file.write_text("- 1\n", encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(file)
    assert str(caught.value) == (
        "environments/trial.yaml: must hold a mapping of settings, got list"
    )


def test_it_fails_when_the_file_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: cannot be read: [Errno 21] Is a directory: '{tmp_path}'"
    )


def test_it_fails_when_the_file_is_not_text(file: Path) -> None:
    file.write_bytes(b"project: \xff\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(file)
    assert str(caught.value) == (
        f"{file}: cannot be read: 'utf-8' codec can't decode byte 0xff in position 9: "
        "invalid start byte"
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "must hold a mapping of settings, got nothing"),
        ("# nothing\n", "must hold a mapping of settings, got nothing"),
        ("- 1\n", "must hold a mapping of settings, got list"),
        ("moor\n", "must hold a mapping of settings, got str"),
        ("a: [1\n", "is not YAML: line 2, column 1: expected ',' or ']', but got '<stream end>'"),
        (
            "a:\n\t- b\n",
            "is not YAML: line 2, column 1: found character '\\t' that cannot start any token",
        ),
        (
            "project: a\nproject: b\n",
            "is not YAML: line 2, column 1: the key 'project' stands twice",
        ),
        (
            "aws: {region: x, ssh: {}, ssh: {}}",
            "is not YAML: line 1, column 27: the key 'ssh' stands twice",
        ),
        (
            "a: !!int x",
            "is not YAML: line 1, column 4: the value does not fit its type tag:yaml.org,2002:int",
        ),
        ("a: !!set x", "is not YAML: line 1, column 4: expected a mapping node, but found scalar"),
        (
            "a: !!python/name:os.system x",
            (
                "is not YAML: line 1, column 4: could not determine a"
                " constructor for the tag 'tag:yaml.org,2002:python/name:os.system'"
            ),
        ),
        ("[" * 1500, "must not be nested this deeply"),
    ],
)
def test_it_fails_when_the_file_is_not_a_yaml_mapping(
    problems: Problems, text: str, problem: str
) -> None:
    assert problems(text) == [problem]


# Keys


def test_it_fails_when_a_key_is_unknown(problems: Problems) -> None:
    assert problems({**document(), "sandbx": {}}) == [
        "sandbx: unknown key; the keys here are: " + ", ".join(sorted(Settings.model_fields))
    ]


@pytest.mark.parametrize(
    ("aws", "problem"),
    [
        (
            {"regoin": 1},
            (
                "aws.regoin: unknown key; the keys here are: data_volume, docker_api, http, image, "
                "instance_type, key_pair, load_balancer, machines, network, profile, region, "
                "role_arn, root_volume, ssh, updates"
            ),
        ),
        (
            {"ssh": {"cidrs": [OFFICE], "prot": 22}},
            (
                "aws.ssh.prot: unknown key; the keys here are: "
                "cidrs, host_key, open_to_the_whole_internet, port"
            ),
        ),
        (
            {"network": {"vpc": 1, "vpc_id": "vpc-01234567", "subnet_id": "subnet-01234567"}},
            "aws.network.vpc: unknown key; the keys here are: subnet_id, subnets, vpc_id",
        ),
        (
            {"machines": {"workers": {"web": {"count": 1, "label": {}}}}},
            (
                "aws.machines.workers.web.label: unknown key; the keys here are: count, "
                "data_volume, image, instance_type, labels, root_volume"
            ),
        ),
        (
            {"machines": {"workers": {"web": {"count": 1, "image": {"arch": "x"}}}}},
            (
                "aws.machines.workers.web.image.arch: unknown key; the keys here are: "
                "architecture, id, name, owner"
            ),
        ),
        (
            # Names that pydantic uses for its own purposes.
            {"image": {"ipv4network": 1}},
            "aws.image.ipv4network: unknown key; the keys here are: architecture, id, name, owner",
        ),
        (
            {"image": {"a\nb": 1}},
            "aws.image.'a\\nb': unknown key; the keys here are: architecture, id, name, owner",
        ),
        ({"image": {3: 1}}, "aws.image.3: keys should be strings, got 3"),
    ],
)
def test_it_fails_when_a_nested_key_is_unknown(
    problems: Problems, aws: dict[str, object], problem: str
) -> None:
    assert problems(document(**aws)) == [problem]


def test_it_fails_when_a_key_is_missing(problems: Problems) -> None:
    assert problems({"aws": {"ssh": {}}}) == [
        "aws.region: must be set; add it",
        "aws.ssh.cidrs: must be set; add it",
        "aws.docker_api: must be set; add it",
    ]


# All at once, and anything at all


def test_every_problem_is_reported_at_once(problems: Problems) -> None:
    assert problems(
        {
            "project": 3,
            "awss": {},
            "aws": {
                "region": "eu-central-1",
                "ssh": {"cidrs": ["10.0.0.1/8"], "port": 0},
                "docker_api": {"cidrs": ["0.0.0.0/0"], "port": 70000},
                "root_volume": {"size_gib": "big"},
            },
        }
    ) == [
        "project: must be text, got 3",
        "aws.root_volume.size_gib: must be a whole number, got 'big'",
        "aws.ssh.port: must be in 1..65535, got 0",
        f"aws.ssh.cidrs.0: {A_NETWORK}, got '10.0.0.1/8'",
        "aws.docker_api.port: must be in 1..65535, got 70000",
        (
            "aws.docker_api.cidrs: must not cover the whole internet, or more of it than a "
            "/8 of IPv4 "
            "or a /12 of IPv6, got ['0.0.0.0/0']; name your "
            "own networks, or say open_to_the_whole_internet: true beside it"
        ),
        "awss: unknown key; the keys here are: " + ", ".join(sorted(Settings.model_fields)),
    ]


KEYS = sorted(
    {"project", "aws", "services", "variables", "state", "sandbox", "s3", "bucket"}
    | set(Settings.model_fields["aws"].annotation.model_fields)  # type: ignore[union-attr]
    | {"port", "ports", "cidrs", "service_ports", "name", "id", "private_key_file", "subnet"}
    | {"open_to_the_whole_internet", "window_start", "size_gib", "ipv4network", ""}
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["0.0.0.0/0", "::/0", "eu-central-1", "off", "~x/y", "a\0b"])
    | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(KEYS) | st.integers() | st.text(max_size=6), inner)
    ),
    max_leaves=12,
)


def only_settings_errors(folder: Path, content: bytes) -> None:
    file = folder / "garbage.yaml"
    file.write_bytes(content)
    problems: tuple[str, ...] | None = None
    try:
        load_settings(file)
    except SettingsError as error:
        problems = error.problems
    if problems is not None:
        assert problems
        assert [p for p in problems if not p.startswith(f"{file}: ") or "\n" in p] == []


@given(content=st.binary(max_size=200) | st.text(max_size=200).map(lambda s: s.encode("utf-8")))
@example(content=b"a: !!timestamp x")
@example(content=b"a: 2001-13-45")
@example(content=b"a: !!bool x")
@example(content=b"a: 0b_")
@example(content=b"? [a]\n: b")
@example(content=b"&a {a: *a}")
@example(content=b"&a [*a]")
@example(content=b'"a\\nb": 1')
@example(content=b"a: " + b"1" * 5000)
@example(content=b"\xff\xfea\x00")
def test_garbage_gives_a_settings_error_and_nothing_else(folder: Path, content: bytes) -> None:
    only_settings_errors(folder, content)


YAML_BITS = st.lists(
    st.sampled_from(
        [
            *"-?:,[]{}#&*!|>'\"%@` \n\t~=",
            *("<<", "!!", "a", "1", "0x", "int", "float", "set", "omap", "binary", "timestamp"),
            *("pairs", "null", "*a", "&a", "---", "...", ": ", "- ", "\n  "),
        ]
    ),
    max_size=20,
).map("".join)


@given(YAML_BITS)
def test_broken_yaml_gives_a_settings_error_and_nothing_else(folder: Path, text: str) -> None:
    only_settings_errors(folder, text.encode("utf-8"))


@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6), VALUES)
@example({}, "~0")
@example({}, "\n")
def test_wrong_shapes_give_a_settings_error_and_nothing_else(
    folder: Path, aws: dict[str, object], other: object
) -> None:
    content = yaml.safe_dump({**document(**aws), "services": other, "state": {"s3": other}})
    only_settings_errors(folder, content.encode("utf-8"))


def test_aliases_of_aliases_are_one_short_line(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 8)}]" for i in range(1, 9)]
    file = tmp_path / "bomb.yaml"
    file.write_text("variables:\n" + "\n".join(f"  {line}" for line in lines))
    with pytest.raises(SettingsError) as caught:
        load_settings(file)
    (line,) = caught.value.problems
    assert line.endswith(
        "bomb.yaml: must hold at most 10000 values, got more through aliases; write it out"
    )


def test_a_wrong_value_is_abbreviated(tmp_path: Path) -> None:
    file = tmp_path / "long.yaml"
    file.write_text(f"variables: {{A: [{', '.join(['long'] * 2000)}]}}")
    with pytest.raises(SettingsError) as caught:
        load_settings(file)
    assert all(len(line) < 400 for line in caught.value.problems)
