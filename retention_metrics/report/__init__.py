"""All of it on one page: figures with their definitions, limits and warnings, as HTML, as text and for programs.

A report is a list of sections, and a section is figures, sentences, tables and pictures; HTML, text and JSON are three
ways to write the same sections down, in English or in Russian.
"""

from retention_metrics.report._build import Report, build
from retention_metrics.report._orders import OrderAnswers

__all__ = ["OrderAnswers", "Report", "build"]
