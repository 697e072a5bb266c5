"""Whether AWS has what a machine is to be made of, asked before the machine that there is goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from constructs_lib.settings.nodes import nodes_of
from moor.aws_refusal import told
from moor.failure import WrongUseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moor.session import Session

_UNKNOWN_TYPE: Final = "InvalidInstanceType"
_UNKNOWN_IMAGE: Final = ("InvalidAMIID.NotFound", "InvalidAMIID.Malformed")
_NITRO: Final = "nitro"


def check(
    session: Session, names: Sequence[str], *, image: str | None, instance_type: str | None
) -> None:
    """Refuse an image or an instance type that no machine could be made of.

    A machine is destroyed before the one in its place is made: AWS would refuse too late.

    Args:
        session: The command.
        names: The machines that get it.
        image: The machine image's id; what the settings find where unset.
        instance_type: The instance type; that of the settings where unset.

    Raises:
        WrongUseError: AWS does not have it, or the two do not fit together.
        CommandError: AWS does not answer.
    """
    if image is None and instance_type is None:
        return
    from moor.aws_client import ec2  # noqa: PLC0415  # heavy

    client = ec2(session.settings, session.environment.sandbox_credentials)
    region = session.settings.aws.region
    for node in (one for one in nodes_of(session.settings) if one.name in names):
        kind = instance_type or node.instance_type
        known = _type(client, kind, region)
        option = "--type" if instance_type is not None else "--image"
        of = image or node.image.id
        architecture = node.image.architecture if of is None else _architecture(client, of, region)
        can = known["ProcessorInfo"]["SupportedArchitectures"]
        if architecture not in can:
            raise WrongUseError(
                f"{option}: must fit together, instance type and image, got {kind} for "
                f"{', '.join(can)} and an image for {architecture}"
            )
        if node.data_volume is not None and known.get("Hypervisor", _NITRO) != _NITRO:
            raise WrongUseError(
                f"{option}: must be of the Nitro system, since {node.name} has a data volume, got "
                f"{kind}, which is not"
            )


def _architecture(client: Any, image: str, region: str) -> str:  # noqa: ANN401  (boto3 has no types)
    from botocore.exceptions import ClientError  # noqa: PLC0415  # heavy

    with told(f"image {image}: AWS must tell of it"):
        try:
            images = client.describe_images(ImageIds=[image])["Images"]
        except ClientError as error:
            if error.response["Error"]["Code"] not in _UNKNOWN_IMAGE:
                raise
            images = []
    if not images:
        raise WrongUseError(f"--image: must be an image that {region} has, got {image}")
    return str(images[0]["Architecture"])


def _type(client: Any, kind: str, region: str) -> Any:  # noqa: ANN401  (boto3 has no types)
    from botocore.exceptions import ClientError  # noqa: PLC0415  # heavy

    with told(f"instance type {kind}: AWS must tell of it"):
        try:
            return client.describe_instance_types(InstanceTypes=[kind])["InstanceTypes"][0]
        except ClientError as error:
            if error.response["Error"]["Code"] != _UNKNOWN_TYPE:
                raise
    raise WrongUseError(f"--type: must be an instance type that {region} has, got {kind}")
