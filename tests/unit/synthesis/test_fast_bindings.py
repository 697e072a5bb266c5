"""Bindings on demand: what is recognised, what is left alone, and what Node makes of it."""

from __future__ import annotations

import base64
import importlib
import json
import os
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path
from typing import Final

import pytest
from node_program import NODE, run_node

from constructs_lib.synthesis import fast_bindings

ROOT: Final = Path(__file__).resolve().parents[3]
PACKAGES: Final = Path(sysconfig.get_path("purelib"))

PROVIDER: Final = '''\
r"""Bindings."""
import publication

def check_type(argname):
    pass

from ._jsii import *

__all__ = [
    "alpha",
    "beta_two",
]

publication.publish()

# Loading modules to ensure their types are registered with the jsii runtime library
from . import beta_two
from . import alpha
'''


def python(code: str, **variables: str) -> str:
    """Run some Python in the project's folder, without a trace of this process's imports."""
    environment = {k: v for k, v in os.environ.items() if k != "NODE_OPTIONS"} | variables
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def node(code: str, *options: str) -> str:
    return run_node(code, options=options)


# What a provider's __init__ has to look like


def test_the_submodules_are_read() -> None:
    assert fast_bindings.submodules(PROVIDER) == ("beta_two", "alpha")


@pytest.mark.parametrize("name", ["aws", "docker"])
def test_the_installed_providers_are_recognised(name: str) -> None:
    package = PACKAGES / f"cdktf_cdktf_provider_{name}"
    found = fast_bindings.submodules((package / "__init__.py").read_text(encoding="utf-8"))
    assert found is not None
    folders = {p.name for p in package.iterdir() if (p / "__init__.py").is_file()}
    assert set(found) == folders - {"_jsii"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("from . import alpha\n", "from . import alpha\nprint()\n"),  # something else at the end
        ("from . import alpha\n", ""),  # published, but not imported
        ('    "alpha",\n', ""),  # imported, but not published
        ("publication.publish()\n", ""),
        ("\n__all__", "\nclass Root:\n    pass\n\n__all__"),  # types of its own
        ("\n__all__", "\n@jsii.implements()\nclass Root:\n    pass\n\n__all__"),
        ("from . import alpha", "from .other import alpha"),
        ('"alpha"', "alpha.__name__"),
    ],
)
def test_any_other_package_is_left_alone(old: str, new: str) -> None:
    assert old in PROVIDER
    assert fast_bindings.submodules(PROVIDER.replace(old, new, 1)) is None


# The Python side


def provider(folder: Path, text: str) -> None:
    """Write a provider package that says when one of its files runs."""
    package = folder / "cdktf_cdktf_provider_test"
    for name in ("alpha", "beta_two", "_jsii"):
        (package / name).mkdir(parents=True)
        (package / name / "__init__.py").write_text(f"print({name!r})\n", encoding="utf-8")
    (package / "__init__.py").write_text(f"{text}print('all')\n", encoding="utf-8")


IMPORTS: Final = """
import sys
from constructs_lib.synthesis import fast_bindings
fast_bindings.install()
import cdktf_cdktf_provider_test as package
print("imported")
from cdktf_cdktf_provider_test import beta_two
print(package.alpha.__name__, package.beta_two is beta_two)
print(sorted({"alpha", "beta_two"} & set(dir(package))), package.__all__)
print(hasattr(package, "gamma"), package.__spec__.submodule_search_locations == package.__path__)
"""


def test_a_submodule_is_imported_when_something_asks_for_it(tmp_path: Path) -> None:
    provider(tmp_path, "")
    # The last line would be refused: the package is as generated, without it.
    file = tmp_path / "cdktf_cdktf_provider_test" / "__init__.py"
    file.write_text(PROVIDER, encoding="utf-8")
    assert python(IMPORTS, PYTHONPATH=str(tmp_path)).splitlines() == [
        *("imported", "beta_two", "alpha"),
        "cdktf_cdktf_provider_test.alpha True",
        "['alpha', 'beta_two'] ['beta_two', 'alpha']",
        "False True",
    ]


def test_a_changed_package_runs_as_it_is(tmp_path: Path) -> None:
    provider(tmp_path, PROVIDER)
    assert python(IMPORTS, PYTHONPATH=str(tmp_path)).splitlines()[:4] == [
        *("_jsii", "beta_two", "alpha", "all"),
    ]


def test_the_variable_turns_it_off(tmp_path: Path) -> None:
    provider(tmp_path, "")
    file = tmp_path / "cdktf_cdktf_provider_test" / "__init__.py"
    file.write_text(PROVIDER, encoding="utf-8")
    lines = python(IMPORTS, PYTHONPATH=str(tmp_path), MOOR_PLAIN_BINDINGS="1").splitlines()
    assert lines[:4] == ["_jsii", "beta_two", "alpha", "imported"]


