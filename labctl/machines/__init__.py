"""The machines behind nodes: created by Vagrant's providers, or existing ones."""
