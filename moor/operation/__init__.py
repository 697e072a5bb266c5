"""What an operator does with what is deployed: look, follow, enter, stop, forward."""
