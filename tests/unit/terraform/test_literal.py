"""Text is text: whatever it looks like, Terraform itself gives it back as it was."""

from __future__ import annotations

import ast
import json
import tempfile
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from cdktf import TerraformOutput
from cdktf_cdktf_provider_aws.eip import Eip
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from synthesis import ROOT, synth_of
from terraform_evaluation import evaluate

from constructs_lib.terraform.literal import (
    Expression,
    content_of_file,
    define,
    joined,
    literal,
    override,
)

if TYPE_CHECKING:
    from cdktf import TerraformStack

EVIL: Final = (
    '${file("/etc/passwd")}', "$${", "$$${x}", "${", "%{ if true }", "%%{", "$%{x}", "%${x}",
    "%{ endif }", "}", '"', "\\", "\\n", "\n", "\r\n", "\r", "\r${", "$\r", "\t", "$", "%", "#",
    "&", "$$", "~",
    "${TfToken[TOKEN.0]}", "#{TfToken[TOKEN.0]}", "&{TfToken[TOKEN.0]}", "TfToken[", "$#{TfToken[",
    "-1.8881545897087503e+289", "-2.4e+292", "1e5", "e", "String Map Token Value", "<<EOT", "*/",
    "\ufeff", "\ufeffx", "\ufeff\ufeff${",
)  # fmt: skip

TEXTS: Final = st.lists(
    st.sampled_from(EVIL)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4),
    max_size=6,
).map("".join)

ONCE: Final = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    # Each try starts Terraform: to look for the shortest failure would take minutes.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)


def as_terraform_has_it(text: str) -> str:
    """Terraform keeps all texts in this form of Unicode, and no other."""
    return unicodedata.normalize("NFC", text)


def document_of(texts: list[str]) -> dict[str, Any]:
    """Synthesize texts, beside references that a forged mark could stand for."""

    def put(stack: TerraformStack) -> None:
        address = Expression(Eip(stack, "Address").public_ip)
        mixed = [joined(text, address, text) for text in texts]
        define(TerraformOutput, stack, "texts", value=texts)
        define(TerraformOutput, stack, "alone", value=[[text] for text in texts])
        define(TerraformOutput, stack, "keys", value={f"{n}{t}": t for n, t in enumerate(texts)})
        define(TerraformOutput, stack, "mixed", value=mixed)

    return {name: output["value"] for name, output in synth_of(put)["output"].items()}


@settings(ONCE, max_examples=6)
@given(drawn=st.lists(TEXTS, min_size=20, max_size=60))
def test_terraform_gives_every_text_back(tmp_path: Path, drawn: list[str]) -> None:
    texts = [*EVIL, *drawn]
    expected = [as_terraform_has_it(text) for text in texts]
    found = evaluate(tmp_path, document_of(texts))
    assert found["texts"] == expected
    assert found["alone"] == [[text] for text in expected]
    assert found["keys"] == {
        as_terraform_has_it(f"{n}{t}"): as_terraform_has_it(t) for n, t in enumerate(texts)
    }
    assert found["mixed"] == [as_terraform_has_it(f"{t}REFERENCE{t}") for t in texts]


@settings(ONCE, max_examples=5)
@example(names=["\x0e0", "-1\x0e+292"])
@given(names=st.lists(TEXTS, min_size=5, max_size=20))
def test_the_path_of_a_file_is_text_too(tmp_path: Path, names: list[str]) -> None:
    paths = []
    # No file of one example is where another one has a folder.
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    for number, name in enumerate([*EVIL, *names]):
        path = folder / str(number) / as_terraform_has_it(name).replace("/", "_").replace("~", "_")
        path.mkdir(parents=True)
        paths.append(path / "key")
        paths[-1].write_text(f"content {number}", encoding="utf-8")
    found = evaluate(tmp_path, [literal(content_of_file(str(path))) for path in paths])
    assert found == [f"content {number}" for number in range(len(paths))]


def test_a_reference_in_a_path_is_evaluated_and_nothing_else_is(tmp_path: Path) -> None:
    folder = tmp_path / "a${b}%{c}}"
    folder.mkdir()
    (folder / "i-1.pub").write_text("key", encoding="utf-8")

    def put(stack: TerraformStack) -> None:
        reference = Expression(Eip(stack, "Address").public_ip)
        content = content_of_file(f"{folder}/", reference, ".pub")
        define(TerraformOutput, stack, "key", value=content)

    text = synth_of(put)["output"]["key"]["value"]
    assert "[" in text
    assert ", aws_eip.Address.public_ip, " in text
    assert evaluate(tmp_path, text.replace("aws_eip.Address.public_ip", '"i-1"')) == "key"


@pytest.mark.parametrize("text", ["plain", "", "a $ b", "100%", "{x}", "1e5", "sha256:12e345"])
def test_what_is_harmless_stays_readable(text: str) -> None:
    assert literal(text) == text


def test_an_expression_is_evaluated_and_what_is_made_of_one_in_pieces_is_not() -> None:
    expression = Expression("${aws_eip.Address.public_ip}")
    assert literal(expression) == "${aws_eip.Address.public_ip}"
    assert type(literal(expression)) is str
    assert literal(f"{expression}:80") == '${"$"}{aws_eip.Address.public_ip}:80'
    assert literal({"a": [expression, ("b", 1, None, True)]}) == {
        "a": ["${aws_eip.Address.public_ip}", ["b", 1, None, True]]
    }


def test_an_override_passes_through_too() -> None:
    def put(stack: TerraformStack) -> None:
        override(define(Eip, stack, "Address"), "tags", {"a": "${b}", "c": Expression("${d}")})

    found = synth_of(put)["resource"]["aws_eip"]["Address"]
    assert found == {"tags": {"a": '${"$"}{b}', "c": "${d}"}}


# Nothing goes around it

HARMLESS: Final = {
    "App": "it has no arguments that Terraform sees",
    "TerraformStack": "it has no arguments",
    "TerraformAsset": "its path is read here; what Terraform gets of it passes through as text",
    "TerraformResourceLifecycle": "names of attributes and resources, which are no templates",
    "LocalBackend": "Terraform reads a backend's texts as they are",
    "S3Backend": "Terraform reads a backend's texts as they are",
    "S3BackendAssumeRoleConfig": "it is a part of the backend",
}
"""Classes of the bindings that are used without `define`, and why."""


def sources() -> list[Path]:
    folders = ("constructs_lib", "stacks")
    files = [ROOT / "main.py", *(f for name in folders for f in (ROOT / name).rglob("*.py"))]
    return [file for file in files if file.name != "literal.py"]


@pytest.mark.parametrize("file", sources(), ids=lambda file: str(file.relative_to(ROOT)))
def test_no_construct_goes_around_it(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    bindings = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cdktf")
        for alias in node.names
    }
    around = [
        f"{name} in line {node.lineno}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for name in [
            node.func.id
            if isinstance(node.func, ast.Name)
            else node.func.attr
            if isinstance(node.func, ast.Attribute)
            else ""
        ]
        if (name in bindings - HARMLESS.keys() and isinstance(node.func, ast.Name))
        or name in {"add_override", "raw_string"}
    ]
    if file.name == "state_backend.py":
        around = [line for line in around if not line.startswith("add_override")]
    assert around == []


def test_json_needs_no_more(tmp_path: Path) -> None:
    assert evaluate(tmp_path, json.loads(json.dumps([literal("\u2028\ud7ff\U0001f600")]))) == [
        "\u2028\ud7ff\U0001f600"
    ]
