"""Settings and columns of Figure 6."""

from repro.settings.experiment import NetworkSettings, number, whole

ITEM = "fig6"
TABLE = "parquet"


class Settings(NetworkSettings):
    """Settings of Figure 6."""


COLUMNS = {
    "image": whole("number of the image within the mini-batch"),
    "label": whole("the image's true class"),
    "class": whole("class whose logit is meant"),
    "probability": number("predicted probability of `class` (softmax of the logits)"),
    "gradient": number("derivative of the mini-batch's mean loss with respect to the logit of `class`"),
}
