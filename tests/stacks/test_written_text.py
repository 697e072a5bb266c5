"""Every text of the Compose files and of the settings reaches Terraform as it was written.

The fields are those of the models, so that a new one is tried as well. Terraform itself says what
it makes of them: nothing that looks like an expression is evaluated, and nothing is lost.
"""

from __future__ import annotations

import types
import typing
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from ipaddress import IPv4Network
from itertools import count
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from project_stacks import SWARM, environment_of, fixed_identity, settings_of
from pydantic import BaseModel
from synthesis import Json, new_app, synth, synth_of
from terraform_evaluation import evaluate, texts

from constructs_lib.aws import port_range
from constructs_lib.compose import model as compose_model
from constructs_lib.compose.delivery import Vault
from constructs_lib.compose.folders import MachineFolders, list_folders
from constructs_lib.compose.model import ComposeProject, Service
from constructs_lib.compose.services import ComposeServices
from constructs_lib.docker import container_options
from constructs_lib.host.endpoint import DockerEndpoint
from constructs_lib.settings.services import load_services
from constructs_lib.settings.settings import PoolSettings, Settings
from constructs_lib.swarm.services import SwarmServices
from main import add_stacks

EVIL: Final = (
    '${file("/etc/passwd")}', "$${", "%{ if true }", "$%{x}", '"', "\\", "\n", "\r", "}", "$", "%",
    "${TfToken[TOKEN.0]}", "#{TfToken[TOKEN.0]}", "-1.8881545897087503e+289", "';id;'", "`id`",
)  # fmt: skip

TEXT: Final = st.lists(st.sampled_from(EVIL), min_size=1, max_size=5).map("".join)

ONCE: Final = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    # Each try starts Terraform: to look for the shortest failure would take minutes.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)

# Compose

STRUCTURE: Final[Mapping[tuple[str, str], str]] = {
    ("Service", "name"): "Compose lets it be letters, digits, dots, dashes and underscores",
    ("NetworkDefinition", "key"): "as a service's name",
    ("VolumeDefinition", "key"): "as a service's name",
    ("Attachment", "network"): "a network's key",
    ("NamedMount", "volume"): "a volume's key",
    ("Dependency", "service"): "a service's name",
    ("Service", "shares_network"): "a service's name",
    ("Service", "shares_ipc"): "a service's name",
    ("Service", "shares_pid"): "a service's name",
    ("Service", "volumes_from"): "a service's name",
    ("ContainerOptions", "cap_add"): "the engine's spelling of it is in capitals",
    ("ContainerOptions", "cap_drop"): "the engine's spelling of it is in capitals",
    ("ContainerOptions", "volumes_from"): "ids that the engine gives",
    **{
        ("Build", name): "it is written into a file, of which a digest is told"
        for name in (
            "context",
            "project_folder",
            "dockerfile",
            "dockerfile_inline",
            "args",
            "target",
            "platform",
            "contexts",
            "secrets",
            "options",
        )
    },
    ("Delivery", "variable"): "the name of what is written into a file",
    ("Delivery", "content"): "it is written into a file",
    ("Delivery", "origin"): "for messages",
    ("Delivery", "uid"): "a number",
    ("Delivery", "gid"): "a number",
    ("FolderMount", "origin"): "for messages",
    ("ComposeProject", "file"): "for messages",
    ("ComposeProject", "warnings"): "for messages",
    ("ComposeProject", "contents"): "they are written into files",
    ("ComposeProject", "document"): "it is put on record, and Terraform never has it",
    ("Service", "backup"): "it runs around a snapshot, and Terraform never has it",
    ("RegistrySettings", "repository"): "it is in names of images, which are told as arguments",
    ("RegistrySettings", "image"): "it is asked for where a service is built",
    ("Settings", "variables"): "what the Compose files make of them is tried above",
    ("ImageSettings", "id"): "it is in one of the two tries",
    ("ImageSettings", "owner"): "it is in the other try",
    ("ImageSettings", "name"): "it is in the other try",
    ("MachinesSettings", "workers"): "the names of machines are made of its keys",
    ("NetworkSettings", "subnet_id"): "it is where there is one machine",
    ("NetworkSettings", "subnets"): "they are where there are several",
    ("PoolImageSettings", "id"): "it takes the place of ImageSettings.id",
}
"""Fields with texts that cannot be anything, or that Terraform never sees; and why."""


