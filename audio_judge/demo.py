"""The judge in the browser: judge one clip, compare two, see what the judge was trained on.

    from audio_judge import AudioJudge
    from audio_judge.demo import build, launch
    launch(build(AudioJudge.from_pretrained()))

``build`` makes the page, ``launch`` serves it with our looks; ``audio-judge demo`` and the Space do both. The page loads
nothing from elsewhere and reports nothing to anybody. Needs the ``demo`` extra.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd

from audio_judge.analysis import Analysis, analyze
from audio_judge.audio import AudioError, audio_info
from audio_judge.judge.identity import UntrainedTaskError
from audio_judge.judge.judge import AudioJudge
from audio_judge.judge.judgement import Authenticity, Judgement, Preference, Score
from audio_judge.rubrics.rubric import ALL_RUBRICS, RUBRICS, Rubric, get_rubric
from audio_judge.tasks.faults import FAULT_QUESTIONS, fault_question

# In a checkout; an installed package has no clips, and its page shows none
EXAMPLE_CLIPS = Path(__file__).parents[1] / "examples" / "clips"
LONGEST_MINUTES = 10.0
LARGEST_FILE = "100mb"
LONGEST_QUESTION = 300
MOST_RUBRICS = 12
# Above it, a fault is shown as heard
HEARD = 0.5

CSS = """
.html-container { padding: 0 !important; }
.aj { color: var(--body-text-color); font-size: var(--text-md); line-height: 1.45; }
.aj h2, .aj h3 { margin: 0 !important; } .aj h3 { padding-bottom: .5em; font-size: var(--text-lg); font-weight: 600; }
.aj p { margin: .3em 0; }
.aj small, .aj .aj-note { color: var(--body-text-color-subdued); font-size: var(--text-sm); }
.aj .aj-note { margin-top: .7em; }
.aj-card { border: 1px solid var(--border-color-primary); border-radius: var(--radius-lg); padding: 1em 1.2em;
  background: var(--block-background-fill); }
.aj-stack { display: grid; gap: 1em; align-content: start; }
.aj-cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(18em, 1fr)); gap: 1em; }
.aj-row { display: grid; grid-template-columns: 10em 1fr 3em; align-items: center; column-gap: .9em; padding: .28em 0; }
.aj-row.aj-wide { grid-template-columns: 9em minmax(5em, 1fr) 6.4em 11em; }
.aj-value { font-variant-numeric: tabular-nums; white-space: nowrap; text-align: right; }
.aj-track { position: relative; height: .65em; border-radius: 1em; background: var(--border-color-primary); overflow: hidden;
  display: flex; }
