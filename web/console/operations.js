/** How the gateway is: its log, and its views, which whoever may rebuilds and promotes. */

import { Act, Failure, Status, html, useEffect, useState } from './ui.js'

const EVERY_MS = 2000

function useLooked(look) {
  const [found, setFound] = useState({})
  const [turn, setTurn] = useState(0)
  useEffect(() => {
    let gone = false
    let timer
    const again = async () => {
      try {
        const value = await look()
        if (!gone) setFound({ value })
      } catch (error) {
        if (!gone) setFound((before) => ({ ...before, error }))
      }
      if (!gone) timer = setTimeout(again, EVERY_MS)
    }
    void again()
    return () => {
      gone = true
      clearTimeout(timer)
    }
  }, [turn])
  return { ...found, again: () => setTurn((count) => count + 1) }
}

export function Operations({ client, may }) {
  const views = useLooked(() => client.read('/v1/views'))
  const ready = useLooked(() => client.read('/ready'))
  const [rate, setRate] = useState(null)
  const position = ready.value?.position
  useEffect(() => {
    if (position === undefined) return
    const now = { position, time: performance.now() }
    setRate((before) => ({ ...now, each: before && before.time < now.time ? ((position - before.position) / (now.time - before.time)) * 1000 : 0 }))
  }, [ready.value])
  return html`<main class="operations">
    <h1>Operations</h1>
    ${ready.error && html`<${Failure} error=${ready.error} />`}
    ${ready.value && html`<dl class="facts">
      <div><dt>gateway</dt><dd><${Status} status="completed">${ready.value.status}${ready.value.read_only ? ', for reading only' : ''}<//></dd></div>
      <div><dt>position of the log</dt><dd class="number">${position.toLocaleString()}</dd></div>
      <div><dt>events a second</dt><dd class="number">${rate ? Math.round(rate.each).toLocaleString() : ''}</dd></div>
      <div><dt>commands that wait</dt><dd class="number">${ready.value.waiting}</dd></div>
      <div><dt>seconds behind other writers</dt><dd class="number">${ready.value.lag}</dd></div>
    </dl>`}
    <h2>Views</h2>
    ${views.error && views.error.code !== ready.error?.code && html`<${Failure} error=${views.error} />`}
    ${!views.value && !views.error && html`<p class="empty">Reading …</p>`}
    ${views.value && !views.value.views.length && html`<p class="empty">This gateway keeps no views.</p>`}
    ${views.value?.views.length > 0 && html`<div class="scrolls" tabindex="0" role="region" aria-label="views"><table class="wide">
      <thead><tr><th>view</th><th>build</th><th>state</th><th class="figure">behind</th><th class="figure">events a second</th><th class="figure">ready in</th><th class="figure">parked keys</th><th></th></tr></thead>
      <tbody>${views.value.views.flatMap((view) => rowsOf(view).map((build) => html`<${Build} key=${`${view.view}/${build.build}`} client=${client} view=${view} build=${build} may=${may('operate', '*')} again=${views.again} />`))}</tbody>
    </table></div>`}
  </main>`
}

/** The builds of a view that say something: what readers see, and what is being made; of one without any, that. */
function rowsOf({ builds, version }) {
  const found = builds.filter((each) => each.state !== 'retired')
  return found.length ? found : [{ build: 0, version, state: 'not built yet', behind: '', parked: '' }]
}

function Build({ client, view, build, may, again }) {
  const path = `/v1/views/${encodeURIComponent(view.view)}`
  const post = (what) => async () => {
    await client.post(`${path}/${what}`)
    again()
  }
  const unfinished = view.builds.some((each) => each.state === 'building')
  return html`<tr>
    <th scope="row">${view.view}</th>
    <td class="number quiet">${build.build ? `${build.build} · version ${build.version}` : ''}</td>
    <td><${Status} status=${statusOf(build)}>${build.state}${build.health && build.health !== 'healthy' ? `, ${build.health}` : ''}<//></td>
    <td class="figure">${build.behind.toLocaleString()}</td><td class="figure">${build.rate ? build.rate.toLocaleString() : ''}</td>
    <td class="figure">${build.remaining ? `${Math.ceil(build.remaining)} s` : ''}</td><td class="figure">${build.parked}</td>
    <td class="figure">${may && build.state === 'building' && html`<${Act} label="promote" title="let readers see it" act=${post('promote')} />`}
      ${may && build.state === 'current' && !unfinished && html`<${Act} label="rebuild" title="build it again beside this one" danger act=${post('rebuild')} />`}</td>
  </tr>`
}

function statusOf({ state, health }) {
  if (health && !['healthy', 'behind', 'building'].includes(health)) return 'failed'
  return { building: 'working', current: 'completed' }[state] ?? 'left'
}