class Filled:
    """Values of the models with a text in every field, each marked with its field's name."""

    def __init__(self, evil: str, folder: Path, fixed: Mapping[tuple[str, str], Any]) -> None:
        self.evil = evil
        self.folder = folder
        self.fixed = fixed
        self.marked: set[str] = set()
        self.numbers = count(1001)

    def text(self, field: str, *, front: str = "") -> str:
        """Return the text of a field, which is looked for later."""
        value = f"{front}<{field}>{self.evil}"
        self.marked.add(value)
        return value

    def instance(self, kind: type[Any], **given: Any) -> Any:  # noqa: ANN401
        """Return an instance of a model; some fields of it as given."""
        if issubclass(kind, BaseModel):
            hints = {n: f.rebuild_annotation() for n, f in kind.model_fields.items()}
        else:
            hints = _hints(kind)
        for name, hint in hints.items():
            place = kind.__name__, name
            assert place not in self.fixed or place in STRUCTURE or not _has_text(hint), place
        values = {
            name: given[name]
            if name in given
            else self.fixed[kind.__name__, name]
            if (kind.__name__, name) in self.fixed
            else self._value(hint, f"{kind.__name__}.{name}")
            for name, hint in hints.items()
        }
        return kind.model_construct(**values) if issubclass(kind, BaseModel) else kind(**values)

    def _value(self, hint: Any, field: str) -> Any:  # noqa: ANN401, C901, PLR0911
        origin, arguments = get_origin(hint), get_args(hint)
        if origin is Annotated:
            return self._value(arguments[0], field)
        if origin in (typing.Union, types.UnionType):
            return self._value(next(a for a in arguments if a is not type(None)), field)
        if origin is Literal:
            return arguments[0]
        if origin is tuple:
            items = arguments[:1] if arguments[-1] is ... else arguments
            return tuple(self._value(item, f"{field}.{n}") for n, item in enumerate(items))
        if origin in (Mapping, dict):
            key, item = arguments
            return {self._value(key, f"{field} (key)"): self._value(item, field)}
        if hint is str:
            fronts = {"path": "/", "place": "folders/"}
            return self.text(field, front=fronts.get(field.rpartition(".")[2], ""))
        if hint is bool:
            return False
        if hint is int:
            return next(self.numbers)
        if hint is IPv4Network:
            return IPv4Network("203.0.113.0/24")
        if hint is Path:
            return self.folder
        if is_dataclass(hint) or issubclass(hint, BaseModel):
            return self.instance(hint)
        raise AssertionError(f"{field}: {hint}")


def _has_text(hint: Any) -> bool:  # noqa: ANN401
    return hint is str or (get_origin(hint) is not Literal and any(map(_has_text, get_args(hint))))


def _hints(kind: type[Any]) -> dict[str, Any]:
    space = {
        **vars(compose_model), **vars(container_options),
        **vars(port_range),
        "Mapping": Mapping, "Sequence": Sequence,
    }  # fmt: skip
    known = typing.get_type_hints(kind, globalns=space, include_extras=True)
    return {field.name: known[field.name] for field in fields(kind)}


