"""What may be chosen: search spaces, from choices to architectures and back."""
