"""The answer in two parts, ``<think>…</think> <answer>…</answer>``, that several tasks share; it knows no task."""

import re
from collections.abc import Iterator

from audio_judge.languages import simplified
from audio_judge.tasks.common import ParseError

# The beginning of a tag is enough, so that a broken one is noticed, too
_TAG = re.compile(r"</?\s*(?:think|answer)\b", re.IGNORECASE)
_WRITTEN = re.compile(r"<think>\n(?P<think>(?:.*\n)??)</think>\n\n<answer>\n(?P<answer>.*)\n</answer>", re.DOTALL)
_ITEM = re.compile(r"[^\w(]*([^:=]+?)\s*[:=]\s*(.*)", re.DOTALL)


def holds_tag(text: str) -> bool:
    """Say whether a text has a tag of a thought or an answer, or the beginning of one."""
    return bool(_TAG.search(text))


def check_free_text(owner: str, text: str) -> None:
    """Refuse a text that could not be told from the frame around it; ``owner`` says in the message what it is.

    Raises:
        ValueError: If it holds a tag, or begins or ends with white space.
    """
    if holds_tag(text) or text != text.strip():
        raise ValueError(
            f"{owner}: {text!r}; a text without <think> or <answer> and without spaces around it is needed"
        )


def join_thought(think: str, answer: str) -> str:
    r"""Put a thought and an answer into their tags.

    Example:
        >>> join_thought("", "real")
        '<think>\n</think>\n\n<answer>\nreal\n</answer>'
    """
    return f"<think>\n{think + chr(10) if think else ''}</think>\n\n<answer>\n{answer}\n</answer>"


def without_thought(text: str) -> str:
    """Leave out what a model thought before it answered, which is no answer yet; a text without tags stays as it is.

    Raises:
        ParseError: If the thought does not end, or a tag comes twice.

    Example:
        >>> without_thought("<think>3 or 4?</think> 4")
        '4'
    """
    return split_thought(text)[1] if holds_tag(text) else text


def split_thought(text: str, *, strict: bool = False) -> tuple[str, str]:
    r"""Take a thought and an answer out of their tags.

    Strict, only what ``join_thought`` writes counts. Otherwise case and white space do not matter, the answer may lack
    its tags, and a text without tags is an answer.

    Returns:
        The thought and the answer, either of them may be empty.

    Raises:
        ParseError: If a thought does not end, a tag comes twice, or (strict) the text is not as written.

    Example:
        >>> split_thought("<THINK>Noise: 2/5</THINK> It is noisy.")
        ('Noise: 2/5', 'It is noisy.')
    """
    if strict:
        written = _WRITTEN.fullmatch(text)
        if not written or len(_TAG.findall(text)) != 4:
            raise ParseError(f"{text!r} is not '<think>', lines, '</think>', '<answer>', text, '</answer>'")
        return written["think"].removesuffix("\n"), written["answer"]
    names = [re.sub(r"[\s<]", "", match[0]).lower() for match in _TAG.finditer(text)]
    if len(names) != len(set(names)):
        raise ParseError(f"{text!r} has more than one thought or answer")
    parts = re.split(r"</?\s*(?:think|answer)\s*>", text, flags=re.IGNORECASE)
    if len(parts) != len(names) + 1:
        raise ParseError(f"{text!r} has a tag that does not end")
    # Each part is named by the tag before it; the answer may stand in its tags or just after the thought
    content = {name: part.strip() for name, part in zip(["", *names], parts, strict=True)}
    if "think" in names and not {"/think", "answer"} & set(names):
        raise ParseError(f"{text!r} is a thought without an end; no answer follows")
    answer = content["answer"] if "answer" in names else content.get("/think", content[""])
    return content.get("think", ""), answer


def items(text: str) -> Iterator[tuple[str, str]]:
    """Read lines such as ``Speech Rate: slow``, bulleted or not; other lines are passed over.

    Yields:
        Name in lower case without markup, and the value as it stands.

    Example:
        >>> list(items("- **Speech Rate**: slow"))
        [('speech rate', 'slow')]
    """
    for line in text.splitlines():
        if match := _ITEM.fullmatch(re.sub(r"[*`]", "", line).strip()):
            yield " ".join(match[1].replace("_", " ").casefold().split()), match[2].strip()


def item_spans(text: str) -> Iterator[tuple[str, int, int]]:
    r"""Find the lines of a thought that ``items`` reads, and where their values stand in the whole text.

    Yields:
        Name as ``items`` gives it, and the first character after its colon and the first after its line.

    Example:
        >>> list(item_spans("<think>\nSpeech Rate: slow\n</think>\n\n<answer>\nPace: slow\n</answer>"))
        [('speech rate', 20, 25)]
    """
    thought = re.search(r"<think>(.*?)</think>", text, re.DOTALL | re.IGNORECASE)
    if thought is None:
        return
    for line in re.finditer(r".+", thought[1]):
        plain = simplified(line[0])  # as long as the line
        if (mark := re.search("[:=]", plain)) and (found := next(items(plain), None)):
            start = thought.start(1) + line.start()
            yield found[0], start + mark.end(), start + len(plain)
