"""Pictures that open the chapters: a module each, drawn from the chapter's own data.

`book/make_pictures.py` draws them, with the words of ``book/pictures.yml``.
"""
