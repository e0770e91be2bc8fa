"""Whether the shares of votes a judge predicts match those of listeners: KL, Brier and ECE."""

import datasets
import evaluate

# See rating_agreement: links in the repository, plain copies on the Hub; each import needs a line of its own.
from .answers import RULE
from .calibration import vote_share_agreement
from .registry import metric

DESCRIPTION = f"""KL divergence in nats, Brier score (0 to 2) and expected calibration error of predicted vote shares.
{RULE}"""
INPUTS = """
Args:
    predictions: Predicted share of votes per level, lowest level first; None where there is none.
    references: Listeners' shares.
    floor: Least predicted share, so that KL stays finite; 0.001.
    bins: Number of bins of ECE; 10.

Example:
    >>> module = evaluate.load("eval/evaluate_modules/vote_share_calibration")
    >>> module.compute(predictions=[[0.25, 0.75]], references=[[0.5, 0.5]])["Brier"]
    0.125
"""


@evaluate.utils.file_utils.add_start_docstrings(DESCRIPTION, INPUTS)
class VoteShareCalibration(evaluate.Metric):
    """The function as a module of ``evaluate``."""

    def _info(self) -> evaluate.MetricInfo:
        shares = datasets.Sequence(datasets.Value("float64"))
        features = datasets.Features({"predictions": shares, "references": shares})
        return evaluate.MetricInfo(description=DESCRIPTION, citation="", inputs_description=INPUTS, features=features)

    def _compute(self, predictions: list, references: list, floor: float = 1e-3, bins: int = 10) -> dict[str, float]:
        return vote_share_agreement(predictions, references, floor=floor, bins=bins)
