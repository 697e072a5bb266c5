"""Who is let in: requests that boto3 signs, and the same ones with something changed."""

from __future__ import annotations

import datetime as dt
import string
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st

from sandbox.api.signature import Gatekeeper, Refusal, Secret, sign

if TYPE_CHECKING:
    from collections.abc import Callable

PORT = 4699
URL = f"http://127.0.0.1:{PORT}"
KEY = "MOORTESTTESTTESTTEST"
SECRET = "one-that-nobody-knows"  # noqa: S105  # of a test
OTHER = "AKIATESTTESTTESTTEST"


def keeper(secret: Secret | None = None, skew: dt.timedelta | None = None) -> Gatekeeper:
    known = {KEY: secret or Secret(key=SECRET)}
    return Gatekeeper(
        PORT,
        known.get,
        lambda: dt.datetime.now(dt.UTC) + (skew or dt.timedelta()),
    )


def environ(
    method: str, url: str, headers: dict[str, str | bytes], body: bytes = b""
) -> tuple[dict[str, Any], bytes]:
    """Return a request as a WSGI server tells it."""
    raw = url.removeprefix(URL) or "/"
    found: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": raw.partition("?")[0],
        "RAW_URI": raw,
        "HTTP_HOST": f"127.0.0.1:{PORT}",
    }
    for name, value in headers.items():
        key = name.upper().replace("-", "_")
        text = value.decode() if isinstance(value, bytes) else value
        found[key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"] = text
    return found, body


class SentError(Exception):
    """Ends a call of boto3 with the request that it would have sent."""

    def __init__(self, request: Any) -> None:  # noqa: ANN401  # botocore has no types
        super().__init__()
        self.request = request


def sent(
    service: str,
    call: Callable[[Any], object],
    *,
    secret: str = SECRET,
    key: str = KEY,
    **config: Any,  # noqa: ANN401  # botocore has no types
) -> tuple[dict[str, Any], bytes]:
    """Return the request that boto3 makes of a call."""

    def stop(request: Any, **_: object) -> None:  # noqa: ANN401  # botocore has no types
        raise SentError(request)

    client = boto3.client(
        service,
        endpoint_url=URL,
        region_name="eu-central-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(**config),
    )
    client.meta.events.register("before-send", stop)
    with pytest.raises(SentError) as caught:
        call(client)
    request = caught.value.request
    body = request.body or b""
    if hasattr(body, "read"):
        body = body.read()
    return environ(
        request.method,
        request.url,
        dict(request.headers.items()),
        body.encode() if isinstance(body, str) else bytes(body),
    )


CALLS: list[tuple[str, Callable[[Any], object]]] = [
    ("ec2", lambda ec2: ec2.describe_instances(InstanceIds=["i-1"])),
    ("sts", lambda sts: sts.get_caller_identity()),
    ("iam", lambda iam: iam.list_roles()),
    ("s3", lambda s3: s3.put_object(Bucket="state", Key="a b/../c//ä?&=+", Body=b"state")),
    ("s3", lambda s3: s3.list_objects_v2(Bucket="state", Prefix="a/b c")),
    ("s3", lambda s3: s3.delete_object(Bucket="state", Key="k", VersionId="1")),
    ("ssm", lambda ssm: ssm.get_parameter(Name="/a")),
]


def code(refusal: Refusal | None) -> str | None:
    return None if refusal is None else refusal.code


@pytest.mark.parametrize(("service", "call"), CALLS)
def test_what_our_key_signed_is_let_in(service: str, call: Callable[[Any], object]) -> None:
    request, body = sent(service, call)
    assert keeper().is_for_us(request)
    assert keeper().refuse_unknown(request) is None
    assert keeper().refuse_unsigned(request, body) is None


@pytest.mark.parametrize(
    ("service", "unknown", "wrong", "unsigned"),
    [
        ("ec2", "401 AuthFailure", "401 AuthFailure", "403 MissingAuthenticationToken"),
        ("sts", "403 InvalidClientTokenId", "403 SignatureDoesNotMatch", None),
        ("s3", "403 InvalidAccessKeyId", "403 SignatureDoesNotMatch", "403 AccessDenied"),
    ],
)
def test_the_words_of_a_refusal_are_the_services_own(
    service: str, unknown: str, wrong: str, unsigned: str | None
) -> None:
    call = next(call for name, call in CALLS if name == service)

    def refused(**how: Any) -> str:  # noqa: ANN401  # botocore has no types
        refusal = keeper().refuse_unsigned(*sent(service, call, **how))
        assert refusal is not None
        assert refusal.code.encode() in refusal.body
        assert SECRET.encode() not in refusal.body
        return f"{refusal.status.split()[0]} {refusal.code}"

    assert refused(key=OTHER) == unknown
    assert refused(secret="another") == wrong
    if unsigned is not None:
        assert refused(signature_version=UNSIGNED) == unsigned


def test_an_unknown_key_is_refused_before_the_body_is_read() -> None:
    request, _ = sent("s3", CALLS[3][1], key=OTHER)
    assert code(keeper().refuse_unknown(request)) == "InvalidAccessKeyId"
    assert code(keeper().refuse_unknown({"REQUEST_METHOD": "GET"})) == "AccessDenied"
    request["HTTP_AUTHORIZATION"] = "AWS4-HMAC-SHA256 Credential=x"
    assert code(keeper().refuse_unknown(request)) == "AuthorizationHeaderMalformed"


@pytest.mark.parametrize(("minutes", "expected"), [(14, None), (-14, None), (16, 1), (-16, 1)])
def test_a_clock_may_be_a_quarter_of_an_hour_off(minutes: int, expected: int | None) -> None:
    skewed = keeper(skew=dt.timedelta(minutes=minutes))
    words = {"ec2": "RequestExpired", "s3": "RequestTimeTooSkewed"}
    for service, word in words.items():
        call = next(call for name, call in CALLS if name == service)
        assert code(skewed.refuse_unsigned(*sent(service, call))) == (expected and word)


def test_a_session_needs_its_token() -> None:
    request, body = sent("ec2", CALLS[0][1])
    session = keeper(Secret(key=SECRET, token="of-the-session"))
    assert code(session.refuse_unsigned(request, body)) == "AuthFailure"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"REQUEST_METHOD": "POST"}, "SignatureDoesNotMatch"),
        ({"RAW_URI": "/state/other"}, "SignatureDoesNotMatch"),
        ({"RAW_URI": "/state/k?versionId=2"}, "SignatureDoesNotMatch"),
        ({"HTTP_X_AMZ_DATE": "20200101T000000Z"}, "AuthorizationHeaderMalformed"),
        ({"HTTP_X_AMZ_DATE": ""}, "AuthorizationHeaderMalformed"),
        ({"HTTP_HOST": f"localhost:{PORT}"}, "SignatureDoesNotMatch"),
        ({"HTTP_X_AMZ_CONTENT_SHA256": "UNSIGNED-PAYLOAD"}, "SignatureDoesNotMatch"),
        ({"HTTP_X_AMZ_CONTENT_SHA256": "0" * 64}, "XAmzContentSHA256Mismatch"),
        ({"HTTP_X_AMZ_CONTENT_SHA256": "none"}, "AuthorizationHeaderMalformed"),
        ({"HTTP_X_AMZ_SECURITY_TOKEN": "t"}, "SignatureDoesNotMatch"),
    ],
)
def test_what_was_changed_after_the_signature_is_refused(
    change: dict[str, str], expected: str
) -> None:
    request, body = sent("s3", CALLS[5][1])
    assert keeper().refuse_unsigned(request, body) is None
    assert code(keeper().refuse_unsigned(request | change, body)) == expected


