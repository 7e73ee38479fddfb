// Clients of Node that read streams in memory: what `benchmarks/node_peers.py` asks, a line of JSON each.
//
//   {"load": {"dialect": "chat", "chunks": ["<base64>", ...]}}   the stream that is read from now on
//   {"read": "openai-node raw"}                                  what a client reads: text, reasoning, arguments
//   {"time": "openai-node raw", "seconds": 0.3}                  CPU seconds of one run, over that many at least
//
// The answer is a line too, {"error": ...} where it failed. CPU time is user and system, of all threads.

import { createInterface } from "node:readline";

const MODEL = "gpt-5.1";
const PROMPT = "Hello";
const MESSAGES = [{ role: "user", content: PROMPT }];

console.log = console.info = console.error; // nothing but answers goes to stdout
globalThis.AI_SDK_LOG_WARNINGS = false;

let chunks = [];
let dialect = "";
/** Of the stream that is loaded, by client: what reads it once, and gives a function that says what was read. */
let prepared = new Map();

/** No socket is opened: every request is answered with the chunks. */
async function fetchFromMemory() {
  let next = 0;
  const body = new ReadableStream({
    pull(controller) {
      if (next < chunks.length) controller.enqueue(chunks[next++]);
      else controller.close();
    },
  });
  return new Response(body, { status: 200, headers: { "content-type": "text/event-stream" } });
}

globalThis.fetch = fetchFromMemory; // @google/genai takes no other

// ------------------------------------------------------------------------------ what is put together by hand

/** Fragments by the value that they belong to: the least that a caller of raw events keeps. */
class Pieces {
  text = [];
  reasoning = new Map();
  calls = new Map();

  static add(values, key, fragment) {
    const found = values.get(key);
    if (found === undefined) values.set(key, [fragment]);
    else found.push(fragment);
  }

  said() {
    const joined = (values) => [...values.values()].map((found) => (Array.isArray(found) ? found.join("") : found));
    return { text: this.text.join(""), reasoning: joined(this.reasoning), arguments: joined(this.calls) };
  }
}

/** How one payload of each wire is taken. */
const take = {
  responses(pieces, event) {
    switch (event.type) {
      case "response.output_text.delta":
        pieces.text.push(event.delta);
        break;
      case "response.reasoning_summary_text.delta":
        Pieces.add(pieces.reasoning, event.summary_index, event.delta);
        break;
      case "response.function_call_arguments.delta":
        Pieces.add(pieces.calls, event.output_index, event.delta);
        break;
    }
  },

  chat(pieces, chunk) {
    for (const { delta } of chunk.choices) {
      if (delta.content) pieces.text.push(delta.content);
      for (const call of delta.tool_calls ?? []) Pieces.add(pieces.calls, call.index, call.function.arguments);
    }
  },

  anthropic(pieces, event) {
    if (event.type !== "content_block_delta") return;
    const { delta } = event;
    if (delta.type === "text_delta") pieces.text.push(delta.text);
    else if (delta.type === "thinking_delta") Pieces.add(pieces.reasoning, event.index, delta.thinking);
    else if (delta.type === "input_json_delta") Pieces.add(pieces.calls, event.index, delta.partial_json);
  },

  gemini(pieces, chunk) {
    for (const candidate of chunk.candidates ?? []) {
      for (const part of candidate.content?.parts ?? []) {
        if (part.text && !part.thought) pieces.text.push(part.text);
        if (part.functionCall) takeCall(pieces.calls, part.functionCall);
      }
    }
  },
};

/** A part of one of Gemini's calls: its arguments come as a value, or leaf by leaf. */
function takeCall(calls, call) {
  if (call.name !== undefined) calls.set(calls.size, call.args ?? {});
  for (const piece of call.partialArgs ?? []) place(calls.get(calls.size - 1), piece);
}

/** Puts a leaf where its path says, `$.edits[0].path`; `[]` is an empty list. */
function place(root, piece) {
  const steps = Array.from(piece.jsonPath.matchAll(/\.([^.[\]]+)|\[(\d*)\]/g), ([, name, index]) => name ?? index);
  const last = steps.pop();
  let value = root;
  steps.forEach((step, at) => {
    value = value[step] ??= /^\d*$/.test(steps[at + 1] ?? last) ? [] : {};
  });
  if (last === "") return;
  if (piece.stringValue !== undefined) value[last] = (value[last] ?? "") + piece.stringValue;
  else value[last] = piece.numberValue ?? piece.boolValue ?? null;
}

/** Reads all that a source gives, and puts it together by hand. */
function byHand(open) {
  const taken = take[dialect];
  return async () => {
    const pieces = new Pieces();
    for await (const event of await open()) taken(pieces, event);
    return () => pieces.said();
  };
}

// --------------------------------------------------------------------------------------------- the clients

/** eventsource-parser is fed strings; no web stream is made. */
async function eventsourceParser() {
  const { createParser } = await import("eventsource-parser");
  const taken = take[dialect];
  return async () => {
    const pieces = new Pieces();
    const decoder = new TextDecoder();
    const parser = createParser({
      onEvent({ data }) {
        if (data !== "[DONE]") taken(pieces, JSON.parse(data));
      },
    });
    for (const chunk of chunks) parser.feed(decoder.decode(chunk, { stream: true }));
    parser.feed(decoder.decode());
    return () => pieces.said();
  };
}

async function openai() {
  const { default: OpenAI } = await import("openai");
  return new OpenAI({ apiKey: "none", maxRetries: 0, fetch: fetchFromMemory });
}

