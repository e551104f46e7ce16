"""Errors as clients expect them: OpenAI's form at its paths, GPT-SoVITS's at `/tts` and its neighbours."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from voicemill.core.errors import InputError, UsageError, VoicemillError
from voicemill.core.logs import get_logger
from voicemill.serving.engine import Full
from voicemill.serving.voices import Revoked, Unknown

GPT_SOVITS_PATHS = ("/tts", "/control", "/set_gpt_weights", "/set_sovits_weights", "/set_refer_audio")
_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
log = get_logger(__name__)


class Refused(HTTPException):
    """A request that is not served.

    Args:
        status: As HTTP has it.
        message: A sentence.
        code: For programs.
        param: The parameter that is wrong.
        headers: More headers of the answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ):
        super().__init__(status, message, dict(headers or {}))
        self.code, self.param = code, param


def answer_errors(app: FastAPI) -> None:
    """Let the application answer every error in the form of its path."""

    @app.exception_handler(Refused)
    def _refused(request: Request, error: Refused) -> JSONResponse:
        return answer(request, error.status_code, str(error.detail), error.code, error.param, error.headers)

    @app.exception_handler(HTTPException)
    def _other(request: Request, error: HTTPException) -> JSONResponse:
        return answer(request, error.status_code, str(error.detail), None, None, error.headers)

    @app.exception_handler(404)
    @app.exception_handler(405)
    def _absent(request: Request, error: HTTPException) -> JSONResponse:
        message = f"{request.method} {request.url.path} is not served; see /openapi.json"
        detail = error.detail if isinstance(error, Refused) else message
        return answer(request, error.status_code, detail, getattr(error, "code", None), getattr(error, "param", None))

    @app.exception_handler(RequestValidationError)
    def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        param = ".".join(str(part) for part in first["loc"][1:]) or None
        code = "string_above_max_length" if first["type"] == "string_too_long" else "invalid_value"
        where = f"{param}: " if param else ""
        return answer(request, 400, f"{where}{first['msg']}", code, param)

    @app.exception_handler(Full)
    def _full(request: Request, error: Full) -> JSONResponse:
        return answer(request, 429, str(error), "queue_full", None, {"retry-after": str(error.retry_after)})

    @app.exception_handler(Revoked)
    def _revoked(request: Request, error: Revoked) -> JSONResponse:
        return answer(request, 410, str(error), "voice_revoked", "voice")

    @app.exception_handler(Unknown)
    def _unknown(request: Request, error: Unknown) -> JSONResponse:
        return answer(request, 404, str(error), "voice_not_found", "voice")

    @app.exception_handler(InputError)
    @app.exception_handler(UsageError)
    def _wrong(request: Request, error: VoicemillError) -> JSONResponse:
        return answer(request, 400, str(error), "invalid_value", "input")

    @app.exception_handler(VoicemillError)
    def _failed(request: Request, error: VoicemillError) -> JSONResponse:
        log.error("%s", error)
        return answer(request, 503, str(error), "unavailable")


def answer(
    request: Request,
    status: int,
    message: str,
    code: str | None = None,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return an error in the form of the request's path."""
    if request.url.path in GPT_SOVITS_PATHS:
        return JSONResponse({"message": message}, status, dict(headers or {}))
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    error = {"message": message, "type": kind, "param": param, "code": code}
    return JSONResponse({"error": error}, status, dict(headers or {}))
