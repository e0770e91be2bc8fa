"""How scores agree with listeners' ratings: errors and correlations, per clip or per group, after ITU-T P.1401 if wanted."""

import datasets
import evaluate

# The functions are links to eval/metrics in the repository and plain copies on the Hub, so they exist once. Only files that this
# one imports are fetched with it, which is why it names answers and registry as well; each import needs a line of its own.
from .agreement import rating_agreement
from .answers import RULE
from .registry import metric

DESCRIPTION = f"""MAE, MSE, RMSE, PCC, SRCC and KTAU of scores against listeners' mean ratings.
{RULE}"""
INPUTS = """
Args:
    predictions: Scores, None where the judge gave none.
    references: Listeners' mean ratings, on the same scale.
    low, high: Ends of the scale; needed if a score is missing.
    groups: Condition or system of each clip, to compare means per group.
    third_order: Whether to add RMSE_mapped and PCC_mapped, after the third-order monotonic mapping of ITU-T P.1401.

Example:
    >>> module = evaluate.load("eval/evaluate_modules/rating_agreement")
    >>> module.compute(predictions=[1, None], references=[1, 4], low=1, high=5)["MAE"]
    1.5
"""


@evaluate.utils.file_utils.add_start_docstrings(DESCRIPTION, INPUTS)
class RatingAgreement(evaluate.Metric):
    """The function as a module of ``evaluate``."""

    def _info(self) -> evaluate.MetricInfo:
        features = {"predictions": datasets.Value("float64"), "references": datasets.Value("float64")}
        return evaluate.MetricInfo(
            description=DESCRIPTION, citation="", inputs_description=INPUTS, features=datasets.Features(features)
        )

    def _compute(
        self,
        predictions: list,
        references: list,
        low: float | None = None,
        high: float | None = None,
        groups: list | None = None,
        third_order: bool = False,
    ) -> dict[str, float]:
        return rating_agreement(predictions, references, low=low, high=high, groups=groups, third_order=third_order)