.aj-fill { display: block; height: 100%; border-radius: 1em 0 0 1em; }
.aj-band { position: absolute; top: .2em; height: .25em; border-radius: 1em; background: var(--body-text-color); opacity: .55; }
.aj-muted { opacity: .6; }
.aj-split { height: 1.9em; border-radius: .5em; margin: .5em 0; font-size: var(--text-sm); font-weight: 600; color: #fff; }
.aj-split span { color: #fff !important; display: flex; align-items: center; justify-content: center; overflow: hidden; white-space: nowrap; }
.aj-a { background: #0d7d74; } .aj-tie { background: #78828f; } .aj-b { background: #b4571b; }
.aj-empty { text-align: center; padding: 3.5em 1em; color: var(--body-text-color-subdued); border-style: dashed; }
.aj-facts { display: grid; grid-template-columns: auto auto; gap: .25em 1em; margin: 0; }
.aj-facts dt { color: var(--body-text-color-subdued); } .aj-facts dd { margin: 0; text-align: right; }
@media (max-width: 700px) { .aj-row.aj-wide { grid-template-columns: 8em 1fr 5.6em; } .aj-level { display: none; } }
"""
WAITING = "Record or upload a clip, or take an example, and press <b>Judge</b>."
WAITING_FOR_TWO = "Give two clips, or take an example, and press <b>Compare</b>."


def build(
    judge: AudioJudge, *, clips: str | Path | None = EXAMPLE_CLIPS, longest_minutes: float = LONGEST_MINUTES
) -> gr.Blocks:
    """Make the page, ready to ``launch``.

    Args:
        judge: Who judges.
        clips: Folder of example clips; none are shown if there is no such folder.
        longest_minutes: Longer clips are refused, above 0.

    Raises:
        ValueError: If ``longest_minutes`` is not above 0.
    """
    if not longest_minutes > 0:
        raise ValueError(f"longest_minutes {longest_minutes}; a number above 0 is needed")
    examples = sorted(Path(clips).iterdir()) if clips is not None and Path(clips).is_dir() else []
    with gr.Blocks(title="Audio Judge", analytics_enabled=False) as page:
        gr.HTML(f"<style>{CSS}</style>{_heading(judge)}")
        with gr.Tab("Judge a clip", id="one"):
            _clip_tab(judge, examples, longest_minutes)
        with gr.Tab("Compare A and B", id="two"):
            _pair_tab(judge, examples, longest_minutes)
        with gr.Tab("About", id="about"):
            gr.HTML(_about(judge, longest_minutes))
    return page


def launch(
    page: gr.Blocks,
    *,
    host: str | None = None,
    port: int | None = None,
    share: bool | None = None,
    block: bool = True,
    quiet: bool = False,
) -> str:
    """Serve the page of ``build``, and give its address.

    Args:
        page: What is served.
        host: Address to listen on; None for this machine only (in a Space, for what the Space needs).
        port: None for the first free one from 7860.
        share: Whether to make a public link through Gradio's servers.
        block: Whether to wait until interrupted.
        quiet: Whether to print nothing.

    Raises:
        OSError: If the port is taken.
    """
    hues = {"primary_hue": "teal", "secondary_hue": "teal", "neutral_hue": "slate"}
    # Fonts of the visitor's system: none has to be fetched
    theme = gr.themes.Default(**hues, font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    page.queue(max_size=32)
    _, address, _ = page.launch(
        server_name=host,
        server_port=port,
        share=share,
        theme=theme,
        max_file_size=LARGEST_FILE,
        prevent_thread_lock=not block,
        quiet=quiet,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
    )
    return address


def _clip_tab(judge: AudioJudge, examples: Sequence[Path], longest_minutes: float) -> None:
    with gr.Row():
        with gr.Column(scale=4, min_width=320):
            clip = _sound("Clip", "clip")
            if examples:
                names = [_spaced(path.stem) for path in examples]
                gr.Examples([[str(path)] for path in examples], clip, label="Examples", example_labels=names)
            choices, known = _choices(judge), _known(judge)
            rubrics = gr.Dropdown(
                choices,
                value=[name for name in RUBRICS if name in known] or known[:5],
                multiselect=True,
                label="What to judge",
                info=_training_note(judge),
                elem_id="rubrics",
            )
            own = _own_rubric()
            button = gr.Button("Judge", variant="primary", elem_id="judge")
        with gr.Column(scale=7, min_width=360):
            result = gr.HTML(_empty(WAITING), elem_id="result")
            timeline = gr.LinePlot(
                x="seconds",
                y="score",
                color="rubric",
                x_title="seconds",
                title="Over time",
                show_label=False,
                height=360,
                visible=False,
                elem_id="timeline",
            )

    def run(path: str | None, names: list[str], *words: Any) -> tuple[str, Any]:
        with _told_plainly(path):
            return judge_clip(judge, _checked(path, longest_minutes), chosen_rubrics(names, *words))

    # The model answers one visitor at a time, whichever button was pressed
    button.click(run, [clip, rubrics, *own], [result, timeline], concurrency_id="judge", api_name="judge")


def _own_rubric() -> list[Any]:
    """The fields of a rubric in the visitor's words: name, question, lowest and highest score."""
    with gr.Accordion("Your own rubric", open=False, elem_id="own"):
        name = gr.Textbox(label="Name", placeholder="warmth", max_length=40, elem_id="own-name")
        question = gr.Textbox(
            label="Question",
            placeholder="How warm does the voice sound? 10 is very warm.",
            max_length=LONGEST_QUESTION,
            elem_id="own-question",
        )
        with gr.Row():
            low = gr.Number(1, label="Lowest score", min_width=100, elem_id="own-low")
            high = gr.Number(10, label="Highest score", min_width=100, elem_id="own-high")
    return [name, question, low, high]


def _pair_tab(judge: AudioJudge, examples: Sequence[Path], longest_minutes: float) -> None:
    with gr.Row():
        first, second = _sound("A", "first"), _sound("B", "second")
    names = {path.stem: str(path) for path in examples}
    pairs = [("clean_anna", "noisy"), ("lossy", "clean_tom"), ("clipped", "narrow_codec")]
    known = [pair for pair in pairs if set(pair) <= set(names)]
    if known:
        labels = [f"{_spaced(a)} / {_spaced(b)}" for a, b in known]
        rows = [[names[a], names[b]] for a, b in known]
        gr.Examples(rows, [first, second], label="Examples", example_labels=labels)
    rubric = gr.Dropdown(_choices(judge), value="mos", label="Better in what", elem_id="rubric")
    button = gr.Button("Compare", variant="primary", elem_id="compare")
    result = gr.HTML(_empty(WAITING_FOR_TWO), elem_id="preference")

    def run(path: str | None, other: str | None, name: str) -> str:
        with _told_plainly(path, other):
            paths = [_checked(one, longest_minutes, label) for one, label in ((path, "A"), (other, "B"))]
            return _preference(judge.compare(*paths, rubric=name))

    button.click(run, [first, second, rubric], result, concurrency_id="judge", api_name="compare")


def _sound(label: str, elem_id: str) -> gr.Audio:
    sources: Any = ["upload", "microphone"]
    return gr.Audio(type="filepath", sources=sources, label=label, elem_id=elem_id, buttons=[])


def _known(judge: AudioJudge) -> list[str]:
    """Our rubrics that the judge was trained on; NISQA's five if it does not say."""
    return [name for name in judge.rubrics if name in ALL_RUBRICS] or list(RUBRICS)


def _training_note(judge: AudioJudge) -> str:
    if not judge.rubrics:
        return "The judge does not say on which of these it was trained; its card does."
    return f"The judge was trained on the first {len(_known(judge))} of the list; the others are marked."


def _choices(judge: AudioJudge) -> list[tuple[str, str]]:
    """Labels and names of the rubrics on offer: those the judge was trained on first, the others marked."""
    known = _known(judge)
    others = [name for name in ALL_RUBRICS if name not in known]
    mark = " (not trained)" if judge.rubrics else ""
    return [(ALL_RUBRICS[name].label, name) for name in known] + [(ALL_RUBRICS[n].label + mark, n) for n in others]


def chosen_rubrics(
    names: Sequence[str],
    own_name: str | None = None,
    own_question: str | None = None,
    low: float | None = 1,
    high: float | None = 10,
) -> list[Rubric]:
    """Make rubrics of what was chosen and written on the page: the known ones in order, then the visitor's own.

    Args:
        names: Names of known rubrics.
        own_name: Of the visitor's own rubric; empty or None if it has none.
        own_question: Empty or None if there is no such rubric.
        low: Its lowest score.
        high: Its highest score.

    Raises:
        ValueError: If nothing or too much is asked, or the own rubric is unusable.

    Example:
        >>> [rubric.name for rubric in chosen_rubrics(["mos"], "warmth", "How warm is the voice?")]
        ['mos', 'warmth']
    """
    rubrics = [get_rubric(name) for name in dict.fromkeys(names)]
    name, question = (" ".join((words or "").split()) for words in (own_name, own_question))
    if name and not question:
        raise ValueError(f"your own rubric {name!r} has no question; ask one, or clear its name")
    if question:
        rubrics.append(_in_own_words(name or "own rubric", question, low, high))
    if len({rubric.name for rubric in rubrics}) < len(rubrics):
        raise ValueError(f"there is a rubric {name!r} already; give your own another name")
    if not 1 <= len(rubrics) <= MOST_RUBRICS:
        raise ValueError(f"{len(rubrics)} rubrics; choose 1 to {MOST_RUBRICS}, or write your own")
    return rubrics


def _in_own_words(name: str, question: str, low: float | None, high: float | None) -> Rubric:
    if len(question) > LONGEST_QUESTION:
        raise ValueError(f"your question has {len(question)} characters; at most {LONGEST_QUESTION} are possible")
    if low is None or high is None:
        raise ValueError("your own rubric needs a lowest and a highest score")
    return Rubric(name, question, low=float(low), high=float(high), questions=(question,))


def _checked(path: str | None, longest_minutes: float, label: str = "") -> str:
    """The path of a clip that is there and short enough."""
    if path is None:
        raise AudioError(f"There is no clip{label and ' '}{label} yet: record or upload one, or take an example.")
    minutes = audio_info(path).seconds / 60
    if minutes > longest_minutes:
        raise AudioError(f"{path}: {minutes:.2f} min; at most {longest_minutes:g} min are judged here: cut it")
    return path


@contextmanager
def _told_plainly(*paths: str | None) -> Iterator[None]:
    """Shows what is wrong with a request as a message that stays, with file names instead of the server's paths."""
    try:
        yield
    except (AudioError, ValueError, OSError) as error:
        message = str(error)
        for path in filter(None, paths):
            message = message.replace(path, Path(path).name)
        raise gr.Error(escape(message), duration=None, print_exception=False) from error


def judge_clip(judge: AudioJudge, path: str, rubrics: Sequence[Rubric]) -> tuple[str, Any]:
    """Judge a clip in every way the page shows, as far as the judge learned it.

    Returns:
        HTML of the cards, and the update of the timeline plot, hidden for a clip of one window.

    Raises:
        AudioError: If the clip cannot be judged.
        UntrainedTaskError: If the judge cannot score one of the rubrics.
    """
    said = judge.score(path, rubric=list(rubrics))
    faults = _if_learned(lambda: judge.decide(path, {kind: fault_question(kind) for kind in FAULT_QUESTIONS}))
    small = "" if faults is None else _faults({kind: answer["noul"] for kind, answer in faults.items()})
    real = _if_learned(lambda: judge.detect(path))
    small += f'<div class="aj-stack">{_facts(analyze(path))}{"" if real is None else _authenticity(real)}</div>'
    ways: list[Any] = [judge.explain, judge.assess, judge.describe]
    written = (_if_learned(partial(way, path)) for way in ways)
    words = next((one for one in written if one is not None), None)
    cards = _scores(judge, said, rubrics) + ("" if words is None else _words(words))
    return f'<div class="aj aj-stack">{cards}<div class="aj-cards">{small}</div></div>', _timeline(said, rubrics)


def _if_learned(ask: Callable[[], Any]) -> Any:
    """What a judge answers; None if it never learned that."""
    try:
        return ask()
    except UntrainedTaskError:
        return None


def _heading(judge: AudioJudge) -> str:
    return (
        f'<div class="aj"><h2>Audio Judge</h2>A model listens to your clip and says how good it is, in numbers '
        f"and words. <small>Judge: {escape(f'{judge.name} {judge.revision}'.strip() or 'unnamed')}. Its scores are "
        "a model's estimates, not a listening test.</small></div>"
    )


def _empty(text: str) -> str:
    return f'<div class="aj"><div class="aj-card aj-empty">{text}</div></div>'


def _card(title: str, body: str, note: str = "") -> str:
    note = note and f'<p class="aj-note">{note}</p>'
    return f'<section class="aj-card"><h3>{title}</h3>{body}{note}</section>'


def _spaced(name: str) -> str:
    return escape(name.replace("_", " "))


def _colour(goodness: float) -> str:
    """From red through amber to green; the numbers beside it say the same without colours."""
    return f"hsl({8 + 152 * min(max(goodness, 0.0), 1.0):.0f} 58% 42%)"


def _scores(judge: AudioJudge, said: Judgement, rubrics: Sequence[Rubric]) -> str:
    rows = "".join(_score_row(rubric, said[rubric.name], _is_untrained(judge, rubric)) for rubric in rubrics)
    spread = "how far listeners are expected to disagree"
    spread += ", and how the clip changes over time" if said.timeline else ""
    note = f"{said.seconds or 0:.1f} s heard. ± and the thin line: {spread} (standard deviation)."
    return _card("Scores", rows, note)


def _is_untrained(judge: AudioJudge, rubric: Rubric) -> bool:
    """Whether the judge is known not to have learnt a rubric; nobody's own rubric was ever trained."""
    is_own = ALL_RUBRICS.get(rubric.name) != rubric
    return is_own or bool(judge.rubrics and rubric.name not in judge.rubrics)


def _score_row(rubric: Rubric, score: Score, is_untrained: bool) -> str:
    def place(value: float) -> float:
        return 100 * min(max((value - score.low) / (score.high - score.low), 0.0), 1.0)

    std = score.std or 0.0  # a score that was read from a text has none
    left, right = place(score.value - std), place(score.value + std)
    # A goodness is only defined on the scale itself
    value = min(max(score.value, rubric.low), rubric.high)
    best = {"high": "", "low": "low is best", "middle": "the middle is best"}[rubric.best]
    hints = [f"{score.low:g}–{score.high:g}"] * ((score.low, score.high) != (1.0, 5.0)) + [best] * bool(best)
    hints += ["not trained"] * is_untrained
    hint = f"<br><small>{', '.join(hints)}</small>" if hints else ""
    fill = (
        f'<i class="aj-fill" style="width:{place(score.value):.1f}%;background:{_colour(rubric.goodness(value))}"></i>'
    )
    spread = "" if score.std is None else f"± {score.std:.2f}"
    band = f'<i class="aj-band" style="left:{left:.1f}%;width:{right - left:.1f}%"></i>'
    return (
        f'<div class="aj-row aj-wide" data-rubric="{escape(rubric.name)}"><span>{escape(rubric.label)}{hint}</span>'
        f'<span class="aj-track">{fill}{band}</span><span class="aj-value"><b>{score.value:.2f}</b> '
        f'<small>{spread}</small></span><span class="aj-level">{escape(score.level)}</span></div>'
    )


def _words(said: Judgement) -> str:
    note = (
        "Written by the judge after its scores."
        if said.has_own_words
        else "Some of it is made by rule of what the judge decided."
    )
    if said.timeline:
        note += " Of a long clip, its worst part is explained."
    return _card(
        "In words", f'<p data-name="reasons">{escape(said.reasons or said.description or "Nothing to say.")}</p>', note
    )


def _share_row(name: str, share: float, colour: str, is_muted: bool = False) -> str:
    fill = f'<i class="aj-fill" style="width:{share:.1%};background:{colour}"></i>'
    return (
        f'<div class="aj-row{" aj-muted" * is_muted}" data-name="{escape(name)}"><span>{_spaced(name)}</span>'
        f'<span class="aj-track">{fill}</span><span class="aj-value">{share:.0%}</span></div>'
    )


def _faults(heard: Mapping[str, float]) -> str:
    ordered = sorted(heard.items(), key=lambda item: -item[1])
    rows = "".join(_share_row(kind, share, "#b4571b", share < HEARD) for kind, share in ordered)
    return _card("Faults", rows, "How likely each is there, says the judge.")


def _authenticity(said: Authenticity) -> str:
    real = said.real or 0.0
    rows = _share_row("real", real, "#0d7d74", real < HEARD) + _share_row(
        "synthetic", 1 - real, "#b4571b", real >= HEARD
    )
    return _card(
        "Real or synthetic voice", rows, "A hint, no proof; its card says whether the judge was trained to tell."
    )


def _facts(facts: Analysis) -> str:
    channels = "mono" if facts.channels == 1 else f"{facts.channels} channels"
    rows = {
        "Format": f"{facts.seconds:.1f} s, {facts.sampling_rate / 1000:g} kHz, {channels}",
        "Loudness": _measured(facts.loudness_lufs, "LUFS"),
        "Peak": _measured(facts.peak_dbfs, "dBFS"),
        "Signal to noise": _measured(facts.snr_db, "dB"),
        "Bandwidth": f"{facts.bandwidth_hz / 1000:.1f} kHz",
        "Clipped samples": f"{facts.clipping_share:.1%}",
        "Silence": f"{facts.silence_share:.1%}",
        "Dropouts": str(len(facts.dropouts) or "none"),
    }
    body = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows.items())
    return _card("Measured", f'<dl class="aj-facts">{body}</dl>', "From the signal, without the judge.")


def _measured(value: float | None, unit: str) -> str:
    return "not measurable" if value is None else f"{value:.1f} {unit}"


def _timeline(said: Judgement, rubrics: Sequence[Rubric]) -> Any:
    """The plot of a clip of several windows; rubrics with different scales are shown as shares of them."""
    if not said.timeline:
        return gr.LinePlot(visible=False)
    scales = {(rubric.low, rubric.high) for rubric in rubrics}
    low, high = scales.pop() if len(scales) == 1 else (0.0, 100.0)
    rows = [
        {
            "seconds": round((window.start + window.end) / 2, 2),
            "score": round(low + (high - low) * (window.scores[one.name] - one.low) / (one.high - one.low), 3),
            "rubric": one.label,
        }
        for one in rubrics
        for window in said.timeline
    ]
    # Empty if all rubrics had the one scale that was taken out above
    title = f"score, {low:g}–{high:g}" if not scales else "share of the scale, %"
    return gr.LinePlot(pd.DataFrame(rows), y_lim=[low, high], y_title=title, visible=True)


def _preference(said: Preference) -> str:
    verdicts = {"A": "A is better", "B": "B is better", "tie": "A tie"}
    headline = f'<h3 data-name="verdict">{verdicts[said.better or "tie"]}</h3>'
    whole, *aspects = said.rubrics.items()
    reasons = f'<p data-name="reasons">{escape(said.reasons or "")}</p>'
    what = f"<small>in {escape(get_rubric(whole[0]).label)}</small>"
    first = f'<section class="aj-card">{headline}{what}{_split(whole[1])}{reasons}</section>'
    rows = "".join(
        f'<div class="aj-row" style="grid-template-columns: 10em 1fr"><span>{escape(get_rubric(name).label)}</span>'
        f"{_split(shares)}</div>"
        for name, shares in aspects
    )
    note = (
        "Both orders were asked and averaged, so it does not matter which clip is A. The probabilities are a model's; its card "
        "says whether it was trained to compare."
    )
    second = _card("By aspect", rows, note) if rows else f'<p class="aj-note">{note}</p>'
    return f'<div class="aj aj-stack">{first}{second}</div>'


def _split(shares: Mapping[str, float]) -> str:
    """P(A), tie and P(B) as one bar; a part too narrow for its text keeps it as a tooltip."""
    parts = []
    for name, kind in (("A", "aj-a"), ("tie", "aj-tie"), ("B", "aj-b")):
        text = f"{name} {shares[name]:.0%}"
        shown = text if shares[name] >= 0.08 else ""
        parts.append(
            f'<span class="{kind}" data-{name.lower()} title="{text}" style="width:{shares[name]:.2%}">{shown}</span>'
        )
    return f'<div class="aj-track aj-split">{"".join(parts)}</div>'


def _about(judge: AudioJudge, longest_minutes: float) -> str:
    labels = [_spaced(name) for name in judge.rubrics]
    trained = (
        f"This judge was trained on {len(labels)} rubrics: {', '.join(labels)}. It answers other rubrics and your own too, "
        "but nothing says that those scores mean anything; they are marked “not trained”."
        if labels
        else "This judge does not say which rubrics it was trained on. Its model card does; do not trust it on others, nor "
        "on your own, before you have checked it on clips you know."
    )
    texts = {
        "What it was trained on": trained,
        "What the numbers are": "All scores, probabilities and words are a model's, made to predict what listeners would say. "
        "They are no listening test, and no ground for decisions about people. Real or synthetic is a hint, no proof; the "
        "model card says whether the judge was trained to tell, and where it must not be used. What stands under "
        "“Measured” is computed from the signal.",
        "What happens to your clip": "It is judged on the machine that serves this page and lies there in a temporary folder. "
        f"Clips of up to {longest_minutes:g} min and {LARGEST_FILE.removesuffix('mb')} MB are taken: wav, flac, mp3, ogg, opus, m4a and others. "
        "Long clips are judged in parts and shown over time.",
    }
    return f'<div class="aj aj-stack">{"".join(_card(title, f"<p>{text}</p>") for title, text in texts.items())}</div>'
