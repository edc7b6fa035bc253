"""Bring a node into the wanted state: plays, resources, and how they are applied."""
