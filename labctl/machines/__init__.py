"""Where nodes come from: Vagrant's providers, or machines that exist already."""
