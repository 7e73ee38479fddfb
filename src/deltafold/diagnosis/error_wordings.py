"""How servers word an error for people, and the kind of error that a wording tells.

The tables are data; each pattern says where it was seen. Those of `STRONG_WORDINGS` are certain, those of
`WEAK_WORDINGS` say something only where the status does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from deltafold.model.errors import ErrorKind

__all__ = ["READ_FOR_MEANING", "STRONG_WORDINGS", "WEAK_WORDINGS", "read_from"]

K = ErrorKind


def wording(*patterns: str) -> re.Pattern[str]:
    """One case-blind pattern of several. A blank in them stands for any white space."""
    return re.compile("|".join(patterns).replace(" ", r"\s+"), re.IGNORECASE)


STRONG_WORDINGS: tuple[tuple[re.Pattern[str], ErrorKind], ...] = (
    (
        wording(
            r"too many tokens,? please wait",  # Bedrock, jin-bo/agentao#88
            r"throttl(?:ed|ing)",  # Bedrock: "ThrottlingException: ..."
            r"too many requests",  # the reason phrase of 429
            r"(?<![/\w-])rate(?: |-)?limit",  # but not the address of a page on rate limits
            r"(?:tokens|requests) per (?:second|minute|hour|day)",  # Cerebras, continuedev/continue#9800
            r"high concurrency usage",  # Z.ai, kaitranntt/ccs#402
            r"\bqps\b[^\n]{0,40}\blimit",  # Baidu
            # Google calls its limits per minute a quota, and says when to retry: googleapis/python-genai#1875
            r"quota\b[\s\S]{0,2000}\bretry in [0-9]",
        ),
        K.RATE_LIMITED,
    ),
    (
        wording(
            # OpenAI, Anthropic, Ollama, LiteLLM; LM Studio; Together: "exceed context limit", "exceeded max
            # context length", "exceeds model's maximum context length", "greater than the context length"
            r"(?:exceed(?:s|ed|ing)?|(?:greater|longer) than) (?:the |this |your )?(?:model(?:['’]?s)? )?"
            r"(?:available |max(?:imum)? )?context(?: |_)(?:window|length|limit|size)",
            r"context(?: |_)(?:window|length|limit|size)(?: |_)(?:is |was )?exceed",  # MiniMax, the bare code
            r"maximum context (?:window|length|limit|size)",  # OpenAI, OpenRouter, vLLM, Mistral
            r"maximum model length|max_(?:model|seq)_len",  # vLLM; inference-atlas#186
            r"maximum prompt length",  # xAI
            r"reduce the length of (?:the|your) (?:messages|prompt|input)",  # OpenAI, Groq
            r"input tokens exceed the configured limit",  # OpenAI
            # Poolside, earendil-works/pi#4943
            r"exceeds? the (?:model['’]?s )?maximum (?:allowed )?input length",
            # Anthropic, cline/cline#10838; Bedrock; Ollama
            r"\b(?:prompt|input|context|conversation) (?:is )?too long\b",
            r"available context size",  # llama.cpp, cline/kanban#505
            r"exceeds the maximum number of tokens allowed|input token count",  # Gemini
            r"(?:number of input tokens|input tokens) exceed(?:s|ed)",  # Amazon Nova
            r"exceeded model token limit",  # Kimi, archestra-ai/archestra#6044
            r"prompt token count of [0-9,]+ exceeds",  # GitHub Copilot
            r"prompt exceeds max length",  # Z.ai 1261
            r"number of tokens in the (?:prompt|request) cannot exceed",  # Cohere
            r"range of input length should be",  # DashScope
        ),
        K.CONTEXT_WINDOW_EXCEEDED,
    ),
    (
        wording(
            r"usage limit (?:has been |was )?(?:reached|exceeded)",  # ChatGPT backend
            r"reached your (?:\w+ )?usage limit",  # Ollama's cloud, continuedev/continue#10579
            r"limit exhausted\. your limit will reset",  # Z.ai, Yeachan-Heo/gajae-code#1821
        ),
        K.USAGE_LIMIT_REACHED,
    ),
    (
        wording(
            r"insufficient (?:\w+ )?(?:credits?|balance|funds|quota)",  # OpenRouter, DeepSeek, Z.ai
            r"(?:requires|add) more credits|can only afford",  # OpenRouter
            r"used all (?:available|of your) credits|monthly spending limit",  # xAI
            r"credit balance is too low",  # Anthropic
            r"exceeded your current quota",  # OpenAI
            r"exceeded your budget",  # LiteLLM's proxy
            r"billing[\s\S]{0,40}hard limit",  # OpenAI
            r"余额不足",  # Zhipu, continuedev/continue#11823: "balance too low"
        ),
        K.QUOTA_EXCEEDED,
    ),
    (
        wording(
            r"\boverloaded\b",  # OpenAI, Anthropic, Gemini, Moonshot
            r"\b(?:over|at) capacity\b",  # Groq, ChatGPT backend
            r"\bcapacity (?:temporarily )?exceeded\b",  # Mistral's service tier
        ),
        K.OVERLOADED,
    ),
    (wording(r"(?:upstream|idle|backend) (?:idle |request |response )?time(?:d )?-?out"), K.TIMEOUT),
    (
        # What is behind the server broke off. Gateways wrap that in any status: BerriAI/litellm#41778 in 400.
        wording(
            r"stream (?:was |has been )?(?:disconnected|interrupted|aborted|reset)",
            r"(?:stream|connection|response|socket|channel) (?:was |has been |is )?(?:unexpectedly )?"
            r"(?:closed|terminated|ended) (?:before|unexpectedly|prematurely|while|without)",
            r"connection (?:was |has been )?(?:closed|reset|aborted|lost|dropped|broken)",
            r"(?:closed|dropped|reset|lost) (?:the |its )?connection",
            r"upstream (?:prematurely )?(?:closed|disconnected|terminated|broke)",
            r"premature(?:ly)? (?:close|end|eof)|(?:closed|ended) prematurely",
            r"unexpected (?:eof|end of (?:file|stream))|incomplete chunked read|incompleteread",
            r"socket hang up|\beconnreset\b|broken pipe|stream_read_error",
        ),
        K.SERVER_ERROR,
    ),
)

# These say something only where the status does not.
WEAK_WORDINGS: tuple[tuple[re.Pattern[str], ErrorKind], ...] = (
    (
        wording(
            r"content management policy",  # Azure
            # xAI, OpenAI
            r"violates? (?:our |the |\w+ )?(?:usage|content|safety) (?:guidelines|polic(?:y|ies))",
            r"\b(?:was|were|been|input) flagged\b",  # OpenRouter
        ),
        K.CONTENT_POLICY,
    ),
    (
        wording(
            r"(?:incorrect|invalid) api key",  # OpenAI, Groq, Anthropic
            r"api key (?:is )?(?:not valid|invalid|expired)",  # Gemini
            r"no (?:cookie )?auth credentials",  # OpenRouter
            r"\bnot authenticated\b|\bauthentication (?:is )?(?:required|failed)\b|\bunauthorized\b",
        ),
        K.AUTHENTICATION,
    ),
    (
        wording(r"upstream connect error|reset before headers|connection termination|internal server error"),
        K.SERVER_ERROR,  # Envoy
    ),
    (wording(r"\btimed out\b|\bgateway time-?out\b"), K.TIMEOUT),
    (
        wording(
            r"high demand",  # Gemini
            r"service (?:is )?(?:temporarily |currently )?unavailable",  # the reason phrase of 503
        ),
        K.OVERLOADED,
    ),
    (
        wording(r"\bmodel\b[^\n]{0,120}?\b(?:not found|does not exist)\b"),  # OpenAI, xAI, Ollama
        K.NOT_FOUND,
    ),
)
# Messages quote prompts and pages; what they mean stands at their beginning.
READ_FOR_MEANING = 8192


def read_from(text: str, wordings: Iterable[tuple[re.Pattern[str], ErrorKind]]) -> ErrorKind | None:
    """The kind whose wording is the first in the table to occur in the text."""
    return next((kind for pattern, kind in wordings if pattern.search(text)), None)
