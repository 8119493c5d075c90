"""The torch modules of an architecture."""
