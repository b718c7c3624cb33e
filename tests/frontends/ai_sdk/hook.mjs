// A page with the hook itself, as the guide has it: loads a chat, resumes what is under way, says what is on it.
import { createElement } from "react"
import { create } from "react-test-renderer"

globalThis.IS_REACT_ACT_ENVIRONMENT = false
const given = JSON.parse(process.argv[2])
const { useChat } = await import(given.react)
const { DefaultChatTransport } = await import(given.ai)
const say = (told) => console.log(JSON.stringify(told))
const { api, chat: id } = given
const { messages: initial } = await (await fetch(`${api}/${id}/messages`)).json()

let answers = 0
const counting = async (...asked) => {
  const response = await fetch(...asked)
  answers += 1
  return response
}
let chat
function Page() {
  chat = useChat({ id, messages: initial, resume: true, transport: new DefaultChatTransport({ api, fetch: counting }) })
  return chat.messages.map((message) => message.parts.map((part) => part.text ?? part.data?.text ?? "").join("|"))
}
console.error = () => {}
const page = create(createElement(Page))
const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000))
while (!answers || chat.status === "submitted") await pause(0.02) // it looks for what is under way
for (const [id, text] of given.says ?? []) void chat.sendMessage({ id, parts: [{ type: "text", text }] })
let shown = ""
while (!chat.messages.at(-1)?.metadata?.stenogram?.outcome || chat.status !== "ready") {
  await pause(0.02)
  const now = JSON.stringify(page.toJSON())
  if (now !== shown) say({ shown: now })
  shown = now
}
say({ messages: chat.messages, shown: page.toJSON(), status: chat.status, failures: chat.error ? [String(chat.error)] : [] })
process.exit(0)
