"""What a rollback refuses, each with what differs, and what it deploys."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from docker.errors import NotFound
from settings_files import document

from constructs_lib.compose.delivery import Vault
from constructs_lib.compose.origins import origins
from constructs_lib.settings.environment import Environment
from constructs_lib.settings.services import FORMER, variables_of
from moor import machine_engine
from moor.failure import CommandError
from moor.history import delivered, rollback, shape
from moor.history.pins import Pins
from moor.history.record import Deployed, Record
from moor.history.recording import key_of
from moor.history.sealing import digests, seal
from moor.history.store import Folder, Store
from moor.plan import looks_secret
from moor.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

OTHER = "geheim2"
ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64
WEB = {
    "image": "registry.test/web:1",
    "environment": {"COLOUR": "${COLOUR}", "DB_PASSWORD": "geheim1", "FROM": "${SHELL_WORD:-x}"},
    "volumes": ["data:/data", "./page.html:/page.html:ro"],
    "ports": ["80:80"],
}


@dataclass
class FakeEngine:
    """The part of the docker SDK that is used: what is on the machine, and in the registry."""

    images_there: dict[str, str] = field(default_factory=dict)
    registry: dict[str, str] = field(default_factory=dict)
    runs: str = TWO
    configuration: str = ""

    @property
    def api(self) -> SimpleNamespace:
        """The engine's API."""
        return SimpleNamespace(containers=self._containers, inspect_image=self._inspect_image)

    @property
    def images(self) -> SimpleNamespace:
        """The images in registries."""
        return SimpleNamespace(get_registry_data=self._registry_data)

    def close(self) -> None:
        """Close."""

    def _containers(self, **_: Any) -> list[dict[str, Any]]:  # noqa: ANN401  (the SDK's)
        labels = {
            "com.docker.compose.service": "web",
            "com.docker.compose.config-hash": self.configuration,
        }
        return [{"Labels": labels, "ImageID": self.runs}]

    def _inspect_image(self, name: str) -> dict[str, Any]:
        found = self.images_there.get(name, name if name == self.runs else "")
        if not found:
            raise NotFound(name)
        return {"Id": found, "RepoDigests": [f"registry.test/web@{found}"], "RepoTags": []}

    def _registry_data(self, name: str) -> SimpleNamespace:
        if name not in self.registry:
            raise NotFound(name)
        return SimpleNamespace(attrs={"Descriptor": {"digest": self.registry[name]}})


@dataclass
class Trial:
    """An environment whose services change, and its machine."""

    root: Path
    engine: FakeEngine = field(default_factory=FakeEngine)
    web: dict[str, Any] = field(default_factory=lambda: json.loads(json.dumps(WEB)))
    volumes: dict[str, Any] = field(default_factory=lambda: {"data": {}})
    aws: dict[str, Any] = field(default_factory=dict)
    colour: str = "red"

    def session(self) -> Session:
        """Write the files as they are now, and begin a command."""
        folder = self.root / "environments"
        folder.mkdir(exist_ok=True)
        services = {"services": {"web": self.web}, "volumes": self.volumes}
        (folder / "compose.yaml").write_text(yaml.safe_dump(services))
        settings = {
            "project": "shop",
            "services": "compose.yaml",
            "variables": {"COLOUR": self.colour},
            **document(**self.aws),
        }
        (folder / "production.yaml").write_text(yaml.safe_dump(settings))
        environment = Environment.from_variable(self.root, {"ENVIRONMENT": "production"})
        return Session(environment=environment)

    def page(self, text: str) -> None:
        """Write the page that the service gets."""
        (self.root / "environments").mkdir(exist_ok=True)
        (self.root / "environments" / "page.html").write_text(text)

    def record(self) -> Record:
        """Return the record of what the files say now, with the first image."""
        session = self.session()
        settings, project = session.settings, session.services
        variables = variables_of(session.environment, settings)
        plain = [name for name, value in variables.items() if not looks_secret(name, value)]
        found = origins(settings.services, name="shop", variables=variables, plain=plain)
        sealed = seal(project.document, found)
        vault = Vault(session.environment.secrets)
        return Record(
            number=3,
            when="2026-03-01T10:00:00+00:00",
            by="ada@desk",
            commit="0123456789abcdef",
            machine=shape.of(settings),
            services={
                "web": Deployed(
                    image="registry.test/web:1",
                    id=ONE,
                    digest=f"registry.test/web@{ONE}",
                    configuration=project.services["web"].config_hash,
                )
            },
            document=dict(sealed.document),
            key=key_of(vault),
            variables=digests(sealed.variables, vault.digest),
            places=dict(sealed.places),
            sealed=digests(sealed.values, vault.digest),
            files=delivered.files(project, settings.services[0].parent, vault.digest),
        )


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trial:
    found = Trial(root=tmp_path, engine=FakeEngine(images_there={ONE: ONE}))
    monkeypatch.setattr(machine_engine, "connect", lambda _session: found.engine)
    monkeypatch.setenv("SHELL_WORD", "from the shell")
    found.page("one")
    return found


