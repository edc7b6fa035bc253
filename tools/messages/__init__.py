"""The messages of labctl, from the source into the catalogues and from there into the wheel."""
