"""Stand-ins for images that only the internet has: small ones, in the sandbox's registry.

Each is the registry's own busybox with one layer more: a program that stays up, listens on the
TCP ports that it is told, writes into its data's folders, and ends at once when it is stopped;
and a second one under all the names that healthchecks and scripts call, which does nothing and
does it well. A shell does not look for what it has itself, such as `wget` and `ps`: so HTTP
is answered, and there is a process with a name. Nothing listens on UDP: busybox cannot.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from hosted import StandIn

_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_PLACE: Final = "/usr/local/bin"

_STAND_IN: Final = """#!/bin/sh
# Stands in for any program.
case "${1##*/}" in
    sh | bash) exec "$@" ;;
    healthcheck | -healthcheck | version) exit 0 ;;
esac
case "$*" in
    'db '*) exit 0 ;;
esac
for folder in ${STAND_IN_FOLDERS:-}; do
    [ -d "${folder}" ] || continue
    # One image may stand for several services, of which some may only read.
    ! grep -q " ${folder} [^ ]* ro[ ,]" /proc/mounts || continue
    echo kept 2>/dev/null > "${folder}/stand-in-was-here" || [ "$(id -u)" != 0 ] || exit 1
done
[ -z "${STAND_IN_ENDS:-}" ] || exit 0
for port in ${STAND_IN_PORTS:-}; do
    /bin/nc -ll -p "${port}" -e /usr/local/bin/answer 2>/dev/null &
done
trap 'exit 0' TERM INT QUIT USR1 WINCH
while :; do
    # Who looks at processes finds what it is, with a version.
    sh -c 'sleep 86400; true' "$* 8" &
    wait "$!"
done
"""

_TOOL: Final = """#!/bin/sh
# Stands in for what healthchecks and scripts call.
case "${0##*/}" in
    curl | wget)
        for word in "$@"; do
            place=$(echo "${word}" | sed -n 's#^https*://\\([^/]*\\).*#\\1#p')
            case "${place}" in
                '' | localhost* | 127.*) ;;
                *:*) /bin/nc -w 2 "${place%:*}" "${place##*:}" < /dev/null > /dev/null || exit 7 ;;
            esac
        done
        echo 'OK missing authentication credentials'
        echo 'HTTP/1.1 302 Found'
        ;;
    grep)
        # Of busybox's own, which knows no long options.
        case "$*" in
            *--*) cat > /dev/null ;;
            *) exec /bin/grep "$@" ;;
        esac
        ;;
    redis-cli) echo PONG ;;
    ss) echo '0.0.0.0:smtp' ;;
esac
exit 0
"""

_ANSWER: Final = """#!/bin/sh
# Answers whoever connects: with success on HTTP, else with what was said.
read -r word
case "${word}" in
    *' HTTP/1.'*) printf 'HTTP/1.0 200 OK\\r\\nContent-Length: 3\\r\\n\\r\\nOK\\n' ;;
    *)
        [ -z "${word}" ] || echo "${word}"
        exec /bin/cat
        ;;
