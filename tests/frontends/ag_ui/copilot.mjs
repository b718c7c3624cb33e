// CopilotKit's browser core, without a runtime of its own: the gateway's routes are its runtime.
import { readFileSync } from "node:fs"
import { told } from "../told.mjs"

globalThis.window = globalThis // it is meant for browsers, and rests elsewhere
globalThis.location = new URL("http://localhost/")
const { CopilotKitCore } = await import("@copilotkit/core")
const given = JSON.parse(process.argv[2])
const say = (told) => console.log(JSON.stringify(told))
if (given.fetch) {
  const { resumingFetch } = await import(`data:text/javascript,${encodeURIComponent(readFileSync(given.fetch, "utf8"))}`)
  const stock = globalThis.fetch
  globalThis.fetch = (url, init) => resumingFetch(url, init, stock)
}
let error = null
console.error = (...told) => { error = told.map((each) => String(each?.message ?? each)).join(" ") }
const core = new CopilotKitCore({ runtimeUrl: given.url })
core.subscribe({ onError: ({ error: failure, code }) => { error = `${code}: ${failure.message}` } })
while (core.runtimeConnectionStatus !== "connected" && !error) await new Promise((done) => setTimeout(done, 25))
say({ status: core.runtimeConnectionStatus, agents: Object.keys(core.agents), version: core.runtimeVersion })
const agent = core.getAgent(given.agent)
agent.threadId = given.thread
agent.subscribe({ onEvent: ({ event }) => say({ event }) })
if (given.stops) void told().then(() => core.stopAgent({ agent }))
if (given.connect) await core.connectAgent({ agent })
else {
  for (const [id, content] of given.says) agent.addMessage({ id, role: "user", content })
  await core.runAgent({ agent })
}
say({ messages: agent.messages, state: agent.state, error })
process.exit(0)