async function openaiRaw() {
  const client = await openai();
  if (dialect === "chat")
    return byHand(() => client.chat.completions.create({ model: MODEL, messages: MESSAGES, stream: true }));
  return byHand(() => client.responses.create({ model: MODEL, input: PROMPT, stream: true }));
}

/** `.stream()`, which puts the fragments together itself. */
async function openaiStream() {
  const client = await openai();
  if (dialect === "chat")
    return async () => {
      const stream = client.chat.completions.stream({ model: MODEL, messages: MESSAGES });
      for await (const _ of stream);
      const { message } = (await stream.finalChatCompletion()).choices[0];
      const calls = message.tool_calls ?? [];
      return () => ({
        text: message.content ?? "",
        reasoning: [],
        arguments: calls.map((call) => call.function.arguments),
      });
    };
  return async () => {
    const stream = client.responses.stream({ model: MODEL, input: PROMPT });
    for await (const _ of stream);
    const { output } = await stream.finalResponse();
    const items = (type) => output.filter((item) => item.type === type);
    return () => ({
      text: items("message").flatMap((item) => item.content.map((part) => part.text)).join(""),
      reasoning: items("reasoning").flatMap((item) => item.summary.map((part) => part.text)),
      arguments: items("function_call").map((item) => item.arguments),
    });
  };
}

const ASKED = { model: MODEL, max_tokens: 1024, messages: MESSAGES };

async function anthropic() {
  const { default: Anthropic } = await import("@anthropic-ai/sdk");
  return new Anthropic({ apiKey: "none", maxRetries: 0, fetch: fetchFromMemory });
}

async function anthropicRaw() {
  const client = await anthropic();
  return byHand(() => client.messages.create({ ...ASKED, stream: true }));
}

async function anthropicStream() {
  const client = await anthropic();
  return async () => {
    const stream = client.messages.stream(ASKED);
    for await (const _ of stream);
    const { content } = await stream.finalMessage();
    const blocks = (type) => content.filter((block) => block.type === type);
    return () => ({
      text: blocks("text").map((block) => block.text).join(""),
      reasoning: blocks("thinking").map((block) => block.thinking),
      arguments: blocks("tool_use").map((block) => block.input),
    });
  };
}

async function googleGenai() {
  const { GoogleGenAI } = await import("@google/genai");
  const client = new GoogleGenAI({ apiKey: "none" });
  return byHand(() => client.models.generateContentStream({ model: MODEL, contents: PROMPT }));
}

const PROVIDERS = {
  responses: async () => (await import("@ai-sdk/openai")).createOpenAI(OPTIONS).responses(MODEL),
  chat: async () => (await import("@ai-sdk/openai")).createOpenAI(OPTIONS).chat(MODEL),
  anthropic: async () => (await import("@ai-sdk/anthropic")).createAnthropic(OPTIONS)("claude-sonnet-4-5"),
  gemini: async () => (await import("@ai-sdk/google")).createGoogleGenerativeAI(OPTIONS)("gemini-3-pro-preview"),
};
const OPTIONS = { apiKey: "none", fetch: fetchFromMemory };

/** The AI SDK: all parts of `fullStream`. The tools that are called are declared, none is run. */
async function aiSdk() {
  const { jsonSchema, streamText } = await import("ai");
  const model = await PROVIDERS[dialect]();
  const inputSchema = jsonSchema({ type: "object" });
  const tools = Object.fromEntries(Array.from({ length: 8 }, (_, at) => [`edit_file_${at}`, { inputSchema }]));
  return async () => {
    const pieces = new Pieces();
    for await (const part of streamText({ model, prompt: PROMPT, tools, maxRetries: 0 }).fullStream) {
      switch (part.type) {
        case "text-delta":
          pieces.text.push(part.text);
          break;
        case "reasoning-delta":
          Pieces.add(pieces.reasoning, part.id, part.text);
          break;
        case "tool-call":
          if (!part.providerExecuted) pieces.calls.set(pieces.calls.size, part.input);
          break;
        case "error":
          throw part.error;
      }
    }
    return () => pieces.said();
  };
}

const CLIENTS = {
  "eventsource-parser": eventsourceParser,
  "openai-node raw": openaiRaw,
  "openai-node .stream()": openaiStream,
  "anthropic-node raw": anthropicRaw,
  "anthropic-node .stream()": anthropicStream,
  "@google/genai": googleGenai,
  "AI SDK": aiSdk,
};

// ------------------------------------------------------------------------------------------------- the work

async function prepare(name) {
  if (!prepared.has(name)) prepared.set(name, await CLIENTS[name]());
  return prepared.get(name);
}

/** Runs once and again, for so many CPU seconds at least. */
async function time(run, seconds) {
  globalThis.gc?.();
  let [times, spent, few] = [0, 0, 1];
  const start = process.cpuUsage();
  while (spent < seconds) {
    for (let count = 0; count < few; count++) await run();
    times += few;
    const { user, system } = process.cpuUsage(start);
    spent = (user + system) / 1e6;
    few = Math.max(1, Math.min(times, Math.ceil((times * (seconds - spent)) / spent)));
  }
  return { seconds: spent / times };
}

async function answer(question) {
  if (question.load) {
    ({ dialect } = question.load);
    chunks = question.load.chunks.map((text) => new Uint8Array(Buffer.from(text, "base64")));
    prepared = new Map();
    return {};
  }
  if (question.read) return (await (await prepare(question.read))())();
  return time(await prepare(question.time), question.seconds);
}

for await (const line of createInterface({ input: process.stdin })) {
  let found;
  try {
    found = await answer(JSON.parse(line));
  } catch (error) {
    found = { error: String(error).slice(0, 500) };
  }
  process.stdout.write(`${JSON.stringify(found)}\n`);
}
