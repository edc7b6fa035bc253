"""Speaking with a node: one ssh connection each, many snippets in one exchange."""
