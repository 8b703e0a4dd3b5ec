"""What a user can set: types, recipes, the configuration, and what is wrong with one in words. Imports no torch."""
