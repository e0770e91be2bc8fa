"""Does a judge agree with people, and how does it compare? Benchmarks, judges, peers and runs.

    python -m eval run --judge checkpoints/mini --tasks nisqa_test --data-root /data --out runs/mini

The same is in the package: ``audio-judge eval run …``. Heavy and optional packages are imported where they are needed.
"""
