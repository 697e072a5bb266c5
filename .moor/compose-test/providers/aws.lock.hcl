# The providers of this environment. Commit or share it, so that others get the same; Terraform
# refuses what is another one, and `moor providers upgrade` accepts that.

provider "registry.terraform.io/hashicorp/aws" {
  version     = "5.100.0"
  constraints = ">= 5.100.0, < 7.0.0"
  hashes = [
    "h1:edXOJWE4ORX8Fm+dpVpICzMZJat4AX0VRCAy/xkcOc0=",
  ]
}
