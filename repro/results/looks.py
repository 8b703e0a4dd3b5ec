"""What each kind is called in figures and its colour: a row for each normalisation and initialisation.

A row is data of the figures that show its kind, and of no others: adding one draws nothing again.
"""

from dataclasses import dataclass

from repro.results.colours import BLACK, BLUE, GREEN, INDIGO, OLIVE, ORANGE, PURPLE, SKY, TEAL, WINE, YELLOW


@dataclass(frozen=True)
class Look:
    """How a kind is named and coloured."""

    name: str
    colour: str


NORMALISATIONS = {
    "batch": Look("with BN", BLUE),
    "none": Look("without BN", ORANGE),
    "batch-final": Look("one final BN", GREEN),
    "batch-after_activation": Look("BN after the activation", SKY),
    "layer": Look("layer normalisation", PURPLE),
    "group": Look("group normalisation", YELLOW),
    "instance": Look("instance normalisation", WINE),
    "batch_renormalisation": Look("batch renormalisation", INDIGO),
    "local_response": Look("local response normalisation", OLIVE),
    "weight_standardisation": Look("weight standardisation", BLACK),
    "skip_init": Look("SkipInit", TEAL),
}
# None of those with and without BN.
INITIALISATIONS = {
    "xavier_normal": Look("Xavier", BLACK),
    "kaiming_normal": Look("He", SKY),
    "orthogonal": Look("orthogonal", YELLOW),
    "pytorch_default": Look("PyTorch default", PURPLE),
}


def normalisation(label: str) -> Look:
    """The look of a normalisation, by its label in tables; without a row here it is called by its label, in grey."""
    return NORMALISATIONS.get(label, Look(label, "#777777"))


def initialisation(kind: str) -> Look:
    """The look of an initialisation, likewise."""
    return INITIALISATIONS.get(kind, Look(kind, "#777777"))
