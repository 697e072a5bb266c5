"""Named Docker volumes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cdktf_cdktf_provider_docker.volume import Volume as VolumeResource
from cdktf_cdktf_provider_docker.volume import VolumeLabels
from constructs import Construct

from constructs_lib.terraform.literal import Expression, define

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalVolume:
    """A volume that is on the machine already.

    Attributes:
        name: Its name.
    """

    name: str


class Volume(Construct):
    """A named volume: data that outlives the containers.

    Attributes:
        name: The volume's name (a token, so that what uses it is created after it).
        id: The same, but not known before apply where the volume is to be replaced: what uses
            this one is replaced together with it.
        mountpoint: Where the engine keeps it on the machine (likewise).
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        driver: str | None = None,
        driver_opts: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """Define the volume.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id; changing it replaces the volume, and loses its data.
            name: The volume's name on the engine.
            driver: Its driver; `local` by default. Changing it loses the data, as do changed
                options and labels.
            driver_opts: Options of the driver.
            labels: Its labels.
        """
        super().__init__(scope, id_)
        resource = define(
            VolumeResource,
            self,
            "Resource",
            name=name,
            driver=driver,
            driver_opts=driver_opts or None,
            labels=[
                define(VolumeLabels, label=k, value=v) for k, v in sorted((labels or {}).items())
            ]
            or None,
        )
        self.name = Expression(resource.name)
        self.id = Expression(resource.id)
        self.mountpoint = Expression(resource.mountpoint)
