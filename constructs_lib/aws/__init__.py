"""Constructs over the AWS provider."""
