"""How often a judge prefers the clip that listeners prefer, with ties, and whether it keeps to it when the clips are swapped."""

import datasets
import evaluate

# See rating_agreement: links in the repository, plain copies on the Hub; each import needs a line of its own.
from .answers import RULE
from .ranking import order_consistency, preference_accuracy
from .registry import metric

DESCRIPTION = f"""ACC of three verdicts (A, B, tie), and ACC_decided on the pairs that listeners decided, where a tie counts half.
{RULE}"""
INPUTS = """
Args:
    predictions: "A", "B" or "tie"; an empty text where the judge gave no verdict (evaluate refuses a None that comes first).
    references: "A", "B" or "tie".
    swapped: Verdicts on the same pairs in the other order, to add order_consistency, first_bias and order_coverage.

Example:
    >>> module = evaluate.load("eval/evaluate_modules/preference_accuracy")
    >>> module.compute(predictions=["A", "tie", "", "tie"], references=["A", "B", "A", "tie"])["ACC_decided"]
    0.5
"""


@evaluate.utils.file_utils.add_start_docstrings(DESCRIPTION, INPUTS)
class PreferenceAccuracy(evaluate.Metric):
    """The functions as a module of ``evaluate``."""

    def _info(self) -> evaluate.MetricInfo:
        features = {"predictions": datasets.Value("string"), "references": datasets.Value("string")}
        return evaluate.MetricInfo(
            description=DESCRIPTION, citation="", inputs_description=INPUTS, features=datasets.Features(features)
        )

    def _compute(self, predictions: list, references: list, swapped: list | None = None) -> dict[str, float]:
        given = [verdict or None for verdict in predictions]
        result = preference_accuracy(given, references)
        if swapped is None:
            return result
        order = order_consistency(given, [verdict or None for verdict in swapped])
        names = ("order_consistency", "order_consistency_answered", "first_bias")
        return result | {name: order[name] for name in names} | {"order_coverage": order["coverage"]}
