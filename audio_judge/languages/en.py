"""English, gathered from the rubrics and the tasks, where it stands: what a new language is measured by.

Written here is only what the tasks put together in code. English rules of denial and of verdicts stay with the tasks.
"""

from audio_judge.languages.words import CauseWords, Language, RubricWords
from audio_judge.rubrics import rubric
from audio_judge.tasks import (
    assess,
    categorize,
    common,
    compare,
    describe,
    detect,
    explain,
    profile,
    rate,
    score,
    suggest,
)

_GRADES = (explain.SLIGHT, explain.CLEAR, explain.STRONG)


def _phrases(words: explain._Words, grade: int) -> tuple[str, ...]:
    """What is heard at one severity, in each wording."""
    return tuple(
        noun.replace("{degree}", degree) if "{degree}" in noun else f"{degree} {noun}"
        for degrees, noun in words.nouns
        for degree in degrees[grade]
    )


LANGUAGE = Language(
    code="en",
    name="English",
    marks={
        "colon": ": ",
        "comma": ", ",
        "and": " and ",
        "semicolon": "; ",
        "open": " (",
        "close": ")",
        "space": " ",
        "decimal": ".",
    },
    patterns=dict.fromkeys(("denied_before", "denied_after", "real", "fake", "better", "worse", "reversed"), "(?!)"),
    numbers=(),
    rubrics={
        name: RubricWords(rubric.label, rubric.levels, rubric.definition, rubric.questions)
        for name, rubric in rubric.ALL_RUBRICS.items()
    },
    phrasings={
        "reference_notes": common.REFERENCE_NOTES,
        "decide": rubric.INSTRUCTIONS,
        "score": score.PHRASINGS,
        "categorize": categorize.PHRASINGS,
        "profile": profile.PHRASINGS,
        "explain": explain.PHRASINGS,
        "describe": describe.PHRASINGS,
        "assess": assess.PHRASINGS,
        "compare": compare.PHRASINGS,
        "compare_dimensions": compare.DIMENSION_PHRASINGS,
        "compare_question": compare.QUESTIONS,
        "suggest": suggest.PHRASINGS,
        "detect": detect.PHRASINGS,
        "detect_question": detect.QUESTIONS,
        "rate": rate.PHRASINGS,
        "rate_cues": rate.CUES,
    },
    held_out={
        "reference_notes": common.HELD_OUT_REFERENCE_NOTES,
        "decide": rubric.HELD_OUT_INSTRUCTIONS,
        "score": score.HELD_OUT_PHRASINGS,
        "categorize": categorize.HELD_OUT_PHRASINGS,
        "profile": profile.HELD_OUT_PHRASINGS,
        "explain": explain.HELD_OUT_PHRASINGS,
        "describe": describe.HELD_OUT_PHRASINGS,
        "assess": assess.HELD_OUT_PHRASINGS,
        "compare": compare.HELD_OUT_PHRASINGS,
        "compare_dimensions": compare.HELD_OUT_DIMENSION_PHRASINGS,
        "compare_question": compare.HELD_OUT_QUESTIONS,
        "suggest": suggest.HELD_OUT_PHRASINGS,
        "detect": detect.HELD_OUT_PHRASINGS,
        "detect_question": detect.HELD_OUT_QUESTIONS,
        "rate": rate.HELD_OUT_PHRASINGS,
        "rate_cues": rate.HELD_OUT_CUES,
    },
    texts={
        "higher_is_better": ("higher is better",),
        "except_for": (" except for {labels}",),
        "ends": ("{low} means {lowest} and {high} means {highest}",),
        "ends_middle": ("{low} means {lowest} and {high} means {highest}, {middle} being best",),
        "frames": explain._FRAMES,
        "verdicts": explain._VERDICTS,
        "rated": ("The {label} is rated {level}.",),
        "endings": describe.ENDINGS,
        "assess_header": (assess.HEADER,),
        "distortion_sentences": assess._DISTORTION_SENTENCES,
        "when": (" from {start} to {end} s",),
        "emotions": assess._EMOTIONS,
        "speakers": assess._SPEAKERS,
        "compare_header": (compare.HEADER,),
        "anything": ("anything you notice",),
        "wins": compare._WINS,
        "same": compare._SAME,
        "choices": compare._CHOICES,
        "ties": compare._TIES,
        "verdict_a": (compare._VERDICT_TEXTS["A"],),
        "verdict_b": (compare._VERDICT_TEXTS["B"],),
        "verdict_tie": (compare._VERDICT_TEXTS["tie"],),
        "distortion_details": (compare._DISTORTIONS,),
        "speaker_details": (compare._SPEAKERS,),
        "none": ("none",),
        "summary_a": compare._SUMMARY_OPENINGS["A"],
        "summary_b": compare._SUMMARY_OPENINGS["B"],
        "summary_tie": compare._SUMMARY_OPENINGS["tie"],
        "leads": ("{winner} leads in {aspects}.",),
        "alike": ("They are alike in {aspects}.",),
        "hears": ("In {clip} one hears {kinds}.",),
        "suggest_header": (suggest.HEADER,),
        "areas": (suggest._AREAS,),
        "no_advice": suggest.NO_ADVICE,
        "real": ("real",),
        "fake": ("fake",),
    },
    names={
        "distortions": {kind: kind for kind in assess.DISTORTION_TYPES},
        "genders": {gender: gender for gender in assess.GENDERS},
    },
    directions={kind: (below, above, unknown) for kind, (_, _, below, above, unknown) in explain._DIRECTIONS.items()},
    dimensions=explain._DIMENSIONS,
    causes={
        kind: CauseWords(
            (_phrases(words, _GRADES[0]), _phrases(words, _GRADES[1]), _phrases(words, _GRADES[2])),
            words.effects,
            words.pattern,
        )
        for kind, words in explain._CAUSES.items()
    },
    advice=suggest.ADVICE,
    distortion_advice=suggest.DISTORTION_ADVICE,
)
