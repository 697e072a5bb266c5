"""Several machines as one: the membership of a Docker Swarm, and the life of its nodes."""
