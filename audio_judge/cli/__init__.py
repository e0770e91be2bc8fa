"""The command ``audio-judge``: one file a command, with its options and examples."""
