/** The page of a file that holds one session: the same screen as the console's, with nobody to ask. */

import { usePlace } from './place.js'
import { RecordedClient } from './recorded.js'
import { SessionScreen } from './session.js'
import { Help, ShellButtons, restoreTheme, useShell } from './shell.js'
import { html, render, useMemo } from './ui.js'

const NOTHING = () => false

function FilePage() {
  const client = useMemo(() => new RecordedClient(JSON.parse(document.getElementById('recorded').textContent)), [])
  const place = usePlace()
  const [help, setHelp] = useShell()
  const { exported, events, reader } = client.recording
  return html`<div class="console">
    <header class="top">
      <span class="name">Stenogram</span>
      <span class="quiet">a recording of ${events.length} events ${reader ? `as ${reader} may see them` : 'with nothing left out'}, made ${new Date(exported).toLocaleString()}</span>
      <span class="grow"></span>
      <${ShellButtons} setHelp=${setHelp} />
    </header>
    <${SessionScreen} client=${client} may=${NOTHING} place=${place} />
    ${help && html`<${Help} close=${() => setHelp(false)} />`}
  </div>`
}

restoreTheme()
render(html`<${FilePage} />`, document.getElementById('app'))
