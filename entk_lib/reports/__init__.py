"""A model's kernel through spectrum, cliffs and nulls, to a report in plain sentences."""

from entk_lib.reports._report import kernel_report
from entk_lib.reports._spaces import Eigenspace, Shared
from entk_lib.reports._text import KernelReport
from entk_lib.reports._untrained import untrained_copy

__all__ = ["Eigenspace", "KernelReport", "Shared", "kernel_report", "untrained_copy"]
