"""Several machines: a Docker Swarm from the same description."""
