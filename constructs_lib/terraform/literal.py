"""The boundary between text and what Terraform evaluates.

Terraform takes a string of its configuration for a template, and cdktf looks into every string for
marks that stand for its own references. What a person has written in a Compose file or in the
settings is neither. So every argument of a resource, a provider, an output or a step passes
through `define` or `override` here, where text is text, whatever it looks like. Only what this
program itself has made an `Expression` is evaluated; to forget that shows at once, as text, and
lets nobody in.

Source: HCL's specification, "Templates" and "JSON Syntax"; cdktf 0.21, its module
`tokens/private/encoding`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from cdktf import TerraformElement, TerraformResource, TerraformStack

_Parameters = ParamSpec("_Parameters")
_Made = TypeVar("_Made")

_OPENING: Final = re.compile(r"[$%#&]+(?=[{\r])|\r|\A\ufeff")
"""What begins an interpolation (`${`) or a directive (`%{`) of Terraform's, or a mark of cdktf's
(`${TfToken[`, `#{TfToken[`, `&{TfToken[`), with what would make `$${` of it. Behind a carriage
return Terraform's scanner takes what is quoted here for text. In front of everything else it takes
U+FEFF for the mark of an encoding, and drops it."""

_NUMBER: Final = re.compile(r"[-|\d.+]+e[-|\d.eE+]+", re.ASCII)
"""What cdktf takes for a number that may stand for a reference."""

_BEGINNING: Final = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)e[-+]?\d+", re.ASCII)
"""What JavaScript reads of it."""

_MARKED: Final = (1e280, 1e300)
"""Between these two are the numbers that stand for a reference."""

_RESERVED: Final = frozenset({"String Map Token Value", "Any Map Token Value"})
"""Values that cdktf refuses, since it has a meaning of its own for them."""

_SPECIAL: Final = re.compile(r'[\\"$%{}\x00-\x1f]')

_LAST: Final = re.compile(r"[$%]+$")


class Expression(str):
    """Text that Terraform evaluates, such as a reference; no person's words are ever in one."""

    __slots__ = ()


def literal(value: Any) -> Any:  # noqa: ANN401  (any argument of a resource)
    """Return an argument such that Terraform gets every text in it as it is.

    Args:
        value: Text, an `Expression`, or lists and mappings with such. Everything else, such as
            what `define` has made, stays as it is.
    """
    if isinstance(value, Expression):
        return str(value)
    if isinstance(value, str):
        return _escaped(value)
    if isinstance(value, list | tuple):
        return [literal(item) for item in value]
    if isinstance(value, Mapping):
        return {literal(key): literal(item) for key, item in value.items()}
    return value


def joined(*parts: str) -> Expression:
    """Join text and expressions.

    Args:
        parts: Text stays text, and each `Expression` is evaluated.
    """
    found = ""
    for part in parts:
        if isinstance(part, Expression):
            # In front of an expression a dollar sign would escape it.
            found = _LAST.sub(lambda match: _quoted(match[0]), found)
        found += literal(part)
    return Expression(found)


def content_of_file(*parts: str) -> Expression:
    """Return the expression for the content of a file, which Terraform reads when it applies.

    Args:
        parts: The file's path in pieces: text stays text, and each `Expression` is one reference.
    """
    # A reference within this one has no braces of its own: cdktf knows that it is inside of one.
    words = [str(p) if isinstance(p, Expression) else f'"{_in_quotes(p)}"' for p in parts]
    path = words[0] if len(words) == 1 else f'join("", [{", ".join(words)}])'
    return Expression(f"${{file({path})}}")


def define(
    kind: Callable[_Parameters, _Made],
    *where: _Parameters.args,
    **arguments: _Parameters.kwargs,
) -> _Made:
    """Make a resource, or a part of one, out of text and expressions.

    Args:
        kind: A class of the bindings.
        where: Its place: the construct that it belongs to, and its id.
        arguments: Its arguments, which all have names.
    """
    return kind(*where, **literal(arguments))


def override(
    element: TerraformElement | TerraformStack,
    path: str,
    value: Any,  # noqa: ANN401  (any argument)
) -> None:
    """Set an argument that the bindings do not know.

    Args:
        element: The resource, the backend, or the stack.
        path: The argument's path, its parts joined by dots.
        value: Its value.
    """
    element.add_override(path, literal(value))


def address(resource: TerraformResource, attribute: str = "") -> Expression:
    """Return a resource's address, for where Terraform takes an address and no template.

    There cdktf would write `${…}` for the resource itself; and a service may have a name, or a
    digest a beginning, that is quoted everywhere else, such as `5e282`.

    Args:
        resource: The resource.
        attribute: The attribute that is meant; the whole resource where empty.
    """
    parts = (resource.terraform_resource_type, resource.friendly_unique_id, attribute)
    return Expression(".".join(filter(None, parts)))


def _escaped(text: str) -> str:
    if text in _RESERVED:
        return _quoted(text)
    return _NUMBER.sub(_unmarked, _OPENING.sub(lambda match: _quoted(match[0]), text))


def _quoted(text: str) -> str:
    """Return an interpolation that evaluates to a text which has nothing special in it.

    `$${` would be shorter, but cdktf counts opening and closing braces in a string that has a
    reference too, and there the second dollar sign would open one that nothing closes.
    """
    return f'${{"{text}"}}'.replace("\r", "\\r")


def _in_quotes(text: str) -> str:
    """Return what stands between quotes in an expression: there, and only there, escapes are read.

    No brace is left in it, which cdktf would count. Escapes have capital letters: the
    one of U+000E would be a part of a number in front of a digit.
    """
    spelled = _SPECIAL.sub(lambda match: f"\\u{ord(match[0]):04X}", text)
    return _NUMBER.sub(lambda match: match[0].replace("e", "\\u0065"), spelled)


def _unmarked(match: re.Match[str]) -> str:
    number = _BEGINNING.match(match[0])
    if number is None or not _MARKED[0] < abs(float(number[0])) < _MARKED[1]:
        return match[0]
    return match[0].replace("e", _quoted("e"))
