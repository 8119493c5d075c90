"""Hosts, phones and boards: how they are reached, how files run there, and what they say of themselves."""
