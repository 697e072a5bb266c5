# The providers of this environment. Commit or share it, so that others get the same; Terraform
# refuses what is another one, and `moor providers upgrade` accepts that.

# Built on each computer from the sources that setup/provider/go.sum names, whose SHA-256 is here,
# and with that Go. Another Go makes another file of the same sources, so that no checksum is kept.
provider "registry.terraform.io/kreuzwerker/docker" {
  version     = "4.6.0"
  constraints = ">= 4.0.0, < 5.0.0"
  hashes = [
    "go.sum:343367cfbddf83509dc37b5a0e90ec687fb33415eeb7458e00abe9a0c58fb632",
    "go:1.26.8",
  ]
}
