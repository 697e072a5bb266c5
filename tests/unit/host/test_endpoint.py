"""Where a machine's Docker API is, from a construct to the program that its step starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from constructs_lib.host.endpoint import DockerEndpoint, parser_of


def test_a_program_is_told_the_endpoint() -> None:
    endpoint = DockerEndpoint(host="192.0.2.1", port=2376, certificates=Path("/c d"))
    options = parser_of("some.module").parse_args(endpoint.words)
    assert vars(options) == {"host": "192.0.2.1", "port": 2376, "certificates": Path("/c d")}


@pytest.mark.parametrize("missing", range(0, 6, 2))
def test_a_program_that_is_not_told_all_of_it_says_so(
    missing: int, capsys: pytest.CaptureFixture[str]
) -> None:
    words = list(DockerEndpoint(host="h", port=1, certificates=Path("c")).words)
    name = words[missing]
    del words[missing : missing + 2]
    with pytest.raises(SystemExit):
        parser_of("some.module").parse_args(words)
    assert capsys.readouterr().err.endswith(
        f"python -m some.module: error: the following arguments are required: {name}\n"
    )
