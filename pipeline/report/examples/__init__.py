"""Examples for pages: read from artifacts, and rendered as pictures, players or text."""
