"""Settings and columns of the channels' conditioning."""

from repro.settings.experiment import NetworkSettings, number, whole

ITEM = "conditioning"
TABLE = "parquet"


class Settings(NetworkSettings):
    """Settings of the channels' conditioning."""


COLUMNS = {
    "layer": whole("layer by the paper's numbers, convolutions alone"),
    "channels": whole("number C of output channels"),
    "constant_channels": whole("channels whose raw output is the same everywhere (variance zero)"),
    "condition_second_moment": number(
        "condition number of the C x C second-moment matrix; inf: above 1 / (C * 2.2e-16)"
    ),
    "condition_covariance": number("condition number of the C x C covariance matrix; inf: above 1 / (C * 2.2e-16)"),
    "rank_second_moment": number("effective rank of the second-moment matrix, 1 to C"),
    "rank_covariance": number("effective rank of the covariance matrix, 1 to C"),
    "mean_energy": number("share of a channel's second moment that is its squared mean, mean over channels"),
    "scale_spread": number("standard deviation over channels of ln(standard deviation of the channel)"),
}

# What is measured of a layer, and what summaries call it.
QUANTITIES = {
    "condition_second_moment": "condition number, second moments",
    "condition_covariance": "condition number, covariance",
    "rank_second_moment": "effective rank, second moments",
    "rank_covariance": "effective rank, covariance",
    "mean_energy": "share of energy in the mean",
    "scale_spread": "std over channels of ln std",
}
