"""From a recipe to its networks and their histories: descent, side by side, checkpoints, snapshots."""
