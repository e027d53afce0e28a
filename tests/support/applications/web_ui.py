"""A page of NiceGUI. Its button changes its label through the server: `web_ui.py PORT`."""
# mypy: ignore-errors

import sys

from nicegui import ui


@ui.page("/")
def page():
    clicks = []

    def click():
        clicks.append(1)
        label.text = f"{len(clicks)} clicks"

    label = ui.label("0 clicks").props("id=label")
    ui.button("Click", on_click=click).props("id=button")


ui.run(host="127.0.0.1", port=int(sys.argv[1]), show=False, reload=False)
