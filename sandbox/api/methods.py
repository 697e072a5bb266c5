# ruff: noqa: ANN401  # moto's backends have no usable types
"""Standing in for methods of moto: what fails in them is told as EC2 tells it."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Final

from sandbox.errors import ENGINE_ERRORS, SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable

_WITH_PORTS: Final = frozenset({"tcp", "6", "udp", "17"})


def wrapped(
    name: str, original: Callable[..., Any], replacement: Callable[..., Any]
) -> Callable[..., Any]:
    """Return a method that calls the replacement and turns its errors into EC2's own.

    Args:
        name: The method's name.
        original: moto's own method.
        replacement: Gets the original, the backend, and the call's own arguments.
    """

    @functools.wraps(original)
    def method(backend: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return replacement(original, backend, *args, **kwargs)
        except SandboxError as error:
            # Not a code that the AWS libraries try again.
            raise api_error("MoorSandboxFailure", str(error)) from error
        except ENGINE_ERRORS as error:
            raise api_error(
                "MoorSandboxFailure", f"docker engine: {name} must succeed, got {error}"
            ) from error

    return method


def with_ports(original: Callable[..., None]) -> Callable[..., None]:
    """Return a constructor of security group rules that knows protocols without ports.

    Args:
        original: moto's own, which takes each protocol for one with ports and fails on the others.
    """
    parameters = inspect.signature(original)

    @functools.wraps(original)
    def constructor(*args: Any, **kwargs: Any) -> None:
        call = parameters.bind(*args, **kwargs)
        given = call.arguments
        protocol = str(given.get("ip_protocol") or "").lower()
        for name in ("from_port", "to_port"):
            if given.get(name) is not None:
                continue
            if protocol in _WITH_PORTS:
                raise api_error(
                    "InvalidParameterValue",
                    "Invalid value for portRange. "
                    "Must specify both from and to ports with TCP/UDP.",
                )
            # As EC2 tells such a rule.
            given[name] = "-1"
        original(*call.args, **call.kwargs)

    return constructor


def description_of(rule: Any) -> str | None:
    """Return the description of a security group's rule, whatever its source is.

    Args:
        rule: moto's own, of networks or of another group.
    """
    sources = (rule.ip_range or {}, rule.source_group or {})
    return next((source["Description"] for source in sources if "Description" in source), None)


def api_error(code: str, message: str) -> Exception:
    """Return an error that moto answers a call with.

    Args:
        code: EC2's word for it, by which the AWS libraries tell whether to try again.
        message: What is wrong.
    """
    from moto.ec2.exceptions import EC2ClientError  # noqa: PLC0415  # reads the environment

    error: Exception = EC2ClientError(code, message)
    return error
