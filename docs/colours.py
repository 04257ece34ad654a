"""The colours of the book's listings, for Pygments: as the trace player's, each at
least 4.5 to 1 against its ground (WCAG 2.1, 1.4.3)."""

from __future__ import annotations

from pygments.style import Style
from pygments.token import (Comment, Error, Generic, Keyword, Name, Number, Operator,
                            String, Token)


def styles(ink: str, comment: str, word: str, text: str, number: str, name: str
           ) -> dict[object, str]:
    """What is what: six colours are enough."""
    return {Token: ink, Comment: f"italic {comment}", Comment.Preproc: word,
            Keyword: word, Keyword.Type: word, Operator: ink, String: text,
            Number: number, Name: ink, Name.Function: name, Name.Variable: number,
            Name.Builtin: name, Name.Label: name, Generic.Prompt: comment,
            Generic.Output: ink, Generic.Deleted: f"{number}",
            Generic.Inserted: f"{text}", Error: ink}


class Light(Style):
    background_color = "#f6f6f3"
    styles = styles("#1c2330", "#5a6657", "#7a3e9d", "#0b6a78", "#a8430c", "#2456b8")


class Dark(Style):
    background_color = "#191d26"
    styles = styles("#e7e9ee", "#93a58f", "#d2a4f0", "#63cbd8", "#ffa56b", "#8fb4ff")
