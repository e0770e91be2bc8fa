"""Questions that a judge answers in its own words, as it learned them: what it is asked, and what its answers say.

Nothing here knows a model: messages with audio blocks go out, a text or the probability of each allowed text comes back. A
text is read as strictly as it was written for training; one that cannot be read is a ``ParseError``, never a guess.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from audio_judge.rubrics.rubric import Reworded, Rubric
from audio_judge.tasks import (
    TASKS,
    Facts,
    ParseError,
    categorize,
    compare,
    detect,
    listeners,
    rate,
    read_facts,
    score,
)
from audio_judge.tasks.compare import TOKENS, Form, Verdict
from audio_judge.tasks.facts import ask_for
from audio_judge.tasks.listeners import Listener
from audio_judge.tasks.thoughts import holds_tag

VERDICTS: tuple[Verdict, ...] = tuple(TOKENS)


@dataclass(frozen=True)
class TextQuestion:
    """One task, asked in words.

    Args:
        task: One of ``TASKS``.
        rubrics: What is asked for, if the task is asked for some; of the others what its answers are about.
        language: Of request and answer.
        listener: On whose behalf; None for nobody in particular.
        layout: Of ``compare``.
        thinks: Whether the judge learned to think before it answers, in tasks whose answers begin with a thought.
    """

    task: str
    rubrics: tuple[Rubric, ...] = ()
    language: str = "en"
    listener: Listener | None = None
    layout: Form = "preference"
    thinks: bool = True

    def messages(self, state: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Ask about clips, laid out as ``messages.clip_state`` or ``pair_state``; a reference is left out where none was heard."""
        traits, how = TASKS[self.task].TRAITS, dict[str, Any](language=self.language)
        has_reference = any(block.get("role") == "reference" for block in state)
        if has_reference and traits.hears_reference:
            how["with_reference"] = True
        elif has_reference:
            state = [block for block in state if block.get("role") == "degraded"]
        if self.task == "compare":
            how["form"] = self.layout
        if wordings := [rubric.request for rubric in self.rubrics if isinstance(rubric, Reworded)]:
            how["phrasing"] = wordings[0]
        request = ask_for(self.task, self.rubrics, **how)
        request = listeners.ask(request, self.listener) if self.listener else request
        if self.task == "rate":  # whose request has a place for the clip
            return [{"role": "user", "content": rate.content(request, *state)}]
        return [{"role": "user", "content": [*state, {"type": "text", "text": f"\n{request}"}]}]

    def read(self, text: str) -> Facts:
        """Read a whole answer.

        Raises:
            ParseError: If it is not as the task writes it; an answer alone, without a thought, is read by its sentences.
        """
        if not self.thinks and holds_tag(text):
            raise ParseError(f"{text!r}: a thought, of a judge that learned to answer without")
        # Captions, by people or language models, end in a sentence of their own
        is_strict = self.task != "describe" and self.thinks
        return read_facts(self.task, text, self.rubrics, strict=is_strict, language=self.language)

    @property
    def answers(self) -> list[str]:
        """All answers that the task allows, lowest score or level first; of ``detect`` fake before real."""
        if self.task == "score":
            return score.grammar(self.rubrics[0])
        if self.task == "categorize":
            return categorize.grammar(self.rubrics[0], self.language)
        return detect.grammar(self.language)[::-1]


def variants(text: str, question: TextQuestion) -> dict[str, list[str]]:
    r"""Write a comparison with each verdict in place of the one that it gives, alike up to there.

    The last line of a preference is about the one rubric that was asked for, or about the whole.

    Returns:
        Rubric name to texts with ``A``, ``B`` and ``tie``; nothing of what is no comparison.

    Example:
        >>> variants("A is cleaner.\n[SpeechA]", TextQuestion("compare"))["mos"][1]
        'A is cleaner.\n[SpeechB]'
    """
    if question.task != "compare":
        return {}
    if not question.thinks and question.layout == "dimensions":
        return {"mos": [compare.with_verdict(text, verdict, question.language) for verdict in VERDICTS]}
    if "<think>" not in text:
        about, words = question.rubrics[0].name if len(question.rubrics) == 1 else "mos", text.rpartition("\n")[0]
        return {about: [f"{words}\n{TOKENS[verdict]}" for verdict in VERDICTS]}
    target = compare.parse(text, strict=True, language=question.language)
    how: dict[str, Any] = {"form": "dimensions", "language": question.language}
    how["paper_spelling"] = compare.write(target, **how) != text  # strict parsing takes either
    return {
        name: [compare.write(replace(target, verdicts=target.verdicts | {name: one}), **how) for one in VERDICTS]
        for name in target.verdicts
    }


def telling(answers: Sequence[Sequence[int]]) -> list[list[int]]:
    """Cut the tokens of several answers behind the first one that tells each from all others.

    What follows it says nothing more about which answer was meant. One that is the beginning of another stays whole.

    Example:
        >>> telling([[7, 1, 5], [7, 2, 5], [8, 1]])
        [[7, 1], [7, 2], [8]]
    """
    cut = []
    for index, ids in enumerate(answers):
        others = [other for place, other in enumerate(answers) if place != index]
        lengths = (n for n in range(1, len(ids) + 1) if all(list(other[:n]) != list(ids[:n]) for other in others))
        cut.append(list(ids[: next(lengths, len(ids))]))
    return cut
