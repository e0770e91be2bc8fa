"""What the evaluator grades by: forms, criteria, weights, questions."""

from collections.abc import Mapping
from typing import Literal, get_args

Form = Literal["assessment", "comparison", "suggestion"]
Asking = Literal["auto", "decision", "expected", "chat"]

FORMS: tuple[Form, ...] = get_args(Form)
# How an evaluator is asked; `auto` takes the first of the others that it answers
ASKING: tuple[Asking, ...] = get_args(Asking)
CRITERIA = ("helpfulness", "relevance", "accuracy", "detail")
WEIGHTS = {"helpfulness": 1.0, "relevance": 1.0, "accuracy": 2.0, "detail": 0.5}
HIGHEST = 10
# Of grades that are read off the probabilities of tokens: one digit is one token of every model, and no "1" may go on to 10
HIGHEST_DIGIT = 9
# To be raised whenever a text below, or the layout of the request, changes: grades of different versions are not comparable.
RUBRIC_VERSION = 2
# Which of the levels, by the highest one, share a description.
BANDS = {
    HIGHEST: ((0, 2), (3, 4), (5, 6), (7, 8), (9, 10)),
    HIGHEST_DIGIT: ((0, 1), (2, 3), (4, 5), (6, 7), (8, 9)),
}

ROLES: dict[Form, str] = {
    "assessment": "A listener asked for an assessment of an audio clip.",
    "comparison": "A listener asked how two audio clips, A and B, compare.",
    "suggestion": "A listener asked how an audio clip could be improved.",
}
QUESTIONS: dict[str, dict[Form, str]] = {
    "helpfulness": {
        "assessment": "How much does the answer help the listener to understand how good the clip is, and why?",
        "comparison": "How much does the answer help the listener to choose between the two clips?",
        "suggestion": "How much would the answer help the listener to make the clip better?",
    },
    "relevance": {
        "assessment": "How well does the answer keep to what was asked about the clip?",
        "comparison": "How well does the answer keep to the comparison that was asked for?",
        "suggestion": "How well does the answer keep to the improvement of this clip?",
    },
    "accuracy": {
        "assessment": "How well do the statements of the answer agree with the ground truth about the clip?",
        "comparison": "How well do the verdict and the differences in the answer agree with the ground truth?",
        "suggestion": "How well do the suggestions address the faults that the ground truth names?",
    },
    "detail": {
        "assessment": "How detailed is the answer about the aspects of the clip that the ground truth covers?",
        "comparison": "How detailed is the answer about the aspects in which the ground truth compares the clips?",
        "suggestion": "How detailed and concrete are the suggestions, measured by those of the ground truth?",
    },
}
# One description per band, lowest first.
DESCRIPTIONS: dict[str, dict[Form, tuple[str, str, str, str, str]]] = {
    "helpfulness": {
        "assessment": (
            "useless or misleading: the listener learns nothing about the quality",
            "a hint at the quality, but no reason that could be relied on",
            "the general impression becomes clear, important reasons are missing",
            "the quality and its main reasons become clear, small gaps remain",
            "a listener who has not heard the clip would know how good it is and why",
        ),
        "comparison": (
            "useless or misleading: it gives nothing to choose by",
            "it leans to one clip without a usable reason",
            "a choice is possible, but important differences are missing",
            "a well-founded choice is possible, small gaps remain",
            "the choice and what speaks for and against each clip are entirely clear",
        ),
        "suggestion": (
            "useless or harmful: following it would not improve the clip",
            "general advice that would hardly change this clip",
            "some of it would improve the clip, important steps are missing",
            "following it would clearly improve the clip, small gaps remain",
            "following it would remove the main faults, in a sensible order of importance",
        ),
    },
    "relevance": {
        "assessment": (
            "not about the quality of the clip, or no answer to the request",
            "mostly about other things, or a repetition of the request",
            "about the clip, with clear digressions or parts of the request left out",
            "almost all of it answers the request",
            "every sentence answers the request and no part of the request is left out",
        ),
        "comparison": (
            "no comparison of the two clips",
            "about one clip only, or mostly about other things",
            "a comparison with clear digressions or parts of the request left out",
            "almost all of it compares the clips as asked",
            "every sentence compares the clips as asked and nothing asked for is left out",
        ),
        "suggestion": (
            "no suggestion for this clip",
            "a description or general talk with hardly a suggestion",
            "suggestions among clear digressions, or some that do not concern this clip",
            "almost all of it suggests improvements of this clip",
            "every sentence serves the improvement of this clip",
        ),
    },
    "accuracy": {
        "assessment": (
            "contradicts the ground truth, or makes up most of what it says",
            "more wrong than right, or wrong about the overall quality",
            "about half right, or right in tendency but wrong about an important aspect",
            "right about the overall quality and most aspects, small deviations",
            "everything it says agrees with the ground truth, nothing is made up",
        ),
        "comparison": (
            "the verdict is the opposite of the ground truth, or most differences are made up",
            "the verdict is wrong, though some differences are right",
            "the verdict is right or nearly so, but several differences are wrong",
            "the verdict and most differences are right, small deviations",
            "the verdict and every difference agree with the ground truth",
        ),
        "suggestion": (
            "addresses faults that the clip does not have, or would make it worse",
            "mostly misses the faults of the ground truth",
            "addresses about half of the faults, or adds as many that are made up",
            "addresses the main faults, small omissions or additions",
            "addresses exactly the faults that the ground truth names",
        ),
    },
    "detail": {
        "assessment": (
            "a bare verdict, or nothing",
            "one or two aspects, in general words",
            "several aspects, without type, strength or place of what is heard",
            "most aspects, with some of type, strength or place",
            "all aspects that matter, with type, strength and place, and no padding",
        ),
        "comparison": (
            "a bare verdict, or nothing",
            "one or two differences, in general words",
            "several differences, without saying how large they are or of what kind",
            "most differences, with some of their kind and size",
            "all differences that matter, with their kind and size, and no padding",
        ),
        "suggestion": (
            "a bare wish such as to sound better, or nothing",
            "one or two suggestions in general words",
            "several suggestions, without saying how to carry them out",
            "most suggestions are concrete, some say how to carry them out",
            "every suggestion is concrete and says what to change and how, without padding",
        ),
    },
}


