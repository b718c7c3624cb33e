// A page with the stock client of TanStack AI: says what it shows at each change, does what it is told, and says what it has
// in the end.
import { ChatClient, fetchServerSentEvents, webSocket } from "@tanstack/ai-client"
import WebSocketImpl from "ws"
import { ended } from "../told.mjs"

const given = JSON.parse(process.argv[2])
const say = (told) => console.log(JSON.stringify(told))
const later = (ms) => new Promise((done) => setTimeout(done, ms))
const plain = (messages) => messages.map(({ id, role, parts, metadata }) => ({
  id, role, name: metadata?.stenogram?.actor,
  text: parts.filter((part) => part.type === "text").map((part) => part.content).join(""),
  thought: parts.filter((part) => part.type === "thinking").map((part) => part.content).join(""),
  calls: parts.filter((part) => part.type === "tool-call").map((part) => [part.name, part.arguments, part.output ?? null]),
}))

// The client joins a run only if its first event comes within two seconds, which a busy machine may need.
const stock = setTimeout
globalThis.setTimeout = (task, ms, ...more) => stock(task, ms === 2000 ? 60_000 : ms, ...more)
const reconnect = { maxAttempts: 1000, delayMs: 50 }
const events = fetchServerSentEvents(given.url, { reconnect })
const { hydrate, joinRun } = events
const socket = () => webSocket(given.url.replace("http", "ws"), { reconnect, WebSocketImpl })
const connection = given.socket ? { ...socket(), hydrate, joinRun } : events // as the guide has it
let messages = []
let state = null
let error = null
const ends = []
let loading = false
const show = () => say({ shown: plain(messages), loading })
const chat = new ChatClient({
  connection, threadId: given.thread, persistence: given.hydrates,
  onMessagesChange: (now) => { messages = now; show() },
  onLoadingChange: (now) => { loading = now; show() },
  onChunk: (chunk) => {
    say({ event: chunk.type, id: chunk.runId })
    if (chunk.type === "STATE_SNAPSHOT") state = chunk.snapshot
    if (chunk.type.startsWith("RUN_") && chunk.type !== "RUN_STARTED") ends.push([chunk.type, chunk.outcome?.type ?? null, chunk.result ?? null])
  },
  onError: (failure) => { error = String(failure?.message ?? failure) },
})
chat.attach() // as a component does that is mounted
for (const [what, ...about] of given.does) {
  if (what === "say") await chat.sendMessage({ content: about[1], id: about[0] })
  else if (what === "saying") void chat.sendMessage({ content: about[1], id: about[0] })
  else if (what === "shown") while (!messages.some((each) => plain([each])[0].text.includes(about[0]))) await later(5)
  else if (what === "asked") while (!chat.getInterrupts().length) await later(5)
  else if (what === "answer") {
    const [asked] = chat.getInterrupts()
    say({ asked: { message: asked.message, kind: asked.kind } })
    asked.resolveInterrupt(about[0])
  } else if (what === "stop") chat.stop()
}
await ended()
for (let quiet = 0; quiet < 10; quiet = chat.getIsLoading() ? 0 : quiet + 1) await later(25)
say({ messages: plain(messages), state, error, ends, hydrated: given.hydrates ?? false })
process.exit(0)
