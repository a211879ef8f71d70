"""Messages to a shop's help desk: 480 short English texts in three classes, 160 of each.

Source: made for modelmill by the rules in this file, the same each time; they are nobody's words, and in the public
domain (CC0). Words of one class stand in messages of the others, too, so that no single word tells them apart.
"""

from __future__ import annotations

import random
from pathlib import Path

from modelmill.data.sample_data import Sample

EACH = 160
OPENING = ("Hello,", "Hi there,", "Good morning,", "Dear team,", "", "", "Sorry to trouble you again,")
CLOSING = (
    "Thank you.",
    "Please help.",
    "Many thanks!",
    "Can you look into it?",
    "",
    "",
    "I look forward to hearing back.",
)
THING = ("kettle", "lamp", "bicycle", "radio", "printer", "camera", "blender", "desk chair", "phone case", "backpack")
WHEN = ("yesterday", "last week", "on Monday", "two days ago", "this morning", "a month ago", "last Friday")
# Said in any message, whatever it is about.
ANYWHERE = (
    "I ordered the {thing} {when}",
    "I paid for the {thing} {when}",
    "the {thing} was a present for my sister",
    "I have been a customer for {number} years",
    "my order number is {number}{number}7",
    "I wrote to you {when} and got no answer",
)
ABOUT = {
    "delivery": (
        "the parcel has still not arrived",
        "the courier left it with a neighbour whom nobody knows",
        "tracking says it was returned to the depot",
        "the box came open and the {thing} was missing",
        "can it be sent to another address",
        "nobody rang the bell and there was only a card",
        "it should have been here {when}",
    ),
    "payment": (
        "I was charged twice for it",
        "the refund has not reached my account",
        "the invoice shows the wrong amount",
        "my card was declined although there is money on it",
        "the voucher for {number} euros was not taken off",
        "please send the bill to my company instead",
        "the price was lower {when}",
    ),
    "technical": (
        "the {thing} does not switch on any more",
        "it makes a loud noise and then stops",
        "the manual does not say how to reset it",
        "a part broke off when I put it together",
        "the app can not find the {thing}",
        "the battery is empty after {number} minutes",
        "it stopped working {when}",
    ),
}


class Messages(Sample):
    """Short texts, a folder a class."""

    def write(self, folder: Path) -> None:
        """Write the messages as folder/CLASS/NUMBER.txt."""
        seen: set[str] = set()
        for label in ABOUT:
            (folder / label).mkdir()
            rng = random.Random(label)
            for number in range(EACH):
                text = _message(rng, label)
                while text in seen:
                    text = _message(rng, label)
                seen.add(text)
                (folder / label / f"{number:03}.txt").write_text(text + "\n", encoding="utf-8")


def _message(rng: random.Random, label: str) -> str:
    """Two sentences about the class, one or two about anything, in any order."""
    said = rng.sample(ABOUT[label], 2) + rng.sample(ANYWHERE, rng.choice((1, 2)))
    rng.shuffle(said)
    thing = rng.choice(THING)
    filled = [one.format(thing=thing, when=rng.choice(WHEN), number=rng.randint(2, 60)) for one in said]
    body = " ".join(f"{one[0].upper()}{one[1:]}{rng.choice('..!')}" for one in filled)
    return " ".join(part for part in (rng.choice(OPENING), body, rng.choice(CLOSING)) if part)
