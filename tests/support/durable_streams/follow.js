// Follows a stream of JSON, in the way that it is given, for as long as it may; says each message as it comes.
import { stream } from "@durable-streams/client"

const { url, live } = JSON.parse(process.argv[2])
const response = await stream({ url, offset: "-1", live, json: true })
response.subscribeJson((batch) => {
  for (const event of batch.items) console.log(JSON.stringify({ event }))
})
await response.closed
