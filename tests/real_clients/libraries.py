"""Libraries of Python as clients, each in an environment of its own, which need not have ours.

On stdin: {"tool", "about", "schema", "result", "runs": [{"base", "key"}]}; on the command line, which client.
On stdout: a JSON line a run, {"text", "error", "ran"}. Every library asks in its own way, and runs the tool
itself where it can.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import warnings
from collections.abc import Callable
from typing import Any

TURNS = 4
"""More are a loop without an end."""

Run = dict[str, str]
Seen = tuple[str, list[Any]]
"""The text, and the arguments with which the tool was run."""

told: dict[str, Any] = {}
"""What stands on stdin."""


def weather_into(ran: list[Any]) -> Callable[..., str]:
    """The tool as a function, as libraries want it."""

    def weather(city: str, days: int) -> str:
        """What the weather is going to be."""
        ran.append({"city": city, "days": days})
        return str(told["result"])

    return weather


# ---------------------------------------------------------------------------------------------- LangChain


def langchain(model: Any) -> Seen:
    """Chunks, summed; the tool by hand, as LangChain's own agents do it."""
    from langchain_core.messages import HumanMessage, ToolMessage

    schema = {"title": told["tool"], "description": told["about"], **told["schema"]}
    model = model.bind_tools([schema])
    messages: list[Any] = [HumanMessage("hi")]
    ran: list[Any] = []
    for _ in range(TURNS):
        whole = None
        for chunk in model.stream(messages):
            whole = chunk if whole is None else whole + chunk
        if not whole.tool_calls:
            text = whole.text
            return text if isinstance(text, str) else text(), ran
        messages.append(whole)
        for call in whole.tool_calls:
            ran.append(call["args"])
            messages.append(ToolMessage(told["result"], tool_call_id=call["id"], name=call["name"]))
    raise RuntimeError("the tool was called again and again")


def langchain_openai(run: Run, *, responses: bool) -> Seen:
    from langchain_openai import ChatOpenAI

    return langchain(
        ChatOpenAI(
            model="model-1",
            api_key=run["key"],
            base_url=run["base"] + "/v1",
            max_retries=0,
            use_responses_api=responses,
        )
    )


def langchain_anthropic(run: Run) -> Seen:
    from langchain_anthropic import ChatAnthropic

    return langchain(ChatAnthropic(model="model-1", api_key=run["key"], base_url=run["base"], max_retries=0))


def langchain_google(run: Run) -> Seen:
    from langchain_google_genai import ChatGoogleGenerativeAI

    return langchain(
        ChatGoogleGenerativeAI(
            model="gemini-2.5-flash", google_api_key=run["key"], base_url=run["base"], max_retries=0
        )
    )


# --------------------------------------------------------------------------------------------- Pydantic AI


def pydantic_ai(model: Any) -> Seen:
    """An agent with the tool; what the model says is streamed to a handler."""
    from pydantic_ai import Agent

    ran: list[Any] = []

    async def handler(_: Any, events: Any) -> None:
        async for _ in events:
            pass

    agent = Agent(model, tools=[weather_into(ran)], retries=0)
    result = asyncio.run(agent.run("hi", event_stream_handler=handler))
    return result.output, ran


def pydantic_openai(run: Run, *, responses: bool) -> Seen:
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    provider = OpenAIProvider(base_url=run["base"] + "/v1", api_key=run["key"])
    return pydantic_ai((OpenAIResponsesModel if responses else OpenAIChatModel)("model-1", provider=provider))


def pydantic_anthropic(run: Run) -> Seen:
    import anthropic
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    client = anthropic.AsyncAnthropic(api_key=run["key"], base_url=run["base"], max_retries=0)
    return pydantic_ai(AnthropicModel("model-1", provider=AnthropicProvider(anthropic_client=client)))


def pydantic_google(run: Run) -> Seen:
    from pydantic_ai.models.google import GoogleModel
    from pydantic_ai.providers.google import GoogleProvider

    provider = GoogleProvider(api_key=run["key"], base_url=run["base"])
    return pydantic_ai(GoogleModel("gemini-2.5-flash", provider=provider))


# ------------------------------------------------------------------------------------------- OpenAI Agents


def openai_agents(run: Run, *, responses: bool) -> Seen:
    """The Agents SDK, streamed."""
    import openai
    from agents import (
        Agent,
        OpenAIChatCompletionsModel,
        OpenAIResponsesModel,
        Runner,
        function_tool,
        set_tracing_disabled,
    )

    set_tracing_disabled(True)
    ran: list[Any] = []

    async def answer() -> str:
        client = openai.AsyncOpenAI(api_key=run["key"], base_url=run["base"] + "/v1", max_retries=0)
        kind = OpenAIResponsesModel if responses else OpenAIChatCompletionsModel
        model = kind(model="model-1", openai_client=client)
        agent = Agent(name="agent", model=model, tools=[function_tool(weather_into(ran))])
        result = Runner.run_streamed(agent, "hi", max_turns=TURNS)
        async for _ in result.stream_events():
            pass
        return str(result.final_output)

    return asyncio.run(answer()), ran


# --------------------------------------------------------------------------------------------- instructor


def instructor(run: Run, *, responses: bool) -> Seen:
    """An object that grows while it streams, out of the arguments of a tool."""
    import instructor
    import openai
    from pydantic import create_model

    kind = create_model(told["tool"], city=(str, ...), days=(int, ...))
    client = openai.OpenAI(api_key=run["key"], base_url=run["base"] + "/v1", max_retries=0)
    mode = instructor.Mode.RESPONSES_TOOLS if responses else instructor.Mode.TOOLS
    asked: dict[str, Any] = {"model": "model-1", "messages": [{"role": "user", "content": "hi"}]}
    grown = instructor.from_openai(client, mode=mode).create_partial(
        **asked, response_model=kind, max_retries=0
    )
    return "", [one.model_dump() for one in grown][-1:]


CLIENTS: dict[str, Callable[[Run], Seen]] = {
    "langchain-openai responses": lambda run: langchain_openai(run, responses=True),
    "langchain-openai chat": lambda run: langchain_openai(run, responses=False),
    "langchain-anthropic": langchain_anthropic,
    "langchain-google-genai": langchain_google,
    "pydantic-ai responses": lambda run: pydantic_openai(run, responses=True),
    "pydantic-ai chat": lambda run: pydantic_openai(run, responses=False),
    "pydantic-ai anthropic": pydantic_anthropic,
    "pydantic-ai google": pydantic_google,
    "openai-agents responses": lambda run: openai_agents(run, responses=True),
    "openai-agents chat": lambda run: openai_agents(run, responses=False),
    "instructor responses": lambda run: instructor(run, responses=True),
    "instructor chat": lambda run: instructor(run, responses=False),
}


def words(error: BaseException | None) -> str:
    """What an error says, with what it was caused by."""
    said = []
    while error is not None and len(said) < 5:
        said.append(f"{type(error).__name__}: {error}")
        error = error.__cause__ or error.__context__
    return " | ".join(said)


def main() -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    told.update(json.load(sys.stdin))
    for run in told["runs"]:
        seen: dict[str, Any]
        try:
            text, ran = CLIENTS[sys.argv[1]](run)
            seen = {"text": text, "error": None, "ran": ran}
        except Exception as error:
            seen = {"text": "", "error": words(error), "ran": []}
        print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    main()
