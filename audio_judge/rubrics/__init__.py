"""What is rated, and on which scale."""

from audio_judge.rubrics.rubric import (
    AES_RUBRICS,
    ALL_RUBRICS,
    BINARY,
    FIVE,
    HUNDRED,
    QUALISPEECH_RUBRICS,
    RUBRICS,
    SPEECHEVAL_RUBRICS,
    TEN,
    Rubric,
    Scale,
    get_rubric,
)

__all__ = [
    "AES_RUBRICS",
    "ALL_RUBRICS",
    "BINARY",
    "FIVE",
    "HUNDRED",
    "QUALISPEECH_RUBRICS",
    "RUBRICS",
    "SPEECHEVAL_RUBRICS",
    "TEN",
    "Rubric",
    "Scale",
    "get_rubric",
]
