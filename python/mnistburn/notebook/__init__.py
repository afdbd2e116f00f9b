"""What a notebook shows of runs, evaluations, data sets and models.

Everything follows the colours of the notebook, light or dark; text of anyone is escaped, images are
PNG files within the text, and nothing runs.
"""

from mnistburn.notebook.dataset import dataset_html
from mnistburn.notebook.display import Display, start_display
from mnistburn.notebook.evaluation import comparison_html, evaluation_html
from mnistburn.notebook.model import model_html
from mnistburn.notebook.run import history_html, run_html

__all__ = [
    "Display",
    "comparison_html",
    "dataset_html",
    "evaluation_html",
    "history_html",
    "model_html",
    "run_html",
    "start_display",
]
