"""The building blocks of Moor: pure values first, constructs on top of them.

Modules that describe plain values (`settings`, `pki`, `cloud_config`, ...) import
no cdktf, so they can be used and tested without Node or Terraform.
"""

from constructs_lib.synthesis import fast_bindings

# Here, before any construct: `fast_bindings` itself imports no cdktf either.
fast_bindings.install()