def test_a_provider_that_is_not_installed_is_missing_as_usual() -> None:
    with pytest.raises(ModuleNotFoundError, match="No module named 'cdktf_cdktf_provider_none'"):
        importlib.import_module("cdktf_cdktf_provider_none")


def test_installing_twice_is_installing_once() -> None:
    before = list(sys.meta_path)
    fast_bindings.install()
    assert sys.meta_path == before
    assert sum(type(f) is fast_bindings._Finder for f in before) == 1


OPTIONS: Final = """
import os
from constructs_lib.synthesis import fast_bindings
{}
print(os.environ.get('NODE_OPTIONS'))
"""
INSTALLED: Final = OPTIONS.format("fast_bindings.install(); import jsii")


def test_node_is_told_before_jsii_starts_it() -> None:
    hook = f'--require "{fast_bindings.HOOK}" --preserve-symlinks'
    assert python(OPTIONS.format("fast_bindings.install()")) == "None"
    assert python(INSTALLED) == hook
    assert python(INSTALLED, NODE_OPTIONS="--x") == f"--x {hook}"
    assert python(INSTALLED, MOOR_PLAIN_BINDINGS="1") == "None"


def test_importing_our_modules_installs_nothing() -> None:
    assert python(OPTIONS.format("import constructs_lib.settings.environment, jsii")) == "None"


def test_what_no_construct_needs_starts_nothing() -> None:
    # What Terraform runs on this computer while it deploys.
    code = (
        "import sys, constructs_lib.identity.pki; "
        "print('jsii' in sys.modules, 'cdktf' in sys.modules)"
    )
    assert python(code) == "False False"


