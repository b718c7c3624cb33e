/** Who looks: a token on a gateway with keys, a name on an open one. Kept for this tab alone. */

import { connect } from './client/index.js'
import { Failure, html, useEffect, useRef, useState } from './ui.js'

const KEPT = 'stenogram.who'
const EVERY_MS = 2000
/** What is no part of `write`. */
const ALONE = new Set(['read', 'audit', 'operate'])

const given = () => Object.fromEntries(new URLSearchParams(location.hash.slice(1)))

/**
 * Who signed in before in this tab, or comes by a link (`#token=…`, `#participant=…`; `#link=…` is a code that the
 * gateway takes once). The address forgets it at once.
 */
export function known() {
  const { link, token, participant } = given()
  if (link || token || participant) history.replaceState(null, '', location.pathname + location.search)
  if (link) return { link }
  if (token || participant) keep(token ? { token } : { participant })
  return JSON.parse(sessionStorage.getItem(KEPT) ?? 'null')
}

/** A link that is followed where the console is open already: the page begins again. */
export function watchLinks() {
  addEventListener('hashchange', () => {
    const { link, token, participant } = given()
    if (link || token || participant) location.reload()
  })
}

export function keep(who) {
  sessionStorage.setItem(KEPT, JSON.stringify(who))
}

export function forget() {
  sessionStorage.removeItem(KEPT)
}

const USUAL = ['read:*', 'write:*']

/** What the token says that one may, as far as it can be read. */
export function scopesOf({ token }) {
  try {
    const { scopes = USUAL } = JSON.parse(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')))
    return typeof scopes === 'string' ? scopes.split(' ') : scopes
  } catch {
    return USUAL
  }
}

/** What one may do, as far as the token says so; the gateway decides. */
export function rightsOf(who) {
  if (!who.token) return () => true
  const scopes = scopesOf(who)
  return (right, session) =>
    scopes.some((scope) => {
      const [name, pattern = ''] = scope.split(/:(.*)/s)
      const fits = pattern.endsWith('*') ? session.startsWith(pattern.slice(0, -1)) : session === pattern
      return fits && (name === right || (name === 'write' && !ALONE.has(right)))
    })
}

/** Asks until somebody answers; what cannot be reached is said meanwhile. */
async function answered(ask, sayTrouble) {
  for (;;) {
    try {
      return await ask()
    } catch {
      sayTrouble({ code: 'unreachable' })
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS))
    }
  }
}

const post = (path, body) => fetch(path, { method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } })

/** What a refusal says, whoever made it. */
async function problemOf(answer) {
  const { code, detail } = await answer.json().catch(() => ({}))
  return { code: code ?? `HTTP ${answer.status}`, message: detail ?? 'The gateway gave no reason.' }
}

export function SignIn({ enter, refused, link }) {
  const [open, setOpen] = useState(null)
  const [error, setError] = useState(refused)
  const field = useRef(null)
  useEffect(() => field.current?.focus(), [open])
  useEffect(() => void begin(), [])
  const begin = async () => {
    let trouble = refused
    if (link) {
      const answer = await answered(() => post('/console/sign-in', { code: link }), setError)
      if (answer.ok) return signIn(await answer.json())
      trouble = { ...(await problemOf(answer)), title: 'This link signs nobody in' }
    }
    const answer = await answered(() => fetch('/v1/sessions?limit=1&participant=console'), setError)
    setError(answer.ok || answer.status === 401 ? trouble : await problemOf(answer))
    setOpen(answer.ok)
  }
  const signIn = (who) => {
    keep(who)
    enter(who)
  }
  const submit = async (event) => {
    event.preventDefault()
    const given = new FormData(event.target).get('who').trim()
    const who = open ? { participant: given, kind: 'user' } : { token: given }
    const client = connect('', who)
    try {
      await client.read('/v1/sessions', { limit: 1 })
      signIn(who)
    } catch (failure) {
      setError(failure)
    } finally {
      client.close()
    }
  }
  return html`<main class="sign-in">
    <h1>Stenogram</h1>
    ${error && html`<${Failure} error=${error} title=${error.title} />`}
    ${open === null && !error && html`<p class="empty">Asking the gateway …</p>`}
    ${open !== null && html`<form onSubmit=${submit}>
      <label for="who">${open ? 'Who are you?' : 'Your token'}</label>
      <input id="who" name="who" ref=${field} required autocomplete="off" spellcheck="false" type=${open ? 'text' : 'password'} />
      <button class="primary">Enter</button>
    </form>
    <p class="hint">${open
      ? 'This gateway runs without keys: it believes the name that you give.'
      : html`A JWT with the right to read sessions: <code>stenogram token --sub you</code> makes one. It stays in this tab.`}</p>`}
  </main>`
}
