"""The building blocks of Moor: pure values first, constructs on top of them.

Modules that describe plain values (`settings`, `pki`, `cloud_config`, ...) import
no cdktf, so they can be used and tested without Node or Terraform.
"""
