"""The names of the stacks: of their states, their folders and their outputs.

A stack that is renamed is another one to Terraform: everything in it would be made anew.
"""

from typing import Final

AWS: Final = "aws"
"""The machine on AWS."""

DOCKER: Final = "docker"
"""The services on the machine; it reads the other one's address."""

STACKS: Final = (AWS, DOCKER)
"""In the order in which they are applied."""
