"""Data volumes: found by their tags, taken over, refused where they do not fit, and given up."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from moto import mock_aws
from settings_files import document

from constructs_lib.settings.environment import Environment
from constructs_lib.settings.settings import Settings
from moor import data_loss, data_settling, data_volumes, recovery
from moor.aws_client import ec2
from moor.data_volumes import Volume
from moor.failure import CommandError, WrongUseError
from moor.outputs import outputs_file
from moor.session import Session
from moor.toolchain.stack import CONFIGURATION, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from moor.deployment import Deployment

ADDRESS = "aws_ebs_volume.Data_1"
ZONE = "eu-central-1a"


@dataclass
class Trial:
    """The part of a deployment that is used, and what was done with it.

    Attributes:
        session: The command.
        stacks: The first stack.
        state: What its state knows.
        done: What was done, in order.
    """

    session: Session
    stacks: list[Stack]
    state: dict[str, Any] = field(default_factory=dict)
    done: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def terraform(self) -> SimpleNamespace:
        """Terraform."""
        return SimpleNamespace(
            state=lambda _: self.state,
            forget=lambda _, address: self.done.append(("forget", address)),
            take_over=lambda _, address, volume: self.done.append(("take over", address, volume)),
        )

    @property
    def screen(self) -> SimpleNamespace:
        """The screen."""
        return SimpleNamespace(say=lambda line: self.done.append(("say", line)))

    def settle(self, *, change: bool = True) -> list[tuple[str, ...]]:
        """Settle, and return what was done."""
        self.done = []
        data_settling.settle(cast("Deployment", self), change=change)
        return self.done

    @property
    def client(self) -> Any:  # noqa: ANN401  (boto3 has no types)
        """A client of EC2."""
        return ec2(self.session.settings, self.session.environment.sandbox_credentials)

    def make(self, node: str = "manager-1", size: int = 20, **tags: str) -> str:
        """Make a data volume. Returns its id."""
        every = {
            "project": "moor",
            "environment": "production",
            "managed-by": "moor",
            "data-volume": node,
            **tags,
        }
        made: str = self.client.create_volume(
            AvailabilityZone=ZONE,
            Size=size,
            VolumeType="gp3",
            TagSpecifications=[
                {
                    "ResourceType": "volume",
                    "Tags": [{"Key": key, "Value": value} for key, value in every.items()],
                }
            ],
        )["VolumeId"]
        return made

    def know(self, kind: str, name: str, **attributes: object) -> None:
        """Have the state know a resource."""
        self.state.setdefault("resources", []).append(
            {
                "mode": "managed",
                "type": kind,
                "name": name,
                "instances": [{"attributes": attributes}],
            }
        )

    def run(self) -> str:
        """Run a machine. Returns its id."""
        made: str = self.client.run_instances(
            ImageId="ami-12c6146b",
            MinCount=1,
            MaxCount=1,
            Placement={"AvailabilityZone": ZONE},
        )["Instances"][0]["InstanceId"]
        return made


@pytest.fixture(autouse=True)
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield


def trial_of(folder: Path, **aws: object) -> Trial:
    session = Session(environment=Environment.from_variable(folder, {"ENVIRONMENT": "production"}))
    session.__dict__["settings"] = Settings.model_validate(document(**aws))
    volumes = {"Data_1": {"tags": {"data-volume": "manager-1"}}} if "data_volume" in aws else {}
    text = json.dumps({"resource": {"aws_ebs_volume": volumes}})
    (folder / CONFIGURATION).write_text(text, encoding="utf-8")
    return Trial(session, [Stack(name="aws", folder=folder)])


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return trial_of(tmp_path, data_volume={"size_gib": 20})


def refusal(trial: Trial) -> str:
    with pytest.raises(CommandError) as caught:
        trial.settle()
    return str(caught.value)


def told(trial: Trial) -> str:
    return data_volumes.exist(trial.session)[0].told


# Before a deployment


def test_where_there_is_none_terraform_makes_one(trial: Trial) -> None:
    assert trial.settle() == []


def test_one_that_was_kept_is_taken_over_and_a_plan_only_tells_it(trial: Trial) -> None:
    volume = trial.make()
    say = ("say", f"{told(trial)}: kept from before; its data is here again")
    assert trial.settle(change=False) == [say]
    assert not recovery.is_marked(trial.session.environment, "docker")
    assert trial.settle() == [say, ("take over", ADDRESS, volume)]
    assert recovery.is_marked(trial.session.environment, "docker"), (
        "what Docker has on the volume is looked for once its machine is there"
    )


@pytest.mark.parametrize(
    "tags", [{"environment": "staging"}, {"project": "other"}, {"managed-by": "hand"}]
)
def test_one_of_somebody_else_is_none(trial: Trial, tags: dict[str, str]) -> None:
    trial.make("manager-1", 20, **tags)
    assert trial.settle() == []


def test_one_that_the_state_knows_is_left_alone(trial: Trial) -> None:
    volume = trial.make()
    trial.know("aws_ebs_volume", "Data_1", id=volume, size=20, tags={"data-volume": "manager-1"})
    assert trial.settle() == []


def test_two_of_one_machine_are_refused(trial: Trial) -> None:
    volumes = sorted((trial.make(), trial.make()))
    assert refusal(trial) == (
        f"{trial.session.environment.settings_file}: aws.data_volume: must be one volume of "
        f"manager-1, got {', '.join(volumes)}; take the tag data-volume away from those that are "
        "not it"
    )


def test_a_volume_never_shrinks(trial: Trial) -> None:
    volume = trial.make(size=30)
    assert refusal(trial) == (
        f"{trial.session.environment.settings_file}: aws.data_volume.size_gib: must be at least "
        f"30, the size of {volume}, got 20; a volume never shrinks"
    )


def test_one_that_is_attached_elsewhere_is_refused(trial: Trial) -> None:
    volume, machine = trial.make(), trial.run()
    trial.client.attach_volume(VolumeId=volume, InstanceId=machine, Device="/dev/sdf")
    assert refusal(trial) == (
        f"{told(trial)}: must be attached to a machine of this environment or to none, got "
        f"{machine}; detach it there"
    )
    trial.know("aws_instance", "Machine", id=machine)
    assert trial.settle()[-1] == ("take over", ADDRESS, volume)


def test_a_machine_that_was_parted_from_its_volume_runs_with_it_again(trial: Trial) -> None:
    volume, machine = trial.make(), trial.run()
    known = told(trial)
    trial.know("aws_ebs_volume", "Data_1", id=volume, size=20, tags={"data-volume": "manager-1"})
    trial.know("aws_instance", "Machine", id=machine, tags={"Name": "moor-production"})
    trial.client.stop_instances(InstanceIds=[machine])
    assert trial.settle(change=False) == []
    assert trial.settle() == [
        ("say", f"{known}: was detached; attached to {machine} again"),
        ("say", f"machine {machine}: was stopped; started"),
    ]
    (found,) = data_volumes.exist(trial.session)
    assert found.machine == machine
    assert trial.settle() == []


@pytest.mark.parametrize("name", ["moor-production-web-1", "moor-staging"])
def test_a_volume_is_attached_to_no_other_machine(trial: Trial, name: str) -> None:
    trial.make()
    trial.know("aws_instance", "Machine", id=trial.run(), tags={"Name": name})
    data_settling.heal(cast("Deployment", trial))
    assert trial.done == []


def had_one(trial: Trial, node: str) -> Volume:
    """Have the last deployment have had a volume, which nobody asks for any more."""
    volume = Volume(id="vol-1", node=node, size_gib=20, zone=ZONE)
    trial.know(
        "aws_ebs_volume",
        "Data_1",
        id="vol-1",
        size=20,
        availability_zone=ZONE,
        tags={"data-volume": node},
    )
    file = outputs_file(trial.session.environment)
    file.parent.mkdir(parents=True)
    file.write_text('{"aws": {"data_volumes": {}}}', encoding="utf-8")
    return volume


def test_no_setting_takes_it_away_from_a_machine_that_stays(tmp_path: Path) -> None:
    trial = trial_of(tmp_path)
    volume = had_one(trial, "manager-1")
    assert refusal(trial) == (
        f"{trial.session.environment.settings_file}: aws.data_volume: must not be taken away while "
        f"the machine manager-1 runs with the {volume.told}; put it back, or run `ENVIRONMENT="
        "production make down`, which keeps the volume, and `ENVIRONMENT=production "
        ".venv/bin/moor data give-up` loses it"
    )


def test_that_of_a_machine_that_goes_is_kept(tmp_path: Path) -> None:
    trial = trial_of(tmp_path)
    volume = had_one(trial, "web-2")
    assert trial.settle() == [
        ("forget", ADDRESS),
        (
            "say",
            (
                f"{volume.told}: kept, though its machine goes; `ENVIRONMENT=production "
                ".venv/bin/moor data give-up` loses it"
            ),
        ),
    ]


def test_who_never_had_one_is_not_asked(tmp_path: Path) -> None:
    trial = trial_of(tmp_path)
    trial.know("aws_ebs_volume", "Data_1", id="vol-1", tags={"data-volume": "manager-1"})
    assert trial.settle() == []


# What a destruction leaves


def test_a_destruction_leaves_the_volumes_and_those_of_docker() -> None:
    kinds = ("aws_ebs_volume", "aws_instance", "docker_container", "docker_volume")
    resources = [{"mode": "managed", "type": kind, "name": "A"} for kind in kinds]
    resources.append({"mode": "data", "type": "aws_subnet", "name": "A"})
    assert data_volumes.all_but({"resources": resources}) == [
        "aws_instance.A",
        "docker_container.A",
    ]


def test_what_was_kept_is_told_with_the_way_to_lose_it(trial: Trial) -> None:
    trial.make()
    volumes = data_volumes.exist(trial.session)
    assert data_volumes.tell_kept(trial.session, volumes) == [
        (
            f"{volumes[0].told}: kept; the next `ENVIRONMENT=production make up` has it again, and "
            "`ENVIRONMENT=production .venv/bin/moor data give-up` loses it"
        )
    ]


# Its end


def there(trial: Trial) -> list[str]:
    return [volume.id for volume in data_volumes.exist(trial.session)]


def test_it_is_lost_by_who_types_the_name(trial: Trial) -> None:
    volume = trial.make()
    lost = data_loss.give_up(trial.session, [], answer="production")
    assert [one.id for one in lost] == [volume]
    assert there(trial) == []


@pytest.mark.parametrize("answer", ["", "yes", "Production", "staging"])
def test_another_name_deletes_nothing(trial: Trial, answer: str) -> None:
    volume = trial.make()
    with pytest.raises(CommandError) as caught:
        data_loss.give_up(trial.session, [], answer=answer)
    assert str(caught.value) == (
        f"data give-up: must be told the environment's name, production, got {answer!r}; nothing "
        "was deleted"
    )
    assert there(trial) == [volume]


def test_only_that_of_one_machine(trial: Trial) -> None:
    kept, gone = trial.make("web-1"), trial.make("web-2")
    assert [v.id for v in data_loss.give_up(trial.session, ["web-2"], answer="production")] == [
        gone
    ]
    assert there(trial) == [kept]


def test_a_machine_that_nobody_knows(trial: Trial) -> None:
    trial.make("web-1")
    with pytest.raises(WrongUseError, match=r"did you mean web-1\?"):
        data_loss.give_up(trial.session, ["wbe-1"], answer="production")


def test_where_there_is_none_to_lose(trial: Trial) -> None:
    with pytest.raises(CommandError) as caught:
        data_loss.give_up(trial.session, [], answer="production")
    assert str(caught.value) == (
        "environment production: must have a data volume to give up, got none"
    )


def test_one_that_a_machine_has_is_not_lost(trial: Trial) -> None:
    volume, machine = trial.make(), trial.run()
    trial.client.attach_volume(VolumeId=volume, InstanceId=machine, Device="/dev/sdf")
    with pytest.raises(CommandError) as caught:
        data_loss.give_up(trial.session, [], answer="production")
    assert str(caught.value) == (
        f"{told(trial)}: must be attached to no machine, got {machine}; `ENVIRONMENT=production "
        "make down` ends the machines, and keeps the data volumes"
    )
    assert there(trial) == [volume]
