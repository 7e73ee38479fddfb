// The clients for Node.js: each asks, runs the tool that is called, and says what it read.
// On stdin: {"tool", "about", "schema", "result", "runs": [{"client", "base", "key"}]}. On stdout: a JSON line a run,
// {"text", "error", "ran"}. With --names: the names of the clients, each with its wire.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import { jsonSchema, stepCountIs, streamText, tool } from "ai";
import OpenAI from "openai";

globalThis.AI_SDK_LOG_WARNINGS = false;
const TURNS = 4; // more are a loop without an end
let told; // what stands on stdin

// Asks until no tool is called. `turn` gives {text, calls: [{id, arguments}], more(results)}.
async function loop(turn) {
  const ran = [];
  for (let turns = 0; turns < TURNS; turns++) {
    const { text, calls, more } = await turn();
    if (!calls.length) return { text, ran };
    for (const call of calls) ran.push(typeof call.arguments === "string" ? JSON.parse(call.arguments) : call.arguments);
    more(calls.map(() => told.result));
  }
  throw new Error("the tool was called again and again");
}

// -------------------------------------------------------------------------------------------- openai-node

const openai = ({ base, key }) => new OpenAI({ apiKey: key, baseURL: `${base}/v1`, maxRetries: 0 });

function responses(run, helper) {
  const client = openai(run);
  const input = [{ role: "user", content: "hi" }];
  const tools = [{ type: "function", name: told.tool, description: told.about, parameters: told.schema, strict: false }];
  return loop(async () => {
    const asked = { model: "model-1", input, tools, store: false };
    let text = "", response;
    const stream = helper ? client.responses.stream(asked) : await client.responses.create({ ...asked, stream: true });
    for await (const event of stream) {
      if (event.type === "response.output_text.delta") text += event.delta;
      if (event.type === "error") throw new Error(event.message);
      if (["response.completed", "response.failed", "response.incomplete"].includes(event.type)) response = event.response;
    }
    if (response?.status !== "completed") throw new Error(`it did not complete: ${JSON.stringify(response?.error)}`);
    if (helper) {
      response = await stream.finalResponse();
      text = response.output_text;
    }
    const calls = response.output.filter((item) => item.type === "function_call");
    const more = (results) => {
      input.push(...response.output.map(({ parsed_arguments, ...item }) => item));
      input.push(...calls.map((call, at) => ({ type: "function_call_output", call_id: call.call_id, output: results[at] })));
    };
    return { text, calls, more };
  });
}

function chat(run, helper) {
  const client = openai(run);
  const messages = [{ role: "user", content: "hi" }];
  const tools = [{ type: "function", function: { name: told.tool, description: told.about, parameters: told.schema } }];
  return loop(async () => {
    const asked = { model: "model-1", messages, tools };
    let text = "", finish, calls = [];
    if (helper) {
      const choice = (await client.chat.completions.stream(asked).finalChatCompletion()).choices[0];
      [text, finish, calls] = [choice.message.content ?? "", choice.finish_reason, choice.message.tool_calls ?? []];
    } else {
      for await (const chunk of await client.chat.completions.create({ ...asked, stream: true })) {
        for (const choice of chunk.choices) {
          text += choice.delta.content ?? "";
          finish = choice.finish_reason ?? finish;
          for (const call of choice.delta.tool_calls ?? []) {
            const known = (calls[call.index] ??= { id: call.id, type: "function", function: { name: "", arguments: "" } });
            known.function.name ||= call.function.name;
            known.function.arguments += call.function.arguments ?? "";
          }
        }
      }
    }
    if (!finish) throw new Error("there is no finish_reason");
    const more = (results) => {
      const tool_calls = calls.map(({ id, function: { name, arguments: given } }) => ({ id, type: "function", function: { name, arguments: given } }));
      messages.push({ role: "assistant", content: text || null, tool_calls });
      messages.push(...calls.map((call, at) => ({ role: "tool", tool_call_id: call.id, content: results[at] })));
    };
    return { text, calls: calls.map((call) => call.function), more };
  });
}

// ----------------------------------------------------------------------------------------- @anthropic-ai/sdk

function anthropic({ base, key }, helper) {
  const client = new Anthropic({ apiKey: key, baseURL: base, maxRetries: 0 });
  const messages = [{ role: "user", content: "hi" }];
  const tools = [{ name: told.tool, description: told.about, input_schema: told.schema }];
  return loop(async () => {
    const asked = { model: "model-1", max_tokens: 100, messages, tools };
    let content = [], stop;
    if (helper) ({ content, stop_reason: stop } = await client.messages.stream(asked).finalMessage());
    else {
      let reason;
      for await (const event of await client.messages.create({ ...asked, stream: true })) {
        if (event.type === "content_block_start") content[event.index] = { ...event.content_block, json: "" };
        if (event.type === "content_block_delta") {
          const block = content[event.index];
          const { text = "", thinking = "", signature = "", partial_json = "" } = event.delta;
          if (block.type === "text") block.text += text;
          if (block.type === "thinking") (block.thinking += thinking), (block.signature += signature);
          block.json += partial_json;
        }
        if (event.type === "message_delta") reason = event.delta.stop_reason;
        if (event.type === "message_stop") stop = reason;
      }
      content = content.map(({ json, ...block }) => (block.type === "tool_use" ? { ...block, input: JSON.parse(json || "{}") } : block));
    }
    if (!stop) throw new Error("there is no stop_reason");
    const calls = content.filter((block) => block.type === "tool_use");
    const more = (results) => {
      messages.push({ role: "assistant", content });
      messages.push({ role: "user", content: calls.map((call, at) => ({ type: "tool_result", tool_use_id: call.id, content: results[at] })) });
    };
    const text = content.map((block) => (block.type === "text" ? block.text : "")).join("");
    return { text, calls: calls.map((call) => ({ arguments: call.input })), more };
  });
}

