/** The console: who looks, where, and the keys that work everywhere. */

import { connect } from './client/index.js'
import { HELP } from './keys.js'
import { Operations } from './operations.js'
import { follow, go, usePlace } from './place.js'
import { SessionScreen } from './session.js'
import { Sessions } from './sessions.js'
import { SignIn, forget, known, rightsOf } from './sign_in.js'
import { html, render, useEffect, useFocus, useMemo, useState, useStore } from './ui.js'

const THEME = 'stenogram.theme'

function Console() {
  const [who, setWho] = useState(known)
  const [refused, setRefused] = useState(null)
  const leave = (error = null) => {
    forget()
    setRefused(error)
    setWho(null)
  }
  if (!who) return html`<${SignIn} enter=${setWho} refused=${refused} />`
  return html`<${Signed} key=${JSON.stringify(who)} who=${who} leave=${leave} />`
}

function Signed({ who, leave }) {
  const client = useMemo(() => connect('', { ...who, keep: `console:${who.participant ?? ''}` }), [])
  const may = useMemo(() => rightsOf(who), [])
  const place = usePlace()
  const [help, setHelp] = useState(false)
  const state = useStore(client.state)
  useEffect(() => () => client.close(), [])
  useEffect(() => {
    if (state === 'closed') leave({ message: client.trouble || 'The token is not valid any more. Enter another one.' })
  }, [state])
  useEffect(() => {
    const onKey = (event) => {
      if (event.target.matches?.('input, textarea, select') || event.metaKey || event.ctrlKey || event.altKey) return
      if (event.key === '?') setHelp((shown) => !shown)
      else if (event.key === 'Escape') setHelp(false)
      else if (event.key === 't') turnTheme()
      else if (event.key === '/') {
        event.preventDefault()
        document.querySelector('[data-search]')?.focus()
      } else return
      event.stopPropagation()
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [])
  const Screen = { session: SessionScreen, operations: Operations }[place.screen] ?? Sessions
  return html`<div class="console" onClick=${follow}>
    <header class="top">
      <a href="/console/" class="name">Stenogram</a>
      <nav aria-label="Screens">
        <a href="/console/" aria-current=${place.screen === 'sessions' ? 'page' : null}>sessions</a>
        <a href="/console/operations" aria-current=${place.screen === 'operations' ? 'page' : null}>operations</a>
      </nav>
      <span class="grow"></span>
      <${Connection} client=${client} />
      <button type="button" class="plain" title="light or dark (t)" onClick=${turnTheme}>◐<span class="unseen"> theme</span></button>
      <button type="button" class="plain" title="keys (?)" onClick=${() => setHelp(true)}>?<span class="unseen"> keys</span></button>
      <button type="button" class="plain" onClick=${() => (go('/console/'), leave())}>${who.participant ?? client.participant ?? 'signed in'} · sign out</button>
    </header>
    <${Screen} key=${place.session} client=${client} may=${may} place=${place} />
    ${help && html`<${Help} close=${() => setHelp(false)} />`}
  </div>`
}

function Connection({ client }) {
  const state = useStore(client.state)
  if (state === 'idle') return null
  const told = { connected: 'connected', connecting: 'connecting …', reconnecting: 'reconnecting …', closed: 'ended' }[state]
  return html`<span role="status" class="connection ${state}" title=${client.trouble}>${state === 'connected' ? '○' : '✕'} ${told}</span>`
}

function Help({ close }) {
  const button = useFocus()
  return html`<dialog open class="help" aria-label="Keys">
    <h2>Keys</h2>
    <dl>${HELP.map(([key, what]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`)}</dl>
    <button type="button" ref=${button} onClick=${close}>Close</button>
  </dialog>`
}

function turnTheme() {
  const root = document.documentElement
  const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches
  root.dataset.theme = dark ? 'light' : 'dark'
  localStorage.setItem(THEME, root.dataset.theme)
}

const theme = localStorage.getItem(THEME)
if (theme) document.documentElement.dataset.theme = theme
render(html`<${Console} />`, document.getElementById('app'))
