"""What EBS allows of a volume: each type's edges, from both sides."""

from __future__ import annotations

import pytest

from constructs_lib.aws.volume_type import TYPES, problems


@pytest.mark.parametrize(
    ("kind", "size", "iops", "throughput"),
    [
        ("gp3", 1, None, None),
        ("gp3", 65536, 80000, 2000),
        # Each has the least, however small it is.
        ("gp3", 1, 3000, 750),
        ("gp3", 160, 80000, None),
        ("gp2", 16384, None, None),
        ("io2", 4, 4000, None),
        ("io1", 1280, 64000, None),
        ("st1", 125, None, None),
        ("sc1", 16384, None, None),
    ],
)
def test_what_aws_takes_is_taken(
    kind: str, size: int, iops: int | None, throughput: int | None
) -> None:
    assert list(problems(kind, size, iops, throughput)) == []


@pytest.mark.parametrize(
    ("kind", "size", "iops", "throughput", "problem"),
    [
        (
            "gp3",
            0,
            None,
            None,
            "size_gib: must be in 1..65536 for the type gp3, got 0; choose another size or type",
        ),
        (
            "st1",
            124,
            None,
            None,
            (
                "size_gib: must be in 125..16384 for the type st1, got 124; choose another size "
                "or type"
            ),
        ),
        ("gp3", 20, 2999, None, "iops: must be in 3000..80000 for the type gp3, got 2999"),
        ("gp3", 200, 80001, None, "iops: must be in 3000..80000 for the type gp3, got 80001"),
        (
            "gp3",
            10,
            6000,
            None,
            (
                "iops: must be at most 5000 for 10 GiB, 500 a GiB, got 6000; lower it, or choose a "
                "size of 12 GiB"
            ),
        ),
        ("gp3", 20, None, 124, "throughput: must be in 125..2000 MiB per second, got 124"),
        ("gp3", 20, None, 2001, "throughput: must be in 125..2000 MiB per second, got 2001"),
        (
            "gp3",
            20,
            None,
            800,
            (
                "throughput: must be at most 750, a quarter of the 3000 operations per second, got "
                "800; raise iops to 3200"
            ),
        ),
        (
            "gp2",
            20,
            3000,
            None,
            (
                "iops: must not be set for the type gp2, got 3000; remove it, or choose one of "
                "gp3, io2, io1"
            ),
        ),
        ("io2", 20, None, None, "iops: must be set for the type io2; say a number in 100..256000"),
        (
            "io2",
            20,
            200,
            125,
            "throughput: must not be set for the type io2, got 125; remove it, or choose gp3",
        ),
    ],
)
def test_what_aws_refuses_is_told_with_the_way_out(
    kind: str, size: int, iops: int | None, throughput: int | None, problem: str
) -> None:
    assert list(problems(kind, size, iops, throughput)) == [problem]


def test_each_type_has_its_smallest_before_its_largest() -> None:
    assert all(smallest < largest for smallest, largest in (t.sizes for t in TYPES.values()))
