"""How well scores tell real speech from fake: EER, minDCF and accuracy."""

import datasets
import evaluate

# See rating_agreement: links in the repository, plain copies on the Hub; each import needs a line of its own.
from .answers import RULE
from .detection import detection_metrics
from .registry import metric

DESCRIPTION = f"""EER, normalised minDCF and accuracy of scores that are higher the more real the speech is.
{RULE}"""
INPUTS = """
Args:
    predictions: P(real) or another score, None where the judge gave none.
    references: 1 for real speech, 0 for fake.
    threshold: Score from which a clip is taken for real in ACC and balanced_ACC; 0.5.
    spoof_prior, miss_cost, false_alarm_cost: Of minDCF; 0.05, 1 and 10.

Example:
    >>> module = evaluate.load("eval/evaluate_modules/fake_speech_detection")
    >>> module.compute(predictions=[0.9, 0.4, 0.6, 0.1], references=[1, 1, 0, 0])["EER"]
    0.5
"""


@evaluate.utils.file_utils.add_start_docstrings(DESCRIPTION, INPUTS)
class FakeSpeechDetection(evaluate.Metric):
    """The function as a module of ``evaluate``."""

    def _info(self) -> evaluate.MetricInfo:
        features = {"predictions": datasets.Value("float64"), "references": datasets.Value("int64")}
        return evaluate.MetricInfo(
            description=DESCRIPTION, citation="", inputs_description=INPUTS, features=datasets.Features(features)
        )

    def _compute(self, predictions: list, references: list, **costs: float) -> dict[str, float]:
        return detection_metrics(predictions, references, **costs)
