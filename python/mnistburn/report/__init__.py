"""The report of a run: one page, or a model card in Markdown, from its files and its data."""

from mnistburn.report.reports import REPORT_FORMATS, ReportFormat, report_text, write_report

__all__ = ["REPORT_FORMATS", "ReportFormat", "report_text", "write_report"]
