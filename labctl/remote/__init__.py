"""Access to nodes: one ssh connection each, many shell snippets in one exchange."""