def compose(evil: str, folder: Path) -> tuple[set[str], Json]:
    """Synthesize services with that text in every field."""
    context, source = folder / "context", folder / "source"
    fixed = {
        ("Service", "name"): "pulled",
        ("NetworkDefinition", "key"): "net",
        ("VolumeDefinition", "key"): "vol",
        ("Attachment", "network"): "net",
        ("NamedMount", "volume"): "vol",
        ("Dependency", "service"): "built",
        ("Port", "protocol"): "tcp",
        ("Port", "published"): (80, 80),
        ("Service", "replicas"): 1,
        ("Service", "pull"): "missing",
        ("Service", "build"): None,
        ("Service", "deploy"): None,
        **{("Service", f"shares_{name}"): None for name in ("network", "ipc", "pid")},
        ("Service", "volumes_from"): (("built", True),),
        ("ContainerOptions", "cap_add"): (),
        ("ContainerOptions", "cap_drop"): (),
        ("ContainerOptions", "volumes_from"): (),
        ("Build", "context"): str(context),
        ("Build", "project_folder"): str(folder),
        ("Build", "contexts"): {},
        ("Build", "secrets"): {},
        ("Build", "options"): {},
        ("Build", "dockerfile"): "Dockerfile",
        ("Build", "dockerfile_inline"): None,
        ("Build", "target"): None,
        ("Build", "platform"): None,
        ("Build", "args"): {"A": evil, "B": evil},
        ("Delivery", "source"): source,
        ("Delivery", "variable"): None,
        ("Delivery", "content"): None,
        ("Delivery", "origin"): "",
        ("Delivery", "uid"): "7",
        ("Delivery", "gid"): "8",
        ("FolderMount", "origin"): "",
        ("Delivery", "is_secret"): False,
        ("ComposeProject", "file"): "compose.yaml",
        ("ComposeProject", "warnings"): (),
        ("ComposeProject", "contents"): {},
        ("ComposeProject", "folders"): MachineFolders(),
        ("ComposeProject", "document"): {},
        ("Service", "backup"): None,
    }
    filled = Filled(evil, folder, fixed)
    build = filled.instance(compose_model.Build)
    (context / build.dockerfile).parent.mkdir(parents=True, exist_ok=True)
    (context / build.dockerfile).write_text("FROM scratch\n", encoding="utf-8")
    source.write_text("content\n", encoding="utf-8")
    built = filled.instance(
        Service, name="built", image=None, build=build, depends_on=(), volumes_from=()
    )
    # The other one is shared with: its own modes would take the place of these.
    pulled, networks, volumes = (
        filled.instance(kind)
        for kind in (Service, compose_model.NetworkDefinition, compose_model.VolumeDefinition)
    )
    outside = [
        filled.instance(kind, external=True, key="outside")
        for kind in (compose_model.NetworkDefinition, compose_model.VolumeDefinition)
    ]
    project = filled.instance(
        ComposeProject,
        services={"built": built, "pulled": pulled},
        networks={"net": networks, "outside": outside[0]},
        volumes={"vol": volumes, "outside": outside[1]},
    )
    project = replace(project, folders=list_folders(project)[0])
    document = synth_of(
        lambda stack: ComposeServices(
            stack,
            "Compose",
            project=project,
            endpoint=DockerEndpoint(host="192.0.2.1", port=2376, certificates=folder),
            vault=Vault(folder / "vault"),
            value_of=str,
        )
    )
    return filled.marked, document["resource"]


def compose_in_swarm(evil: str, folder: Path) -> tuple[set[str], Json]:
    """Synthesize a service of a swarm with that text in each field that only a swarm knows."""
    filled = Filled(evil, folder, {("Deploy", "is_global"): False})
    deploy = filled.instance(compose_model.Deploy)
    service = Service(
        name="web",
        image=filled.text("Service.image"),
        hostname=filled.text("Service.hostname"),
        environment={filled.text("Service.environment (key)"): filled.text("Service.environment")},
        networks=(compose_model.Attachment(network="net", aliases=(filled.text("aliases"),)),),
        options=container_options.ContainerOptions(
            command=(filled.text("command"),), labels={"a": filled.text("labels")}
        ),
        deploy=deploy,
    )
    network = compose_model.NetworkDefinition(key="net", name=filled.text("networks.name"))
    project = ComposeProject(
        name=filled.text("name"),
        file="compose.yaml",
        services={"web": service},
        networks={"net": network},
        volumes={},
    )
    document = synth_of(
        lambda stack: SwarmServices(
            stack,
            "Compose",
            project=project,
            endpoint=DockerEndpoint(host="192.0.2.1", port=2376, certificates=folder),
            vault=Vault(folder / "vault"),
            value_of=str,
            identities=folder / "identities",
        )
    )
    return filled.marked, {kind: document[kind] for kind in ("resource", "data")}


