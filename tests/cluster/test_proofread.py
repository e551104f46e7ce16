"""The proofreading page as the chart deploys it, and a browser: signed in, edited, approved, and the run goes on."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.cluster import images
from tests.cluster.kubectl import forwarded
from tests.cluster.site import Site, finish, node, site
from tests.proofread.conftest import browser
from tests.proofread.page import Reviewer

__all__ = ["browser", "site"]

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(2400)]

TOKEN = "token-of-anna-in-the-tests"
REVIEWERS = f"reviewers:\n- {{name: anna, token: {TOKEN}, voices: [selma]}}\n"
DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "voicemill-proofread"}}
WORDS = "What a person heard."


def test_a_review_by_browser_lets_the_run_go_on(site: Site, registry: str, browser: Browser) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "reviewers"}}
    site.namespace.create({**secret, "stringData": {"reviewers.yaml": REVIEWERS}})
    site.apply(proofread=page(registry))
    done = site.submit_few("selma", "--wait", proofread="always")
    site.until("selma", "proofread", "Running")
    assert "proofread" in finish(site.start("status", "selma"))
    site.namespace.wait(DEPLOYMENT, lambda found: bool(found["status"].get("availableReplicas")), seconds=300)
    with forwarded(site.namespace, "voicemill-proofread") as origin:
        review(browser, origin)
    said = finish(done)
    assert done.returncode == 0, said
    found = site.workflow("selma")
    told = {each["name"]: each["value"] for each in node(found, "proofread")["outputs"]["parameters"]}
    assert told["reviewer"] == "anna"
    assert node(found, "apply-review")["phase"] == node(found, "publish")["phase"] == "Succeeded"
    trained = site.stored("selma").read("apply-review/transcripts/transcripts.list")[0].decode()
    assert [line.rpartition("|")[2] for line in trained.splitlines()].count(WORDS) == 1
    site.apply()


def page(registry: str) -> dict[str, Any]:
    """Values by which the chart serves the page."""
    image = images.build(registry, "proofread")["proofread"]
    return {"enabled": True, "reviewersSecret": "reviewers", "image": image}


def review(browser: Browser, origin: str) -> None:
    """Sign in, correct a clip, and approve."""
    context = browser.new_context(locale="en-GB", viewport={"width": 1100, "height": 800})
    try:
        opened = context.new_page()
        opened.goto(origin)
        opened.fill("#token", "somebody-else's-token")
        opened.keyboard.press("Enter")
        expect(opened.locator("#sign-in-problem")).to_have_text("Invalid token.")
        opened.fill("#token", TOKEN)
        opened.keyboard.press("Enter")
        expect(opened.locator("#runs a")).to_have_count(1)
        anna = Reviewer(context, f"{origin}/review/selma/selma?order=recorded")
        anna.text(0).fill(WORDS)
        anna.saved()
        anna.page.click("#approve")
        anna.page.click("#approve-now")
        expect(anna.page.locator("#approval-result")).to_contain_text("Approved")
        assert anna.complaints == []
    finally:
        context.close()
