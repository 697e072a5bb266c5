"""What the machines are built from; `user_data` also runs on them."""
