"""The instance metadata service: a real server, asked from the addresses of several machines."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
import threading
import time
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.machines.machine_image import metadata_service
from sandbox.machines.machine_image.metadata_service import MetadataServer
from sandbox.machines.metadata import InstanceMetadata

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ONE, OTHER, STRANGER = "127.0.0.2", "127.0.0.3", "127.0.0.4"
TOKEN = "X-aws-ec2-metadata-token"  # noqa: S105  # a header's name
SECONDS = f"{TOKEN}-ttl-seconds"


def metadata(address: str, **changes: Any) -> InstanceMetadata:  # noqa: ANN401  # any field
    values: dict[str, Any] = {
        "instance": "i-1",
        "address": IPv4Address(address),
        "image": "ami-1",
        "instance_type": "t3.small",
        "zone": "eu-central-1a",
        "keys": (("trial", "ssh-ed25519 AAAA one\n"),),
        "user_data": b"#cloud-config\n\xff",
        "groups": ("trial", "other"),
        "tokens_required": True,
    }
    return InstanceMetadata(**values | changes)


class Service:
    """A running server, and its callers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = MetadataServer(("127.0.0.1", 0), folder)
        self.port = self.server.server_address[1]

    def add(self, record: InstanceMetadata) -> None:
        """Publish a machine."""
        (self.folder / f"{record.address}.json").write_bytes(record.document())

    def ask(
        self, caller: str, method: str, path: str, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Ask from an address. Returns status and body."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=5, source_address=(caller, 0)
        )
        with contextlib.closing(connection):
            connection.request(method, path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()

    def token(self, caller: str, seconds: str = "60") -> str:
        """Return a new token of a caller."""
        status, body = self.ask(caller, "PUT", "/latest/api/token", {SECONDS: seconds})
        assert status == 200
        return body.decode()

    def get(self, caller: str, path: str) -> str | int:
        """Return what is at a path, asked with a new token; the status where nothing is."""
        status, body = self.ask(caller, "GET", path, {TOKEN: self.token(caller)})
        return body.decode(errors="replace") if status == 200 else status


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path)
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/", "latest"),
        ("/2009-04-04/", "dynamic\nmeta-data\nuser-data"),
        (
            "/latest/meta-data/",
            (
                "ami-id\nhostname\ninstance-id\ninstance-type\nlocal-hostname\nlocal-ipv4\n"
                "placement/\nsecurity-groups\npublic-keys/"
            ),
        ),
        ("/latest/meta-data/instance-id", "i-1"),
        ("/latest/meta-data/local-ipv4", ONE),
        ("/latest/meta-data/hostname", "ip-127-0-0-2.eu-central-1.compute.internal"),
        ("/latest/meta-data/placement/region", "eu-central-1"),
        ("/latest/meta-data/security-groups", "trial\nother"),
        ("/latest/meta-data/public-keys/", "0=trial"),
        ("/latest/meta-data/public-keys/0/", "openssh-key"),
        ("/latest/meta-data/public-keys/0/openssh-key", "ssh-ed25519 AAAA one"),
        ("/latest/user-data", "#cloud-config\n\ufffd"),
        ("/latest/meta-data/public-ipv4", 404),
        ("/latest/meta-data/instance-id/more", 404),
        ("/nightly/meta-data/", 404),
    ],
)
def test_a_machine_is_told_about_itself(service: Service, path: str, content: str | int) -> None:
    service.add(metadata(ONE))
    assert service.get(ONE, path) == content


def test_what_changes_is_told_anew(service: Service) -> None:
    service.add(metadata(ONE))
    assert service.get(ONE, "/latest/meta-data/public-ipv4") == 404
    service.add(metadata(ONE, public=IPv4Address("127.18.0.3")))
    assert service.get(ONE, "/latest/meta-data/public-ipv4") == "127.18.0.3"


def test_without_keys_or_user_data_there_is_nothing_in_their_place(service: Service) -> None:
    service.add(metadata(ONE, keys=(), user_data=b""))
    assert service.get(ONE, "/latest/user-data") == 404
    assert service.get(ONE, "/latest/meta-data/public-keys/") == 404
    assert service.get(ONE, "/latest/") == "dynamic\nmeta-data"


