"""The emulator's WSGI application: who answers, and one request after another."""

from __future__ import annotations

import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import requests
from docker.errors import DockerException

from sandbox.api.server import RECONCILE, ROUTE, Application, keys
from sandbox.api.signature import Gatekeeper, sign
from sandbox.api.turn import Turn
from sandbox.credentials import Credentials
from sandbox.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIEnvironment

DEADLINE = 20.0
PORT = 4699
CREDENTIALS = Credentials.new()


class Engineless:
    """Stands in for the emulator, which needs an engine: only what the application asks of it."""

    def __init__(self) -> None:
        self.turn = Turn()
        self.failure: Exception | None = None

    def describe(self) -> dict[str, Any]:
        """Return what runs."""
        return {"generation": "1"}

    def reconcile(self) -> dict[str, Any]:
        """Return what runs, or fail as told."""
        if self.failure is not None:
            raise self.failure
        return {"generation": "1", "changes": []}


class Books:
    """A WSGI application that notes how many requests are in it at once.

    Args:
        turn: Given, it lets the others in while it waits, as a booting instance does.
    """

    def __init__(self, turn: Turn | None = None) -> None:
        self._turn = turn
        self._barrier = threading.Barrier(2)
        self._changed = threading.Condition()
        self.inside = 0
        self.most = 0
        self.bodies: list[bytes] = []

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request, and see whether another one comes in meanwhile."""
        self.bodies.append(environ["wsgi.input"].read())
        with self._changed:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self._changed.notify_all()
        if self._turn is not None:
            with self._turn.aside():
                self._barrier.wait(DEADLINE)
        else:
            with self._changed:
                self._changed.wait_for(lambda: self.inside > 1, 0.1)
        with self._changed:
            self.inside -= 1
        start_response("200 OK", [])
        return [b"moto"]


def ask(
    application: Application,
    path: str = "/",
    method: str = "POST",
    *,
    body: bytes = b"",
    **more: object,
) -> str:
    """Ask as somebody who has the key asks."""
    headers = sign(
        method,
        f"http://127.0.0.1:{PORT}{path}",
        body=body,
        access_key=CREDENTIALS.access_key,
        secret_key=CREDENTIALS.secret_key,
        service="ec2",
        region="eu-central-1",
    )
    signed = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    return ask_unsigned(application, path, method, body=body, **signed | more)


def ask_unsigned(
    application: Application,
    path: str = "/",
    method: str = "POST",
    *,
    body: bytes = b"",
    **more: object,
) -> str:
    environ = {
        "PATH_INFO": path,
        "REQUEST_METHOD": method,
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_HOST": f"127.0.0.1:{PORT}",
        "wsgi.input": io.BytesIO(body),
    }
    said: list[str] = []

    def start_response(status: str, _headers: list[tuple[str, str]]) -> Callable[..., object]:
        said.append(status)
        return lambda _: None

    answer = b"".join(application(environ | more, start_response))  # type: ignore[arg-type]
    return f"{said[0]} {answer.decode()}"


def application(
    moto: Callable[..., Iterable[bytes]], emulator: Engineless | None = None
) -> tuple[Application, list[str]]:
    log: list[str] = []
    keeper = Gatekeeper(PORT, keys(CREDENTIALS))
    return Application(emulator or Engineless(), moto, keeper, log.append), log  # type: ignore[arg-type]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def test_the_books_are_changed_by_one_request_at_a_time(pool: ThreadPoolExecutor) -> None:
    books = Books()
    app, _ = application(books)
    assert list(pool.map(lambda _: ask(app), range(8))) == ["200 OK moto"] * 8
    assert books.most == 1


def test_without_turns_they_would_meet(pool: ThreadPoolExecutor) -> None:
    books = Books()
    emulator = Engineless()
    app, _ = application(books, emulator)
    emulator.turn = threading.Semaphore(8)  # type: ignore[assignment]
    list(pool.map(lambda _: ask(app), range(8)))
    assert books.most > 1


def test_what_is_done_aside_lets_others_in(pool: ThreadPoolExecutor) -> None:
    emulator = Engineless()
    books = Books(emulator.turn)
    app, _ = application(books, emulator)
    # Each waits for the other one inside: were there no letting in, the barrier would break.
    assert list(pool.map(lambda _: ask(app), range(2))) == ["200 OK moto"] * 2


def test_the_turn_is_given_back_after_a_failure() -> None:
    def fails(_environ: WSGIEnvironment, _start: StartResponse) -> Iterable[bytes]:
        msg = "moto failed"
        raise RuntimeError(msg)

    app, _ = application(fails)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="moto failed"):
            ask(app)


def test_moto_gets_the_whole_body() -> None:
    books = Books()
    app, _ = application(books)
    ask(app, body=b"Action=DescribeInstances")
    chunked: dict[str, object] = {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}
    ask(app, "/", "PUT", body=b"in chunks", **chunked)
    assert books.bodies == [b"Action=DescribeInstances", b"in chunks"]


def test_a_caller_that_asks_again_is_in_the_log() -> None:
    app, log = application(Books())
    body = b"Action=AuthorizeSecurityGroupIngress&GroupId=sg-1"
    ask(app, body=body, HTTP_AMZ_SDK_REQUEST="attempt=1; max=25")
    ask(app, body=body)
    assert log == []
    ask(app, body=body, HTTP_AMZ_SDK_REQUEST="attempt=2; max=25")
    ask(app, "/state/key", "PUT", HTTP_AMZ_SDK_REQUEST="ttl=20260101T000000Z; attempt=3; max=5")
    assert log == [
        "AuthorizeSecurityGroupIngress: asked again (attempt=2)",
        "PUT /state/key: asked again (attempt=3)",
    ]


def test_a_caller_that_asks_again_gets_the_answer_of_before() -> None:
    """A rule that was made for the first attempt does not stand in the way of the second."""
    books = Books()
    app, _ = application(books)
    body = b"Action=AuthorizeSecurityGroupIngress&GroupId=sg-1"

    def attempt(number: int, invocation: str = "one") -> str:
        return ask(
            app,
            body=body,
            HTTP_AMZ_SDK_REQUEST=f"attempt={number}; max=25",
            HTTP_AMZ_SDK_INVOCATION_ID=invocation,
        )

    assert attempt(1) == attempt(2) == "200 OK moto"
    assert books.bodies == [body]
    attempt(1)
    assert len(books.bodies) == 2, "a first attempt is never a repetition"
    attempt(2, "another")
    assert len(books.bodies) == 3, "what was not answered before is answered now"
    ask(
        app,
        body=body + b"&More=1",
        HTTP_AMZ_SDK_REQUEST="attempt=2; max=25",
        HTTP_AMZ_SDK_INVOCATION_ID="one",
    )
    assert len(books.bodies) == 4, "another request is not that one"


def test_what_failed_is_tried_again() -> None:
    answers = iter(["500 INTERNAL SERVER ERROR", "200 OK"])

    def fails_once(_environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response(next(answers), [])
        return []

    app, _ = application(fails_once)
    said = [
        ask(
            app,
            HTTP_AMZ_SDK_REQUEST=f"attempt={number}; max=25",
            HTTP_AMZ_SDK_INVOCATION_ID="one",
        )
        for number in (1, 2, 3)
    ]
    assert [answer.strip() for answer in said] == ["500 INTERNAL SERVER ERROR", "200 OK", "200 OK"]


def test_the_sandboxs_own_addresses_are_not_motos() -> None:
    books = Books()
    app, _ = application(books)
    assert ask(app, ROUTE, "GET") == '200 OK {"generation": "1", "permissions": []}'
    assert ask(app, RECONCILE) == '200 OK {"generation": "1", "changes": []}'
    assert books.bodies == []


def test_what_runs_is_told_while_another_request_has_the_turn(pool: ThreadPoolExecutor) -> None:
    emulator = Engineless()
    app, _ = application(Books(), emulator)
    with emulator.turn:
        answer = pool.submit(ask, app, ROUTE, "GET")
        assert answer.result(DEADLINE) == '200 OK {"generation": "1", "permissions": []}'


@pytest.mark.parametrize(
    "failure",
    [SandboxError("broken"), DockerException("broken"), requests.ReadTimeout("broken")],
)
def test_a_failed_reconciliation_is_an_answer(failure: Exception) -> None:
    emulator = Engineless()
    emulator.failure = failure
    app, _ = application(Books(), emulator)
    status, answer = ask(app, RECONCILE).split(" {", 1)
    assert status == "503 Unavailable"
    assert json.loads("{" + answer) == {"error": "broken"}


def test_browsers_and_motos_own_api_are_refused() -> None:
    app, _ = application(Books())
    assert ask(app, HTTP_ORIGIN="http://page.example").startswith("403 ")
    assert ask(app, HTTP_HOST=f"page.example:{PORT}").startswith("403 ")
    assert ask(app, "/moto-api/reset").startswith("404 ")


@pytest.mark.parametrize(
    ("path", "method"),
    [("/", "POST"), (ROUTE, "GET"), (RECONCILE, "POST"), ("/moto-api/reset", "POST")],
)
def test_nothing_is_told_or_done_without_the_key(path: str, method: str) -> None:
    books = Books()
    app, log = application(books)
    assert "AccessDenied" in ask_unsigned(app, path, method)
    assert "AuthFailure" in ask(app, path, method, HTTP_X_AMZ_SECURITY_TOKEN="t")
    assert books.bodies == []
    ask_unsigned(app, path, method)
    assert [line.partition(",")[0] for line in log] == [
        "refused: AccessDenied",
        "refused: AuthFailure",
    ]


def test_a_refused_body_is_not_even_read() -> None:
    app, _ = application(Books())
    body = io.BytesIO(b"x" * 100)
    told: dict[str, object] = {"wsgi.input": body, "CONTENT_LENGTH": "100"}
    ask_unsigned(app, "/", "POST", body=b"", **told)
    assert body.tell() == 0


def test_only_our_own_key_is_known_and_those_that_were_issued() -> None:
    from moto.iam.models import iam_backends  # noqa: PLC0415  # reads the environment

    secret_of = keys(CREDENTIALS)
    assert secret_of("AKIATESTTESTTESTTEST") is None
    ours = secret_of(CREDENTIALS.access_key)
    assert ours is not None
    assert ours.key == CREDENTIALS.secret_key
    backend = iam_backends["123456789012"]["aws"]
    user = backend.create_user("us-east-1", "trial")
    issued = backend.create_access_key(user_name=user.name)
    theirs = secret_of(issued.access_key_id)
    assert theirs is not None
    assert theirs.key == issued.secret_access_key
    backend.update_access_key(user.name, issued.access_key_id, "Inactive")
    assert secret_of(issued.access_key_id) is None
