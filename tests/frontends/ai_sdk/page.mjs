// A page with the AI SDK's own chat: does the steps that it is given, and prints what changes and what it has in the end.
import { readFileSync } from "node:fs"

const given = JSON.parse(process.argv[2])
const { Chat } = await import(given.react)
const { DefaultChatTransport, lastAssistantMessageIsCompleteWithApprovalResponses, lastAssistantMessageIsCompleteWithToolCalls } = await import(given.ai)
const say = (told) => console.log(JSON.stringify(told))

let fetch = globalThis.fetch
if (given.fetch) {
  const { resumingFetch } = await import(`data:text/javascript,${encodeURIComponent(readFileSync(given.fetch, "utf8"))}`)
  fetch = (url, init) => resumingFetch(url, init)
}
const counting = async (url, init) => {
  const response = await fetch(url, init)
  say({ fetched: [init?.method, response.status, response.headers.get("x-vercel-ai-ui-message-stream")] })
  return response
}
const load = async () => (await (await globalThis.fetch(`${given.api}/${given.chat}/messages`)).json()).messages
const messages = given.load ? await load() : given.messages
const failures = []
const finished = []
const chat = new Chat({
  id: given.chat,
  messages,
  transport: new DefaultChatTransport({ api: given.api, fetch: counting, body: given.body }),
  onData: (data) => say({ data }),
  onError: (error) => failures.push(String(error?.message ?? error)),
  onFinish: ({ isAbort, isDisconnect, isError, finishReason }) => finished.push({ isAbort, isDisconnect, isError, finishReason }),
  sendAutomaticallyWhen: given.automatic
    ? (about) =>
        lastAssistantMessageIsCompleteWithApprovalResponses(about) || lastAssistantMessageIsCompleteWithToolCalls(about)
    : undefined,
})
let last = ""
chat["~registerMessagesCallback"](() => {
  const message = chat.messages.at(-1)
  const now = JSON.stringify(message)
  if (now !== last) say({ message })
  last = now
})

const steps = {
  send: ([id, text], options) => chat.sendMessage({ id, parts: [{ type: "text", text }] }, options),
  again: () => chat.sendMessage(),
  edit: ([messageId, text]) => chat.sendMessage({ messageId, text }),
  regenerate: (about) => chat.regenerate(about ?? {}),
  resume: () => chat.resumeStream(),
  approve: (about) => chat.addToolApprovalResponse(about),
  output: (about) => chat.addToolOutput(about),
  settle: async () => {
    while (chat.status === "submitted" || chat.status === "streaming") await steps.pause(0.01)
  },
  over: async () => {
    while (!chat.messages.at(-1)?.metadata?.stenogram?.outcome || chat.status !== "ready") await steps.pause(0.01)
  },
  answer: async () => {
    const asked = () => chat.messages.at(-1)?.parts.findLast((part) => part.state === "approval-requested")
    while (!asked() || chat.status !== "ready") await steps.pause(0.01)
    const part = asked()
    const answer = given.answers[part.input.question] ?? true
    if (typeof answer === "boolean") await chat.addToolApprovalResponse({ id: part.approval.id, approved: answer })
    else await chat.addToolOutput({ tool: "ask", toolCallId: part.toolCallId, output: answer })
  },
  persist: async () => {
    while (!chat.messages.at(-1).metadata?.stenogram?.outcome) {
      await steps.pause(0.05)
      await chat.resumeStream()
      if (chat.status === "ready") chat.messages = await load() // it ended meanwhile
    }
  },
  pause: (seconds) => new Promise((done) => setTimeout(done, seconds * 1000)),
}
for (const [step, ...about] of given.steps) {
  await steps[step](...about)
  say({ did: step, status: chat.status, failures, finished: finished.at(-1) })
}
say({ messages: chat.messages, status: chat.status, failures, finished })
process.exit(0)
