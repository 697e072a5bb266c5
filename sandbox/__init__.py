"""An AWS without an account: moto's API, with containers that boot like machines behind it."""
