"""Where a state is kept, and steps that are resources of Terraform's own."""
