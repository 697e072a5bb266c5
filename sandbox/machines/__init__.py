"""What boots in the sandbox: machines, their gates, their registry."""
