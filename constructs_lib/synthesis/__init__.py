"""What makes synthesis fast; nothing of it changes what is synthesized."""
