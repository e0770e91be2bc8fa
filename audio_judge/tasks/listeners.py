"""Listeners: on whose behalf, or by which corpus' standard, said before or after any request.

Corpora differ in scale offsets, so a request that names the standard tells a judge which ratings are meant; other
listeners make sense where there are ratings of such. ``ask`` adds a listener to a request, ``parse`` takes it off again.
"""

from dataclasses import dataclass
from typing import Literal

from audio_judge.rubrics.rubric import pick
from audio_judge.tasks.common import ParseError

Side = Literal["before", "after"]

# {view} is such as "as a hearing-impaired listener".
PHRASINGS = (
    "Judge {view}.",
    "Answer {view}.",
    "Listen {view}.",
    "Do this {view}.",
    "Give your judgement {view}.",
    "Please judge {view}.",
    "Your answer should be given {view}.",
    "Hear the clip {view}.",
    "Decide {view}.",
    "Base your answer on listening {view}.",
    "The clip is to be judged {view}.",
    "I want it judged {view}.",
    "Speak {view}.",
    "Say what you would say {view}.",
    "Take your decision {view}.",
    "It should be judged {view}.",
    "Put yourself in place and judge {view}.",
    "For this task, answer {view}.",
    "All of this is meant {view}.",
    "Everything should be rated {view}.",
    "Reply {view}, please.",
    "We need a judgement {view}.",
)
HELD_OUT_PHRASINGS = (
    "Form your opinion {view}.",
    "The verdict we look for is one given {view}.",
    "Pretend to listen {view}.",
    "Consider the clip {view}.",
    "Treat the request {view}.",
    "Only a judgement {view} is useful here.",
)


@dataclass(frozen=True)
class Listener:
    """One listener.

    Args:
        name: Key in tables and files.
        views: Wordings that fit behind "Judge"; ``held_out_views`` are those kept out of training.
    """

    name: str
    views: tuple[str, ...]
    held_out_views: tuple[str, ...]


LISTENERS: dict[str, Listener] = {
    listener.name: listener
    for listener in (
        Listener("nisqa", ("by NISQA's standard", "the way the raters of NISQA did"), ("on the terms of NISQA",)),
        Listener(
            "speecheval",
            ("by SpeechEval's standard", "the way the raters of SpeechEval did"),
            ("on the terms of SpeechEval",),
        ),
        Listener(
            "qualispeech",
            ("by QualiSpeech's standard", "the way the raters of QualiSpeech did"),
            ("on the terms of QualiSpeech",),
        ),
        Listener("aes", ("by the standard of AES", "the way the experts of AES did"), ("on the terms of AES",)),
        Listener("bvcc", ("by the standard of BVCC", "the way the raters of BVCC did"), ("on the terms of BVCC",)),
        Listener("strict", ("as a strict rater", "as one who gives low scores"), ("as somebody hard to please",)),
        Listener("lenient", ("as a lenient rater", "as one who gives high scores"), ("as somebody easily pleased",)),
        Listener(
            "hearing_impaired",
            ("as a hearing-impaired listener", "as someone who wears hearing aids"),
            ("as a person with hearing loss",),
        ),
        Listener("elderly", ("as an elderly listener", "as someone over seventy"), ("as a listener of high age",)),
        Listener(
            "expert",
            ("as a sound engineer", "as an expert in audio with trained ears"),
            ("as a mastering professional",),
        ),
        Listener(
            "naive",
            ("as an everyday listener", "as someone without any training"),
            ("as an untrained member of a panel",),
        ),
        Listener(
            "non_native",
            ("as someone who is still learning the language", "as a non-native listener"),
            ("as a person with another mother tongue",),
        ),
        Listener(
            "headphones",
            ("as a listener on good headphones in a quiet room", "as someone with studio headphones"),
            ("as somebody listening closely on headphones",),
        ),
        Listener(
            "phone_outdoors",
            ("as a caller in a busy street", "as someone on a phone outdoors"),
            ("as a person phoning next to traffic",),
        ),
        Listener(
            "broadcast",
            ("by the standard of a radio station", "as a broadcaster would"),
            ("on the terms of a radio editor",),
        ),
    )
}
# To test with only.
HELD_OUT_LISTENERS: dict[str, Listener] = {
    listener.name: listener
    for listener in (
        Listener("musician", ("as a musician",), ("as somebody who plays in an orchestra",)),
        Listener("car", ("as a driver in a moving car",), ("as somebody at the wheel",)),
        Listener("courtroom", ("as a court stenographer",), ("as somebody who has to write down every word",)),
    )
}


