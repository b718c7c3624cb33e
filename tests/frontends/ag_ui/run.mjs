// Runs, connects to or watches a thread with a stock client, and prints each event and what the agent has in the end.
import { readFileSync } from "node:fs"

const given = JSON.parse(process.argv[2])
const { HttpAgent } = await import(given.client)
const say = (told) => console.log(JSON.stringify(told))

if (given.fetch) {
  const { resumingFetch } = await import(`data:text/javascript,${encodeURIComponent(readFileSync(given.fetch, "utf8"))}`)
  given.agent = { fetch: resumingFetch }
}

class Watcher extends HttpAgent {
  requestInit(input) {
    const { body, ...init } = super.requestInit(input)
    return { ...init, method: "GET" }
  }
}

const agent = new (given.watch ? Watcher : HttpAgent)({ url: given.url, threadId: given.thread, ...given.agent })
for (const [id, content] of given.says ?? []) agent.addMessage({ id, role: "user", content })
let error = null
console.error = (...told) => { error = String(told.at(-1)?.message ?? told.at(-1)) }
const warned = []
console.warn = (...told) => warned.push(told.map(String).join(" "))
const ended = {}
for (const [run, resume] of given.runs) {
  await agent
    .runAgent(
      { runId: run, ...(resume ? { resume } : {}), ...(given.more ?? {}) },
      {
        onEvent: ({ event }) => say({ event }),
        onRunFinishedEvent: ({ event, outcome }) => { ended[run] = { outcome, result: event.result } },
        onRunErrorEvent: ({ event }) => { ended[run] = { outcome: "error", message: event.message } },
      },
    )
    .catch((failure) => { error = String(failure.message) })
}
say({ messages: agent.messages, state: agent.state, ended, interrupts: agent.pendingInterrupts, error, warned })
