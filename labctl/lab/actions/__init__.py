"""The use cases, each a recipe: events go out, results come back."""
