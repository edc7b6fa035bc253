"""A lab: its folder, its state, its nodes, and the actions on them."""