// ---------------------------------------------------------------------------------------------- @google/genai

function google({ base, key }) {
  const client = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: base } });
  const contents = [{ role: "user", parts: [{ text: "hi" }] }];
  const functionDeclarations = [{ name: told.tool, description: told.about, parametersJsonSchema: told.schema }];
  return loop(async () => {
    const parts = [];
    let finish;
    const config = { tools: [{ functionDeclarations }] };
    for await (const chunk of await client.models.generateContentStream({ model: "gemini-2.5-flash", contents, config })) {
      for (const candidate of chunk.candidates ?? []) {
        parts.push(...(candidate.content?.parts ?? []));
        finish = candidate.finishReason ?? finish;
      }
    }
    if (!finish) throw new Error("there is no finishReason");
    const calls = parts.flatMap((part) => part.functionCall ?? []);
    const more = (results) => {
      contents.push({ role: "model", parts });
      contents.push({ role: "user", parts: calls.map(({ id, name }, at) => ({ functionResponse: { id, name, response: { result: results[at] } } })) });
    };
    const text = parts.map((part) => (part.thought ? "" : part.text ?? "")).join("");
    return { text, calls: calls.map((call) => ({ arguments: call.args })), more };
  });
}

// ------------------------------------------------------------------------------------------------- AI SDK

async function ai(model) {
  const ran = [];
  const execute = async (given) => (ran.push(given), told.result);
  const tools = { [told.tool]: tool({ description: told.about, inputSchema: jsonSchema(told.schema), execute }) };
  let text = "";
  const result = streamText({ model, prompt: "hi", maxRetries: 0, tools, stopWhen: stepCountIs(TURNS), onError: () => {} });
  for await (const part of result.fullStream) {
    if (part.type === "text-delta") text += part.text;
    if (part.type === "error") throw part.error;
  }
  const finish = await result.finishReason;
  if (finish !== "stop") throw new Error(`finishReason is ${finish}`);
  return { text, ran };
}

const CLIENTS = {
  "openai-node responses.create": ["responses", (run) => responses(run, false)],
  "openai-node responses.stream": ["responses", (run) => responses(run, true)],
  "openai-node chat.completions.create": ["chat", (run) => chat(run, false)],
  "openai-node chat.completions.stream": ["chat", (run) => chat(run, true)],
  "anthropic-node messages.create": ["anthropic", (run) => anthropic(run, false)],
  "anthropic-node messages.stream": ["anthropic", (run) => anthropic(run, true)],
  "google-genai-node": ["gemini", google],
  "AI SDK openai.responses": ["responses", ({ base, key }) => ai(createOpenAI({ apiKey: key, baseURL: `${base}/v1` }).responses("model-1"))],
  "AI SDK openai.chat": ["chat", ({ base, key }) => ai(createOpenAI({ apiKey: key, baseURL: `${base}/v1` }).chat("model-1"))],
  "AI SDK openai-compatible": ["chat", ({ base, key }) => ai(createOpenAICompatible({ name: "x", apiKey: key, baseURL: `${base}/v1`, includeUsage: true })("model-1"))],
  "AI SDK anthropic": ["anthropic", ({ base, key }) => ai(createAnthropic({ apiKey: key, baseURL: `${base}/v1` })("model-1"))],
  "AI SDK google": ["gemini", ({ base, key }) => ai(createGoogleGenerativeAI({ apiKey: key, baseURL: `${base}/v1beta` })("gemini-2.5-flash"))],
};

// What an error says, with what it was caused by.
const words = (error) => [error?.message ?? JSON.stringify(error), error?.responseBody, error?.cause && words(error.cause)].filter(Boolean).join(" | ");

process.on("unhandledRejection", () => {}); // of promises of a stream that has failed already
if (process.argv.includes("--names")) {
  for (const [name, [wire]] of Object.entries(CLIENTS)) console.log(JSON.stringify({ name, wire }));
} else {
  let stdin = "";
  for await (const piece of process.stdin) stdin += piece;
  told = JSON.parse(stdin);
  for (const run of told.runs) {
    let seen;
    try {
      seen = { error: null, ...(await CLIENTS[run.client][1](run)) };
    } catch (error) {
      seen = { text: "", ran: [], error: words(error) };
    }
    console.log(JSON.stringify(seen));
  }
}
