"""The benchmarks: who runs when, what the figures become, and what happens when a run fails."""

from __future__ import annotations

import os
import sys
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest
import yaml

from benchmarks import picture, report
from benchmarks.measure import TIMES, Sample, alternate, run
from benchmarks.shared import SERVICES, Counts, shared_settings
from benchmarks.subjects import Synthesis, growth_settings
from constructs_lib.settings.load import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def sample(wall: float, memory: float = 100.0) -> Sample:
    return Sample(wall=wall, cpu=2 * wall, memory=memory)


def test_subjects_take_turns_and_the_first_run_of_each_does_not_count() -> None:
    order: list[str] = []

    def subject(name: str) -> Callable[[], Sample]:
        def one() -> Sample:
            order.append(name)
            return sample(float(len(order)))

        return one

    said: list[str] = []
    found = alternate(
        {"quick": subject("quick"), "slow": subject("slow")},
        rounds=2,
        report=said.append,
        often=["quick"],
    )
    assert TIMES == 3
    assert order == ["quick", "slow", "quick", "quick"] * 3
    assert found == {"quick": sample(8.5), "slow": sample(8.0)}
    assert said[:2] == ["1/2 quick: 5.00 s, 100 MiB", "1/2 slow: 6.00 s, 100 MiB"]


def test_a_run_that_fails_is_no_figure(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "import sys; print('no luck'); sys.exit(3)"]
    with pytest.raises(RuntimeError, match="must end with 0, got 3:\nno luck"):
        run(words, folder=tmp_path, variables=os.environ)


def test_a_run_takes_time_and_memory(tmp_path: Path) -> None:
    code = "x = bytearray(64 << 20); n = sum(range(10**6))"
    found = run([sys.executable, "-c", code], folder=tmp_path, variables=os.environ)
    assert 64 < found.memory < 200
    assert found.cpu > 0
    assert found.wall > 0


def test_the_memory_of_whoever_measures_does_not_count(tmp_path: Path) -> None:
    large = b"x" * (300 << 20)
    found = run([sys.executable, "-c", "pass"], folder=tmp_path, variables=os.environ)
    assert len(large) == 300 << 20
    assert 1 < found.memory < 100


def test_a_command_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"^no-such-command: must end with 0, got 1:"):
        run(["no-such-command"], folder=tmp_path, variables=os.environ)


RESULTS = report.Results(
    synthesis={
        "the app": sample(1.5, 100),
        "the app in plain cdktf": sample(24.0, 600),
        "no bindings at all": sample(1.0, 80),
    },
    growth={10: sample(1.0), 100: sample(1.9), 1000: sample(10.9)},
    shared=(sample(1.2), Counts(images=3, lookups=2, builds=1)),
    deployment={"moor up": sample(10.0), "Terraform alone": sample(20.0)},
    many={"moor up SERVICE": sample(5.0), "docker compose up -d": sample(2.0)},
    rounds=5,
    machine={"Processor": "2 x A"},
    load=(0.1, 1.0),
)


def test_the_page_has_figures_ratios_and_growth() -> None:
    lines = report.page(RESULTS).splitlines()
    assert "| the app | 1.50 | 3.00 | 100 |" in lines
    assert "| plain cdktf / the app | 16.00 | 16.00 | 15 or more |" in lines
    assert "| the app / no bindings at all | 1.50 | 1.50 | 1.3 or less |" in lines
    assert "| memory: the app / plain cdktf | 0.17 |  | 0.33 or less |" in lines
    assert "| moor up / Terraform alone | 0.50 | 0.50 | 0.75 or less |" in lines
    assert "## One service of 50 changed, until it runs" in lines
    assert "| moor up SERVICE | 5.00 | 10.00 | 100 |" in lines
    assert "| 1000 | 10.90 | 21.80 | 100 | 10.0 |" in lines
    assert "## 57 services that share images" in lines
    assert "| images | 57 | 3 |" in lines
    assert "| looked up in a registry | 38 | 2 |" in lines
    assert "| built | 19 | 1 |" in lines
    assert "| synthesis, wall s |  | 1.20 |" in lines
    assert "| Processor | 2 x A |" in lines


def test_the_plot_is_well_formed_and_has_each_size() -> None:
    text = picture.growth(RESULTS.growth)
    root = ET.fromstring(text)  # noqa: S314  (our own)
    words = {element.text for element in root.iter() if element.text}
    assert {"seconds", "MiB, the largest process"} <= words


def test_settings_of_any_size_are_usable(tmp_path: Path) -> None:
    settings = load_settings(growth_settings(tmp_path, 7))
    (file,) = settings.services
    assert len(yaml.safe_load(file.read_text(encoding="utf-8"))["services"]) == 7


def test_services_that_share_images_have_few_resources(tmp_path: Path) -> None:
    synthesis = Synthesis(folder=tmp_path, settings=shared_settings(tmp_path))
    synthesis.fast()
    found = Counts.of_resources(synthesis.docker_stack)
    assert found == Counts(images=3, lookups=2, builds=1)
    assert SERVICES == 57
    assert Counts.of_services() == Counts(images=57, lookups=38, builds=19)