@dataclass(frozen=True)
class Request:
    """A request and who should answer it.

    Args:
        listener: Key of one of the two tables; None if nobody in particular.
    """

    text: str
    listener: str | None = None


def ask(
    request: str,
    listener: str | Listener,
    *,
    phrasing: int | str = 0,
    wording: int = 0,
    held_out: bool = False,
    place: Side = "before",
) -> str:
    """Add a listener to a request of any task.

    Args:
        request: What the ``ask`` of a task wrote.
        phrasing: Number of one of ``PHRASINGS``, or an own text with ``{view}``.
        wording: Number of one of the listener's wordings; counted around.
        held_out: Number ``HELD_OUT_PHRASINGS`` and the held-out wordings instead.
        place: On which side of the request.

    Raises:
        IndexError: If there is no phrasing of that number.
        ValueError: If there is no listener of that name.

    Example:
        >>> ask("How noisy is it?", "hearing_impaired")
        'Judge as a hearing-impaired listener. How noisy is it?'
    """
    known = get_listener(listener)
    views = known.held_out_views if held_out else known.views
    note = pick(PHRASINGS, HELD_OUT_PHRASINGS, phrasing, held_out).replace("{view}", views[wording % len(views)])
    return f"{note} {request}" if place == "before" else f"{request} {note}"


def get_listener(name_or_listener: str | Listener) -> Listener:
    """Look up a listener by name, held out or not; an own one passes through.

    Raises:
        ValueError: If there is no listener of that name.
    """
    if isinstance(name_or_listener, Listener):
        return name_or_listener
    known = LISTENERS | HELD_OUT_LISTENERS
    if name_or_listener not in known:
        raise ValueError(f"no listener {name_or_listener!r}; use Listener(...) or one of {', '.join(known)}")
    return known[name_or_listener]


def write(target: Request) -> str:
    """Write a request with its listener in front, in the first wordings.

    Example:
        >>> write(Request("Rate the noise.", "expert"))
        'Judge as a sound engineer. Rate the noise.'
    """
    return ask(target.text, target.listener) if target.listener else target.text


def parse(text: str, *, strict: bool = False) -> Request:
    """Take a listener off a request.

    Args:
        text: A request, with a listener in any of our wordings on either side or without one.
        strict: Whether a request without a listener is an error.

    Raises:
        ParseError: If nothing is asked, or (strict) there is no known listener.

    Example:
        >>> parse("How noisy is it? Answer by NISQA's standard.")
        Request(text='How noisy is it?', listener='nisqa')
    """
    for listener in (LISTENERS | HELD_OUT_LISTENERS).values():
        for view in listener.views + listener.held_out_views:
            if view not in text:
                continue
            # A view is no listener by itself ("as a musician" may be what is asked): only a whole phrasing is taken off
            for frame in PHRASINGS + HELD_OUT_PHRASINGS:
                note = frame.replace("{view}", view)
                rest = text.removeprefix(f"{note} ") if text.startswith(f"{note} ") else text.removesuffix(f" {note}")
                if rest != text:
                    return Request(_asked(rest), listener.name)
    if strict:
        raise ParseError(f"{text!r} names no known listener before or after the request")
    return Request(_asked(text))


def _asked(text: str) -> str:
    if not text.strip():
        raise ParseError("nothing is asked; a request is needed beside the listener")
    return text


def as_listener(listener: str | Listener | None) -> Listener | None:
    """Find the listener on whose behalf a clip is heard; None is nobody in particular.

    Args:
        listener: Name of one of ours, with or without "listener" behind it, an own ``Listener``, or free words.

    Raises:
        ValueError: If there are no words, or it is nothing of the kind.

    Example:
        >>> as_listener("elderly listener").name, as_listener("opera singer").views
        ('elderly', ('as an opera singer',))
    """
    if listener is None or isinstance(listener, Listener):
        return listener
    if not isinstance(listener, str):
        raise ValueError(f"listener {listener!r}: a name, words or a Listener is needed")
    words = " ".join(listener.split())
    if not words:
        raise ValueError("an empty listener profile; name the listener, such as 'elderly listener', or leave it out")
    known = LISTENERS | HELD_OUT_LISTENERS
    key = words.casefold().removesuffix(" listener").replace(" ", "_").replace("-", "_")
    if key in known:
        return known[key]
    # "opera singer" is put as "as an opera singer"; words that begin with a preposition are taken as they are
    opening = words.split()[0].casefold()
    if opening not in ("as", "by", "on", "in", "like", "the"):
        article = "" if opening in ("a", "an") else "an " if opening[0] in "aeiou" else "a "
        words = f"as {article}{words}"
    return Listener(listener, (words,), (words,))
