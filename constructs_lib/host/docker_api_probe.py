"""The proof from outside that a Docker API takes our certificate and nobody else's.

Each check is a real connection: our certificate is answered; no certificate, a foreign one with our
name, and plain HTTP are refused; and so is the client's certificate that this one replaces. A port
that does not answer at all is no refusal: only a server that was reached can refuse.
"""

from __future__ import annotations

import argparse
import http.client
import socket
import ssl
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from constructs_lib.files.private_file import write_private
from constructs_lib.identity.certificate_authority import issue_client
from constructs_lib.identity.pem import load_certificate
from constructs_lib.identity.pki import Pki
from constructs_lib.identity.pki_files import PkiError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DEFAULT_TIMEOUT_SECONDS: Final = 60.0

_CONNECTION_SECONDS: Final = 10.0
_PAUSE_SECONDS: Final = 0.3
_OK: Final = 200
_LARGEST_ANSWER: Final = 4096
_REQUEST: Final = b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n"


class ProbeError(Exception):
    """The API does not keep a guarantee, or could not be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerApiProbe:
    """The checks of one API.

    Attributes:
        host: The IP address or DNS name, which the server's certificate must name.
        port: TCP port, 1 to 65535.
        certificates: The folder with `ca.pem`, `cert.pem` and `key.pem`.
        withdrawn: The same of a client that must be refused, if there is one.
        timeout_seconds: How long the first check waits for the API to come up.
    """

    host: str
    port: int
    certificates: Path
    withdrawn: Path | None = None
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS

    def run(self, report: Callable[[str], None]) -> None:
        """Run the checks, in order, and stop at the first that fails.

        Args:
            report: Takes a line for each check that passed.

        Raises:
            ProbeError: A check failed; the message says which, and what happened.
        """
        self.check_our_certificate()
        report(f"{self}: our certificate: answered")
        self.check_no_certificate()
        report(f"{self}: no certificate: refused")
        self.check_foreign_certificate()
        report(f"{self}: foreign certificate: refused")
        self.check_plain_http()
        report(f"{self}: plain HTTP: refused")
        if self.withdrawn is not None and self.check_withdrawn_certificate(self.withdrawn):
            report(f"{self}: the certificate before: refused")

    def __str__(self) -> str:
        """Return the API's address."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def check_our_certificate(self) -> None:
        """Check that the API answers our certificate, and is the server it should be.

        Raises:
            ProbeError: It does not within the time, or shows another's certificate.
        """
        context = self._context()
        self._load(context, self.certificates)
        end = time.monotonic() + self.timeout_seconds
        while True:
            try:
                status, body = self._ping(context)
            except ssl.SSLCertVerificationError as error:
                # Waiting does not make another server ours.
                raise self._wrong_server("our certificate", error) from error
            except (OSError, http.client.HTTPException) as error:
                got = str(error) or type(error).__name__
            else:
                if status == _OK and body == b"OK":
                    return
                got = f"HTTP status {status} and {body!r}"
            if time.monotonic() >= end:
                raise ProbeError(
                    f"{self}: our certificate: must be answered within "
                    f"{self.timeout_seconds:g} s, got {got}"
                )
            time.sleep(_PAUSE_SECONDS)

    def check_no_certificate(self) -> None:
        """Check that the API refuses a client without a certificate.

        Raises:
            ProbeError: It answers, or cannot be asked.
        """
        self._check_refused("no certificate", self._context())

    def check_foreign_certificate(self) -> None:
        """Check that the API refuses a certificate with our client's name and another key.

        Raises:
            ProbeError: It answers, or cannot be asked.
        """
        ours = load_certificate((self.certificates / "cert.pem").read_bytes())
        name = ours.subject.rdns[0]
        # The same name, so that only the signature tells it from ours.
        issued = issue_client(str(next(iter(name)).value))
        context = self._context()
        with tempfile.TemporaryDirectory(prefix="moor-probe-") as folder:
            write_private(Path(folder) / "cert.pem", issued.certificate_pem)
            write_private(Path(folder) / "key.pem", issued.private_key_pem)
            self._load(context, Path(folder))
        self._check_refused("foreign certificate", context)

    def check_withdrawn_certificate(self, folder: Path) -> bool:
        """Check that the API refuses a client that it has answered before.

        Args:
            folder: The folder with that client's `cert.pem` and `key.pem`.

        Returns:
            Whether it could be tried: a run that was interrupted may have put one of the two
            files in place of the other already.

        Raises:
            ProbeError: The API answers, or cannot be asked.
        """
        context = self._context()
        try:
            self._load(context, folder)
        except ProbeError:
            return False
        self._check_refused("the certificate before", context)
        return True

    def check_plain_http(self) -> None:
        """Check that the API does not speak HTTP without TLS.

        Raises:
            ProbeError: It answers, or cannot be asked.
        """
        subject = "plain HTTP"
        with self._connect(subject) as connection:
            answer = self._exchange(subject, connection)
        # Go's server tells such a client with status 400 that it speaks TLS. An engine would
        # put its headers into any status.
        refused = answer.startswith((b"HTTP/1.0 400 ", b"HTTP/1.1 400 "))
        spoke = answer.startswith(b"HTTP/")
        if (spoke and not refused) or b"api-version" in answer.lower():
            raise ProbeError(f"{self}: {subject}: must be refused, got {_first_line(answer)}")

    def _check_refused(self, subject: str, context: ssl.SSLContext) -> None:
        with self._connect(subject) as raw:
            try:
                connection = context.wrap_socket(raw, server_hostname=self.host)
            except ssl.SSLCertVerificationError as error:
                raise self._wrong_server(subject, error) from error
            except TimeoutError as error:
                raise self._silent(subject) from error
            except OSError:
                # Up to TLS 1.2 the refusal ends the handshake.
                return
            with connection:
                # With TLS 1.3 the handshake is over for us before the server has seen what we
                # lack, and the refusal comes in place of the answer.
                answer = self._exchange(subject, connection)
        if answer:
            raise ProbeError(f"{self}: {subject}: must be refused, got {_first_line(answer)}")

    def _connect(self, subject: str) -> socket.socket:
        try:
            return socket.create_connection((self.host, self.port), timeout=_CONNECTION_SECONDS)
        except OSError as error:
            raise ProbeError(
                f"{self}: {subject}: must be refused by the server, got no connection ({error})"
            ) from error

    def _exchange(self, subject: str, connection: socket.socket) -> bytes:
        """Send a request; return the beginning of the answer, empty when the server broke off."""
        try:
            connection.sendall(_REQUEST)
            return connection.recv(_LARGEST_ANSWER)
        except TimeoutError as error:
            raise self._silent(subject) from error
        except OSError:
            # An alert (ssl.SSLError) or a reset.
            return b""

    def _ping(self, context: ssl.SSLContext) -> tuple[int, bytes]:
        connection = http.client.HTTPSConnection(
            self.host, self.port, timeout=_CONNECTION_SECONDS, context=context
        )
        try:
            connection.request("GET", "/_ping")
            response = connection.getresponse()
            return response.status, response.read(_LARGEST_ANSWER)
        finally:
            connection.close()

    def _context(self) -> ssl.SSLContext:
        file = self.certificates / "ca.pem"
        try:
            context = ssl.create_default_context(cafile=file)
        except OSError as error:
            raise ProbeError(f"{file}: must be the CA's certificate, got {error}") from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
        return context

    def _load(self, context: ssl.SSLContext, folder: Path) -> None:
        try:
            # The empty password keeps OpenSSL from asking for one on the terminal.
            context.load_cert_chain(folder / "cert.pem", folder / "key.pem", password="")
        except OSError as error:
            raise ProbeError(
                f"{folder}: cert.pem and key.pem: must be a certificate and its key, got {error}"
            ) from error

    def _wrong_server(self, subject: str, error: ssl.SSLCertVerificationError) -> ProbeError:
        return ProbeError(
            f"{self}: {subject}: the server's certificate: must be one of "
            f"{self.certificates / 'ca.pem'} for {self.host}, got: {error.verify_message}"
        )

    def _silent(self, subject: str) -> ProbeError:
        return ProbeError(
            f"{self}: {subject}: must be refused, got no answer within {_CONNECTION_SECONDS:g} s"
        )