esac
"""

_BASH: Final = """#!/bin/sh
exec /bin/sh "$@"
"""

TOOLS: Final = (
    *("curl", "wget", "pg_isready", "pg_dump", "redis-cli", "mysqladmin", "healthcheck.sh"),
    *("mongosh", "rabbitmq-diagnostics", "service", "ss", "drill", "celery", "flow", "node"),
    *("certbot", "grep", "imgproxy", "mc"),
)

_USERS: Final = """root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/sh
"""


class StandIns:
    """The stand-ins in one registry.

    Args:
        registry: Its host and port.
    """

    def __init__(self, registry: str) -> None:
        self._base = f"http://{registry}/v2"
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        manifest = json.loads(self._get("busybox/manifests/1.36", _MANIFEST))
        self._layers: list[dict[str, Any]] = manifest["layers"]
        config = json.loads(self._get(f"busybox/blobs/{manifest['config']['digest']}"))
        self._diffs: list[str] = config["rootfs"]["diff_ids"]
        self._architecture: str = config["architecture"]

    def put(self, repository: str, tag: str, stand_in: StandIn) -> None:
        """Make one image.

        Args:
            repository: Its name in the registry.
            tag: Its tag.
            stand_in: What it has to be able to do.
        """
        tar = _layer(stand_in)
        packed = gzip.compress(tar, mtime=0)
        for layer in self._layers:
            self._mount(repository, layer["digest"])
        blob = self._upload(repository, packed)
        runtime: dict[str, Any] = {
            "Env": [
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                f"STAND_IN_PORTS={' '.join(map(str, sorted(stand_in.ports)))}",
                f"STAND_IN_FOLDERS={' '.join(sorted(stand_in.folders))}",
                f"STAND_IN_ENDS={'yes' if stand_in.ends else ''}",
            ],
            "Entrypoint": [f"{_PLACE}/stand-in"],
        }
        if stand_in.is_checked:
            runtime["Healthcheck"] = {"Test": ["CMD", "true"], "Interval": 1_000_000_000}
        diff = f"sha256:{hashlib.sha256(tar).hexdigest()}"
        config = json.dumps(
            {
                "architecture": self._architecture,
                "os": "linux",
                "created": "1970-01-01T00:00:00Z",
                "config": runtime,
                "rootfs": {"type": "layers", "diff_ids": [*self._diffs, diff]},
                "history": [{"created_by": "stand-in"} for _ in (*self._diffs, diff)],
            }
        ).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": {
                "mediaType": _CONFIG,
                "size": len(config),
                "digest": self._upload(repository, config),
            },
            "layers": [*self._layers, {"mediaType": _LAYER, "size": len(packed), "digest": blob}],
        }
        self._send(f"{repository}/manifests/{tag}", "PUT", json.dumps(manifest).encode(), _MANIFEST)

    def _mount(self, repository: str, digest: str) -> None:
        self._send(f"{repository}/blobs/uploads/?mount={digest}&from=busybox", "POST", b"")

    def _upload(self, repository: str, data: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        place = self._send(f"{repository}/blobs/uploads/", "POST", b"")
        mark = "&" if "?" in place else "?"
        self._send(f"{place}{mark}digest={digest}", "PUT", data, "application/octet-stream")
        return digest

    def _get(self, path: str, kind: str = "*/*") -> bytes:
        data, _ = self._ask(f"{self._base}/{path}", "GET", None, {"Accept": kind})
        return data

    def _send(self, path: str, method: str, data: bytes, kind: str = "") -> str:
        address = path if path.startswith("http") else f"{self._base}/{path}"
        _, place = self._ask(address, method, data, {"Content-Type": kind} if kind else {})
        return place

    def _ask(
        self, address: str, method: str, data: bytes | None, headers: dict[str, str]
    ) -> tuple[bytes, str]:
        asked = urllib.request.Request(  # noqa: S310  (the registry of the sandbox)
            address, data, headers, method=method
        )
        with self._opener.open(asked, timeout=20) as answer:
            return answer.read(), str(answer.headers.get("Location", ""))


def _layer(stand_in: StandIn) -> bytes:
    """Return a tar of the programs under all their names."""
    files = {f"{_PLACE}/{name}": _TOOL for name in TOOLS}
    files |= {_path(name): _TOOL for name in stand_in.tools if _path(name) not in files}
    files |= {_path(name): _STAND_IN for name in stand_in.programs}
    files |= {f"{_PLACE}/stand-in": _STAND_IN, f"{_PLACE}/answer": _ANSWER}
    files |= {f"{_PLACE}/bash": _BASH, "/bin/bash": _BASH}
    # The registry's image has it, and all of these begin with it.
    files.pop("/bin/sh", None)
    files["/etc/passwd"] = _USERS
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        # No links: a `COPY` to one writes into what it leads to, here a program that others are.
        for path, text in sorted(files.items()):
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size, member.mode = len(text.encode()), 0o755
            archive.addfile(member, io.BytesIO(text.encode()))
    return stream.getvalue()


def _path(name: str) -> str:
    return name if name.startswith("/") else f"{_PLACE}/{name}"
