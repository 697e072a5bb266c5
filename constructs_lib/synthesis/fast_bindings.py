"""The provider bindings, loaded a module at a time instead of all at once.

`import cdktf_cdktf_provider_aws.instance` first runs the `__init__` of the package, which
imports more than two thousand modules, one for each thing AWS has; and the JavaScript side
then loads as many files. A synthesis needs a dozen of them, and the rest is what makes it
slow. `install`, called by the app and by the tests before they import a construct, does three
things about it:

- The provider package gets an empty body and imports a submodule when something asks for it.
  Import lines, type checkers and editors see nothing unusual.
- `fast_bindings_hook.cjs`, loaded by the Node process that jsii starts, does the same to the
  index file of the provider's JavaScript, and spares jsii's runtime its second process.
- With `-O`, the library that checks types when there is no `-O` is run when somebody asks for it.

They look at what they replace, and leave alone what is not exactly as expected: the bindings
then load as usual, slower and with the same result. The variable `MOOR_PLAIN_BINDINGS`, set to
anything, turns all of it off.

Source:
    aws/jsii pull request 5110, which makes jsii generate such packages. The providers'
    bindings were generated before it, and will not be generated again.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

OFF: Final = "MOOR_PLAIN_BINDINGS"
"""The variable that turns this off."""

HOOK: Final = Path(__file__).resolve().with_name("fast_bindings_hook.cjs")

_PROVIDER: Final = "cdktf_cdktf_provider_"
_RUNTIME: Final = "jsii"
"""The package that starts Node, later, with the variables of this process."""

_BODY: Final = r"""
    \n__all__\ =\ \[\n (?P<names>(?:\ {4}"[a-z0-9_]+",\n)*) \]\n
    \n publication\.publish\(\)\n
    \n \#[^\n]*\n  # "Loading modules to ensure their types are registered [...]"
    (?P<imports>(?:from\ \.\ import\ [a-z0-9_]+\n)*) \Z
    """
"""The end of a generated `__init__`: all that it publishes are its submodules."""
_DEFINITION: Final = r"^(?:class |@)"


def install() -> None:
    """Make the provider bindings load on demand from now on.

    Costs nothing where they are never imported. A package that is already imported stays
    as it is. Calling it again has no effect.
    """
    if not os.environ.get(OFF) and not any(isinstance(f, _Finder) for f in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def submodules(source: str) -> tuple[str, ...] | None:
    """Read which submodules a provider's `__init__` imports.

    Args:
        source: The text of the file.

    Returns:
        Their names; None where the file does anything else that counts, and so must be run.
    """
    body = re.search(_BODY, source, re.VERBOSE)
    if body is None or re.search(_DEFINITION, source[: body.start()], re.MULTILINE):
        return None
    # Between quotes every second piece is a name; of `from . import name` every fourth word is.
    published = body["names"].split('"')[1::2]
    imported = body["imports"].split()[3::4]
    return tuple(imported) if sorted(published) == sorted(imported) else None


def node_options(existing: str, hook: Path = HOOK) -> str:
    """Add the hook to Node's options.

    Args:
        existing: The value of `NODE_OPTIONS`.
        hook: The hook's file.
    """
    path = str(hook).replace("\\", "\\\\").replace('"', '\\"')
    # `--require`, for `--import` would start Node's loader of ES modules in each process.
    # The other one is what jsii's second process would be started with.
    option = f'--require "{path}" --preserve-symlinks'
    return existing if option in existing else f"{existing} {option}".strip()


class _Finder:
    """Finds provider packages, and sees jsii come."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Find a provider package; leave everything else to the usual finders."""
        if fullname == _RUNTIME and HOOK.is_file():
            os.environ["NODE_OPTIONS"] = node_options(os.environ.get("NODE_OPTIONS", ""))
        kind = _Loader if fullname.startswith(_PROVIDER) else _LATER.get(fullname)
        if path is not None or kind is None:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or type(spec.loader) is not SourceFileLoader:
            return None
        spec.loader = kind(fullname, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    """Loads a provider package without its submodules."""

    def exec_module(self, module: ModuleType) -> None:
        """Let the module import its submodules on demand; run its file where that has changed."""
        try:
            names = submodules(self.get_data(self.path).decode())
        except (OSError, ValueError):
            names = None
        if names is None:
            super().exec_module(module)
            return
        module.__getattr__ = _getattr_of(module.__name__, names)  # type: ignore[method-assign]
        module.__dir__ = lambda: [*vars(module), *names]  # type: ignore[method-assign]
        module.__dict__["__all__"] = list(names)
        _register(module.__name__, names)


class _LaterLoader(SourceFileLoader):
    """Runs a module when something is asked of it.

    `importlib.util.LazyLoader` would do so when the module is imported for the second time.
    """

    def exec_module(self, module: ModuleType) -> None:
        """Wait for the first attribute."""

        def get(name: str) -> Any:  # noqa: ANN401  (the signature of a module's `__getattr__`)
            vars(module).pop("__getattr__", None)
            super(_LaterLoader, self).exec_module(module)
            return getattr(module, name)

        module.__getattr__ = get  # type: ignore[method-assign]


_LATER: Final = {} if __debug__ else {"typeguard": _LaterLoader}
"""What all bindings import, and call in an `if __debug__` only. It imports asyncio and more."""


def _getattr_of(package: str, names: tuple[str, ...]) -> Callable[[str], Any]:
    known = frozenset(names)

    def get(name: str) -> Any:  # noqa: ANN401  (the signature of a module's `__getattr__`)
        if name in known:
            return importlib.import_module(f"{package}.{name}")
        msg = f"module {package!r} has no attribute {name!r}"
        raise AttributeError(msg)

    return get


def _register(package: str, names: tuple[str, ...]) -> None:
    """Tell jsii where the types of the submodules are, as newer bindings do themselves.

    It looks there when JavaScript hands over an object of a type that is not loaded yet.
    """
    provider = package.removeprefix(_PROVIDER).replace("_", "-")
    try:
        table = importlib.import_module("jsii._reference_map").__dict__["_submodule_fqn_map"]
        for name in names:
            first, *others = name.split("_")
            camel_case = first + "".join(map(str.capitalize, others))
            table[f"@cdktf/provider-{provider}.{camel_case}"] = f"{package}.{name}"
    except (ImportError, KeyError, TypeError):
        return  # An older jsii knows no such table.
