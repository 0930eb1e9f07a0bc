"""The panel in a real browser, as the tests use it."""

from pathlib import Path

OUTPUT = Path(__file__).parent / "output"


class Panel:
    """The tab, opened in a browser or in a context of one, and what the browser complained about on the way.

    `view` is what the address says after the tab's name.
    """

    def __init__(self, chromium, address, width=1280, height=1500, view=""):
        context = chromium.new_context() if hasattr(chromium, "new_context") else chromium
        self.page = context.new_page()
        self.page.set_viewport_size({"width": width, "height": height})
        self.complaints = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(f"{address}/#optimizer_health{view}")
        self.frame = self.page.frame_locator("iframe")
        self.root = self.frame.locator("#optimizer-health")
        self.heatmap = self.frame.locator("[data-testid=heatmap]")

    def _hear(self, message):
        if message.type == "error":
            self.complaints.append(message.text)

    def wait(self, state="ready"):
        self.frame.locator(f"#optimizer-health[data-state={state}]").wait_for(timeout=60_000)
        if state == "ready":
            self.settled()
            self.drawn()
        return self

    def settled(self):
        """Waits until everything was read and every run judged."""
        busy = "progress, tr[data-verdict=pending]"
        self.frame.locator(f"#optimizer-health:not(:has({busy}))").wait_for(timeout=60_000)

    def drawn(self, **data):
        marks = "".join(f'[data-{name}="{value}"]' for name, value in data.items())
        self.frame.locator(f"[data-testid=heatmap][data-drawn=true]{marks}").wait_for(
            timeout=30_000
        )

    def verdicts(self):
        rows = self.frame.locator("tr[data-run]").all()
        return {row.get_attribute("data-run"): row.get_attribute("data-verdict") for row in rows}

    def row(self, run):
        """The run's row in the overview."""
        return self.frame.locator(f'tr[data-run="{run}"]')

    def select(self, run):
        self.row(run).get_by_role("radio").check()
        self.drawn(run=run)

    def dark(self, dark=True):
        self.page.evaluate("dark => document.body.classList.toggle('dark-mode', dark)", dark)

    def screenshot(self, name):
        OUTPUT.mkdir(exist_ok=True)
        self.page.wait_for_timeout(200)  # charts draw in animation frames
        self.page.screenshot(path=OUTPUT / f"{name}.png")
