"""The two stacks: the machine on AWS, and the services on it."""
