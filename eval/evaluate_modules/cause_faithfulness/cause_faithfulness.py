"""Whether explanations name the faults that are really there: precision, recall and F1 per kind, micro and macro."""

import datasets
import evaluate

# See rating_agreement: links in the repository, plain copies on the Hub; each import needs a line of its own.
from .answers import RULE
from .causes import cause_faithfulness
from .registry import metric

DESCRIPTION = f"""Precision, recall and F1 of the kinds of faults that explanations name, beside the F1 to expect at random.
{RULE}"""
INPUTS = """
Args:
    predictions: Kinds of faults named per clip, None where there was no explanation.
    references: Kinds known per clip.

Example:
    >>> module = evaluate.load("eval/evaluate_modules/cause_faithfulness")
    >>> module.compute(predictions=[["noise"], ["noise"]], references=[["noise"], ["echo"]])["F1_micro"]
    0.5
"""


@evaluate.utils.file_utils.add_start_docstrings(DESCRIPTION, INPUTS)
class CauseFaithfulness(evaluate.Metric):
    """The function as a module of ``evaluate``."""

    def _info(self) -> evaluate.MetricInfo:
        kinds = datasets.Sequence(datasets.Value("string"))
        features = datasets.Features({"predictions": kinds, "references": kinds})
        return evaluate.MetricInfo(description=DESCRIPTION, citation="", inputs_description=INPUTS, features=features)

    def _compute(self, predictions: list, references: list) -> dict:
        return cause_faithfulness(predictions, references)
