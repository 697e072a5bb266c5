"""Certificates and SSH keys."""
