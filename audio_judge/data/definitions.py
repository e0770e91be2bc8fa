"""Rubrics described in other words: what Jastin's third step trains on, so that no rubric is known by one sentence alone.

A description is a template: what is judged, and ``{highest}`` and ``{lowest}`` for what the two ends of the scale mean, which
are filled in from the rubric's own definition. So no rewording can swap or lose them; what it says around them is checked.
"""

import re
from collections.abc import Mapping, Sequence

from audio_judge.data.paraphrases import Paraphrase, Source, read_paraphrase
from audio_judge.rubrics.rubric import Rubric
from audio_judge.tasks import ParseError

# A definition that says what its ends mean, as all of ours do
ENDS = re.compile(
    r"(?P<what>.+?)(?P<turned>, with the scale turned round)?: the highest score means (?P<high>.+?), "
    r"the lowest (?:score means )?(?P<low>.+?)(?P<middle>, and the middle suits best)?\.?"
)
MIDDLE = "The middle of the scale suits best."

# How the ends are said, around what is judged, which is an indirect question
FRAMES = (
    "Judge {what}: at the top of the scale stands {highest}, at the bottom {lowest}.",
    "What counts is {what}. A high score says {highest}; a low one says {lowest}.",
    "This is about {what}, from {lowest} as the lowest score up to {highest} as the highest.",
    "Say {what}. The highest score is for {highest}; the lowest is for {lowest}.",
    "Pay attention to one thing only: {what}. The lowest score stands for {lowest}, the highest for {highest}.",
    "The question is {what}; the upper end means {highest}, the lower end {lowest}.",
)
WHATS: Mapping[str, tuple[str, ...]] = {
    "mos": (
        "how good the speech is, all in all",
        "how satisfied a listener would be with the quality of this speech",
        "what overall impression the sound of the speech makes, with every fault counted",
        "how well the recording of the voice holds up as a whole",
    ),
    "noisiness": (
        "how little noise comes with the speech",
        "how free of hiss, hum and other noise the voice is",
        "how clear of noise the recording is while somebody speaks",
        "how far the listener is spared any noise beside the voice",
    ),
    "coloration": (
        "how true to life the timbre of the voice is",
        "how natural the voice sounds, and neither muffled nor thin nor metallic",
        "how little the sound of the voice was coloured on its way",
        "how close the timbre is to hearing the talker in person",
    ),
    "discontinuity": (
        "how far the speech comes through without interruption",
        "how unbroken the voice is, with no gaps, stutters or cut words",
        "how complete the speech is in time, with nothing interrupted or missing",
        "how steadily the talker is heard from start to end, unbroken by dropouts",
    ),
    "loudness": (
        "how well the loudness of the talker fits",
        "how comfortable the level is, without touching the volume",
        "how far the loudness is from being too much or too little",
        "how suitable a loudness the voice was recorded at",
    ),
    "intelligibility": (
        "how easy it is to understand the words",
        "how much of what is said can be understood, and how readily",
        "how clearly the words come across to someone who hears them once",
        "how well a listener could write down the words that are spoken",
    ),
    "distortion": (
        "how far the speech is free of distortion of any kind",
        "how little was done to the voice by noise, dropouts or distortion",
        "how intact the speech is, with every sort of distortion counted",
        "how clean the speech stays of distortion, be it noise, clipping or gaps",
    ),
    "speech_rate": (
        "how fast the talker goes",
        "at what rate the person speaks, from slow to fast",
        "how many words the speaker puts into a given time",
        "what pace the person who speaks has chosen",
    ),
    "dynamic_range": (
        "how naturally the voice moves between soft and loud",
        "how well quiet and loud passages take turns",
        "how much life the change of soft and loud gives to the speech",
        "how far loud and soft are used as a good speaker would use them",
    ),
    "emotional_impact": (
        "how strongly the emotion of the speaker comes across",
        "how much of the feeling in the voice a listener takes up",
        "how moved one is by the feeling with which this is said",
        "how far the voice makes its emotion felt",
    ),
    "artistic_expression": (
        "how artfully the speaker works with rhythm, stress and melody",
        "how much skill there is in the melody and the rhythm of the delivery",
        "how far stress and melody are shaped as by a trained performer",
        "how artful the delivery is in its rhythm and its stress",
    ),
    "subjective_experience": (
        "how pleasant the clip is to listen to",
        "how much a listener likes to go on listening",
        "how it feels to listen, whatever the reasons may be",
        "what experience it is for somebody who just listens, and how pleasant",
    ),
    "speed": (
        "how quick the speech is",
        "at what speed the person talks",
        "how quickly one word follows another in this speech",
        "whether the speaking speed is too slow, right or too quick",
    ),
    "naturalness": (
        "how human the voice sounds",
        "how hard it would be to tell the voice from that of a real person",
        "how natural the speech is, as against one that a machine made",
        "how far the voice could be that of somebody real",
    ),
    "background_noise": (
        "how quiet it is behind the voice",
        "how little background noise there is",
        "how free the background is of noise of any kind",
        "how silent the surroundings of the talker are",
    ),
    "distortion_level": (
        "how clean the voice is in itself, whatever the background does",
        "how little the voice, and not its background, is distorted",
        "how intact the sound of the voice alone has stayed",
        "how undamaged the voice is, leaving the background aside",
    ),
    "listening_effort": (
        "how little effort it takes to follow",
        "how relaxed a listener can be and still understand everything",
        "how easily one understands, without effort",
        "how little one has to strain to understand what is said",
    ),
    "continuity": (
        "how smoothly the speech flows",
        "how well the speech keeps going, without dropouts or odd pauses",
        "how continuous the speech is, with no pause where none belongs",
        "how fluently one word leads to the next, with no dropouts between",
    ),
    "production_quality": (
        "how well the audio was produced, as a matter of technique",
        "how good the technical work behind the audio is",
        "how skilled the recording, mixing and mastering of this audio are, technically",
        "what technical quality the production has, apart from what it holds",
    ),
    "production_complexity": (
        "how many sources and layers of sound can be told apart",
        "how much is going on at once, counted in layers of sound",
        "how complex the audio is, by the number of its sources",
        "how many different sounds were put on top of each other",
    ),
    "content_enjoyment": (
        "how enjoyable the content is, as a matter of taste",
        "how much pleasure there is in hearing this, as art",
        "how far one enjoys what is heard, whatever its technique",
        "how much a listener would enjoy it for its expression, skill and taste",
    ),
    "content_usefulness": (
        "how useful the audio would be as material for something new",
        "how well a maker of videos, games or music could use this as material",
        "how far somebody could build a new work on this audio",
        "how much use this audio is as source material",
    ),
    "child_voice": (
        "whether it is a child who speaks",
        "whether the voice belongs to a child or to a grown person",
        "how surely the speaker is a child",
        "whether one hears a child or somebody older as the speaker",
    ),
    "whispering": (
        "whether the person whispers",
        "whether the words are spoken in a whisper or with the full voice",
        "how surely the style of speaking is a whisper",
        "whether the speaker keeps to a whisper and never uses the voice",
    ),
    "reverberation": (
        "how much of the room is heard",
        "how strong the echo of the room is around the sound",
        "how far the sound is spread out by the room it was made in",
        "how much reverberation the room adds",
    ),
    "music_distortion": (
        "how much sounds that do not belong to it disturb the music",
        "how strongly foreign sounds break into the music",
        "how far the music suffers from noises laid over it",
        "how badly the music is disturbed by something else that sounds",
    ),
    "sudden_silence": (
        "how much of the clip is suddenly silent",
        "how great a part of the clip is cut out by silence that comes all of a sudden",
        "what share of the time there is sudden silence where there was sound",
        "how much is missing because the clip falls silent without warning",
    ),
}
"""Rubric to what it is about, in our own words: those of QualiSpeech, SpeechEval, AES and the proxies, Jastin's 24 tasks (the overall
quality is one of two corpora), and the dimensions of NISQA."""