@pytest.mark.parametrize("service", ["ec2", "s3"])
def test_another_body_is_refused(service: str) -> None:
    call = next(call for name, call in CALLS if name == service)
    request, body = sent(service, call)
    assert code(keeper().refuse_unsigned(request, body + b"&more")) in {
        "AuthFailure",
        "XAmzContentSHA256Mismatch",
    }


@pytest.mark.parametrize(
    "told",
    [
        "UNSIGNED-PAYLOAD",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    ],
)
@pytest.mark.parametrize("service", ["ec2", "s3"])
def test_a_body_in_chunks_is_s3s_alone(told: str, service: str) -> None:
    request = AWSRequest(method="PUT", url=f"{URL}/state/key", data=b"")
    request.headers["X-Amz-Content-SHA256"] = told
    algorithm = type("Told", (S3SigV4Auth,), {"payload": lambda *_: told})
    algorithm(BotocoreCredentials(KEY, SECRET), service, "eu-central-1").add_auth(request)
    made = environ(
        "PUT", request.url, dict(request.headers.items()), b"5;chunk-signature=0\r\nstate"
    )
    expected = None if service == "s3" else "IncompleteSignature"
    assert code(keeper().refuse_unsigned(*made)) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"HTTP_HOST": f"localhost:{PORT}"}, True),
        ({"HTTP_HOST": f"page.example:{PORT}"}, False),
        ({"HTTP_HOST": "127.0.0.1"}, False),
        ({"HTTP_HOST": ""}, False),
        ({"HTTP_ORIGIN": URL}, False),
    ],
)
def test_a_page_in_a_browser_cannot_ask_under_a_name_of_its_own(
    change: dict[str, str],
    expected: bool,  # noqa: FBT001
) -> None:
    request, _ = environ("GET", URL, {})
    assert keeper().is_for_us(request | change) is expected


def test_our_own_requests_are_signed_the_same_way() -> None:
    headers = sign(
        "POST",
        f"{URL}/moor-sandbox/reconcile",
        access_key=KEY,
        secret_key=SECRET,
        service="moor-sandbox",
        region="local",
    )
    made = environ("POST", f"{URL}/moor-sandbox/reconcile", {**headers})
    assert keeper().refuse_unsigned(*made) is None


WORDS = st.text(string.ascii_letters + string.digits + "-._~ /?&=+%ä", max_size=20)


@given(
    path=WORDS,
    query=st.dictionaries(WORDS.filter(bool), WORDS, max_size=3),
    body=st.binary(max_size=99),
)
def test_whatever_is_asked_for_is_let_in_with_our_key_and_not_with_another(
    path: str, query: dict[str, str], body: bytes
) -> None:
    for service, algorithm in (("s3", S3SigV4Auth), ("other", SigV4Auth)):
        plain = AWSRequest(method="PUT", url=f"{URL}/x{path}", params=query, data=body)
        # Prepared before it is signed, so that the URL is the one that goes over the wire.
        request = AWSRequest(method="PUT", url=plain.prepare().url, data=body)
        algorithm(BotocoreCredentials(KEY, SECRET), service, "eu-central-1").add_auth(request)
        made = environ("PUT", request.url, dict(request.headers.items()), body)
        assert keeper().refuse_unsigned(*made) is None
        assert keeper(Secret(key="other")).refuse_unsigned(*made) is not None
        assert keeper().refuse_unsigned(made[0], body + b"x") is not None
