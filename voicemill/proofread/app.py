"""The web server of the proofreading page."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict, Field

from voicemill.core.errors import InputError, TryAgain, VoicemillError
from voicemill.core.logs import get_logger
from voicemill.dataset import clip_audio
from voicemill.dataset.labels import LANGUAGES
from voicemill.proofread import approval, metrics
from voicemill.proofread.access import COOKIE, SESSION_SECONDS, Access, Reviewer
from voicemill.proofread.answers import attachment, conflicting, progress, shown
from voicemill.proofread.edits import LARGEST_NUMBER, Conflict, Edit, InvalidEdit, Number
from voicemill.proofread.guard import Guard
from voicemill.proofread.review import Order, View, list_lines
from voicemill.proofread.runs import Run, Runs

log = get_logger(__name__)
STATIC = Path(__file__).parent / "static"


class Token(BaseModel):
    """What signing in takes."""

    model_config = ConfigDict(extra="forbid")
    token: Annotated[str, Field(max_length=1000)]


class Approval(BaseModel):
    """What approving takes; see `voicemill.proofread.approval.approve`."""

    model_config = ConfigDict(extra="forbid", strict=True)
    id: Annotated[str, Field(pattern=r"^[0-9A-Za-z-]{16,64}$")]
    number: Number


@dataclass(frozen=True)
class Site:
    """What the server serves, to whom.

    Attributes:
        runs: What can be reviewed.
        access: Who may come in.
        resume: Lets a run that waits go on.
        secure: The page is served over HTTPS, if only by a proxy: cookies go by HTTPS alone.
    """

    runs: Runs
    access: Access
    resume: approval.Resume = approval.resume_here
    secure: bool = False


def create(site: Site, *, hosts: tuple[str, ...] | None = None) -> FastAPI:
    """Return the application.

    Args:
        site: What it serves.
        hosts: Host names that requests may name; None takes any.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None, None]:
        yield
        site.runs.close()

    app = FastAPI(title="voicemill", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.site = site
    app.state.counts = metrics.Counts()
    app.add_middleware(Guard, hosts=hosts)
    app.add_middleware(metrics.Requests, counts=app.state.counts)
    app.include_router(pages)
    app.mount("/static", StaticFiles(directory=STATIC))
    _answer_errors(app)
    return app


def _site(request: Request) -> Site:
    return request.app.state.site


Here = Annotated[Site, Depends(_site)]


def _reviewer(request: Request, here: Here) -> Reviewer:
    peer = request.client.host if request.client else None
    found = here.access.identify(request.headers, request.cookies, peer)
    if found is None:
        raise HTTPException(401, "sign in first")
    return found


Someone = Annotated[Reviewer, Depends(_reviewer)]


def _run(group: str, name: str, here: Here, who: Someone) -> Run:
    # The same answer as for a run that is not there: names of voices are nobody else's business.
    absent = InputError(f"the transcribed run {group}/{name} does not exist")
    if group != "-" and not who.may_see(group):
        raise absent
    found = here.runs.get(group, name)
    if not who.may_see(found.speaker):
        raise absent
    return found


Chosen = Annotated[Run, Depends(_run)]
pages = APIRouter()
_RUN = "/api/runs/{group}/{name}"


@pages.get("/healthz")
def alive() -> dict[str, str]:
    """Return the server answers."""
    return {"status": "ok"}


@pages.get("/metrics")
def measured(request: Request) -> Response:
    """Return what Prometheus collects."""
    return Response(request.app.state.counts.text(), media_type=metrics.CONTENT_TYPE)


@pages.get("/")
def home() -> FileResponse:
    """Return the list of runs."""
    return FileResponse(STATIC / "home.html")


@pages.get("/review/{group}/{name}")
def page(group: str, name: str) -> FileResponse:
    """Return the page of a review; what it shows it asks for itself."""
    return FileResponse(STATIC / "review.html")


@pages.post("/api/session")
def sign_in(given: Token, here: Here, response: Response) -> dict[str, str]:
    """Exchange a token for a cookie."""
    found = here.access.sign_in(given.token)
    if found is None:
        raise HTTPException(401, "invalid token")
    person, cookie = found
    response.set_cookie(
        COOKIE, cookie, max_age=SESSION_SECONDS, httponly=True, samesite="strict", secure=here.secure, path="/"
    )
    return {"reviewer": person.name}


@pages.get("/api/runs")
def all_runs(here: Here, who: Someone) -> dict[str, Any]:
    """Return the runs whose voices were given to the reviewer."""
    seen: list[dict[str, Any]] = []
    for place in here.runs.places():
        # In a bucket the folder is the speaker, so that what was not given to a person is not even opened.
        if place.group != "-" and not who.may_see(place.group):
            continue
        try:
            run = here.runs.get(place.group, place.name)
        except VoicemillError as error:
            log.warning("%s cannot be reviewed: %s", place.location, error)
            # Whose voice it is may be what cannot be read.
            if place.group != "-" or who.sees_all:
                damaged = {"group": place.group, "name": place.name, "speaker": "", "problem": str(error)}
                seen.append(damaged)
            continue
        if who.may_see(run.speaker):
            seen.append({"group": place.group, "name": place.name, "speaker": run.speaker, **progress(run.review)})
    return {"reviewer": who.name, "runs": seen}


@pages.get(_RUN)
def about(run: Chosen, who: Someone) -> dict[str, Any]:
    """Return what the page must know before it shows clips."""
    run.review.refresh()
    return {"reviewer": who.name, "speaker": run.speaker, "languages": LANGUAGES, **progress(run.review)}


@pages.get(f"{_RUN}/clips")
def clips(
    run: Chosen,
    view: View = "all",
    order: Order = "worst",
    query: Annotated[str, Query(max_length=200)] = "",
    start: Annotated[int, Query(ge=0, le=LARGEST_NUMBER)] = 0,
    size: Annotated[int, Query(ge=1, le=200)] = 50,
) -> dict[str, Any]:
    """Some clips; see `voicemill.proofread.review.Review.page`."""
    run.review.refresh()
    found = run.review.page(view, order, query, start, size)
    rows = [shown(run.review, row) for row in found.rows]
    return {"rows": rows, "total": found.total, **progress(run.review)}


@pages.get(f"{_RUN}/changes")
def changes(run: Chosen, after: Annotated[int, Query(ge=0, le=LARGEST_NUMBER)]) -> dict[str, Any]:
    """Return the clips that anybody changed after a number; null for those that were removed."""
    run.review.refresh()
    changed = run.review.changed_since(after)
    rows = {clip: row and shown(run.review, row) for clip, row in changed.items()}
    return {"clips": rows, **progress(run.review)}


@pages.post(f"{_RUN}/edits")
def edit(run: Chosen, who: Someone, given: Edit) -> Response:
    """Make an edit; answered when it is on the disk, or in S3."""
    try:
        entry = run.review.edit(given, who.name)
    except Conflict as conflict:
        return JSONResponse(conflicting(run.review, conflict), status_code=409)
    if entry is None:
        row, version = run.review.rows[given.clip], run.review.versions.get(given.clip, 0)
        # All was so already. Unless the words are the reviewer's own, a later version is not what they saw: what they
        # typed meanwhile must not count as typed on top of it.
        knows = given.action == "text" or given.version == version
        done = {given.clip: shown(run.review, row)} if knows else {}
    else:
        # As this edit left them, also when it is sent again after others: their changes are for them to show.
        done = {
            change.clip: change.after and {**shown(run.review, change.after), "version": entry.number}
            for change in entry.changes
        }
    return JSONResponse({"number": entry.number if entry else None, "clips": done, **progress(run.review)})


@pages.post(f"{_RUN}/approve")
def approve(run: Chosen, here: Here, who: Someone, given: Approval) -> Response:
    """Approve the review as the reviewer has seen it."""
    try:
        approved, place, state = approval.approve(run, given.id, who.name, given.number, here.resume)
    except Conflict as conflict:
        return JSONResponse(conflicting(run.review, conflict), status_code=409)
    return JSONResponse({"state": state, "place": place, **progress(run.review), "counts": approved.counts})


@pages.get(f"{_RUN}/export.list")
def export(run: Chosen) -> Response:
    """Return the clips as they stand, in the `.list` format."""
    run.review.refresh()
    text = "".join(list_lines(run.review.kept(), run.speaker))
    return Response(text, media_type="text/plain; charset=utf-8", headers=attachment(f"{run.speaker}.list"))


@pages.get(f"{_RUN}/log.jsonl")
def changes_log(run: Chosen) -> Response:
    """Return who changed what when."""
    lines = (entry.line() for entry in run.review.log.after(0))
    return StreamingResponse(lines, media_type="application/x-ndjson", headers=attachment("log.jsonl"))


@pages.get(f"{_RUN}/audio/{{clip}}")
def audio(run: Chosen, clip: str) -> FileResponse:
    """Return a clip's sound, whole or a range of its bytes."""
    return FileResponse(run.audio(clip), media_type="audio/wav", headers={"cache-control": "private, max-age=600"})


@pages.get(f"{_RUN}/peaks/{{clip}}")
def peaks(run: Chosen, clip: str) -> dict[str, Any]:
    """Return the outline of a clip's waveform."""
    samples = clip_audio.read(run.audio(clip))
    return {"samples": len(samples), "peaks": clip_audio.peaks(samples)}


def _answer_errors(app: FastAPI) -> None:
    """Every error as `{"error": code, "message": sentence}`."""

    @app.exception_handler(InputError)
    def _absent(_: Request, error: InputError) -> JSONResponse:
        return JSONResponse({"error": "absent", "message": str(error)}, status_code=404)

    @app.exception_handler(InvalidEdit)
    def _refused(_: Request, error: InvalidEdit) -> JSONResponse:
        return JSONResponse({"error": error.code, "message": str(error)}, status_code=422)

    @app.exception_handler(TryAgain)
    def _later(_: Request, error: TryAgain) -> JSONResponse:
        return JSONResponse({"error": "later", "message": str(error)}, status_code=503)

    @app.exception_handler(VoicemillError)
    def _failed(_: Request, error: VoicemillError) -> JSONResponse:
        log.error("%s", error)
        return JSONResponse({"error": "failed", "message": str(error)}, status_code=502)

    @app.exception_handler(RequestValidationError)
    def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        return JSONResponse({"error": "invalid", "message": f"{where}: {first['msg']}"}, status_code=422)

    @app.exception_handler(HTTPException)
    def _other(_: Request, error: HTTPException) -> JSONResponse:
        code = "sign-in" if error.status_code == 401 else "absent"
        return JSONResponse({"error": code, "message": error.detail}, status_code=error.status_code)