_HIGH = re.compile(r"\b(?:high|higher|highest|top|upper|maximum|best|most)\b", re.IGNORECASE)
_LOW = re.compile(r"\b(?:low|lower|lowest|bottom|minimum|worst|least)\b", re.IGNORECASE)
_MIDDLE = re.compile(r"\b(?:middle|midpoint|centre|center|halfway)\b", re.IGNORECASE)
# Where what is said of one end is over
_CLAUSE = re.compile(r"[,;:.]|\b(?:and|while|whereas|up to|to)\b")
# Words that carry no meaning of their own
_LITTLE = frozenset([
    "about", "alone", "apart", "around", "clip", "does", "each", "else", "every", "from", "have", "hear",
    "heard", "high", "highest", "into", "least", "level", "little", "lowest", "made", "make", "many", "more",
    "most", "much", "only", "other", "over", "person", "possible", "scale", "score", "should", "some",
    "somebody", "sound", "sounds", "speech", "still", "such", "than", "that", "their", "there", "they", "this",
    "through", "very", "voice", "well", "were", "what", "when", "where", "whether", "which", "while", "whole",
    "with", "would",
])  # fmt: skip


def template_of(rubric: Rubric) -> str:
    """A rubric's own definition as a template.

    Raises:
        ValueError: If the definition does not say what both ends mean in the form of ours.

    Example:
        >>> template_of(Rubric("hiss", "How much it hisses: the highest score means a lot, the lowest none."))
        'How much it hisses: the highest score means {highest}, the lowest {lowest}.'
    """
    found = ENDS.fullmatch(rubric.definition)
    if found is None or found["turned"]:
        raise ValueError(
            f"rubric {rubric.name!r}: write its definition as '...: the highest score means A, the lowest B.'"
        )
    middle = f" {MIDDLE}" if found["middle"] else ""
    return f"{found['what']}: the highest score means {{highest}}, the lowest {{lowest}}.{middle}"