@pytest.mark.parametrize("folder", ["plain", "with blanks", 'with "quotes"', "back\\slash"])
def test_node_finds_a_hook_in_any_folder(tmp_path: Path, folder: str) -> None:
    hook = tmp_path / folder / "hook.cjs"
    hook.parent.mkdir()
    hook.write_text("console.log('hooked')", encoding="utf-8")
    options = fast_bindings.node_options("", hook)
    assert fast_bindings.node_options(options, hook) == options
    done = subprocess.run(
        [NODE, "-e", "0"],
        env={"NODE_OPTIONS": options},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "hooked\n"


# The JavaScript side

INDEX: Final = """\
"use strict";
/**
 * Copyright
 */
Object.defineProperty(exports, "__esModule", { value: true });
exports.beta = exports.alpha = void 0;
// generated by cdktf get
exports.alpha = require("./alpha");
exports.beta = require("./beta");
//# sourceMappingURL=data:application/json;base64,e30=
"""


def javascript(folder: Path, index: str, package: str = "@cdktf/provider-test") -> Path:
    library = folder / "node_modules" / package / "lib"
    library.mkdir(parents=True)
    (library / "index.js").write_text(index, encoding="utf-8")
    for name in ("alpha", "beta"):
        text = f"console.log('{name} runs'); exports.name = '{name}';"
        (library / f"{name}.js").write_text(text, encoding="utf-8")
    return library


USE: Final = """
const p = require({});
console.log(JSON.stringify(Object.keys(p)));
console.log(p.beta.name, p.beta === p.beta, p.__esModule);
"""


def used(library: Path, *options: str) -> list[str]:
    return node(USE.format(json.dumps(str(library))), *options).splitlines()


HOOKED: Final = ("--require", str(fast_bindings.HOOK))
ON_DEMAND: Final = ["beta runs", "beta true true"]
AT_ONCE: Final = ["alpha runs", "beta runs"]


def test_a_file_is_required_when_something_asks_for_it(tmp_path: Path) -> None:
    library = javascript(tmp_path, INDEX)
    assert used(library, *HOOKED) == ['["alpha","beta"]', *ON_DEMAND]
    plain = used(library)
    assert plain[:2] == AT_ONCE
    assert sorted(json.loads(plain[2])) == ["alpha", "beta"]
    assert plain[3] == "beta true true"


@pytest.mark.parametrize(
    "line",
    [
        "console.log('index runs');",
        'exports.gamma = require("./alpha").name;',
        '__exportStar(require("./alpha"), exports);',
        'const gamma = require("./alpha");',
        'exports.gamma = require("other");',
    ],
)
def test_a_changed_index_runs_as_it_is(tmp_path: Path, line: str) -> None:
    changed = INDEX.replace("// generated", f"var __exportStar = () => 0;\n{line}\n// generated")
    changed = changed.replace('require("other")', 'require("node:path")')
    lines = used(javascript(tmp_path, changed), *HOOKED)
    assert lines == used(tmp_path / "node_modules" / "@cdktf" / "provider-test" / "lib")
    assert set(AT_ONCE) <= set(lines)


def test_other_packages_are_left_alone(tmp_path: Path) -> None:
    lines = used(javascript(tmp_path, INDEX, "@other/provider-test"), *HOOKED)
    assert lines[:2] == AT_ONCE


def test_a_node_without_hooks_loads_everything(tmp_path: Path) -> None:
    old = tmp_path / "old.cjs"
    old.write_text("delete require('node:module').registerHooks;", encoding="utf-8")
    lines = used(javascript(tmp_path, INDEX), "--require", str(old), *HOOKED)
    assert lines[:2] == AT_ONCE


# jsii's runtime

RUNTIME: Final = """\
const words = {stdio:["ignore","pipe","pipe","pipe"]};
console.log("two processes");
"""
PROGRAM: Final = """\
console.log(JSON.stringify(process.execArgv), [1]);
console.error("wrong");
const channel = {readFD:3,writeFD:3};
const question = Buffer.alloc(8);
require("node:fs").readSync(channel.readFD, question);
require("node:fs").writeSync(channel.writeFD, "answer to " + question);
"""


def runtime(
    folder: Path,
    start: str,
    program: str | None,
    options: str = "--preserve-symlinks",
    **variables: str,
) -> subprocess.CompletedProcess[str]:
    for name, text in (("bin/jsii-runtime.js", start), ("lib/program.js", program)):
        if text is not None:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
    return subprocess.run(
        [NODE, *HOOKED, folder / "bin" / "jsii-runtime.js"],
        env={"NODE_OPTIONS": options, **variables},
        input="question",
        capture_output=True,
        text=True,
        check=True,
    )


def test_jsii_runs_in_one_process_and_what_it_prints_is_no_answer(tmp_path: Path) -> None:
    done = runtime(tmp_path, RUNTIME, PROGRAM)
    assert done.stdout == "answer to question"
    printed = [json.loads(line) for line in done.stderr.splitlines()]
    assert [{k: base64.b64decode(v).decode() for k, v in line.items()} for line in printed] == [
        {"stdout": f'["--require","{fast_bindings.HOOK}","--preserve-symlinks"] [ 1 ]\n'},
        {"stderr": "wrong\n"},
    ]


@pytest.mark.parametrize(
    ("start", "program", "options"),
    [
        (RUNTIME.replace("ignore", "pipe"), PROGRAM, "--preserve-symlinks"),
        (RUNTIME, PROGRAM.replace("readFD:3", "readFD:4"), "--preserve-symlinks"),
        (RUNTIME, PROGRAM + PROGRAM.replace("const ", "var "), "--preserve-symlinks"),
        (RUNTIME, None, "--preserve-symlinks"),
        (RUNTIME, PROGRAM, "--preserve-symlinks-main"),
        (RUNTIME, PROGRAM, ""),
    ],
)
def test_another_runtime_starts_its_own_process(
    tmp_path: Path, start: str, program: str | None, options: str
) -> None:
    assert runtime(tmp_path, start, program, options).stdout == "two processes\n"


DIGESTING: Final = """\
const readFileChunks = (file) => { console.log("read"); return Buffer.alloc(32, file); };
const p = {};
p.digestFile=function digestFile(e,...p){return readFileChunks(e,()=>{},...p)}
const answer = p.digestFile(process.env.ARCHIVE, "name", "1.0").toString("hex");
const channel = {readFD:3,writeFD:3};
require("node:fs").writeSync(channel.writeFD, answer);
"""


def test_the_digest_of_an_archive_is_remembered_until_it_changes(
    tmp_path: Path,
) -> None:
    archive, cache = tmp_path / "archive", tmp_path / "cache"
    archive.write_text("one", encoding="utf-8")
    cache.mkdir()
    expected = (str(archive).encode() * 32)[:32].hex()

    def reads() -> int:
        done = runtime(tmp_path, RUNTIME, DIGESTING, ARCHIVE=str(archive), **root)
        assert done.stdout == expected
        return len(done.stderr.splitlines())

    root: dict[str, str] = {}
    assert [reads(), reads()] == [1, 1]  # nowhere to remember it
    root["JSII_RUNTIME_PACKAGE_CACHE_ROOT"] = str(cache)
    assert [reads(), reads()] == [1, 0]
    archive.write_text("two", encoding="utf-8")
    assert [reads(), reads()] == [1, 0]
    (cache / "digests.json").write_text("{", encoding="utf-8")
    assert [reads(), reads()] == [1, 0]
    root["JSII_RUNTIME_PACKAGE_CACHE_ROOT"] = str(tmp_path / "missing")
    assert [reads(), reads()] == [1, 1]
    assert [path.name for path in cache.iterdir()] == ["digests.json"]


DEFINING: Final = """\
const ae = require("node:fs");
const se = () => process.env.FILE, V = null;
const types = (0,ae.readFileSync)(se(this,V,"f"));
const answer = [types.toString("utf-8", 2, 6), types.toString("utf-8", 0, 2)].join();
const channel = {readFD:3,writeFD:3};
ae.writeSync(channel.writeFD, `${answer} ${Buffer.isBuffer(types)}`);
"""


def test_definitions_are_read_a_line_at_a_time(tmp_path: Path) -> None:
    file = tmp_path / "definitions"
    file.write_text("aébcd", encoding="utf-8")
    done = runtime(tmp_path, RUNTIME, DEFINING.replace("2, 6", "1, 4"), FILE=str(file))
    assert done.stdout == "éb,a\ufffd false"


def test_the_installed_jsii_is_as_expected() -> None:
    text = (PACKAGES / "jsii" / "_embedded" / "jsii" / "lib__program.js").read_text("utf-8")
    for expected in (
        "readFD:3,writeFD:3",
        "digestFile(e,...p){return readFileChunks(e,()=>{},...p)}",
        '(0,ae.readFileSync)(se(this,V,"f"))',
    ):
        assert text.count(expected) == 1


def test_the_installed_jsii_runs_in_one_process() -> None:
    code = """
import os, pathlib
from constructs_lib.synthesis import fast_bindings
fast_bindings.install()
import jsii, constructs
tasks = pathlib.Path("/proc/self/task").glob("*/children")
children = [pid for file in tasks for pid in file.read_text().split()]
below = [pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text() for pid in children]
print(len(children), below)
"""
    variables = {"PATH": f"{NODE.parent}:{os.environ['PATH']}"}
    assert python(code, **variables) == "1 ['']"
    assert python(code, **variables, MOOR_PLAIN_BINDINGS="1") != "1 ['']"


# cdktf's own files

ARCHIVING: Final = """\
"use strict";
const archiver = require("archiver");
console.log("loaded");
exports.used = () => archiver("zip", { level: 9 });
"""
COMPARING: Final = """\
"use strict";
const semver = require("semver");
console.log("loaded");
exports.used = () => { const semverRegex = /1/; return semver.satisfies("1.9.8", ">=1.2"); };
"""
TRACING: Final = """\
"use strict";
exports.used = () => {
    const object = { stack: "" };
    return [`${object.stack}traced`];
};
"""
FILES: Final = {
    "archiver": ("private/fs.js", ARCHIVING),
    "semver": ("validations/validate-binary-version.js", COMPARING),
    "trace": ("tokens/private/stack-trace.js", TRACING),
}


def using(folder: Path, what: str, more: str = "", *options: str) -> list[str]:
    name, source = FILES[what]
    file = folder / "node_modules" / "cdktf" / "lib" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source + more, encoding="utf-8")
    library = folder / "node_modules" / what
    library.mkdir(exist_ok=True)
    (library / "index.js").write_text(
        "console.log('library'); module.exports = (...a) => JSON.stringify(a);"
        "module.exports.satisfies = module.exports;",
        encoding="utf-8",
    )
    return node(f"console.log(require({json.dumps(str(file))}).used())", *options).splitlines()


