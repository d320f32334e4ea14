"""A module of the project's own: main.py imports it by its path."""


def longest_word(text):
    return max(text.split(), key=len)
