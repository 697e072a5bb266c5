"""Who asks: AWS Signature Version 4 of each request, and whether the request is meant for us.

botocore computes what the signature has to be; here it is compared, and what does not agree is
refused in the words of the service that was asked, which the AWS libraries understand.

Source: AWS General Reference, "Signature Version 4 signing process"; the codes are those of the
"Common errors" pages of EC2, STS and S3.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials as BotocoreCredentials

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from wsgiref.types import WSGIEnvironment

_AUTHORIZATION: Final = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=([^/,\s]+)/(\d{8})/([\w-]+)/([\w-]+)/aws4_request,"
    r"\s*SignedHeaders=([\w;-]+),\s*Signature=([0-9a-f]{64})",
    re.ASCII,
)
_TIMESTAMP: Final = "%Y%m%dT%H%M%SZ"
_LARGEST_SKEW: Final = dt.timedelta(minutes=15)
"""How far a caller's clock may be off, as at AWS."""

_HASH: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_BODY_UNTOLD: Final = frozenset(
    {
        "UNSIGNED-PAYLOAD",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    }
)
"""What S3 takes in place of a body's hash. The signature then covers the request alone, and the
body is as good as the connection, which here does not leave the computer."""

_S3: Final = "s3"
_EC2: Final = "ec2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """What an access key stands for.

    Attributes:
        key: The secret access key.
        token: The session token that has to come with it; empty for a lasting key.
    """

    key: str = field(repr=False)
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An answer to a request that is not let in.

    Attributes:
        status: HTTP status, such as `403 Forbidden`.
        code: AWS's word for it.
        content_type: Of the body.
        body: What the AWS libraries of that service read.
    """

    status: str
    code: str
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a request says of its signature, true or not.

    Attributes:
        access_key: The key's id.
        day: The day that it was signed on, such as `20261124`.
        region: The region that is asked.
        service: The service that is asked, such as `ec2`.
        signed_headers: The headers that were signed, in lower case.
        signature: The signature, in hexadecimal.
    """

    access_key: str
    day: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str


# What is wrong, and what each family of services calls it: EC2, S3, and the others.
_CODES: Final[Mapping[str, tuple[tuple[int, str], tuple[int, str], tuple[int, str]]]] = {
    "missing": (
        (403, "MissingAuthenticationToken"),
        (403, "AccessDenied"),
        (403, "MissingAuthenticationToken"),
    ),
    "malformed": (
        (400, "IncompleteSignature"),
        (400, "AuthorizationHeaderMalformed"),
        (400, "IncompleteSignature"),
    ),
    "unknown key": (
        (401, "AuthFailure"),
        (403, "InvalidAccessKeyId"),
        (403, "InvalidClientTokenId"),
    ),
    "wrong": (
        (401, "AuthFailure"),
        (403, "SignatureDoesNotMatch"),
        (403, "SignatureDoesNotMatch"),
    ),
    "skewed": (
        (400, "RequestExpired"),
        (403, "RequestTimeTooSkewed"),
        (400, "RequestExpired"),
    ),
    "denied": (
        (403, "UnauthorizedOperation"),
        (403, "AccessDenied"),
        (403, "AccessDenied"),
    ),
    "other body": (
        (401, "AuthFailure"),
        (400, "XAmzContentSHA256Mismatch"),
        (403, "SignatureDoesNotMatch"),
    ),
}
_MESSAGES: Final = {
    "missing": "The request must be signed with the sandbox's own access key",
    "malformed": "The Authorization header must be one of AWS Signature Version 4",
    "unknown key": "The access key must be the sandbox's own",
    "wrong": "The signature must be the one that the sandbox's secret key makes of the request",
    "skewed": "The request must have been signed within the last 15 minutes",
    "denied": "The user's policies must allow {}",
    "other body": "The body must have the hash that the request tells",
}
_NO_WORD: Final = re.compile(r"[^A-Za-z0-9:-]")
_REASONS: Final = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden"}


class Gatekeeper:
    """Lets in what is meant for us and signed with a key that we know.

    Args:
        port: TCP port of the API. The Host header has to name it: a page in a browser can point
            a name of its own at this computer, and then ask as if it were that name's page.
        secret_of: Returns what an access key stands for; None for an unknown one.
        now: Returns the time, with its time zone.
    """

    def __init__(
        self,
        port: int,
        secret_of: Callable[[str], Secret | None],
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self._hosts = frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})
        self._secret_of = secret_of
        self._now = now

    def is_for_us(self, environ: WSGIEnvironment) -> bool:
        """Tell whether the request names this computer and comes from no web page."""
        # Only browsers say Origin.
        return environ.get("HTTP_HOST", "") in self._hosts and "HTTP_ORIGIN" not in environ

    def refuse_unknown(self, environ: WSGIEnvironment) -> Refusal | None:
        """Refuse what is not signed with a known key, before its body is read."""
        header = environ.get("HTTP_AUTHORIZATION", "")
        claim = claim_of(environ)
        if claim is None:
            return _refusal("malformed" if header.startswith("AWS4") else "missing", environ, None)
        if self._secret_of(claim.access_key) is None:
            return _refusal("unknown key", environ, claim)
        return None

    def refuse_unsigned(self, environ: WSGIEnvironment, body: bytes) -> Refusal | None:
        """Refuse a request whose signature is not the one that its key makes of it.

        Args:
            environ: The request.
            body: All that was sent after its headers.
        """
        claim = claim_of(environ)
        if claim is None:
            return self.refuse_unknown(environ)
        secret = self._secret_of(claim.access_key)
        if secret is None:
            return _refusal("unknown key", environ, claim)
        fault = self._fault(environ, body, claim, secret)
        return None if fault is None else _refusal(fault, environ, claim)

    def _fault(
        self, environ: WSGIEnvironment, body: bytes, claim: Claim, secret: Secret
    ) -> str | None:
        timestamp = environ.get("HTTP_X_AMZ_DATE", "")
        try:
            signed_at = dt.datetime.strptime(timestamp, _TIMESTAMP).replace(tzinfo=dt.UTC)
        except ValueError:
            return "malformed"
        if not timestamp.startswith(claim.day) or "host" not in claim.signed_headers:
            return "malformed"
        if abs(self._now() - signed_at) > _LARGEST_SKEW:
            return "skewed"
        if (fault := _fault_of_body(environ, body, claim)) is not None:
            return fault
        token = environ.get("HTTP_X_AMZ_SECURITY_TOKEN", "")
        same_token = hmac.compare_digest(token.encode(), secret.token.encode())
        same = hmac.compare_digest(claim.signature, _signature(environ, body, claim, secret.key))
        return None if same and same_token else "wrong"


def _fault_of_body(environ: WSGIEnvironment, body: bytes, claim: Claim) -> str | None:
    """Return what is wrong with what the request says of its body."""
    told = environ.get("HTTP_X_AMZ_CONTENT_SHA256")
    if told is None or (told in _BODY_UNTOLD and claim.service == _S3):
        return None
    if not _HASH.fullmatch(told):
        return "malformed"
    same = hmac.compare_digest(told, hashlib.sha256(body).hexdigest())
    return None if same else "other body"


def claim_of(environ: WSGIEnvironment) -> Claim | None:
    """Return what a request says of its signature; None where it has no such header."""
    found = _AUTHORIZATION.fullmatch(environ.get("HTTP_AUTHORIZATION", "").strip())
    if found is None:
        return None
    access_key, day, region, service, names, signature = found.groups()
    return Claim(
        access_key=access_key,
        day=day,
        region=region,
        service=service,
        signed_headers=tuple(names.split(";")),
        signature=signature,
    )


def _signature(environ: WSGIEnvironment, body: bytes, claim: Claim, secret_key: str) -> str:
    """Return the signature that the key makes of a request."""
    credentials = BotocoreCredentials(claim.access_key, secret_key)
    # S3 alone signs a path as it is sent: `//` and `..` are part of a key's name there.
    algorithm = S3SigV4Auth if claim.service == _S3 else SigV4Auth
    signer = algorithm(credentials, claim.service, claim.region)
    named = HTTPHeaders()
    for name in claim.signed_headers:
        named[name] = _header(environ, name)
    # botocore chooses for itself what to sign; other libraries choose otherwise, and say so.
    signer.headers_to_sign = lambda _request: named
    target = environ.get("RAW_URI") or environ.get("PATH_INFO", "/")
    request = AWSRequest(
        method=environ["REQUEST_METHOD"],
        url=f"http://{environ['HTTP_HOST']}{target}",
        data=body,
    )
    told = environ.get("HTTP_X_AMZ_CONTENT_SHA256")
    request.headers["X-Amz-Content-SHA256"] = told or hashlib.sha256(body).hexdigest()
    request.context["timestamp"] = environ["HTTP_X_AMZ_DATE"]
    text = signer.string_to_sign(request, signer.canonical_request(request))
    return str(signer.signature(text, request))


def _header(environ: WSGIEnvironment, name: str) -> str:
    key = name.upper().replace("-", "_")
    if key not in {"CONTENT_TYPE", "CONTENT_LENGTH"}:
        key = f"HTTP_{key}"
    return str(environ.get(key, ""))


def denial(environ: WSGIEnvironment, permission: str) -> Refusal:
    """Return the refusal of a request whose sender is known, and lacks a permission.

    Args:
        environ: The request.
        permission: A service and an action, such as `ec2:RunInstances`.
    """
    claim = claim_of(environ)
    return _refusal("denied", environ, claim, permission)


def _refusal(
    fault: str, environ: WSGIEnvironment, claim: Claim | None, subject: str = ""
) -> Refusal:
    """Say what is wrong as the service that was asked says it."""
    service = claim.service if claim is not None else _guess(environ)
    ec2, s3, others = _CODES[fault]
    status, code = ec2 if service == _EC2 else s3 if service == _S3 else others
    message = _MESSAGES[fault].format(_NO_WORD.sub("", subject))
    error = f"<Code>{code}</Code><Message>{message}</Message>"
    if "HTTP_X_AMZ_TARGET" in environ:
        content_type = "application/x-amz-json-1.1"
        text = f'{{"__type": "{code}", "message": "{message}"}}'
    else:
        content_type = "text/xml"
        text = {
            _EC2: f"<Response><Errors><Error>{error}</Error></Errors></Response>",
            _S3: f"<Error>{error}</Error>",
        }.get(service, f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error></ErrorResponse>")
        text = f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'
    return Refusal(
        status=f"{status} {_REASONS[status]}",
        code=code,
        content_type=content_type,
        body=text.encode(),
    )


def _guess(environ: WSGIEnvironment) -> str:
    """Return which family of services a request that does not say so was meant for."""
    form = environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded")
    return "sts" if form or "HTTP_X_AMZ_TARGET" in environ else _S3


def sign(
    method: str,
    url: str,
    *,
    access_key: str,
    secret_key: str,
    service: str,
    region: str,
    body: bytes = b"",
) -> dict[str, str]:
    """Return the headers that sign a request.

    Args:
        method: Such as `GET`.
        url: The whole URL.
        access_key: The access key's id.
        secret_key: What to sign with.
        service: Whom it is for.
        region: Where.
        body: What is sent after the headers.
    """
    request: Any = AWSRequest(method=method, url=url, data=body)
    SigV4Auth(BotocoreCredentials(access_key, secret_key), service, region).add_auth(request)
    return dict(request.headers.items())
