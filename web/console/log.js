/** The log itself: what happened, event by event, with its causes. */

import { Failure, brief, clock, html, sized, useAnswer, useEffect, useRef, useState } from './ui.js'

const PAGE = 200
const MAX_HELD = 2000
const LINE_PX = 24
const MOST_SHOWN = 200_000
const FAMILIES = ['message', 'tool', 'task', 'state', 'signal', 'approval', 'presence', 'session', 'floor', 'x']

/** Events around the newest, or up to a version; older pages on demand, newer ones as they come. */
function useEvents(session, version, types) {
  const [held, setHeld] = useState({ events: [], before: undefined })
  useEffect(() => {
    let end = () => {}
    let gone = false
    const query = { limit: PAGE, types: types.length ? types.map((each) => `${each}.*`).join(',') : undefined }
    const add = (more) => setHeld((now) => ({ ...now, events: [...now.events, ...more].slice(-MAX_HELD) }))
    const begin = async () => {
      try {
        const from = version === null ? { last: PAGE } : { before: version + 1 }
        const page = await session.client.read(`${session.path}/events`, { ...query, ...from })
        if (gone) return
        setHeld({ events: page.events, before: page.before, read: true })
        if (version !== null) return
        let fresh = []
        const take = (event) => {
          // A message of the gateway brings many: they are put in together.
          if (fresh.push(event) === 1) setTimeout(() => (gone || add(fresh), (fresh = [])), 50)
        }
        end = session.events(take, { after: page.to, reading: 'folded', types: query.types?.split(','), onError: (error) => gone || setHeld((now) => ({ ...now, error })) })
      } catch (error) {
        if (!gone) setHeld({ events: [], error })
      }
    }
    void begin()
    return () => {
      gone = true
      end()
    }
  }, [session, version, types.join()])
  const older = async () => {
    const query = { limit: PAGE, before: held.before, types: types.length ? types.map((each) => `${each}.*`).join(',') : undefined }
    const page = await session.client.read(`${session.path}/events`, query)
    setHeld((now) => ({ ...now, events: [...page.events, ...now.events].slice(0, MAX_HELD), before: page.before }))
  }
  return { ...held, older }
}

export function Log({ session, version, at }) {
  const [types, setTypes] = useState([])
  const [actor, setActor] = useState('')
  const [opened, setOpened] = useState(null)
  const { events, before, error, older, read } = useEvents(session, version, types)
  const toggle = (name) => setTypes(types.includes(name) ? types.filter((each) => each !== name) : [...types, name])
  const found = actor ? events.filter((each) => each.actor.includes(actor) || each.task === actor) : events
  return html`<div class="log">
    <div class="row wrap chips" role="group" aria-label="Filter">
      ${FAMILIES.map((name) => html`<button type="button" aria-pressed=${types.includes(name)} onClick=${() => toggle(name)}>${name === 'x' ? 'custom' : name}</button>`)}
      <input type="search" aria-label="participant or task" placeholder="participant or task" onInput=${(event) => setActor(event.target.value)} />
    </div>
    ${error && html`<${Failure} error=${error} />`}
    ${before !== undefined && html`<button type="button" onClick=${older}>Older</button>`}
    ${!found.length && !error && html`<p class="empty">${read ? 'No such event.' : 'Reading …'}</p>`}
    <${Rows} events=${found} opened=${opened} open=${setOpened} />
    ${opened && html`<${Opened} key=${opened.id} session=${session} event=${opened} at=${at} open=${setOpened} close=${() => setOpened(null)} />`}
  </div>`
}

/** Only the lines that can be seen are in the page. */
function Rows({ events, opened, open }) {
  const box = useRef(null)
  const [top, setTop] = useState(Infinity)
  const height = box.current?.clientHeight ?? 400
  const total = events.length * LINE_PX
  useEffect(() => {
    // Who looks at the newest goes on doing so.
    if (box.current && top >= total - height - 3 * LINE_PX - LINE_PX * 60) box.current.scrollTop = total
  }, [events])
  const first = Math.max(0, Math.floor(Math.min(top, Math.max(0, total - height)) / LINE_PX) - 10)
  const last = Math.min(events.length, first + Math.ceil(height / LINE_PX) + 20)
  return html`<div class="rows" ref=${box} tabindex="0" role="listbox" aria-label="Events" onScroll=${(event) => setTop(event.target.scrollTop)}>
    <div class="space" style=${{ height: `${total}px` }}>
      ${events.slice(first, last).map((each, index) => html`<button type="button" key=${each.id} role="option" aria-selected=${opened?.id === each.id} class="plain log-row" style=${{ top: `${(first + index) * LINE_PX}px` }} onClick=${() => open(each)}>
        <span class="number">${each.version}</span><time class="number quiet">${clock(each.time)}</time><span class="who">${each.actor}</span><span>${each.type}</span>${each.omitted ? html`<span class="quiet">${sized(each.omitted)}: open it to read it</span>` : html`<code>${brief(each.data)}</code>`}
      </button>`)}
    </div>
  </div>`
}

/** `event` as it came; one that was too large to be sent is read now. */
function Opened({ session, event, at, open, close }) {
  const whole = useAnswer(async () => (event.omitted ? session.event(event.version) : event), [event.id])
  const text = JSON.stringify(whole.value, null, 2) ?? ''
  const path = `${session.path}/events/${encodeURIComponent(event.id)}`
  const causes = useAnswer(() => session.client.read(`${path}/causes`), [event.id])
  const effects = useAnswer(() => session.client.read(`${path}/effects`), [event.id])
  return html`<section class="opened" aria-label=${`Event ${event.version}`}>
    <div class="row"><h3>${event.version} ${event.type}</h3><span class="grow"></span>
      <button type="button" onClick=${() => at(event.version)}>show this moment</button>
      <button type="button" onClick=${() => navigator.clipboard?.writeText(JSON.stringify(whole.value))}>copy</button>
      <button type="button" onClick=${close}>close</button></div>
    ${whole.error && html`<${Failure} error=${whole.error} />`}
    ${whole.loading ? html`<p class="quiet">Reading …</p>` : text && html`<pre>${text.slice(0, MOST_SHOWN)}</pre>`}
    ${text.length > MOST_SHOWN && html`<p class="quiet">The first ${sized(MOST_SHOWN)} of ${sized(text.length)}; a copy has all of it.</p>`}
    <${Chain} name="caused by" answer=${causes} open=${open} />
    <${Chain} name="led to" answer=${effects} open=${open} />
  </section>`
}

function Chain({ name, answer, open }) {
  if (answer.error) return html`<p class="quiet">${name}: ${answer.error.message}</p>`
  const events = answer.value?.events ?? []
  return html`<p><span class="quiet">${name}</span> ${answer.loading ? '…' : !events.length ? 'nothing' : events.map((each) => html`<button type="button" class="plain" onClick=${() => open(each)}>${each.version} ${each.type}</button> `)}</p>`
}
