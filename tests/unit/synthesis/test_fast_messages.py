# ruff: noqa: ANN401  # what jsii takes and gives has no types
"""The messages to Node: the same to Node as jsii's own, and nobody waits for a "done"."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jsii
import pytest
from cdktf import AssetType, TerraformResourceLifecycle
from cdktf_cdktf_provider_docker.container import ContainerConfig, ContainerPorts
from hypothesis import given
from hypothesis import strategies as st
from jsii import _kernel
from jsii._kernel import types
from jsii._kernel.providers import process

from constructs_lib.synthesis import fast_messages

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parents[3]

USUAL: Final = _kernel._make_reference_for_native
PREPARE: Final = fast_messages.only_what_is_set(USUAL)


class Known:
    """An object that Node knows by a reference, as a construct is."""

    __jsii_type__ = "constructs.Construct"
    __jsii_ref__ = types.ObjRef(ref="constructs.Construct@10000")


KNOWN: Final = Known()


def without_nulls(prepared: Any) -> Any:
    """Leave out a struct's properties that are null."""
    if isinstance(prepared, list):
        return [without_nulls(item) for item in prepared]
    if not isinstance(prepared, dict):
        return prepared
    if prepared.keys() == {"$jsii.struct"}:
        struct = prepared["$jsii.struct"]
        data = {k: without_nulls(v) for k, v in struct["data"].items() if v is not None}
        return {"$jsii.struct": {"fqn": struct["fqn"], "data": data}}
    return {key: without_nulls(value) for key, value in prepared.items()}


def container(**more: Any) -> ContainerConfig:
    return ContainerConfig(name="web", image="sha256:1", **more)


plain = st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(AssetType)
ports = st.builds(
    ContainerPorts, internal=st.integers(), external=st.none() | st.integers(), ip=st.text()
)
structs = st.builds(
    container,
    must_run=st.none() | st.booleans(),
    command=st.none() | st.lists(st.text()),
    memory=st.none() | st.integers(),
    ports=st.lists(ports),
    storage_opts=st.dictionaries(st.text(), st.text()),
    lifecycle=st.none() | st.just(TerraformResourceLifecycle(create_before_destroy=False)),
)
values = st.recursive(
    plain | structs | st.just(KNOWN),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(values)
def test_what_is_sent_of_a_value_is_what_jsii_sends_without_the_nulls(value: Any) -> None:
    assert PREPARE(None, value) == without_nulls(USUAL(None, value))  # type: ignore[arg-type]


def test_a_struct_is_what_it_has() -> None:
    prepared = PREPARE(None, container(must_run=False, command=[], memory=0))
    assert prepared["$jsii.struct"]["data"] == {
        "name": "web",
        "image": "sha256:1",
        "mustRun": False,
        "command": [],
        "memory": 0,
    }


def test_an_unusual_struct_goes_the_usual_way() -> None:
    unusual = container()
    unusual._values["no_such_property"] = 1
    assert PREPARE(None, unusual) == USUAL(None, unusual)  # type: ignore[arg-type]
    assert "memory" in PREPARE(None, unusual)["$jsii.struct"]["data"]


def test_a_function_is_refused_as_usual() -> None:
    with pytest.raises(jsii.errors.JSIIError, match="Cannot pass function"):
        PREPARE(None, [print])


NODE: Final = """#!{python}
# Stands for Node where its order of answers matters, which is not to be had from the real one.
import json, signal, sys
signal.alarm(30)  # should both sides wait for each other
def say(**message):
    print(json.dumps(message), flush=True)
heard = [json.loads(sys.stdin.readline()) for _ in range(2)]  # before it has said a word
say(hello="@jsii/runtime@{version}")
for question in heard:
    if question["name"] == "broken":
        say(error="cannot load broken", stack="at node", name="@jsii/kernel.RuntimeError")
    else:
        say(ok={{"assembly": question["name"], "types": 1}})
for line in sys.stdin:
    question = json.loads(line)
    if question.get("api") == "load":
        say(ok={{"assembly": question["name"], "types": 1}})
    if question.get("api") == "get":
        say(ok={{"value": [q["name"] for q in heard]}})
"""


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[fast_messages.NodeProcess]:
    program = tmp_path / "node"
    program.write_text(NODE.format(python=sys.executable, version=jsii.__version__))
    program.chmod(0o755)
    monkeypatch.setenv("JSII_NODE", str(program))
    found = fast_messages.NodeProcess()
    found.start()  # type: ignore[no-untyped-call]
    yield found
    found.stop()


def load(node: fast_messages.NodeProcess, name: str) -> Any:
    request = types.LoadRequest(
        name=name, version="1", tarball=f"/packages/{name}/_jsii/{name}.tgz"
    )
    return node.send(request, types.LoadResponse)


GET: Final = types.GetRequest(objref=types.ObjRef(ref="a@1"), property="p")


def test_nobody_waits_until_node_has_started_and_loaded(node: fast_messages.NodeProcess) -> None:
    # This one says hello after it has heard of both: whoever waited would wait in vain.
    assert load(node, "one").assembly == "one"
    assert load(node, "two").assembly == "two"
    assert node.send(GET, types.GetResponse).value == ["one", "two"]


def test_what_could_not_be_loaded_is_told_at_the_next_question(
    node: fast_messages.NodeProcess,
) -> None:
    load(node, "broken")
    load(node, "two")
    with pytest.raises(RuntimeError, match="cannot load broken"):
        node.send(GET, types.GetResponse)
    # The other answers are read in their turn.
    assert node.send(GET, types.GetResponse).value == ["broken", "two"]


def test_a_copy_of_an_assembly_is_waited_for(node: fast_messages.NodeProcess) -> None:
    load(node, "one")
    load(node, "two")
    request = types.LoadRequest(name="three", version="1", tarball="/tmp/copy.tgz")  # noqa: S108
    assert node.send(request, types.LoadResponse) == types.LoadResponse(assembly="three", types=1)


def test_another_jsii_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsii, "__version__", "1.999.0")
    assert fast_messages.install() is False
    assert process._NodeProcess is not fast_messages.NodeProcess
    assert _kernel._make_reference_for_native is USUAL


