"""`make pictures`: the pictures in docs/, from a demo that begins for it, in the Chromium that the system has."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).parent / "pictures"
PICTURES = {"initiative": "/initiatives/f414"}
"""Each by its file, and the page that it is of."""
WIDTH, HEIGHT = 1120, 900


@contextmanager
def demo() -> Iterator[str]:
    """A demo with data of its own, and where it is."""
    with TemporaryDirectory() as data:
        ledger = Path(sys.executable).with_name("ledger")
        settings = os.environ | {"LEDGER_DATA": data, "LEDGER_PORT": "0"}
        running = subprocess.Popen([ledger, "demo"], env=settings, stderr=subprocess.PIPE, text=True)
        try:
            assert running.stderr is not None
            said = (re.search(r"http://[\d.]+:\d+", line) for line in running.stderr)
            yield next(found[0] for found in said if found)
        finally:
            running.terminate()
            running.wait()


def main() -> None:
    chromium = shutil.which("chromium") or sys.exit(
        "there is no Chromium on this machine: install your system's package"
    )
    with demo() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        for name, path in PICTURES.items():
            page.goto(f"{address}{path}")
            page.wait_for_selector(".timeline .mark, .timeline a")
            page.screenshot(path=FOLDER / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
