// What a page, or a server in Node, does with the protocol's own client: writes by a producer, reads live in both ways,
// resumes, and reads a session. Prints what it has read as one line of JSON.
import { DurableStream, IdempotentProducer, stream } from "@durable-streams/client"

const [url, session] = process.argv.slice(2)
const words = Array.from({ length: 40 }, (_, number) => ({ word: `w${number}` }))

async function read(live, offset = "-1") {
  const found = []
  const response = await stream({ url, offset, live, json: true })
  await new Promise((resolve, reject) => {
    response.subscribeJson((batch) => void found.push(...batch.items))
    response.closed.then(resolve, reject)
  })
  return found
}

const written = await DurableStream.create({ url, contentType: "application/json" })
const followers = ["sse", "long-poll"].map((live) => read(live))

const first = new IdempotentProducer(written, "writer", { epoch: 0, lingerMs: 1 })
for (const each of words.slice(0, 20)) first.append(JSON.stringify(each))
await first.flush()
const { offset } = await written.head()

// Another run of the same writer takes over; what the first one sends after that is refused.
const second = new IdempotentProducer(written, "writer", { epoch: 1, lingerMs: 1 })
for (const each of words.slice(20)) second.append(JSON.stringify(each))
await second.flush()
let fenced = "nothing"
const stale = new IdempotentProducer(written, "writer", { epoch: 0, onError: (error) => (fenced = error.name) })
stale.append(JSON.stringify({ word: "stale" }))
await stale.flush().catch(() => undefined)
await second.close(JSON.stringify({ word: "last" }))

const [sse, polled] = await Promise.all(followers)
const resumed = await read(false, offset)
const events = await (await stream({ url: session, offset: "-1", live: false })).json()
console.log(JSON.stringify({ sse, polled, resumed, fenced, events }))
