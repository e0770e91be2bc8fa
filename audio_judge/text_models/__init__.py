"""Text language models as teachers, evaluators, extractors: one client."""
