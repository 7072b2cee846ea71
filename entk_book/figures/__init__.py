"""The chapters' figures, one module a chapter: functions of what a study found.

Each draws on axes that it is given and returns them; the chapter's cell shows the figure.
"""
