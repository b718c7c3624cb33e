/** How the gateway is: its log, its views. */

import { Failure, Status, html, useEffect, useState } from './ui.js'

const EVERY_MS = 2000

function useLooked(look) {
  const [found, setFound] = useState({})
  useEffect(() => {
    let gone = false
    let timer
    const again = async () => {
      try {
        const value = await look()
        if (!gone) setFound({ value })
      } catch (error) {
        if (!gone) setFound({ error })
      }
      if (!gone) timer = setTimeout(again, EVERY_MS)
    }
    void again()
    return () => {
      gone = true
      clearTimeout(timer)
    }
  }, [])
  return found
}

export function Operations({ client }) {
  const views = useLooked(() => client.read('/v1/views'))
  const ready = useLooked(() => client.read('/ready'))
  const [rate, setRate] = useState(null)
  const position = ready.value?.position
  useEffect(() => {
    if (position === undefined) return
    const now = { position, time: performance.now() }
    setRate((before) => ({ ...now, each: before ? ((position - before.position) / (now.time - before.time)) * 1000 : 0 }))
  }, [ready])
  return html`<main class="operations">
    <h1>Operations</h1>
    ${ready.error && html`<${Failure} error=${ready.error} />`}
    ${ready.value && html`<dl class="facts">
      <div><dt>gateway</dt><dd><${Status} status="completed">${ready.value.status}${ready.value.read_only ? ', for reading only' : ''}<//></dd></div>
      <div><dt>position of the log</dt><dd class="number">${position}</dd></div>
      <div><dt>events a second</dt><dd class="number">${rate ? Math.round(rate.each) : ''}</dd></div>
      <div><dt>commands that wait</dt><dd class="number">${ready.value.waiting}</dd></div>
      <div><dt>seconds behind other writers</dt><dd class="number">${ready.value.lag}</dd></div>
    </dl>`}
    <h2>Views</h2>
    ${views.error && html`<${Failure} error=${views.error} />`}
    ${views.value && !views.value.views.length && html`<p class="empty">This gateway keeps no views.</p>`}
    <table class="wide"><thead><tr><th>view</th><th>state</th><th>behind</th><th>events a second</th><th>remaining</th><th>parked keys</th></tr></thead>
      <tbody>${(views.value?.views ?? []).flatMap((view) => (view.builds?.length ? view.builds : [view]).map((build) => html`<tr>
        <th scope="row">${view.view ?? view.name}${build.version ? ` ${build.version}` : ''}</th>
        <td><${Status} status=${build.healthy === false || view.healthy === false ? 'failed' : build.state === 'building' ? 'working' : build.state === 'retired' ? 'left' : 'completed'}>${build.state ?? view.state ?? ''}<//></td>
        <td class="number">${build.behind ?? view.behind}</td><td class="number">${build.rate ? Math.round(build.rate) : ''}</td>
        <td class="number">${build.remaining ? `${Math.round(build.remaining)} s` : ''}</td><td class="number">${build.parked ?? view.parked ?? 0}</td>
      </tr>`))}</tbody></table>
    <p class="hint">Rebuild and promote: <code>stenogram projections</code>.</p>
  </main>`
}
