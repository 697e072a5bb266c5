"""Answers that were given, for callers that ask again.

The AWS libraries ask again by themselves after a broken connection, and the one for Go breaks
connections itself: it closes a request's body as soon as the answer begins, and where the answer is
faster than the last look of its own writer at that body, the writer fails and takes the connection
with it. AWS is too far away for that. The emulator answers within a millisecond, and on a busy
computer one request of some thousand was made twice: a rule "already exists", which Terraform had
just made.

Source:
    aws/smithy-go, transport/http/client.go, `ClientHandler.Handle`; Go, net/http/transport.go,
    `persistConn.writeLoop`. Seen with the provider 5.100.0: the caller sends FIN between the head
    and the body of the answer.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

_KEPT: Final = 256
"""Answers. A caller asks again within seconds, and at most some dozens ask at a time."""
_LARGEST: Final = 1 << 20
"""Bytes of an answer that is kept. What is larger is an object of S3, which may be asked for
twice."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: str
    headers: list[tuple[str, str]]
    body: bytes


class Answers:
    """Gives the answer of before to a caller that asks again.

    Args:
        application: The WSGI application that answers.
        log: Takes one line.
    """

    def __init__(
        self, application: Callable[..., Iterable[bytes]], log: Callable[[str], None]
    ) -> None:
        self._application = application
        self._log = log
        self._given: OrderedDict[tuple[str, bytes], _Answer] = OrderedDict()

    def __call__(
        self, environ: WSGIEnvironment, body: bytes, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request, whose thread has the turn.

        Args:
            environ: The request, `wsgi.input` at the begin of its body.
            body: What it carries.
            start_response: As WSGI has it.
        """
        key = (environ.get("HTTP_AMZ_SDK_INVOCATION_ID", ""), hashlib.sha256(body).digest())
        if (attempt := _attempt(environ)) is not None:
            self._log(f"{_action(environ, body)}: asked again ({attempt})")
            if (former := self._given.get(key)) is not None:
                start_response(former.status, former.headers)
                return [former.body]
        if not key[0]:
            return self._application(environ, start_response)
        begun: list[tuple[str, list[tuple[str, str]]]] = []

        def note(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:  # noqa: ANN401
            begun.append((status, headers))
            return start_response(status, headers, *error)

        parts = self._application(environ, note)
        try:
            told = b"".join(parts)
        finally:
            if hasattr(parts, "close"):
                parts.close()
        status, headers = begun[-1]
        # What failed is to be tried again.
        if not status.startswith("5") and len(told) <= _LARGEST:
            self._given[key] = _Answer(status, headers, told)
            if len(self._given) > _KEPT:
                self._given.popitem(last=False)
        return [told]


def _attempt(environ: WSGIEnvironment) -> str | None:
    """Return which attempt a request says it is, such as `attempt=2`; None for a first one."""
    sent = environ.get("HTTP_AMZ_SDK_REQUEST", "")
    attempt = next((p for p in sent.split("; ") if p.startswith("attempt=")), "attempt=1")
    return None if attempt == "attempt=1" else attempt


def _action(environ: WSGIEnvironment, body: bytes) -> str:
    fields = dict(parse_qsl(body.decode(errors="replace")))
    return fields.get("Action") or f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
