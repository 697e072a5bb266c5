"""What a configuration costs a month by the list price, and where that price is from."""
