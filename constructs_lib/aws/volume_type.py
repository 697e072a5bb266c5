"""What EBS's volume types allow: sizes, I/O operations and throughput."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TIB: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeType:
    """A volume type.

    Attributes:
        sizes: The smallest and the largest size in GiB.
        iops: The least and the most I/O operations per second that can be asked for; None where
            they follow from the size.
        iops_per_gib: How many of them a GiB allows.
        needs_iops: Whether they have to be said.
        throughput: The least and the most MiB per second that can be asked for; None where they
            follow from the rest.
        operations_per_mib: I/O operations per second that each MiB per second takes.
    """

    sizes: tuple[int, int]
    iops: tuple[int, int] | None = None
    iops_per_gib: int = 0
    needs_iops: bool = False
    throughput: tuple[int, int] | None = None
    operations_per_mib: int = 0


TYPES: Final[Mapping[str, VolumeType]] = {
    "gp3": VolumeType(
        sizes=(1, 64 * _TIB),
        iops=(3000, 80000),
        iops_per_gib=500,
        throughput=(125, 2000),
        operations_per_mib=4,
    ),
    "gp2": VolumeType(sizes=(1, 16 * _TIB)),
    "io2": VolumeType(sizes=(4, 64 * _TIB), iops=(100, 256000), iops_per_gib=1000, needs_iops=True),
    "io1": VolumeType(sizes=(4, 16 * _TIB), iops=(100, 64000), iops_per_gib=50, needs_iops=True),
    "st1": VolumeType(sizes=(125, 16 * _TIB)),
    "sc1": VolumeType(sizes=(125, 16 * _TIB)),
}
"""The types by their names.

Source: Amazon EBS User Guide, "Amazon EBS volume types", as of the end of 2025: since September
2025 a gp3 volume may have 64 TiB, 80000 operations and 2000 MiB per second.
"""

DEFAULT_IOPS: Final = 3000
"""What a gp3 volume has without being asked."""


def problems(kind: str, size_gib: int, iops: int | None, throughput: int | None) -> Iterator[str]:
    """Yield what AWS would refuse of a volume, each as `key: must be …, got …; remedy`.

    Args:
        kind: The type's name, one of `TYPES`.
        size_gib: Its size in GiB.
        iops: The I/O operations per second that are asked for.
        throughput: The MiB per second that are asked for.
    """
    of = TYPES[kind]
    smallest, largest = of.sizes
    if not smallest <= size_gib <= largest:
        yield (
            f"size_gib: must be in {smallest}..{largest} for the type {kind}, got {size_gib}; "
            "choose another size or type"
        )
    yield from _iops_problems(kind, of, size_gib, iops)
    if throughput is None:
        return
    if of.throughput is None:
        with_it = ", ".join(name for name, other in TYPES.items() if other.throughput)
        yield (
            f"throughput: must not be set for the type {kind}, got {throughput}; remove it, or "
            f"choose {with_it}"
        )
        return
    least, most = of.throughput
    operations = iops or DEFAULT_IOPS
    if not least <= throughput <= most:
        yield f"throughput: must be in {least}..{most} MiB per second, got {throughput}"
    elif throughput * of.operations_per_mib > operations:
        yield (
            f"throughput: must be at most {operations // of.operations_per_mib}, a quarter of the "
            f"{operations} operations per second, got {throughput}; raise iops to "
            f"{throughput * of.operations_per_mib}"
        )


def _iops_problems(kind: str, of: VolumeType, size_gib: int, iops: int | None) -> Iterator[str]:
    if of.iops is None:
        if iops is not None:
            with_it = ", ".join(name for name, other in TYPES.items() if other.iops)
            yield (
                f"iops: must not be set for the type {kind}, got {iops}; remove it, or choose one "
                f"of {with_it}"
            )
        return
    least, most = of.iops
    if iops is None:
        if of.needs_iops:
            yield f"iops: must be set for the type {kind}; say a number in {least}..{most}"
        return
    # What every volume of the type has counts for the smallest, too.
    possible = min(most, max(least, size_gib * of.iops_per_gib))
    if not least <= iops <= most:
        yield f"iops: must be in {least}..{most} for the type {kind}, got {iops}"
    elif iops > possible:
        yield (
            f"iops: must be at most {possible} for {size_gib} GiB, {of.iops_per_gib} a GiB, got "
            f"{iops}; lower it, or choose a size of {-(-iops // of.iops_per_gib)} GiB"
        )