def weighted(grades: Mapping[str, float], weights: Mapping[str, float] = WEIGHTS) -> float:
    """Weighted mean of an answer's grades, each 0 to 1; a criterion without a weight does not count.

    Raises:
        ValueError: If the weights are unusable or a grade is missing.

    Example:
        >>> weighted({"helpfulness": 0.5, "relevance": 1.0, "accuracy": 1.0, "detail": 0.0})
        0.7777777777777778
    """
    check_weights(weights)
    if missing := [name for name in weights if name not in grades]:
        raise ValueError(f"no grade for {', '.join(missing)}; there are {', '.join(grades) or 'none'}")
    return sum(weight * grades[name] for name, weight in weights.items()) / sum(weights.values())


def check_weights(weights: Mapping[str, float]) -> None:
    """Refuse weights by which nothing can be summed up.

    Raises:
        ValueError: If a criterion is unknown, a weight is negative or not finite, or all are zero.

    Example:
        >>> check_weights({"accuracy": -1.0})
        Traceback (most recent call last):
        ValueError: weight of accuracy is -1.0; 0 or more is needed
    """
    for name, weight in weights.items():
        if name not in CRITERIA:
            raise ValueError(f"weight of {name!r}; the criteria are {', '.join(CRITERIA)}")
        if not 0 <= weight < float("inf"):
            raise ValueError(f"weight of {name} is {weight}; 0 or more is needed")
    if not sum(weights.values()):
        raise ValueError(f"weights {dict(weights)}; at least one above 0 is needed")
