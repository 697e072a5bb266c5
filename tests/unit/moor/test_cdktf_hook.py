"""cdktf's command line loads what translates HCL when it is used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest
from node_program import run_node

from moor.toolchain import toolchain

ROOT: Final = Path(__file__).resolve().parents[3]
HOOK: Final = Path(toolchain.__file__).with_name("cdktf_hook.cjs")
MODULES: Final = ROOT / ".tools" / "node" / "node_modules"

PACKAGE: Final = """\
"use strict";
var __importStar = (this && this.__importStar) || (() => "star");
Object.defineProperty(exports, "__esModule", { value: true });
exports.parse = exports.MARKER = void 0;
console.log("runs");
const helper = require("./helper");
Object.defineProperty(exports, "helper", { enumerable: true, get: function () { return helper; } });
exports.MARKER = __importStar();
async function parse(text) { return [text, exports.MARKER, helper.name]; }
exports.parse = parse;
"""

USE: Final = """
const p = require(process.argv[1]);
console.log(JSON.stringify(Object.keys(p).sort()), p.__esModule);
console.log(p.MARKER, p.helper.name, p.parse === p.parse);
p.parse("text").then((found) => console.log(JSON.stringify(found)));
"""


def node(code: str, *words: str, hooked: bool = True, **variables: str) -> list[str]:
    options = ("--require", str(HOOK)) if hooked else ()
    return run_node(code, *words, options=options, **variables).splitlines()


def package(folder: Path, source: str, name: str = "@cdktf/hcl2cdk") -> str:
    library = folder / "node_modules" / name / "lib"
    library.mkdir(parents=True)
    (library / "index.js").write_text(source, encoding="utf-8")
    (library / "helper.js").write_text("exports.name = 'helper';", encoding="utf-8")
    return str(library / "index.js")


NAMES: Final = '["MARKER","helper","parse"] true'
RESULTS: Final = ["star helper true", '["text","star","helper"]']


def test_a_package_runs_when_something_of_it_is_used(tmp_path: Path) -> None:
    file = package(tmp_path, PACKAGE)
    assert node(USE, file, hooked=False) == ["runs", NAMES, *RESULTS]
    assert node(USE, file) == [NAMES, "runs", *RESULTS]


def test_the_variable_turns_it_off(tmp_path: Path) -> None:
    file = package(tmp_path, PACKAGE)
    assert node(USE, file, MOOR_PLAIN_BINDINGS="1") == ["runs", NAMES, *RESULTS]


def test_other_packages_run_as_they_are(tmp_path: Path) -> None:
    assert node(USE, package(tmp_path, PACKAGE, "@cdktf/other")) == ["runs", NAMES, *RESULTS]


@pytest.mark.parametrize(
    "line",
    [
        '__exportStar(require("./helper"), exports);',  # names that are not to be seen
        "module.exports.more = 1;",
    ],
)
def test_a_package_whose_exports_are_unknown_runs_as_it_is(tmp_path: Path, line: str) -> None:
    source = PACKAGE.replace('console.log("runs");', f"var __exportStar = () => 0;\n{line}\n") + (
        'console.log("runs");\n'
    )
    file = package(tmp_path, source)
    assert node(USE, file) == node(USE, file, hooked=False)


@pytest.mark.parametrize("name", ["hcl2cdk", "hcl2json", "hcl-tools"])
def test_the_installed_packages_export_the_same(name: str) -> None:
    folder = MODULES / "@cdktf" / name
    if not folder.is_dir():
        pytest.skip("set-up has not installed cdktf")
    main = json.loads((folder / "package.json").read_text(encoding="utf-8"))["main"]
    code = """
    const p = require(process.argv[1]);
    const loaded = Object.keys(require.cache).filter((file) => !file.endsWith("_hook.cjs"));
    console.log(loaded.length);
    const names = Object.keys(p).sort().map((name) => [name, typeof p[name]]);
    console.log(JSON.stringify(names));
    process.exit(0);
    """
    plain, hooked = (node(code, str(folder / main), hooked=on) for on in (False, True))
    assert hooked[1] == plain[1]
    assert len(json.loads(plain[1])) > 0
    assert int(hooked[0]) == 1  # the file itself, and not yet what it requires
    assert int(plain[0]) > 1


def test_hcl_is_still_translated() -> None:
    folder = MODULES / "@cdktf" / "hcl2json"
    if not folder.is_dir():
        pytest.skip("set-up has not installed cdktf")
    code = """
    require(process.argv[1]).parse("main.tf", 'locals { name = "x" }')
      .then((found) => { console.log(JSON.stringify(found)); process.exit(0); });
    """
    assert node(code, str(folder)) == ['{"locals":[{"name":"x"}]}']


KILLED: Final = """
const { spawn } = require("child_process");
const child = spawn("sh", ["-c", process.argv[1]]);
child.on("exit", (code, signal) => console.log("exit", code, signal));
child.on("close", (code, signal) => console.log("close", code, signal));
"""


def test_what_a_signal_has_ended_has_an_exit_code() -> None:
    kill = "kill -9 $$"
    assert node(KILLED, kill, hooked=False) == ["exit null SIGKILL", "close null SIGKILL"]
    assert node(KILLED, kill) == ["exit 137 SIGKILL", "close 137 SIGKILL"]
    assert node(KILLED, "exit 3") == ["exit 3 null", "close 3 null"]