def settings_filled(evil: str, folder: Path, *, own: bool, swarm: bool) -> tuple[set[str], Json]:
    """Synthesize both stacks with that text in every setting."""
    key = folder / "key"
    key.write_text("no key\n", encoding="utf-8")
    example_ = settings_of(SWARM if swarm else "production")
    fixed: dict[tuple[str, str], Any] = {
        ("Settings", "services"): example_.services,
        ("Settings", "variables"): example_.variables,
        ("Settings", "sandbox"): None,
        ("RegistrySettings", "repository"): None,
        ("RegistrySettings", "image"): "registry.example.com/registry:3",
        ("StateSettings", "s3"): None,
        ("AwsSettings", "updates"): example_.aws.updates,
        ("KeyPairSettings", "private_key_file"): key,
        # Either the keys of the one, or those of the other.
        ("ImageSettings", "architecture"): "x86_64",
    }
    if own:
        fixed[("ImageSettings", "owner")] = fixed[("ImageSettings", "name")] = "unused"
    else:
        fixed[("ImageSettings", "id")] = None
    fixed["Settings", "swarm"] = swarm
    fixed["MachinesSettings", "managers"] = 1
    fixed["MachinesSettings", "workers"] = {}
    fixed["PoolImageSettings", "id"] = None
    fixed["NetworkSettings", "subnet_id" if swarm else "subnets"] = None
    filled = Filled(evil, folder, fixed)
    if swarm:
        labels = {"tier": filled.text("PoolSettings.labels")}
        pool = filled.instance(PoolSettings, count=1, labels=labels)
        fixed["MachinesSettings", "workers"] = {"web": pool}
    made = filled.instance(Settings)
    environment = environment_of("production")
    stacks = add_stacks(
        new_app(),
        environment=environment,
        settings=made,
        # The settings name a key pair, so that none is made.
        identity=replace(fixed_identity(environment, made), public_key=None),
        services=load_services(environment, example_),
    )
    for stack in stacks:
        stack.prepare_stack()
    document, _ = map(synth, stacks)
    kept = ("resource", "data", "provider", "output")
    found: Json = {kind: document[kind] for kind in kept if kind in document}
    # The machine's keys, which are in nobody's folder here, are tried in the test of `literal`.
    return filled.marked, without(found, "connection")


def without(value: Any, name: str) -> Any:  # noqa: ANN401  (whatever JSON holds)
    """Return a value without what has that name, however deep it is."""
    if isinstance(value, dict):
        return {key: without(item, name) for key, item in value.items() if key != name}
    return [without(item, name) for item in value] if isinstance(value, list) else value


def missing(marked: set[str], document: Json, folder: Path) -> list[str]:
    folder.mkdir(exist_ok=True)
    found = "\0".join(texts(evaluate(folder, document)))
    return sorted(t for t in marked if unicodedata.normalize("NFC", t) not in found)


@settings(ONCE, max_examples=4)
@example(evil="".join(EVIL))
@given(evil=TEXT)
def test_every_text_of_a_compose_file_is_text_to_terraform(tmp_path: Path, evil: str) -> None:
    marked, document = compose(evil, tmp_path)
    assert missing(marked, document, tmp_path / "terraform") == []


@settings(ONCE, max_examples=2)
@example(evil="".join(EVIL))
@given(evil=TEXT)
def test_every_text_of_a_swarms_services_is_text_to_terraform(tmp_path: Path, evil: str) -> None:
    marked, document = compose_in_swarm(evil, tmp_path)
    assert missing(marked, document, tmp_path / "terraform") == []


@pytest.mark.parametrize(
    ("own", "swarm"),
    [(True, False), (False, False), (True, True)],
    ids=["own image", "image looked for", "several machines"],
)
@settings(ONCE, max_examples=2)
@example(evil="".join(EVIL))
@given(evil=TEXT)
def test_every_text_of_the_settings_is_text_to_terraform(
    tmp_path: Path, evil: str, *, own: bool, swarm: bool
) -> None:
    marked, document = settings_filled(evil, tmp_path, own=own, swarm=swarm)
    assert missing(marked, document, tmp_path / "terraform") == []