@pytest.mark.parametrize(
    ("what", "result"), [("archiver", '["zip",{"level":9}]'), ("semver", '["1.9.8",">=1.2"]')]
)
def test_a_library_waits_for_its_first_use(tmp_path: Path, what: str, result: str) -> None:
    assert using(tmp_path, what) == ["library", "loaded", result]
    assert using(tmp_path, what, "", *HOOKED) == ["loaded", "library", result]


def test_no_traces_are_taken(tmp_path: Path) -> None:
    assert using(tmp_path, "trace") == ["[ 'traced' ]"]
    assert using(tmp_path, "trace", "", *HOOKED) == ["[]"]


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("archiver", "exports.other = archiver;"),
        ("archiver", "archiver.register;"),
        ("semver", "semver.gt;"),
        ("semver", "exports.other = semver;"),
        ("trace", '\n    const object = { stack: "" };\n'),
    ],
)
def test_another_use_of_it_is_left_alone(tmp_path: Path, what: str, line: str) -> None:
    assert using(tmp_path, what, line, *HOOKED) == using(tmp_path, what, line)


@pytest.mark.parametrize("what", sorted(FILES))
def test_the_installed_cdktf_is_as_expected(what: str) -> None:
    name, source = FILES[what]
    expected = source.splitlines(keepends=True)[1 if what != "trace" else 2]
    with tarfile.open(next(PACKAGES.glob("cdktf/_jsii/cdktf@*.jsii.tgz"))) as archive:
        member = archive.extractfile(f"package/lib/{name}")
        assert member is not None
        assert member.read().decode().count(expected) == 1
