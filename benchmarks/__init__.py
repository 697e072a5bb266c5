"""How fast synthesis and deployment are, against what they are compared with: `make bench`."""
