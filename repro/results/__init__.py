"""Tables with their provenance, claims, and how figures look. Knows no experiment, and imports no torch."""
