/** Counts how often each component renders; `window.renders` has the counts, `window.session` the session. */

import { memo, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { connect } from 'stenogram'
import {
  MomentProvider,
  SessionProvider,
  useAgents,
  useMessages,
  usePresence,
  useSession,
  useShared,
  useSignals,
  useStreams,
  useTasks,
} from 'stenogram/react'

const renders = (window.renders = {})
const count = (name) => (renders[name] = (renders[name] ?? 0) + 1)

const Line = memo(({ message }) => {
  count(`line ${message.id}`)
  return <li data-status={message.status}>{message.text}</li>
})

function Lines({ id }) {
  count(id)
  return <ol id={id}>{useMessages().map((each) => <Line key={each.entry} message={each} />)}</ol>
}

function Streams() {
  count('streams')
  return <p id="streams">{Object.entries(useStreams()).map(([author, messages]) => `${author}: ${messages.length}`).join(', ')}</p>
}

function Agents() {
  count('agents')
  return <p id="agents">{useAgents().map((each) => `${each.id} ${each.status}`).join(', ')}</p>
}

function Present() {
  count('present')
  return <p id="present">{usePresence({ name: 'Maya' }).map((each) => each.id).join(', ')}</p>
}

function Tasks() {
  count('tasks')
  return <p id="tasks">{useTasks().map((each) => `${each.id} ${each.status}`).join(', ')}</p>
}

function Signals() {
  count('signals')
  return <p id="signals">{useSignals().map((each) => `${each.kind} ${each.status}`).join(', ')}</p>
}

function Shared({ path, id }) {
  count(id)
  const [value, , { pending, conflict }] = useShared(path)
  return <p id={id}>{JSON.stringify({ value, pending, conflict })}</p>
}

function Page() {
  const [at, setAt] = useState(null)
  window.session = useSession()
  window.setAt = setAt
  return (
    <>
      <Lines id="lines" />
      <Streams />
      <Agents />
      <Present />
      <Tasks />
      <Signals />
      <Shared path="/hotel" id="hotel" />
      <Shared path="/flight" id="flight" />
      {at !== null && (
        <MomentProvider at={at}>
          <Lines id="then" />
        </MomentProvider>
      )}
    </>
  )
}

const { gateway, session } = Object.fromEntries(new URLSearchParams(location.search))
createRoot(document.getElementById('root')).render(
  <SessionProvider client={connect(gateway, { participant: 'maya' })} session={session}>
    <Page />
  </SessionProvider>,
)
