"""An assistant: the SDK's own client, which starts the real command and talks to it over the standard streams."""

from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from anyio.from_thread import start_blocking_portal
from mcp import ClientSession, StdioServerParameters, stdio_client
from mcp_types import CallToolResult, ListToolsResult, TextContent
from pydantic_core import from_json

from tests.commands import LEDGER


class Assistant:
    """A session, and how to ask in it."""

    def __init__(self, session: ClientSession, run: Callable[..., Any]) -> None:
        self.session, self.run = session, run

    def tools(self) -> ListToolsResult:
        found: ListToolsResult = self.run(self.session.list_tools)
        return found

    def call(self, tool: str, arguments: dict[str, Any]) -> CallToolResult:
        """What comes of it: the text is the structured content."""
        told: CallToolResult = self.run(self.session.call_tool, tool, arguments)
        assert from_json(text_of(told)) == told.structured_content
        return told

    def told(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """A sound answer."""
        told = self.call(tool, arguments)
        assert not told.is_error, told.structured_content
        found: dict[str, Any] = told.structured_content
        return found

    def problem(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """A problem document."""
        told = self.call(tool, arguments)
        assert told.is_error, told.structured_content
        found: dict[str, Any] = told.structured_content
        assert found["type"].startswith("/problems/")
        assert found["title"]
        return found


def text_of(told: CallToolResult) -> str:
    [content] = told.content
    assert isinstance(content, TextContent)
    return content.text


@contextmanager
def assistant(env: dict[str, str], *words: str) -> Iterator[Assistant]:
    """Somebody who asks `ledger mcp`, which runs with these settings."""
    server = StdioServerParameters(command=str(LEDGER), args=["mcp", *words], env=env)

    @asynccontextmanager
    async def session() -> Any:
        async with stdio_client(server) as streams, ClientSession(*streams) as opened:
            await opened.initialize()
            yield opened

    with start_blocking_portal() as portal, portal.wrap_async_context_manager(session()) as opened:
        yield Assistant(opened, portal.call)
