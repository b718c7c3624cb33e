/** What a screen shows in place of what it cannot: one statement, and a way on. */

import { go } from './place.js'
import { Act, Failure, clock, html, useEffect, useState, useStore } from './ui.js'

const SOON_MS = 1000

/** That there is no connection, and since when what is shown is old. Not for what is over within a second. */
export function Disconnected({ client }) {
  const state = useStore(client.state)
  const lost = state === 'reconnecting' || state === 'connecting'
  const [since, setSince] = useState(null)
  useEffect(() => {
    if (!lost) return setSince(null)
    const began = new Date()
    const timer = setTimeout(() => setSince(began), SOON_MS)
    return () => clearTimeout(timer)
  }, [lost])
  if (!lost || !since) return null
  return html`<p class="disconnected" aria-live="polite"><span class="status failed"><span aria-hidden="true">✕</span> <b>No connection</b></span>
    ${state === 'reconnecting' ? ` What you see is as of ${clock(since)}; what you do is sent once it is back.` : ` ${location.host} does not answer yet; it is asked again every few seconds.`}</p>`
}

/** Why a session cannot be shown at all, if so: `{error, title, act}`; `calm` where nothing has failed. */
export function troubleOf({ session, head, version, mayOpen }) {
  if (head.error && !head.read && head.error.code !== 'unreachable') return { error: head.error }
  if (!head.read) return null
  if (head.version === 0) {
    const error = { message: 'It begins when an agent or a person opens it; this page shows it then.' }
    const act = mayOpen ? ['open it', () => session.open()] : null
    return { error, title: `There is no session “${session.id}”`, act, calm: true }
  }
  if (version > head.version) {
    const error = { message: `The newest version of this session is ${head.version.toLocaleString()}.` }
    return { error, title: `There is no version ${version.toLocaleString()} yet`, act: ['show the newest', async () => go('', { v: null })], calm: true }
  }
  return null
}

export function Trouble({ trouble: { error, title, act, calm } }) {
  return html`<div class="trouble"><${Failure} error=${error} title=${title} calm=${calm}>
    <div class="row wrap">${act && html`<${Act} label=${act[0]} act=${act[1]} />`}<a href="/console/">all sessions</a></div>
  <//></div>`
}
