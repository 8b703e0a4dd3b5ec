"""What the report's captions say an item was measured on."""

from repro.results import sources
from repro.settings.configuration import Configuration


def measured_on(configuration: Configuration, experiment: str) -> str:
    """One sentence: images, networks, how they were trained, recipes, seeds and configuration, from the settings."""
    images = sorted({recipe.images.name for recipe in configuration.recipes_of(experiment).values()})
    ahead = {"settings": configuration.part_of(experiment), "data": {"name": ", ".join(images)} if images else None}
    return sources.measured_on(experiment, ahead)
