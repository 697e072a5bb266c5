"""Environment variables as each shell is told them."""

from __future__ import annotations

import subprocess

import pytest

from moor.operation.shell_variables import Shell, guessed, setting, unsetting, usage

ODD = "a 'b' \"c\" $HOME \\ `x`"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"SHELL": "/bin/bash"}, Shell.SH),
        ({"SHELL": "/usr/bin/zsh"}, Shell.SH),
        ({"SHELL": "/usr/local/bin/fish"}, Shell.FISH),
        ({"SHELL": "/usr/bin/pwsh"}, Shell.POWERSHELL),
        ({"PSModulePath": "C:"}, Shell.POWERSHELL),
        ({"SHELL": "/bin/bash", "PSModulePath": "x"}, Shell.SH),
        ({}, Shell.SH),
    ],
)
def test_the_shell_is_guessed(variables: dict[str, str], expected: Shell) -> None:
    assert guessed(variables) == expected


def test_a_real_shell_gets_any_value_and_loses_it_again() -> None:
    text = "\n".join(
        [
            *setting(Shell.SH, {"A": ODD}),
            'printf %s "$A"',
            *unsetting(Shell.SH, ["A"]),
            'echo "[$A]"',
        ]
    )
    done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout == f"{ODD}[]\n"


def test_fish_and_powershell_have_quotes_of_their_own() -> None:
    assert setting(Shell.FISH, {"A": "it's \\"}) == ["set -gx A 'it\\'s \\\\'"]
    assert unsetting(Shell.FISH, ["A"]) == ["set -e A"]
    assert setting(Shell.POWERSHELL, {"A": "it's $x"}) == ["$Env:A = 'it''s $x'"]
    assert unsetting(Shell.POWERSHELL, ["A"]) == ["Remove-Item -ErrorAction SilentlyContinue Env:A"]
    assert [usage(shell, "moor env") for shell in Shell] == [
        'eval "$(moor env)"',
        "moor env | source",
        "moor env | Out-String | Invoke-Expression",
    ]
