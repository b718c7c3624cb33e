// A page with our own client for browsers: says what it shows at each change, and what it has when it is to end.
import { connect } from "../../../web/client/src/index.js"
import { ended } from "../told.mjs"

const given = JSON.parse(process.argv[2])
const say = (told) => console.log(JSON.stringify(told))
const session = connect(given.url, { participant: "maya" }).session(given.thread)
const plain = (messages) => messages
  .filter((each) => each.kind === "message")
  .map((each) => ({ id: each.id, name: each.author, status: each.status, text: each.text, thought: each.reasoning }))
const now = () => ({ shown: plain(session.messages.value), values: session.state.value, loading: isOpen() })
const isOpen = () => session.messages.value.some((each) => each.status === "open")
for (const store of [session.messages, session.state]) store.subscribe(() => say(now()))
await ended()
say({ messages: plain(session.messages.value), state: session.state.value, error: session.messages.error ?? null })
process.exit(0)
