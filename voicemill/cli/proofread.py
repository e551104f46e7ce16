"""`voicemill proofread`: serve the page for a run, or for all runs of a folder or bucket."""

from __future__ import annotations

import getpass
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from voicemill.core.errors import InputError, UsageError

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def proofread(
    location: Annotated[str, typer.Argument(help="A run's folder or s3:// address, or one that holds runs.")],
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen at; 0 takes any that is free.")] = 8321,
    reviewer: Annotated[str, typer.Option(help="Your name in the log of changes; default: the account's.")] = "",
    reviewers: Annotated[
        Path | None, typer.Option(help="YAML file of people, their tokens and the voices given to them.")
    ] = None,
    proxy_header: Annotated[
        str, typer.Option(help="Header in which a proxy passes on the signed-in user, such as X-Auth-Request-Email.")
    ] = "",
    trusted_proxy: Annotated[
        list[str] | None, typer.Option(help="Network from which that header is trusted, such as 10.42.0.0/16.")
    ] = None,
    secure_cookies: Annotated[
        bool, typer.Option(help="The page is served over HTTPS: send cookies only over HTTPS.")
    ] = False,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser, if there is a terminal.")] = True,
) -> None:
    """Check what the recogniser wrote, in a web page, before a voice is trained on it.

    Every change is saved when it is made. Approving lets the run go on that waits for it (`-p proofread=always`).
    """
    import uvicorn

    from voicemill.proofread import access, approval
    from voicemill.proofread.app import Site, create
    from voicemill.proofread.own_token import OwnToken
    from voicemill.proofread.runs import Runs
    from voicemill.serving import connections
    from voicemill.serving.listening import listen
    from voicemill.storage import is_remote

    if bool(proxy_header) != bool(trusted_proxy):
        raise UsageError("--proxy-header and --trusted-proxy go together: a header counts from the proxy's address")
    own = None
    if reviewers is None:
        if host not in _LOOPBACK:
            raise UsageError(f"on {host} others can reach the page: list them in a file and pass it as --reviewers")
        own = OwnToken.of_this_account()
        me = access.Reviewer(reviewer or _account(), token_sha256=access.token_digest(own.token))
        people = {me.name: me}
    else:
        people = access.read_reviewers(reviewers)
    runs = Runs(location)
    places = runs.places() if own else []
    if own and not places:
        raise InputError(f"{location} has no transcribed run; give a run's folder, or a folder of runs")
    site = Site(
        runs,
        access.Access(people, proxy_header or None, access.networks(trusted_proxy or ())),
        resume=approval.resume_on_cluster if is_remote(location) else approval.resume_here,
        secure=secure_cookies,
    )
    app = create(site, hosts=_LOOPBACK if own else None)
    listening = listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    page = f"review/{places[0].group}/{places[0].name}" if len(places) == 1 else ""
    address = f"http://{shown}:{listening.getsockname()[1]}/{quote(page)}"
    # The part after # stays in the browser: no log, no proxy and no history of requests sees the token.
    address += f"#token={own.token}" if own else ""
    typer.echo(f"proofreading at {address}")
    config = connections.configuration(app)
    opened = own.open_browser(address) if own and browser and sys.stdout.isatty() else nullcontext()
    with opened:
        uvicorn.Server(config).run(sockets=[listening])


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a numeric user without a name, as in a container
        return "reviewer"
