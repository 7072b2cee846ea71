"""The book's marks: a wordmark, an icon, and a card for links to it."""
from entk_book.pictures.style import Canvas
def files(): return {}
