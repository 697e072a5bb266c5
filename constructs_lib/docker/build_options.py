"""How an image is built, beside its context. Plain values; they import no cdktf."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """How an image is built.

    Attributes:
        target: The stage to build.
        labels: Labels of the image.
        cache_from: Images to take layers from.
        extra_hosts: `NAME:ADDRESS` pairs.
        network: The network of `RUN`.
        no_cache: Whether to build each layer anew.
        pull: Whether to pull a newer base image.
        shm_size: Size of /dev/shm in bytes.
    """

    target: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    cache_from: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    network: str | None = None
    no_cache: bool = False
    pull: bool = False
    shm_size: int | None = None
