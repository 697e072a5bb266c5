"""Pictures of what is deployed: one of both stacks for a person, and Terraform's own."""
