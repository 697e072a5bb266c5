"""The page of the operator's commands, made of what they print in a real deployment."""
