/** The console: who looks, and where. */

import { connect } from './client/index.js'
import { Operations } from './operations.js'
import { follow, go, usePlace } from './place.js'
import { SessionScreen } from './session.js'
import { Sessions } from './sessions.js'
import { Help, ShellButtons, restoreTheme, useShell } from './shell.js'
import { SignIn, forget, known, rightsOf, watchLinks } from './sign_in.js'
import { Disconnected } from './trouble.js'
import { html, render, useEffect, useMemo, useState, useStore } from './ui.js'

function Console() {
  const [who, setWho] = useState(known)
  const [refused, setRefused] = useState(null)
  const leave = (error = null) => {
    forget()
    setRefused(error)
    setWho(null)
  }
  if (!who || who.link) return html`<${SignIn} enter=${setWho} refused=${refused} link=${who?.link} />`
  return html`<${Signed} key=${JSON.stringify(who)} who=${who} leave=${leave} />`
}

function Signed({ who, leave }) {
  const client = useMemo(() => connect('', { ...who, keep: `console:${who.participant ?? ''}` }), [])
  const may = useMemo(() => rightsOf(who), [])
  const place = usePlace()
  const [help, setHelp] = useShell()
  const state = useStore(client.state)
  useEffect(() => () => client.close(), [])
  useEffect(() => {
    if (state === 'closed') leave({ code: 'unauthenticated', message: client.trouble || 'The token is not valid any more. Enter another one.' })
  }, [state])
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
      <${ShellButtons} setHelp=${setHelp} />
      <button type="button" class="plain" onClick=${() => (go('/console/'), leave())}>${who.participant ?? client.participant ?? 'signed in'} · sign out</button>
    </header>
    <${Disconnected} client=${client} />
    <${Screen} key=${place.session} client=${client} may=${may} place=${place} who=${who} />
    ${help && html`<${Help} close=${() => setHelp(false)} />`}
  </div>`
}

function Connection({ client }) {
  const state = useStore(client.state)
  if (state === 'idle') return null
  const told = { connected: 'connected', connecting: 'connecting …', reconnecting: 'reconnecting …', closed: 'ended' }[state]
  return html`<span role="status" class="connection ${state}" title=${client.trouble}>${{ connected: '○', connecting: '◐' }[state] ?? '✕'} ${told}</span>`
}

restoreTheme()
watchLinks()
render(html`<${Console} />`, document.getElementById('app'))
