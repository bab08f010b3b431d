"""Recipes: a small TOML file that says what a bag of named tensors is.

`text` reads the recipe, `bag` the tensors; `build` makes the records; `draft` proposes a recipe.
"""
