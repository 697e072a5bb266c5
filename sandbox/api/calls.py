"""Which permission a request to the AWS API needs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

_SERVICE: Final = re.compile(r"Credential=[^/]+/\d+/[^/]+/([a-z0-9-]+)/aws4_request")

_OBJECTS: Final = {"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject"}
_OBJECTS_REST: Final = {"DELETE": "DeleteObject", "POST": "PutObject"}
_BUCKETS: Final = {"GET": "ListBucket", "HEAD": "ListBucket", "PUT": "CreateBucket"}


def permission_of(environ: WSGIEnvironment, body: bytes) -> str:
    """Return the name that IAM has for what a request asks.

    Args:
        environ: The request.
        body: What it carries.

    Returns:
        A service and an action, such as `ec2:RunInstances`; empty where it names none.

    Source:
        Service Authorization Reference, "Actions, resources, and condition keys" of EC2 and S3.
    """
    found = _SERVICE.search(environ.get("HTTP_AUTHORIZATION", ""))
    if found is None:
        return ""
    service, query = found[1], environ.get("QUERY_STRING", "")
    if service == "s3":
        bucket, _, key = environ.get("PATH_INFO", "").lstrip("/").partition("/")
        known = (_OBJECTS | _OBJECTS_REST) if key else _BUCKETS
        action = known.get(environ.get("REQUEST_METHOD", ""), "") if bucket else "ListAllMyBuckets"
    else:
        fields = parse_qs(body.decode(errors="replace")) | parse_qs(query)
        (action,) = fields.get("Action", [""])[:1]
    return f"{service}:{action}" if action else ""
