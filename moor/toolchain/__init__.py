"""Terraform, cdktf, and what is run around them."""
