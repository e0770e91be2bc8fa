"""The page that the Hub shows for this module."""

import evaluate
from evaluate.utils import launch_gradio_widget

launch_gradio_widget(evaluate.load("rating_agreement.py"))
