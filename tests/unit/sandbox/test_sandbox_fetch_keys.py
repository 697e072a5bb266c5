"""The unit that lets the key pair in tries again, unlike the one that applies user data."""

from __future__ import annotations

import pytest

from sandbox.machines.machine_image import fetch_keys
from sandbox.machines.machine_image.datasource import DatasourceError, Metadata


class Source:
    """Stands for the metadata service: it hands out tokens from the third request on."""

    made = 0
    answers = True

    def __init__(self, _log: object) -> None:
        type(self).made += 1
        self.has_token = self.answers and type(self).made > 2

    def metadata(self) -> Metadata:
        """Fail once more, and then answer."""
        if type(self).made == 3:
            raise DatasourceError
        return Metadata(keys=("ssh-ed25519 AAAA",), hostname="", addresses={})


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(Source, "made", 0)
    monkeypatch.setattr(fetch_keys, "Datasource", Source)
    monkeypatch.setattr("time.sleep", sleep)
    monkeypatch.setattr("time.monotonic", lambda: now[0])


def test_it_asks_until_the_service_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[tuple[object, ...]] = []
    monkeypatch.setattr(fetch_keys, "authorize", lambda *words: called.append(words))
    assert fetch_keys.main("core") == 0
    assert called == [("core", "afterburn", ("ssh-ed25519 AAAA",))]
    assert Source.made == 4


def test_it_fails_when_the_service_never_answers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Source, "answers", False)
    assert fetch_keys.main("core") == 1
    assert capsys.readouterr().err == "the metadata service does not answer\n"
