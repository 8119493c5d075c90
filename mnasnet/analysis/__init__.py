"""What a search found, how much it is worth, and which networks to take; read from its study."""
