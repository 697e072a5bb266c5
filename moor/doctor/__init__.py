"""What is wrong, or soon will be, with an environment: one check a subject, each with a remedy."""
