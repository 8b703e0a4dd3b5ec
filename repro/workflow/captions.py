"""What the report's captions say an item was measured on."""

from repro.results import sources
from repro.settings.configuration import Configuration
from repro.settings.experiment import FirstStepsSettings


def measured_on(configuration: Configuration, experiment: str) -> str:
    """One sentence: images, networks, how they were trained, recipes, seeds and configuration, from the settings."""
    part = configuration.part_of(experiment)
    recipes = configuration.recipes_of(experiment)
    if not recipes:
        return f'Measured under configuration "{configuration.name}".'
    images = sorted({recipe.images.name for recipe in recipes.values()})
    settings = part["settings"]
    shares = sorted(set(settings.get("after", [])))
    words = [", ".join(images), *sources.networks(part["recipes"].values(), configuration.needs_training(experiment))]
    words.append("mini-batches of " + ", ".join(str(size) for size in sorted({r.batch_size for r in recipes.values()})))
    words.append(f"{settings['seeds']} seed{'s' if settings['seeds'] > 1 else ''}")
    if shares == [0]:
        first_steps = isinstance(configuration.settings_of(experiment), FirstStepsSettings)
        words.append("from the first step on" if first_steps else "untrained networks")
    elif shares:
        words.append("after " + ", ".join(f"{100 * share:g} %" for share in shares) + " of training")
    return f'Measured on {"; ".join(words)}; recipes {", ".join(recipes)}; configuration "{configuration.name}".'