def _first_line(answer: bytes) -> str:
    return repr(answer.split(b"\r\n")[0].decode("latin-1"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `python -m constructs_lib.host.docker_api_probe`.

    When each API has been seen to answer the client that was prepared, and not the one before, the
    one takes the other's place.

    Args:
        arguments: The command line; that of the process where unset.

    Returns:
        0 when all checks passed, else 1.
    """
    parser = argparse.ArgumentParser(
        prog="python -m constructs_lib.host.docker_api_probe",
        description="Check that a Docker API takes our certificate and nobody else's.",
    )
    parser.add_argument(
        "--host",
        action="append",
        required=True,
        help="the machine's address; once for each machine",
    )
    parser.add_argument("--port", type=int, required=True, help="the API's TCP port")
    parser.add_argument(
        "--certificates", type=Path, required=True, help="the folder with ca.pem, cert.pem, key.pem"
    )
    parser.add_argument("--pki", type=Path, required=True, help="the folder of the CA")
    parser.add_argument(
        "--timeout",
        type=float,
        default=DEFAULT_TIMEOUT_SECONDS,
        help="seconds to wait for the API to come up",
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="leave the client's certificates as they are: other machines do not know the next yet",
    )
    options = parser.parse_args(arguments)
    pki = Pki(pki_dir=options.pki, certificates_dir=options.certificates)
    try:
        for host in options.host:
            probe = DockerApiProbe(
                host=host,
                port=options.port,
                certificates=pki.client_dir,
                withdrawn=pki.withdrawn_client,
                timeout_seconds=options.timeout,
            )
            probe.run(lambda line: print(line, flush=True))  # noqa: T201 - a command's output
        if not options.keep:
            pki.take_over()
    except (ProbeError, PkiError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