def test_the_identity_document_names_the_instance(service: Service) -> None:
    service.add(metadata(ONE))
    document = service.get(ONE, "/latest/dynamic/instance-identity/document")
    assert isinstance(document, str)
    found = json.loads(document)
    assert (found["instanceId"], found["privateIp"]) == ("i-1", ONE)


def test_no_machine_reads_what_is_anothers(service: Service) -> None:
    service.add(metadata(ONE))
    service.add(metadata(OTHER, instance="i-2", user_data=b"other"))
    assert service.get(ONE, "/latest/meta-data/instance-id") == "i-1"
    assert service.get(OTHER, "/latest/user-data") == "other"
    # Not even with the other one's token.
    token = service.token(OTHER)
    assert service.ask(ONE, "GET", "/latest/user-data", {TOKEN: token})[0] == 401


def test_who_is_no_machine_is_told_nothing(service: Service) -> None:
    service.add(metadata(ONE))
    assert service.ask(STRANGER, "PUT", "/latest/api/token", {SECONDS: "60"})[0] == 404
    assert service.ask(STRANGER, "GET", "/latest/meta-data/")[0] == 404


def test_without_a_token_nothing_is_told_where_one_is_required(service: Service) -> None:
    service.add(metadata(ONE))
    assert service.ask(ONE, "GET", "/latest/meta-data/")[0] == 401
    assert service.ask(ONE, "GET", "/latest/meta-data/", {TOKEN: "made-up"})[0] == 401


def test_where_tokens_are_optional_none_is_as_good_but_no_wrong_one(service: Service) -> None:
    service.add(metadata(ONE, tokens_required=False))
    assert service.ask(ONE, "GET", "/latest/meta-data/instance-id") == (200, b"i-1")
    assert service.ask(ONE, "GET", "/latest/meta-data/instance-id", {TOKEN: "x"})[0] == 401


def test_a_token_expires(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.add(metadata(ONE))
    token = service.token(ONE, "60")
    now = time.monotonic()
    monkeypatch.setattr("time.monotonic", lambda: now + 61)
    assert service.ask(ONE, "GET", "/latest/meta-data/", {TOKEN: token})[0] == 401


@pytest.mark.parametrize("seconds", ["", "0", "21601", "x", "1.5", "-5"])
def test_a_token_needs_a_time_to_live(service: Service, seconds: str) -> None:
    service.add(metadata(ONE))
    headers = {SECONDS: seconds} if seconds else {}
    assert service.ask(ONE, "PUT", "/latest/api/token", headers)[0] == 400


def test_a_proxy_gets_no_token(service: Service) -> None:
    service.add(metadata(ONE))
    headers = {SECONDS: "60", "X-Forwarded-For": "192.0.2.1"}
    assert service.ask(ONE, "PUT", "/latest/api/token", headers)[0] == 403


@pytest.mark.parametrize("hops", [1, 2])
def test_the_answer_with_a_token_lives_for_as_many_hops_as_it_may(
    service: Service, monkeypatch: pytest.MonkeyPatch, hops: int
) -> None:
    service.add(metadata(ONE, hop_limit=hops))
    limits: list[int] = []
    answer = metadata_service._Handler._answer

    def spy(handler: Any, *args: Any) -> None:  # noqa: ANN401  # a handler's own arguments
        limits.append(handler.connection.getsockopt(socket.IPPROTO_IP, socket.IP_TTL))
        answer(handler, *args)

    monkeypatch.setattr(metadata_service._Handler, "_answer", spy)
    token = service.token(ONE)
    service.ask(ONE, "GET", "/latest/meta-data/", {TOKEN: token})
    # Only that one: who has a token, has come through.
    assert limits[0] == hops
    assert limits[1] > 2


def test_a_file_that_is_just_being_written_is_read_again(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = metadata(ONE).document()
    file = service.folder / f"{ONE}.json"
    file.write_bytes(whole[:50])

    def finish(_seconds: float) -> None:
        file.write_bytes(whole)

    monkeypatch.setattr("time.sleep", finish)
    assert service.server.record(ONE) == json.loads(whole)
    monkeypatch.setattr("time.sleep", lambda _: None)
    file.write_bytes(b"{")
    assert service.server.record(ONE) is None


def test_user_data_survives_whatever_it_is() -> None:
    data = bytes(range(256))
    document = json.loads(metadata(ONE, user_data=data).document())
    assert base64.b64decode(document["user_data"]) == data
