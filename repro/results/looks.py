"""What each kind is called in figures and its colour: a row for each normalisation and initialisation.

A row is data of the figures that show its kind, and of no others: adding one draws nothing again.
"""

from dataclasses import dataclass

from repro.results.colours import BLUE, GREEN, ORANGE, PURPLE, SKY, YELLOW


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
}
# None of those with and without BN.
INITIALISATIONS = {
    "xavier_normal": Look("Xavier", "#000000"),
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
