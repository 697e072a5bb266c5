"""What a kernel has is looked for among the machine's files."""

from __future__ import annotations

import gzip
import io
import tarfile
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from docker.errors import APIError, NotFound

from constructs_lib.host import step_program
from constructs_lib.swarm import kernel_check
from constructs_lib.swarm.kernel import found
from constructs_lib.swarm.kernel_feature import ESP, IP_VS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import DockerClient

MODULES = "/machine/usr/lib/modules/6.12.0-flatcar"
DEPENDENCIES = (
    b"kernel/net/netfilter/ipvs/ip_vs.ko.xz: kernel/lib/libcrc32c.ko.xz\n"
    b"kernel/net/netfilter/ipvs/ip_vs_rr.ko.xz: kernel/net/netfilter/ipvs/ip_vs.ko.xz\n"
    b"kernel/net/ipv4/esp4.ko.xz: kernel/net/xfrm/xfrm_algo.ko.xz\n"
)
OTHERS = b"kernel/net/ipv4/esp4_offload.ko:\nkernel/net/netfilter/ipvs/ip_vs_rr.ko:\n"
CONFIGURATION = b"CONFIG_XFRM=y\nCONFIG_IP_VS=m\nCONFIG_INET_ESP=y\nCONFIG_INET6_ESP=y\n"


class Engine:
    """An engine of a machine that has some files."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.api = self
        self.files = files
        self.left: list[str] = []
        self.refuses = False

    def info(self) -> dict[str, str]:
        """Answer."""
        return {"KernelVersion": "6.12.0-flatcar"}

    def import_image_from_data(self, data: bytes, *, repository: str, tag: str) -> None:
        """Take an image with nothing in it."""
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            assert [(m.name, m.isdir()) for m in archive] == [("machine", True)]
        self.left.append(f"{repository}:{tag}")

    def create_host_config(self, **options: Any) -> dict[str, Any]:  # noqa: ANN401
        """Take the options."""
        return options

    def create_container(
        self, image: str, *, command: str, host_config: dict[str, Any]
    ) -> dict[str, str]:
        """Make a container, which nobody starts."""
        assert (image, command) == ("moor-nothing:1", "nothing")
        assert host_config == {"binds": ["/:/machine:ro"], "network_mode": "none"}
        self.left.append("container")
        return {"Id": "container"}

    def get_archive(self, container: str, path: str) -> tuple[Iterator[bytes], dict[str, str]]:
        """Answer with a file, if there is one."""
        assert container == "container"
        if self.refuses:
            raise APIError(path)
        if path not in self.files:
            raise NotFound(path)
        whole = io.BytesIO()
        with tarfile.open(fileobj=whole, mode="w") as archive:
            member = tarfile.TarInfo("it")
            member.size = len(self.files[path])
            archive.addfile(member, io.BytesIO(self.files[path]))
        return iter([whole.getvalue()]), {}

    def remove_container(self, container: str, *, force: bool) -> None:
        """Remove a container."""
        assert force
        self.left.remove(container)

    def remove_image(self, name: str) -> None:
        """Remove an image."""
        self.left.remove(name)


@pytest.mark.parametrize(
    ("files", "ip_vs", "esp"),
    [
        ({}, "no", "no"),
        ({"/machine/proc/1/net/ip_vs": b""}, "yes", "no"),
        ({"/machine/sys/module/esp4": b""}, "no", "yes"),
        ({f"{MODULES}/modules.dep": DEPENDENCIES}, "yes", "yes"),
        ({f"{MODULES}/modules.builtin": b"kernel/net/ipv4/esp4.ko\n"}, "no", "yes"),
        ({f"{MODULES}/modules.dep": OTHERS}, "no", "no"),
        # What is a module there is of no use without the module.
        ({"/machine/proc/config.gz": gzip.compress(CONFIGURATION)}, "no", "yes"),
        ({"/machine/proc/config.gz": b"no such thing"}, "no", "no"),
    ],
)
def test_it_is_there_when_loaded_built_in_or_to_be_loaded(
    files: dict[str, bytes], ip_vs: str, esp: str
) -> None:
    engine = Engine(files)
    assert found(cast("DockerClient", engine)) == {"moor.ip_vs": ip_vs, "moor.esp": esp}
    assert engine.left == []


def test_nothing_is_left_when_the_engine_refuses() -> None:
    engine = Engine({})
    engine.refuses = True
    with pytest.raises(APIError):
        found(cast("DockerClient", engine))
    assert engine.left == []


def test_a_node_without_it_is_told_and_one_of_which_nobody_knows() -> None:
    nodes: dict[str, dict[str, str]] = {
        "c": {},
        "a": {"moor.ip_vs": "yes", "moor.esp": "yes"},
        "b": {"moor.ip_vs": "no"},
    }
    assert IP_VS.lacking(nodes) == {"b": "no", "c": "not known"}
    assert ESP.refusal(["networks.back.driver_opts.encrypted"], ESP.lacking(nodes)) == (
        "networks.back.driver_opts.encrypted: must not ask for encryption between nodes where a "
        "node's kernel has no ESP, without which it silently does not work, got b (not known), c "
        "(not known); leave it out, or choose machines with a kernel that has it"
    )


@pytest.mark.parametrize(("feature", "status"), [("IP_VS", 1), ("ESP", 0)])
def test_the_step_fails_where_a_node_lacks_it(
    feature: str, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = {"moor.node": "web-1", "moor.ip_vs": "no", "moor.esp": "yes"}
    nodes = [{"ID": "1", "Spec": {"Role": "worker", "Labels": labels}}]
    engine = SimpleNamespace(api=SimpleNamespace(nodes=lambda: nodes))
    monkeypatch.setattr(step_program, "connect", lambda *_, **__: engine)
    words = ["--host", "h", "--port", "1", "--certificates", "c", "--feature", feature, "--", "a.b"]
    assert kernel_check.main(words) == status
    said = capsys.readouterr()
    if status:
        assert said.err == (
            "a.b: must not ask for a virtual address or the mesh where a node's kernel has no "
            "IP_VS, without which it silently does not work, got web-1 (no); use endpoint_mode: "
            "dnsrr and mode: host\n"
        )
    else:
        assert said.out == "ESP is in the kernels of all nodes, for a.b\n"
