"""The server of the Model Context Protocol, over the standard streams: it lists the tools, and calls them."""

import logging
import sys
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version
from threading import Event
from time import monotonic
from typing import Any
from urllib.parse import urlencode

import anyio
import anyio.to_thread
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    ToolAnnotations,
)
from mcp_types import Tool as ListedTool
from pydantic_core import from_json, to_json

from api.http.problems import INTERNAL, told
from api.mcp.asking import Asked, Declined, problem_of
from api.mcp.lines import lines
from api.mcp.tools import TOOLS, Told, Tool
from ledger.errors import Fault, LedgerError, did_you_mean, refuse

MAX_TEXT = 2_000
"""Characters of an argument: a cursor, the longest of them, has at most half as many."""
INSTRUCTIONS = (
    "A ledger of partnerships between states and organisations: agreements, meetings, milestones, initiatives. Each fact is one "
    "immutable, sourced entry. There are two clocks: valid_at is the day of the world that is asked about, known_at what the ledger "
    "knew, up to a position or time. Every answer has both as they were taken, a permalink to the page that shows the same for ever, "
    "and as answer the document of the HTTP API. In a state, provenance names for each field the entries that say so; anomalies, "
    "disputed and unverified tell what to be careful about. Cite the permalink and the entries."
)
READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
OUTPUT = {
    "type": "object",
    "properties": {
        "permalink": {"type": "string", "format": "uri", "description": "The page that shows it, with both clocks pinned."},
        "known_at": {"type": "integer", "description": "The position up to which the ledger was read."},
        "valid_at": {"type": "string", "format": "date", "description": "The day of the world."},
        "answer": {"type": "object", "description": "The document of the HTTP API."},
    },
    "required": ["permalink", "known_at", "valid_at", "answer"],
}  # fmt: skip
log = logging.getLogger("ledger.mcp")


def run(ledger: AbstractAsyncContextManager[Asked], stop: Event) -> None:
    """Answer until the standard input ends, or until told to stop."""
    anyio.run(_serve, ledger, stop)


async def _serve(ledger: AbstractAsyncContextManager[Asked], stop: Event) -> None:
    async with ledger as asked, anyio.create_task_group() as tasks:
        tasks.start_soon(_cancel, tasks.cancel_scope, stop)
        try:
            given: Any = lines(sys.stdin.fileno())  # nothing is asked of it but its lines
            async with stdio_server(given) as (received, sent):
                server = server_on(asked)
                await server.run(received, sent, server.create_initialization_options())
        finally:
            stop.set()


async def _cancel(scope: anyio.CancelScope, stop: Event) -> None:
    await anyio.to_thread.run_sync(stop.wait)
    scope.cancel()


def server_on(asked: Asked) -> Server[Any]:
    """The server, with tools that ask a ledger."""

    async def list_tools(_: ServerRequestContext[Any], params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[_listed(tool) for tool in TOOLS.values()])

    async def call_tool(_: ServerRequestContext[Any], params: CallToolRequestParams) -> CallToolResult:
        if params.name not in TOOLS:
            told = f"there is no tool {params.name[:100]!r}{did_you_mean(params.name, TOOLS)}"
            raise MCPError(INVALID_PARAMS, told)
        return await _call(asked, TOOLS[params.name], params.arguments or {})

    return Server(
        "partnership-ledger", version=version("partnership-ledger"), title="Partnership ledger",
        instructions=INSTRUCTIONS, on_list_tools=list_tools, on_call_tool=call_tool,
    )  # fmt: skip


def _listed(tool: Tool) -> ListedTool:
    return ListedTool(
        name=tool.name, description=tool.description, input_schema=tool.input_schema, output_schema=OUTPUT, annotations=READS
    )  # fmt: skip


async def _call(asked: Asked, tool: Tool, arguments: Mapping[str, Any]) -> CallToolResult:
    """What comes of a call, which is logged without what was asked and what is told: both may name persons."""
    began = monotonic()
    result = await _answered(asked, tool, arguments)
    said = "declined" if result.is_error else "answered"
    log.info("tool %s %s in %d ms", tool.name, said, round(1000 * (monotonic() - began)))
    return result


async def _answered(asked: Asked, tool: Tool, arguments: Mapping[str, Any]) -> CallToolResult:
    try:
        given = _given(tool, arguments)
        await asked.refresh()
        return _result(_envelope(await tool.ask(asked.ask, given), asked.address))
    except Declined as error:
        return _result(error.document, is_error=True)
    except LedgerError as error:
        return _result(problem_of(error), is_error=True)
    except Exception as error:
        return _result(_failure(tool, error), is_error=True)


def _failure(tool: Tool, error: Exception) -> bytes:
    """Whatever nobody foresaw; its words, which may hold anything, are not logged."""
    log.error("tool %s failed: %s", tool.name, type(error).__name__)
    return to_json(told(INTERNAL, "the tool failed; it has logged why"))


def _result(document: bytes, *, is_error: bool = False) -> CallToolResult:
    text = TextContent(text=document.decode())
    return CallToolResult(content=[text], structured_content=from_json(document), is_error=is_error)


def _envelope(told: Told, address: str) -> bytes:
    """The answer as it is, beside what it rests on and where it stands."""
    permalink = f"{address}/{told.path}?{urlencode(told.query)}"
    clocks = {"permalink": permalink, "known_at": told.known_at, "valid_at": told.valid_at}
    return f'{to_json(clocks).decode()[:-1]},"answer":{told.document}}}'.encode()


def _given(tool: Tool, arguments: Mapping[str, Any]) -> dict[str, str]:
    """The arguments as a query has them; what is null is not there. Raises Invalid."""
    known = tool.input_schema["properties"]
    faults = [
        Fault(name[:100], f"there is no such parameter here{did_you_mean(name, known)}", "extra_forbidden")
        for name in arguments
        if name not in known
    ]
    given = {name: _text(value) for name, value in arguments.items() if value is not None}
    faults += [Fault(name, "it is needed", "missing") for name in tool.input_schema["required"] if name not in given]
    faults += [
        Fault(name[:100], f"it has more than {MAX_TEXT:,} characters", "too_long")
        for name in given
        if len(given[name]) > MAX_TEXT
    ]
    refuse(faults)
    return given


def _text(value: Any) -> str:
    return value if isinstance(value, str) else to_json(value).decode()
