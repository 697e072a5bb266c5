# ruff: noqa: ANN401  # moto's backends have no usable types
"""Standing in for methods of moto: what fails in them is told as EC2 tells it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from sandbox.errors import ENGINE_ERRORS, SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable


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


def api_error(code: str, message: str) -> Exception:
    """Return an error that moto answers a call with.

    Args:
        code: EC2's word for it, by which the AWS libraries tell whether to try again.
        message: What is wrong.
    """
    from moto.ec2.exceptions import EC2ClientError  # noqa: PLC0415  # reads the environment

    error: Exception = EC2ClientError(code, message)
    return error