@contextmanager
def gone_back(trial: Trial, record: Record) -> Iterator[Session]:
    with rollback.former(trial.session(), record) as former:
        yield former


def refusal(trial: Trial, record: Record) -> list[str]:
    """Return what a refused rollback says, line by line without its first one."""
    with pytest.raises(CommandError) as caught, gone_back(trial, record):
        pass
    head, *lines = str(caught.value).splitlines()
    assert head == "rollback to 3: must find what was deployed then, got what differs:"
    left = Environment.from_variable(trial.root, {"ENVIRONMENT": "production"}).secrets
    assert not (left / "former").exists()
    return [line.strip() for line in lines]


def test_a_record_has_no_secret_in_it(trial: Trial) -> None:
    text = trial.record().model_dump_json()
    assert "geheim1" not in text
    assert "from the shell" not in text
    assert '"COLOUR":"red"' in text


def test_the_services_are_what_they_were(trial: Trial) -> None:
    record = trial.record()
    before = trial.session().services.services["web"]
    trial.colour = "blue"
    trial.web["image"] = "registry.test/web:2"
    trial.web["command"] = ["something", "new"]
    with gone_back(trial, record) as former:
        web = former.services.services["web"]
        file = former.former[FORMER]
        assert "geheim1" not in Path(file).read_text()
    assert dict(web.environment) == {
        "COLOUR": "red",
        "DB_PASSWORD": "geheim1",
        "FROM": "from the shell",
    }
    assert (web.image, web.pull) == (ONE, "never")
    assert (web.mounts, web.deliveries, web.ports) == (
        before.mounts,
        before.deliveries,
        before.ports,
    )
    assert "command" not in str(web.options.command or "")


def test_what_synthesis_gets_is_in_the_variables_of_the_session(trial: Trial) -> None:
    record = trial.record()
    with gone_back(trial, record) as former:
        assert former.former["MOOR_SEALED_1"] == "geheim1"
        assert "geheim1" not in repr(former)


def test_an_image_that_still_runs_keeps_its_name(trial: Trial) -> None:
    record = trial.record()
    trial.engine.runs = ONE
    trial.engine.registry = {"registry.test/web:1": ONE}
    with gone_back(trial, record) as former:
        web = former.services.services["web"]
    assert (web.image, web.pull) == ("registry.test/web:1", "digest")
    assert web.config_hash == record.services["web"].configuration


def test_a_tag_that_stands_for_something_else_now_is_not_used(trial: Trial) -> None:
    record = trial.record()
    trial.engine.runs = ONE
    trial.engine.registry = {"registry.test/web:1": TWO}
    with gone_back(trial, record) as former:
        assert former.services.services["web"].image == ONE


def test_an_image_that_is_gone_from_the_machine_is_pulled_by_its_digest(trial: Trial) -> None:
    record = trial.record()
    trial.engine.images_there = {}
    trial.engine.registry = {f"registry.test/web@{ONE}": ONE}
    with gone_back(trial, record) as former:
        web = former.services.services["web"]
    assert (web.image, web.pull) == (f"registry.test/web@{ONE}", "missing")


def test_an_image_that_nobody_has_is_refused(trial: Trial) -> None:
    record = trial.record()
    trial.engine.images_there = {}
    assert refusal(trial, record) == [
        (
            "services.web.image: must be registry.test/web:1 111111111111, as it was, got none: it "
            "is gone from its registry; check out what it was made of, and run `moor up`"
        )
    ]


def test_a_swarm_gets_each_image_by_its_digest(trial: Trial) -> None:
    record = trial.record()
    services = {
        "web": Deployed(image="web:1", id=f"registry.test/web:1@{ONE}", digest=f"r.test/web@{ONE}")
    }
    record = record.model_copy(update={"services": services})
    trial.engine.registry = {f"r.test/web@{ONE}": ONE}
    pins = Pins(
        client=trial.engine,  # type: ignore[arg-type]  # what is used of one
        present=trial.session().services,
        running={},
        private=[],
        is_swarm=True,
    )
    web = pins.document(record)["services"]["web"]
    assert (web["image"], "pull_policy" in web) == (f"r.test/web@{ONE}", False)
    assert pins.problems == []


def test_without_a_number_it_is_the_one_before_unless_something_else_runs(trial: Trial) -> None:
    store = Store(Folder(trial.root / "history"), "production")
    record = trial.record()
    for _ in range(2):
        store.add(record)
    session = trial.session()
    hashed = record.services["web"].configuration
    trial.engine.runs, trial.engine.configuration = ONE, hashed
    assert rollback.chosen(session, store, None).number == 1
    trial.engine.configuration = "another"
    assert rollback.chosen(session, store, None).number == 2
    trial.engine.runs, trial.engine.configuration = TWO, hashed
    assert rollback.chosen(session, store, None).number == 2
    assert rollback.chosen(session, store, 1).number == 1