def test_the_installed_jsii_is_the_one_that_this_is_for() -> None:
    # When it is another one: compare process.py and __init__.py of jsii._kernel with those of
    # the version before, and change VERSION when this file's tests pass with it.
    assert jsii.__version__ == fast_messages.VERSION
    locked = json.loads((ROOT / "Pipfile.lock").read_text(encoding="utf-8"))
    assert locked["default"]["jsii"]["version"] == f"=={fast_messages.VERSION}"


APP: Final = """
import os, pathlib, sys
from constructs_lib.synthesis import fast_bindings, head_start
fast_bindings.install()
head_start.begin(pathlib.Path(__file__).parent)
from cdktf import App, TerraformOutput, TerraformStack
import jsii
from jsii._kernel.providers import process
print(process._NodeProcess.__module__)
app = App(outdir=sys.argv[1])
TerraformOutput(TerraformStack(app, "one"), "name", value=[1, {"a": "b"}])
app.synth()
print("typeguard" in sys.modules, "unittest.mock" in sys.modules)
import typeguard
print(typeguard.check_type.__name__)
"""


def run_app(folder: Path, *options: str, **variables: str) -> list[str]:
    app = folder / "main.py"
    app.write_text(APP, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, *options, str(app), str(folder / "out")],
        env={**os.environ, "PYTHONPATH": str(ROOT), "ENVIRONMENT": "sandbox", **variables},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout.splitlines()


def test_the_app_has_it_and_plain_bindings_do_not(tmp_path: Path) -> None:
    (tmp_path / "fast").mkdir()
    (tmp_path / "plain").mkdir()
    ours, usual = "constructs_lib.synthesis.fast_messages", "jsii._kernel.providers.process"
    assert run_app(tmp_path / "fast", "-O") == [ours, "True False", "check_type"]
    plain_lines = run_app(tmp_path / "plain", MOOR_PLAIN_BINDINGS="1")
    assert plain_lines == [usual, "True True", "check_type"]
    fast, plain = ((tmp_path / n / "out/stacks/one/cdk.tf.json") for n in ("fast", "plain"))
    assert fast.read_bytes() == plain.read_bytes()
