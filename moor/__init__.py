"""A Docker host on AWS, and the services on it: the program that people run."""
