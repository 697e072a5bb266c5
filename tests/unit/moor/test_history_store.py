"""Records of deployments, in a folder and in a bucket."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws
from test_status import make_session

from constructs_lib.settings.settings import StateSettings
from moor.failure import CommandError, WrongUseError
from moor.history import recording
from moor.history.record import FORMAT, Deployed, Record
from moor.history.store import KEPT, Bucket, Folder, Store, folder_of, forget, mark_of, told

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from moor.history.store import Place


def record(**other: Any) -> Record:  # noqa: ANN401  (any field)
    """Return a record; its number is given by the store."""
    given: dict[str, Any] = {
        "number": 1,
        "when": "2026-03-01T10:00:00+00:00",
        "by": "ada@desk",
        "machine": {"aws.instance_type": "t3.small"},
        "services": {"web": Deployed(image="web:1", id="sha256:1", configuration="1")},
        "document": {"services": {"web": {"image": "web:1"}}},
        "key": "0123",
    }
    return Record(**{**given, **other})


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "folder":
        yield Folder(tmp_path / "history")
        return
    with mock_aws():
        client = boto3.client(
            "s3",
            region_name="eu-central-1",
            aws_access_key_id="a",
            aws_secret_access_key="b",
        )
        where = {"LocationConstraint": "eu-central-1"}
        client.create_bucket(Bucket="states", CreateBucketConfiguration=where)
        client.put_object(Bucket="states", Key="moor/docker.tfstate", Body=b"{}")
        yield Bucket(client, "states", "moor/history")


def test_records_count_up_and_are_read_as_they_were_written(place: Place) -> None:
    store = Store(place, "production")
    assert store.last() is None
    assert [store.add(record(by=f"{n}@desk")).number for n in "ab"] == [1, 2]
    assert [one.by for one in store.all()] == ["a@desk", "b@desk"]
    assert store.last() == record(number=2, by="b@desk")


def test_the_one_before_the_last_is_meant_where_no_number_is(place: Place) -> None:
    store = Store(place, "production")
    for _ in range(3):
        store.add(record())
    assert store.chosen(None).number == 2
    assert store.chosen(1).number == 1


def test_a_number_that_is_not_there_is_told_with_those_that_are(place: Place) -> None:
    store = Store(place, "production")
    for _ in range(3):
        store.add(record())
    with pytest.raises(WrongUseError) as caught:
        store.chosen(9)
    assert str(caught.value) == (
        "rollback: must be the number of a deployment of production, got 9; there are 1 to 3"
    )


@pytest.mark.parametrize(("count", "got"), [(0, "none at all"), (1, "one deployment alone")])
def test_there_is_nothing_to_go_back_to(place: Place, count: int, got: str) -> None:
    store = Store(place, "production")
    for _ in range(count):
        store.add(record())
    with pytest.raises(WrongUseError) as caught:
        store.chosen(None)
    assert str(caught.value) == (
        "rollback: environment production: must have a deployment before the last one, "
        f"got {got} on record; there is nothing to go back to yet"
    )


def test_a_bounded_number_of_records_is_kept(place: Place) -> None:
    store = Store(place, "production")
    for _ in range(KEPT + 2):
        store.add(record())
    assert store.place.numbers() == list(range(3, KEPT + 3))


def test_two_who_write_at_once_get_a_number_each(place: Place) -> None:
    store = Store(place, "production")

    class Slow:
        """Another one writes between the look at the numbers and the write."""

        def numbers(self) -> list[int]:
            found = place.numbers()
            if len(found) < 2:
                place.put(len(found) + 1, record(number=len(found) + 1).model_dump_json().encode())
            return found

        def __getattr__(self, name: str) -> Any:  # noqa: ANN401  (the place's own)
            return getattr(place, name)

    assert Store(Slow(), "production").add(record(by="me@desk")).number == 3
    assert [one.by for one in store.all()] == ["ada@desk", "ada@desk", "me@desk"]


def test_a_folder_and_its_records_are_private(tmp_path: Path) -> None:
    Store(Folder(tmp_path / "history"), "production").add(record())
    file = tmp_path / "history" / "000001.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_what_is_no_record_is_told_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "000001.json"
    file.write_text('{"format": 99}')
    with pytest.raises(CommandError) as caught:
        Store(Folder(tmp_path), "production").all()
    assert str(caught.value) == (
        f"{file}: must be the record of a deployment, got: format: Input should be {FORMAT}; it "
        "may be of another version of Moor: remove it, or use that version"
    )


def test_a_bucket_that_refuses_is_told_in_our_words() -> None:
    with mock_aws():
        client = boto3.client(
            "s3", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b"
        )
        with pytest.raises(CommandError) as caught:
            Store(Bucket(client, "gone", "moor/history"), "production").last()
    assert str(caught.value).startswith(
        "state.s3.bucket gone: must let Moor list the records under moor/history/, got: "
    )
    assert str(caught.value).endswith("; `moor permissions` lists what the key has to be allowed")


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ([], "there are none yet: each `moor up` that succeeds makes one"),
        ([4], "there is 4"),
        ([1, 2], "there are 1 to 2"),
        ([1, 3], "there are 1, 3"),
    ],
)
def test_it_says_which_records_there_are(numbers: list[int], text: str) -> None:
    assert told(numbers) == text


def test_who_and_when_makes_no_other_deployment() -> None:
    assert record().does_the_same(record(number=2, by="bob@desk", when="2027", commit="c"))
    assert not record().does_the_same(record(key="4567"))


def test_what_was_destroyed_is_on_no_record(tmp_path: Path) -> None:
    session = make_session(tmp_path)
    store = Store.of(session)
    store.add(record())
    recording.mark(session.environment)
    assert recording.is_due(session)
    forget(session)
    assert not folder_of(session.environment).exists()
    assert not mark_of(session.environment).exists()


def test_the_first_deployment_is_due_and_one_without_changes_is_not(tmp_path: Path) -> None:
    session = make_session(tmp_path)
    assert recording.is_due(session)
    Store.of(session).add(record())
    assert not recording.is_due(session)
    recording.mark(session.environment)
    assert recording.is_due(session)


def test_records_of_a_state_in_s3_are_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    session = make_session(tmp_path)
    s3 = {"bucket": "states", "region": "eu-west-1", "prefix": "team/shop"}
    state = StateSettings.model_validate({"s3": s3})
    session.__dict__["settings"] = session.settings.model_copy(update={"state": state})
    with mock_aws():
        client = boto3.client("s3", region_name="eu-west-1")
        where = {"LocationConstraint": "eu-west-1"}
        client.create_bucket(Bucket="states", CreateBucketConfiguration=where)
        Store.of(session).add(record())
        (found,) = client.list_objects_v2(Bucket="states")["Contents"]
        assert found["Key"] == "team/shop/history/000001.json"
        head = client.head_object(Bucket="states", Key=found["Key"])
        assert head["ServerSideEncryption"] == "AES256"
        forget(session)
        assert "Contents" not in client.list_objects_v2(Bucket="states")
