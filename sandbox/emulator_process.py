"""The process that emulates AWS, as whoever starts it sees it."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.files.private_file import (
    PRIVATE_DIRECTORY_MODE,
    make_private_directory,
    write_private,
)
from sandbox.api.server import ROUTE
from sandbox.api.signature import sign
from sandbox.credentials import Credentials
from sandbox.engine.processes import ProcessIdentity
from sandbox.errors import SandboxError
from sandbox.machines.registry import FOLDER
from sandbox.parameters import HOST, Parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

_READY_TIMEOUT: Final = 60.0
_RECONCILE_TIMEOUT: Final = 150.0
_ASK_TIMEOUT: Final = 10.0
_DYING_TIMEOUT: Final = 2.0
_LOG_LIMIT: Final = 1_000_000
_LOG_LINES: Final = 15
_SERVICE: Final = "moor-sandbox"


class EmulatorProcess:
    """The emulator's process of one environment. It outlives the command that started it.

    Args:
        directory: Where it is written down what runs, and what it was started with.
        log_file: Its log.
    """

    def __init__(self, directory: Path, log_file: Path) -> None:
        self._directory = directory
        self._log_file = log_file

    def start(self, parameters: Parameters, variables: Mapping[str, str]) -> dict[str, Any]:
        """Start the process, and wait until it answers.

        Args:
            parameters: What it is to emulate.
            variables: The environment of this process.

        Returns:
            What it says of itself.

        Raises:
            SandboxError: It does not answer; the text has the end of its log.
        """
        make_private_directory(self._directory)
        # One that was made otherwise, by an earlier version or by hand, is closed now.
        self._directory.chmod(PRIVATE_DIRECTORY_MODE)
        make_private_directory(self._log_file.parent)
        Credentials.new().write(self._credentials_file)
        parameters.write(self._parameters_file)
        if self._log_file.exists() and self._log_file.stat().st_size > _LOG_LIMIT:
            self._log_file.unlink()
        # The emulator asks nobody: no AWS variable concerns it.
        given = {k: v for k, v in variables.items() if not k.startswith("AWS_")}
        with self._log_file.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "sandbox", "serve", str(self._directory)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=given | {"PYTHONPATH": str(Path(__file__).parent.parent)},
                cwd="/",
                start_new_session=True,
            )
        identity = ProcessIdentity.of(process.pid)
        # It runs on after us; without this Python warns when the object goes.
        process.returncode = 0
        if identity is not None:
            write_private(self._process_file, json.dumps(identity.to_json()).encode())
        return self._wait(parameters)

    def stop(self) -> None:
        """End the process. What it was started with stays written down."""
        identity = self._identity()
        if identity is not None:
            identity.stop(patience=10)

    def forget(self) -> None:
        """Remove what is written down."""
        for name in (
            self._process_file,
            self._parameters_file,
            self._credentials_file,
            self._directory / "amis.json",
        ):
            name.unlink(missing_ok=True)
        shutil.rmtree(self._directory / FOLDER, ignore_errors=True)
        with contextlib.suppress(OSError):
            self._directory.rmdir()

    def recorded(self) -> Parameters | None:
        """Return what the process was started with, even where it is gone."""
        return Parameters.read(self._parameters_file)

    def running(self) -> Parameters | None:
        """Return what the process was started with, where it is alive."""
        return None if self._identity() is None else self.recorded()

    def credentials(self) -> Credentials | None:
        """Return the key that the process asks for; None where it was started without one."""
        return Credentials.read(self._credentials_file)

    def ask(
        self, method: str, path: str, port: int, *, timeout: float | None = None
    ) -> dict[str, Any] | None:
        """Ask the process, as `ask` does, with its key."""
        return ask(method, path, port, self.credentials(), timeout=timeout)

    def has_died(self) -> bool:
        """Tell whether the process is gone, or goes within a moment."""
        deadline = time.monotonic() + _DYING_TIMEOUT
        while time.monotonic() < deadline:
            if self._identity() is None:
                return True
            time.sleep(0.02)
        return False

    def _wait(self, parameters: Parameters) -> dict[str, Any]:
        deadline = time.monotonic() + _READY_TIMEOUT
        identity = self._identity()
        while time.monotonic() < deadline and identity is not None and identity.is_alive():
            answer = self.ask("GET", ROUTE, parameters.api_port)
            if answer is not None and answer.get("project") == parameters.project:
                return answer
            time.sleep(0.05)
        lines = self._log_file.read_text(errors="replace").splitlines()[-_LOG_LINES:]
        msg = "\n".join(
            (
                (
                    f"sandbox: the emulator must answer on {parameters.endpoint}, got no answer; "
                    f"the end of {self._log_file}:"
                ),
                *(f"  {line}" for line in lines),
            )
        )
        raise SandboxError(msg)

    def _identity(self) -> ProcessIdentity | None:
        """Return the process, where it is alive."""
        try:
            data = json.loads(self._process_file.read_text())
        except (OSError, ValueError):
            return None
        identity = ProcessIdentity.from_json(data)
        return identity if identity is not None and identity.is_alive() else None

    @property
    def _process_file(self) -> Path:
        return self._directory / "process.json"

    @property
    def _parameters_file(self) -> Path:
        return self._directory / "parameters.json"

    @property
    def _credentials_file(self) -> Path:
        return self._directory / "credentials"


def ask(
    method: str,
    path: str,
    port: int,
    credentials: Credentials | None,
    *,
    timeout: float | None = None,
) -> dict[str, Any] | None:
    """Ask an emulator.

    Args:
        method: `GET` or `POST`.
        path: One of the sandbox's own addresses.
        port: TCP port of its API.
        credentials: Its key; without it, it refuses.
        timeout: Seconds to wait for an answer; by default as long as the work may take.

    Returns:
        The answer; None where nobody answers, or refuses to, or something else does.
    """
    if timeout is None:
        timeout = _RECONCILE_TIMEOUT if method == "POST" else _ASK_TIMEOUT
    headers: dict[str, str] = {}
    if credentials is not None:
        headers = sign(
            method,
            f"http://{HOST}:{port}{path}",
            access_key=credentials.access_key,
            secret_key=credentials.secret_key,
            service=_SERVICE,
            region="local",
        )
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout)
    try:
        connection.request(method, path, headers=headers)
        data = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return data if isinstance(data, dict) else None
