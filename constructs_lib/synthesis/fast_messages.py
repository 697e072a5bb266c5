"""The questions to Node, put with less effort and less waiting.

Each construct is a question to the Node process that jsii runs, and each attribute of one is
another: some eight for a service of a Compose file. `install` changes how jsii's Python side
goes about them:

- Node says hello when it has started, and "done" when it has loaded an assembly. Nobody needs
  either, so they are read when the next question has to be put. Python imports meanwhile.
- Of a struct, such as a container's configuration of a hundred optional properties, only those
  are read and sent that have a value. jsii asks for each, and sends a null for what is not there.

Both are made of jsii's private parts, so any jsii but the one that this was written for stays as it
is.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jsii
from jsii import _kernel
from jsii._kernel import types
from jsii._kernel.providers import process

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION: Final = "1.142.0"
"""The jsii whose messages these are; `Pipfile.lock` names it."""

_ASSEMBLIES: Final = "_jsii"
"""The folder of a package that has what Node is to load."""

_PLAIN: Final = frozenset({str, int, float, bool, type(None)})


def install() -> bool:
    """Change how the Python side of jsii puts its questions, before it has put any.

    Returns:
        Whether it is the jsii that this is for; if not, nothing has changed.
    """
    if jsii.__version__ != VERSION:
        return False
    process._NodeProcess = NodeProcess  # type: ignore[misc]  # noqa: SLF001
    usual = _kernel._make_reference_for_native  # noqa: SLF001
    _kernel._make_reference_for_native = only_what_is_set(usual)  # type: ignore[assignment]  # noqa: SLF001
    return True


def only_what_is_set(usual: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return a function that prepares a value for a message: of a struct, only what is set.

    Args:
        usual: jsii's own, of the kernel and the value. It prepares everything else.
    """

    def prepare(kernel: Any, value: Any) -> Any:  # noqa: ANN401  (anything that jsii takes)
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind is list:
            return [prepare(kernel, item) for item in value]
        if kind is dict:
            return {"$jsii.map": {k: prepare(kernel, v) for k, v in value.items()}}
        names = getattr(kind, "__jsii_name_mapping__", None)
        given = getattr(value, "_values", None)
        if names is None or type(given) is not dict or not given.keys() <= names.keys():
            return usual(kernel, value)
        data = {names[k]: prepare(kernel, v) for k, v in given.items() if v is not None}
        return {"$jsii.struct": {"fqn": value.__jsii_type__, "data": data}}

    return prepare


class NodeProcess(process._NodeProcess):  # noqa: SLF001  (nothing else starts Node)
    """Node, and the messages to it and from it."""

    def __init__(self) -> None:
        """Start nothing yet."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._awaited: list[Callable[[], object]] = []

    def handshake(self) -> None:
        """Look forward to the hello."""
        self._awaited.append(super().handshake)

    def send(self, request: Any, response_type: Any) -> Any:  # noqa: ANN401  (jsii's signature)
        """Put a question.

        Args:
            request: The question.
            response_type: What its answer is to be.

        Raises:
            RuntimeError: Node answers with an error, to this question or to one before.
            jsii.errors.JSIIError: The same, and jsii itself is at fault.
        """
        # A file elsewhere than in its package is a copy that is removed when this returns.
        if type(request) is types.LoadRequest and Path(request.tarball).parent.name == _ASSEMBLIES:
            message = json.dumps(self._serializer.unstructure(request))
            pipe: Any = self._process.stdin
            pipe.write(f"{message}\n".encode())
            pipe.flush()
            self._awaited.append(self._read_done)
            return types.LoadResponse(assembly=request.name, types=0)
        while self._awaited:
            self._awaited.pop(0)()
        return super().send(request, response_type)

    def _read_done(self) -> None:
        answer = self._next_message()
        if "error" in answer:
            raise RuntimeError(answer["error"])
