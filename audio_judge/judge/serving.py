"""A native audio language model behind transformers' own server, so that typed questions are answered by who has heard the clip.

    python -c "from audio_judge.judge.serving import main; main()" serve runs/sq_llm --device cpu

That server would load the speaking half of Qwen-Omni, too, and write the sound of a request to ``/v1/systemone`` into the prompt
as text. Chat (``/v1/chat/completions`` with ``input_audio``) stays as transformers has it. ``audio-judge serve`` starts this.
"""

import base64
import binascii
import json
from typing import Any

from audio_judge.audio import read_audio, resample
from audio_judge.judge import asking
from audio_judge.judge.judge import AudioJudge
from audio_judge.judge.native import load_audio_model
from audio_judge.judge.native_model import NativeProcessor
from audio_judge.messages import text_messages


def main() -> None:
    """Become ``transformers``, whose ``serve`` answers typed questions by a native audio language model."""
    from transformers.cli.serving.model_manager import ModelManager
    from transformers.cli.serving.systemone import SystemOneHandler
    from transformers.cli.transformers import main as transformers_main

    ModelManager._load_model = load_model  # type: ignore[assignment,method-assign]
    SystemOneHandler._answer = staticmethod(answer)  # type: ignore[method-assign,assignment]
    transformers_main()


def load_model(manager: Any, model_id_and_revision: str, **_: Any) -> Any:
    """Load a model as a judge is loaded, in place of ``ModelManager._load_model``."""
    name, revision = model_id_and_revision.split("@", 1)
    how = {"attn_implementation": manager.attn_implementation, "quantization_config": manager.get_quantization_config()}
    given = {key: value for key, value in how.items() if value is not None}
    return load_audio_model(name, revision=revision, dtype=manager.dtype, device_map=manager.device, **given)[0]


def answer(pipeline: Any, request: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Answer the typed questions of a request, in place of ``SystemOneHandler._answer``.

    Args:
        pipeline: With the ``model`` and its ``processor``.
        request: ``state``, whose clips are ``{"type": "audio", "data_base64": …}``, and ``questions``.

    Returns:
        The answers by name, and the number of tokens that were read but for those of the questions.

    Raises:
        ValueError: If a clip cannot be read or is longer than what the model hears at once, a question is not well formed, or
            the model was trained as a judge but not on such questions, nor on words in their place.
    """
    judge = AudioJudge(pipeline.model, pipeline.processor)
    state = [_block(block, judge.processor) for block in _blocks(request["state"])]
    questions = judge.parse_questions(request["questions"])
    (heard,) = judge.reader.decide([state], asking.decisions(judge.identity, request["questions"]))
    answers = {question.name: question.answer(heard.probabilities[question.name].tolist()) for question in questions}
    return answers, len(questions) * len(judge.processor.encode(text_messages(state, "")).ids)


def _blocks(state: Any) -> list[Any]:
    return state if isinstance(state, list) else [state]


def _block(block: Any, processor: NativeProcessor) -> dict[str, Any]:
    """A block of a request as one of a prompt: sound as an array, anything else as text."""
    if not isinstance(block, dict) or block.get("type") not in ("audio", "text"):
        return {"type": "text", "text": block if isinstance(block, str) else json.dumps(block, ensure_ascii=False)}
    if block["type"] == "text":
        return {"type": "text", "text": str(block.get("text", ""))}
    data = block.get("data_base64")
    if not isinstance(data, str):
        raise ValueError("an audio block of a request brings its sound as `data_base64`; paths and URLs are not read")
    try:
        audio = read_audio(base64.b64decode(data, validate=True))
    except binascii.Error as error:
        raise ValueError(f"`data_base64` of an audio block is not base64: {error}") from error
    if audio.seconds > processor.window_seconds:
        raise ValueError(
            f"a clip of {audio.seconds:.1f} s; this model hears {processor.window_seconds:g} s at once: cut it, or ask it with "
            "audio_judge.AudioJudge, which does"
        )
    return {"type": "audio", "audio": resample(audio.samples, audio.sampling_rate, processor.sampling_rate)}