def described(rubric: Rubric, template: str) -> str:
    """Fill in what the ends of a rubric mean.

    Example:
        >>> hiss = Rubric("hiss", "How much it hisses: the highest score means a lot, the lowest none.")
        >>> described(hiss, "A hiss? From {lowest} at the low end to {highest} at the high end.")
        'A hiss? From none at the low end to a lot at the high end.'
    """
    found = ENDS.fullmatch(rubric.definition)
    if found is None:
        raise ValueError(f"rubric {rubric.name!r}: its definition does not say what the ends mean")
    return template.replace("{highest}", found["high"]).replace("{lowest}", found["low"])


def read_description(reply: str, rubric: Rubric) -> str:
    """Check another description of a rubric: both ends, each said to be what it is, its meaning, and its good middle survive.

    Raises:
        ParseError: If one does not, or the text is none that ``read_paraphrase`` takes.

    Example:
        >>> hiss = Rubric("hiss", "How much it hisses: the highest score means a lot, the lowest none.")
        >>> read_description("Is there hiss? The top is {highest}, the bottom {lowest}.", hiss)
        'Is there hiss? The top is {highest}, the bottom {lowest}.'
        >>> read_description("Is there hiss? The top is {lowest}, the bottom {highest}.", hiss)
        Traceback (most recent call last):
        ...
        audio_judge.tasks.common.ParseError: 'Is there hiss? The top is {lowest}, the bottom {highest}.' does not say that {highest} is the high end
    """
    source = template_of(rubric)
    text = read_paraphrase(reply, source)
    for field, says, denies in (("{highest}", _HIGH, _LOW), ("{lowest}", _LOW, _HIGH)):
        if text.count(field) != 1:
            raise ParseError(f"{text!r} has {field} {text.count(field)} times; once is needed")
        # Without the fields, whose own names would pass for what is said of them
        clause = re.sub(r"\{\w+\}", "", next(part for part in _CLAUSE.split(text) if field in part))
        if not says.search(clause) or denies.search(clause):
            raise ParseError(f"{text!r} does not say that {field} is the {'high' if says is _HIGH else 'low'} end")
    if rubric.best == "middle" and not _MIDDLE.search(text):
        raise ParseError(f"{text!r} does not say that the middle is best")
    if not _stems(text) & _meaning(rubric):
        raise ParseError(f"{text!r} has no word of what {rubric.label!r} is about")
    return text


def _stems(text: str) -> frozenset[str]:
    words = re.findall(r"[a-z]{4,}", re.sub(r"\{\w+\}", " ", text.casefold()))
    return frozenset(word[:4] for word in words if word not in _LITTLE)


def _meaning(rubric: Rubric) -> frozenset[str]:
    texts = (rubric.label, rubric.definition.partition(":")[0], *WHATS.get(rubric.name, ()))
    return frozenset().union(*map(_stems, texts))


def source_of(rubric: Rubric) -> Source:
    """A rubric's definition as what is to be reworded."""
    middle = " Say, too, that the middle of the scale suits best." if rubric.best == "middle" else ""
    rule = (
        f"Right beside {{highest}} say that it is the high end, right beside {{lowest}} that it is the low end.{middle}"
    )
    return Source(template_of(rubric), lambda reply: read_description(reply, rubric), rubric.name, rule)


def own_descriptions(rubric: str, *, middle_is_best: bool = False) -> tuple[Paraphrase, ...]:
    """Our own descriptions of a rubric, by name; none of one that we do not know.

    Example:
        >>> len(own_descriptions("mos")), own_descriptions("whispering")[0].text
        (24, 'Judge whether the person whispers: at the top of the scale stands {highest}, at the bottom {lowest}.')
    """
    last = f" {MIDDLE}" if middle_is_best else ""
    return tuple(
        Paraphrase(frame.replace("{what}", what) + last, "description", rubric=rubric)
        for what in WHATS.get(rubric, ())
        for frame in FRAMES
    )


def descriptions_of(rubric: Rubric, others: Sequence[Paraphrase] = ()) -> list[Paraphrase]:
    """Every description of a rubric that is asked the way round it was made, ours and those of a language model."""
    found = ENDS.fullmatch(rubric.definition)
    if found is None or found["turned"]:
        return []
    own = own_descriptions(rubric.name, middle_is_best=rubric.best == "middle")
    return [*own, *(one for one in others if one.rubric == rubric.name)]
