// A page with the stock useStream of React, or with the controller of the SDK that the bindings for other frameworks have:
// says what it shows at each change, does what it is told, and says what it has in the end.
import { readFileSync } from "node:fs"
import { ended, told } from "../told.mjs"

const given = JSON.parse(process.argv[2])
const say = (told) => console.log(JSON.stringify(told))
const later = (ms) => new Promise((done) => setTimeout(done, ms))
console.error = () => {} // the renderer for tests warns that it is one

let fetch = globalThis.fetch
if (given.fetch) {
  const { resumingFetch } = await import(`data:text/javascript,${encodeURIComponent(readFileSync(given.fetch, "utf8"))}`)
  fetch = resumingFetch
}
const thoughts = (message) => (Array.isArray(message.content) ? message.content : [])
  .filter((block) => block?.type === "reasoning").map((block) => block.reasoning).join("")
const plain = (messages) => messages.map((message) => ({
  id: message.id, type: message.getType(), text: message.text, thought: thoughts(message),
  name: message.name ?? message.additional_kwargs?.metadata?.name, calls: (message.tool_calls ?? []).map((call) => call.name),
}))

let stream = null
let before = ""
const show = () => {
  const now = JSON.stringify({ shown: plain(stream.messages), values: { ...stream.values, messages: undefined }, loading: stream.isLoading })
  if (now !== before) console.log(now)
  before = now
}
let ends = 0
let part = []
const reconnect = { reconnectDelayMs: () => 20, maxReconnectAttempts: 5000 } // five tries of its own would be over in a moment
const options = { assistantId: given.assistant, threadId: given.thread, fetch, onCompleted: () => { ends += 1 }, ...reconnect }

async function withReact() {
  const { createElement, useEffect } = await import("react")
  const { create } = await import("react-test-renderer")
  const { useMessages, useStream } = await import("@langchain/react")
  function Page() {
    stream = useStream({ ...options, apiUrl: given.url })
    part = useMessages(stream, given.namespace ?? ["nobody"])
    useEffect(show)
    return null
  }
  create(createElement(Page))
}

async function withController() {
  const { Client } = await import("@langchain/langgraph-sdk/client")
  const { StreamController, messagesProjection } = await import("@langchain/langgraph-sdk/stream")
  const controller = new StreamController({ ...options, client: new Client({ apiUrl: given.url }) })
  controller.activate()
  const read = (store) => store.getSnapshot()
  const own = { submit: 1, stop: 1, respond: 1, getThread: 1 }
  stream = new Proxy({}, {
    get: (_, name) => name in own ? controller[name].bind(controller) : name === "subgraphs" ? read(controller.subgraphStore) : read(controller.rootStore)[name],
  })
  const scoped = controller.registry.acquire(messagesProjection(given.namespace ?? ["nobody"]))
  scoped.store.subscribe(() => { part = scoped.store.getSnapshot() })
  controller.rootStore.subscribe(show)
}
await (given.react ? withReact() : withController())
while (stream === null || stream.isThreadLoading) await later(10)
// A page whose lifecycle stream is ahead of the other one is told of a run's end before it has all that was said: tests wait
// until it shows that. What should come nevertheless has this time to come.
const settled = () => !stream.isLoading
  && [...stream.subgraphs.values()].every(({ status }) => status !== "running")
  && (!given.namespace || part.length > 0)
  && part.every((each) => stream.messages.some(({ id, text }) => id === each.id && text === each.text))
const finished = async () => {
  for (let quiet = 0, before = null; quiet < 250; quiet = !settled() || before !== stream.messages ? 0 : quiet + 25) {
    before = stream.messages
    await later(25)
  }
}
for (const [what, ...about] of given.does) {
  if (what === "submit") await stream.submit({ messages: about[0].map(([id, content]) => ({ id, type: "human", content })) }, about[1])
  else if (what === "told") await told()
  else if (what === "submitting") void stream.submit({ messages: [{ id: about[0], type: "human", content: about[1] }] })
  else if (what === "shown") while (!stream.messages.some((each) => each.text.includes(about[0]))) await later(5)
  else if (what === "inject") await stream.getThread().input.inject({ namespace: about[0], message: { role: "user", content: about[1] } })
  else if (what === "asked") while (!stream.interrupt) await later(5)
  else if (what === "respond") {
    say({ interrupts: stream.interrupts })
    await stream.respond(about[0])
  } else if (what === "stop") await stream.stop()
  say({ did: what })
}
await ended()
await finished()
say({
  messages: plain(stream.messages), part: plain(part), values: { ...stream.values, messages: undefined },
  calls: await Promise.all(stream.toolCalls.map(async (call) => ({ name: call.name, input: call.input, output: call.output ?? null, status: call.status }))),
  subgraphs: [...stream.subgraphs.values()].map(({ namespace, status }) => ({ namespace, status })),
  error: stream.error ? String(stream.error.message ?? stream.error) : null, ends,
})
process.exit(0)
