"""Every measure of the evaluation: pure functions of arrays and lists that return figures by their usual short names.

Each returns ``coverage``, the share of answers given, beside its figures; what a missing answer costs is said in
``answers.RULE``. Undefined figures are NaN. Columns of different lengths are a ValueError. Every file of this folder is read,
so that a new metric is a file and no more.
"""

import importlib
import pkgutil

from .agreement import (
    group_means,
    kendall_correlation,
    pearson_correlation,
    rating_agreement,
    spearman_correlation,
    third_order_mapping,
)
from .answers import RULE
from .bootstrap import compare_judges, confidence_intervals
from .calibration import reliability, vote_share_agreement
from .categories import category_accuracy, speech_rate_accuracy
from .causes import cause_faithfulness
from .ceiling import listener_ceiling
from .detection import detection_metrics, equal_error_rate, error_rates, minimum_detection_cost
from .explanations import diversity, named_level, span_overlap, words_match_number
from .ranking import order_consistency, preference_accuracy, score_order_accuracy
from .registry import ANSWERED, METRICS, Metric, is_higher_better
from .text import bleu, fense, language_model_score, load_encoder, load_error_detector, sentence_similarity

__all__ = [
    "ANSWERED",
    "METRICS",
    "RULE",
    "Metric",
    "bleu",
    "category_accuracy",
    "cause_faithfulness",
    "compare_judges",
    "confidence_intervals",
    "detection_metrics",
    "diversity",
    "equal_error_rate",
    "error_rates",
    "fense",
    "group_means",
    "is_higher_better",
    "kendall_correlation",
    "language_model_score",
    "listener_ceiling",
    "load_encoder",
    "load_error_detector",
    "minimum_detection_cost",
    "named_level",
    "order_consistency",
    "pearson_correlation",
    "preference_accuracy",
    "rating_agreement",
    "reliability",
    "score_order_accuracy",
    "sentence_similarity",
    "span_overlap",
    "spearman_correlation",
    "speech_rate_accuracy",
    "third_order_mapping",
    "vote_share_agreement",
    "words_match_number",
]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
