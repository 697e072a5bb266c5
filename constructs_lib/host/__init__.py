"""What makes a machine a Docker host: its user data, its remote API, and the proof of it."""
