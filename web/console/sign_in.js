/** Who looks: a token on a gateway with keys, a name on an open one. Kept for this tab alone. */

import { connect } from './client/index.js'
import { html, useEffect, useRef, useState } from './ui.js'

const KEPT = 'stenogram.who'
/** What is no part of `write`. */
const ALONE = new Set(['read', 'audit', 'operate'])

/** Who signed in before in this tab, or comes by a link (`#token=…`, `#participant=…`), which is forgotten at once. */
export function known() {
  const given = Object.fromEntries(new URLSearchParams(location.hash.slice(1)))
  if (given.token || given.participant) {
    history.replaceState(null, '', location.pathname + location.search)
    keep(given.token ? { token: given.token } : { participant: given.participant })
  }
  return JSON.parse(sessionStorage.getItem(KEPT) ?? 'null')
}

export function keep(who) {
  sessionStorage.setItem(KEPT, JSON.stringify(who))
}

export function forget() {
  sessionStorage.removeItem(KEPT)
}

/** What the token lets one do, as far as it says so; the gateway decides. */
export function rightsOf(who) {
  if (!who.token) return () => true
  try {
    const { scopes = ['read:*', 'write:*'] } = JSON.parse(atob(who.token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')))
    return (right, session) =>
      scopes.some((scope) => {
        const [name, pattern = ''] = scope.split(/:(.*)/s)
        const fits = pattern.endsWith('*') ? session.startsWith(pattern.slice(0, -1)) : session === pattern
        return fits && (name === right || (name === 'write' && !ALONE.has(right)))
      })
  } catch {
    return () => true
  }
}

export function SignIn({ enter, refused }) {
  const [open, setOpen] = useState(null)
  const [error, setError] = useState(refused)
  const field = useRef(null)
  useEffect(() => field.current?.focus(), [open])
  if (open === null) {
    fetch('/v1/sessions?limit=1&participant=console').then(({ ok }) => setOpen(ok), () => setOpen(false))
    return html`<p class="empty">Asking the gateway …</p>`
  }
  const submit = async (event) => {
    event.preventDefault()
    const given = new FormData(event.target).get('who').trim()
    const who = open ? { participant: given, kind: 'user' } : { token: given }
    const client = connect('', who)
    try {
      await client.read('/v1/sessions', { limit: 1 })
      keep(who)
      enter(who)
    } catch (failure) {
      setError(failure)
    } finally {
      client.close()
    }
  }
  return html`<main class="sign-in">
    <h1>Stenogram</h1>
    <form onSubmit=${submit}>
      <label for="who">${open ? 'Who are you?' : 'Your token'}</label>
      <input id="who" name="who" ref=${field} required autocomplete="off" spellcheck="false" type=${open ? 'text' : 'password'} />
      <button class="primary">Enter</button>
    </form>
    <p class="hint">${open
      ? 'This gateway runs without keys: it believes the name that you give.'
      : 'A JWT with the right to read sessions. It stays in this tab.'}</p>
    ${error && html`<p class="failure" role="alert">${error.message}</p>`}
  </main>`
}
