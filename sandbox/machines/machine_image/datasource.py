"""Asks the instance metadata service, as Flatcar's coreos-cloudinit does.

This file runs on the sandbox's machines, beside `apply_user_data`. What is frail about that
program is frail here too: the token is fetched once, and without one a service that wants one is
never available.

Source: flatcar/coreos-cloudinit, datasource/metadata/, pkg/http_client.go and coreos-cloudinit.go.
"""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

ADDRESS: Final = "http://169.254.169.254/"
TOKEN_HEADER: Final = "X-aws-ec2-metadata-token"  # noqa: S105  # a header's name

_VERSION: Final = "2009-04-04/"
_TOKEN_SECONDS: Final = "21600"  # noqa: S105  # how long it lasts
_REQUEST_TIMEOUT: Final = 10.0
_AVAILABLE_TIMEOUT: Final = 300.0
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 30.0
_ATTEMPTS: Final = 15
_FIRST_RETRY: Final = 0.05
_LONGEST_RETRY: Final = 5.0
_CLIENT_ERRORS: Final = range(400, 500)


class DatasourceError(RuntimeError):
    """The metadata service did not answer in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What the service tells of the instance.

    Attributes:
        keys: Its SSH public keys.
        hostname: Its name; empty where none is told.
        addresses: `private_ipv4` and `public_ipv4`, each where the instance has one.
    """

    keys: tuple[str, ...]
    hostname: str
    addresses: dict[str, str]


class Datasource:
    """The metadata service, with a token where there is one to be had at the start.

    Args:
        log: Takes one line.
        root: The service's address.
        sleep: Waits for some seconds.
        clock: Tells seconds.
    """

    def __init__(
        self,
        log: Callable[[str], None],
        *,
        root: str = ADDRESS,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._root = root
        self._sleep = sleep
        self._clock = clock
        # A proxy of the environment must not stand between.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._headers: dict[str, str] = {}
        log("fetching token...")
        try:
            self._headers = {TOKEN_HEADER: self._fetch_token()}
        except (OSError, http.client.HTTPException) as error:
            log(f"error: Unable to fetch data: {error}")

    @property
    def has_token(self) -> bool:
        """Whether the service has handed out a token."""
        return bool(self._headers)

    def wait(self) -> None:
        """Wait until the service is available.

        Raises:
            DatasourceError: It is not within five minutes.
        """
        deadline = self._clock() + _AVAILABLE_TIMEOUT
        pause = _FIRST_PAUSE
        while True:
            self._log('Checking availability of "ec2-metadata-service"')
            try:
                self._get(_VERSION)
            except (OSError, http.client.HTTPException):
                if self._clock() + pause >= deadline:
                    msg = "No datasources available in time"
                    raise DatasourceError(msg) from None
                self._sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                return

    def metadata(self) -> Metadata:
        """Fetch what the service tells of the instance.

        Raises:
            DatasourceError: It does not answer.
        """
        self._log('Fetching meta-data from datasource of type "ec2-metadata-service"')
        numbers = {
            name: number
            for number, _, name in (
                line.partition("=") for line in self._lines("meta-data/public-keys")
            )
        }
        keys = [
            line
            for number in numbers.values()
            for line in self._lines(f"meta-data/public-keys/{number}/openssh-key")[:1]
        ]
        pairs = (("private_ipv4", "local-ipv4"), ("public_ipv4", "public-ipv4"))
        found = {name: self._lines(f"meta-data/{path}")[:1] for name, path in pairs}
        return Metadata(
            keys=tuple(keys),
            hostname="".join(self._lines("meta-data/hostname")[:1]),
            addresses={name: lines[0] for name, lines in found.items() if lines},
        )

    def user_data(self) -> bytes:
        """Fetch the user data; empty where there is none.

        Raises:
            DatasourceError: The service does not answer.
        """
        self._log('Fetching user-data from datasource of type "ec2-metadata-service"')
        return self._get_retry("user-data")

    def _lines(self, path: str) -> list[str]:
        return self._get_retry(path).decode(errors="replace").splitlines()

    def _get_retry(self, path: str) -> bytes:
        pause = _FIRST_RETRY
        for attempt in range(1, _ATTEMPTS + 1):
            self._log(f"Fetching data from {self._root}{_VERSION}{path}. Attempt #{attempt}")
            try:
                return self._get(f"{_VERSION}{path}")
            except urllib.error.HTTPError as error:
                if error.code in _CLIENT_ERRORS:
                    return b""
                self._log(str(error))
            except (OSError, http.client.HTTPException) as error:
                self._log(str(error))
            pause = min(pause * 2, _LONGEST_RETRY)
            self._sleep(pause)
        msg = f"{path}: must be fetched in {_ATTEMPTS} attempts, got none that was answered"
        raise DatasourceError(msg)

    def _fetch_token(self) -> str:
        header = {f"{TOKEN_HEADER}-ttl-seconds": _TOKEN_SECONDS}
        return self._ask("PUT", "latest/api/token", header).decode()

    def _get(self, path: str) -> bytes:
        return self._ask("GET", path, self._headers)

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> bytes:
        request = urllib.request.Request(  # noqa: S310  # the address is http, and fixed
            f"{self._root}{path}", method=method, headers=headers
        )
        try:
            with self._opener.open(request, timeout=_REQUEST_TIMEOUT) as answer:
                data: bytes = answer.read()
                return data
        except urllib.error.HTTPError as error:
            error.close()
            raise
