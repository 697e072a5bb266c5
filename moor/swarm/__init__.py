"""What the operator's program does for a swarm, and for one machine alone does not."""