def test_a_machine_of_another_shape_is_refused(trial: Trial) -> None:
    record = trial.record()
    trial.aws = {"instance_type": "t3.large"}
    assert refusal(trial, record) == [
        (
            'aws.instance_type: must be "t3.small", as it was, got "t3.large"; a rollback changes '
            "services, and no machine: set it back, and run `moor up`"
        )
    ]


def test_volumes_of_another_shape_are_refused(trial: Trial) -> None:
    record = trial.record()
    trial.volumes = {"data": {"name": "other"}, "new": {}}
    assert refusal(trial, record) == [
        (
            'volumes.data.name: must be "shop_data", as it was, got "other": it would be another '
            "volume, without the data"
        ),
        (
            "volumes.new: must not be there, as it was not, got one with data that would be lost; "
            "back it up, and take it out of the Compose file by `moor up`"
        ),
    ]
    trial.web["volumes"] = []
    trial.volumes = {}
    assert refusal(trial, record) == [
        (
            "volumes.data: must be there, as it was, got nothing: its data went with it; add it to "
            "the Compose file, and run `moor up`"
        )
    ]


def test_a_secret_that_has_changed_is_refused_and_not_shown(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = trial.record()
    trial.web["environment"]["DB_PASSWORD"] = OTHER
    monkeypatch.setenv("SHELL_WORD", "another word")
    lines = refusal(trial, record)
    assert lines == [
        (
            "variable SHELL_WORD: must be what it was, got another value; it is in no file of the "
            "project, so no record keeps it: set it as it was"
        ),
        (
            "services.web.environment.DB_PASSWORD: must be what it was, got another one; it is "
            "secret, so no record keeps it: put it back into the file that it came from"
        ),
    ]
    assert "geheim" not in "\n".join(lines)


def test_a_file_that_has_changed_is_refused(trial: Trial) -> None:
    record = trial.record().model_copy(update={"commit": ""})
    trial.page("two")
    assert refusal(trial, record) == [
        (
            "page.html: must be what was deployed, got another content, and no record keeps it; "
            "put back what it was"
        )
    ]


def test_a_file_that_has_changed_is_had_back_from_its_commit(trial: Trial) -> None:
    trial.session()
    folder = trial.root / "environments"
    git(folder, "init", "-q")
    (folder / "page.html").chmod(0o755)
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "one")
    record = trial.record().model_copy(update={"commit": git(folder, "rev-parse", "HEAD")})
    trial.page("two")
    (folder / "page.html").chmod(0o644)
    with gone_back(trial, record) as former:
        (page,) = former.services.services["web"].deliveries
        assert page.source is not None
        assert (page.source.read_text(), page.mode) == ("one", "0755")
        assert page.path == "/page.html"
    assert not page.source.exists()
    (folder / "page.html").unlink()
    trial.web["volumes"] = ["data:/data"]
    with gone_back(trial, record) as former:
        (page,) = former.services.services["web"].deliveries
        assert page.source is not None
        assert page.source.read_text() == "one"


def test_a_commit_without_what_was_deployed_is_told(trial: Trial) -> None:
    trial.session()
    folder = trial.root / "environments"
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "one")
    commit = git(folder, "rev-parse", "HEAD")
    trial.page("changed, and in no commit")
    record = trial.record().model_copy(update={"commit": commit})
    trial.page("two")
    assert refusal(trial, record) == [
        (
            "page.html: must be what was deployed, got another content, and no record keeps it; "
            f"see `git log -- page.html` around {commit[:12]}, which has another one, too"
        )
    ]


def git(folder: Path, *words: str) -> str:
    options = ("-c", "user.name=ada", "-c", "user.email=ada@example.com")
    done = subprocess.run(
        ["git", "-C", str(folder), *options, *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_a_record_of_another_computers_key_is_refused(trial: Trial) -> None:
    record = trial.record().model_copy(update={"key": "another"})
    (line,) = refusal(trial, record)
    assert line.startswith(
        "what is in no record: must have digests of this computer's key, got those of ada@desk; "
        "go back there, or take "
    )


def test_everything_that_differs_is_told_at_once(trial: Trial) -> None:
    record = trial.record()
    trial.aws = {"instance_type": "t3.large"}
    trial.web["environment"]["DB_PASSWORD"] = OTHER
    trial.engine.images_there = {}
    assert [line.partition(":")[0] for line in refusal(trial, record)] == [
        "aws.instance_type",
        "services.web.environment.DB_PASSWORD",
        "services.web.image",
    ]
