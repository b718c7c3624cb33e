/** The scrubber: any moment of the session, played or stepped; its right end is live. */

import { clock, html, useAnswer, useEffect, useLayoutEffect, useRef, useState, useStore } from './ui.js'

const SPEEDS = [1, 2, 4, 8, 16]
const EVENTS_A_SECOND = 4
const STEP_MS = 125
const HEAD_MS = 100
const PATIENCE_MS = 500
const COUNTED_MS = 2000
const FEWEST = 8
const WIDTHS = [10, 120, 1800, 28800]

/** The newest version that this reader knows of: 0, and not `read`, before that; `error` is why it cannot be read. */
export function useHead(session) {
  const [head, setKnown] = useState({ version: 0, read: false })
  const setHead = (version) => setKnown({ version, read: true })
  useEffect(() => {
    let end = () => {}
    let gone = false
    let timer = 0
    let newest = 0
    const show = () => {
      timer = 0
      setHead(newest)
    }
    const follow = async () => {
      try {
        const { version } = await session.page()
        if (gone) return
        newest = version
        show()
        // Versions alone count here. Many come at once, and all of the screen is drawn again: the last one is shown.
        const tell = (event) => {
          if (newest === version || event.version > newest) newest = event.version
          timer ||= setTimeout(show, HEAD_MS)
        }
        end = session.events(tell, { after: version, reading: 'folded', onError: () => setTimeout(() => gone || follow(), 1000) })
      } catch (error) {
        if (!gone) setKnown((now) => ({ ...now, error }))
        setTimeout(() => gone || follow(), 2000)
      }
    }
    void follow()
    return () => {
      gone = true
      clearTimeout(timer)
      end()
    }
  }, [session])
  return head
}

/**
 * What is shown: the session, or the moment at a version. One moment is read at a time; whoever steps or plays on is
 * shown the newest of those that they have come to meanwhile. One that takes long is given up for it.
 */
export function useShown(session, version) {
  const [moment, setMoment] = useState(() => (version === null ? null : session.at(version)))
  const now = useRef(null)
  now.current = moment
  useLayoutEffect(() => {
    if (version === null) return setMoment(null)
    if (moment?.session === session && moment.when === String(version)) return
    let gone = false
    const go = () => {
      if (gone) return
      now.current?.end()
      setMoment(session.at(version))
    }
    if (moment?.session === session) void moment.settled(PATIENCE_MS).then(go)
    else go()
    return () => (gone = true)
  }, [session, version])
  useEffect(() => () => now.current?.end(), [session])
  return version !== null && moment?.session === session ? moment : session
}

/** Plays the past in steps of events; at the end it is live again. */
export function usePlaying(session, version, head, at) {
  const [speed, setSpeed] = useState(0)
  const now = useRef({})
  now.current = { version, head, at }
  useEffect(() => {
    if (!speed) return
    // Quicker than it can be read it goes on by several events at a time.
    const every = Math.max(STEP_MS, 1000 / (EVENTS_A_SECOND * speed))
    const by = Math.round((EVENTS_A_SECOND * speed * every) / 1000)
    const timer = setInterval(() => {
      const { version, head, at } = now.current
      if (version === null || version >= head) {
        setSpeed(0)
        at(null)
      } else at(Math.min(head, version + by))
    }, every)
    return () => clearInterval(timer)
  }, [speed, session])
  const toggle = () => {
    if (!speed && version === null) at(1)
    setSpeed(speed ? 0 : 1)
  }
  return { speed, setSpeed, toggle }
}

export function Scrubber({ session, version, head, at, playing, mark, turnMark }) {
  const here = version ?? head
  const [dragged, setDragged] = useState(null)
  const timer = useRef(0)
  const drag = (event) => {
    const to = Number(event.target.value)
    setDragged(to)
    clearTimeout(timer.current)
    // While it is drawn along nothing is read: what was passed over is of no interest.
    timer.current = setTimeout(() => (setDragged(null), at(to >= head ? null : to)), 80)
  }
  const time = useTime(session, version)
  const ended = session.client.recorded
  return html`<footer class="scrubber" aria-label="Time">
    <button type="button" title="play or pause (space)" aria-pressed=${playing.speed > 0} onClick=${playing.toggle}>${playing.speed ? '‖' : '▸'}<span class="unseen"> play</span></button>
    <select aria-label="speed" value=${playing.speed || 1} onChange=${(event) => playing.setSpeed(Number(event.target.value))}>
      ${SPEEDS.map((each) => html`<option value=${each}>${each}×</option>`)}
    </select>
    <div class="track">
      <${Activity} session=${session} head=${head} />
      <input type="range" style=${{ '--at': `${(100 * ((dragged ?? here) - 1)) / Math.max(1, head - 1)}%` }} min="1" max=${Math.max(1, head)} value=${dragged ?? here} aria-label="moment" aria-valuetext=${`event ${here} of ${head}`} onInput=${drag} />
      ${mark !== null && mark <= head && html`<span class="mark" aria-hidden="true" style=${{ '--at': `${(mark - 1) / Math.max(1, head - 1)}` }}></span>`}
    </div>
    <span class="number">${dragged ?? here} / ${head}</span>
    <span class="number clock">${time}</span>
    <button type="button" title="an event back (←)" onClick=${() => at(here - 1)}>−1</button>
    <button type="button" title="an event on (→)" disabled=${version === null} onClick=${() => at(here + 1)}>+1</button>
    <button type="button" class="marking" title="mark this moment (m)" aria-pressed=${mark === here} onClick=${turnMark}>mark</button>
    <button type="button" class="live" title=${ended ? 'the end (l)' : 'live (l)'} aria-pressed=${version === null} onClick=${() => at(null)}>${ended ? 'END' : 'LIVE'}</button>
  </footer>`
}

/** The time of a version: that of the newest event up to it. */
function useTime(session, version) {
  const { value } = useAnswer(
    async () => (version === null ? null : (await session.client.read(`${session.path}/events`, { before: version + 1, limit: 1 })).events.at(-1)?.time),
    [session, version],
  )
  return version === null ? '' : clock(value)
}

/** How much happened when, by the counts that the gateway keeps. */
function Activity({ session, head }) {
  const canvas = useRef(null)
  const overview = useStore(session.overview)
  const rough = useRough(head)
  const { value = [] } = useAnswer(() => counts(session, overview), [session, rough, overview.opened])
  useEffect(() => {
    const area = canvas.current
    const scale = devicePixelRatio || 1
    area.width = area.clientWidth * scale
    area.height = area.clientHeight * scale
    const pen = area.getContext('2d')
    const most = Math.max(1, ...value)
    pen.fillStyle = getComputedStyle(area).color
    value.forEach((count, index) => {
      const height = Math.max(count ? scale : 0, (count / most) * area.height)
      pen.fillRect((index / value.length) * area.width, area.height - height, Math.max(1, area.width / value.length - 1), height)
    })
  }, [value])
  return html`<canvas ref=${canvas} aria-hidden="true"></canvas>`
}

/** A number that goes up, as it was at most a while ago. */
function useRough(number) {
  const [rough, setRough] = useState(number)
  const newest = useRef(number)
  newest.current = number
  useEffect(() => {
    const timer = setInterval(() => setRough(newest.current), COUNTED_MS)
    return () => clearInterval(timer)
  }, [])
  return rough && Math.floor(rough / 50)
}

async function counts(session, { opened, changed }) {
  if (!opened) return []
  const seconds = Math.max(1, (Date.parse(changed) - Date.parse(opened)) / 1000)
  const width = WIDTHS.find((each) => seconds / each <= 200) ?? WIDTHS.at(-1)
  if (seconds / width < FEWEST) return [] // a few blocks say nothing
  const buckets = new Array(Math.min(1000, Math.ceil(seconds / width) + 1)).fill(0)
  const first = Math.floor(Date.parse(opened) / 1000 / width) * width
  const query = { 'where.width': width, limit: 1000 }
  for (let after; ; ) {
    const page = await session.client.read(`/v1/views/activity/${encodeURIComponent(session.id)}`, { ...query, after })
    for (const row of page.rows) {
      const index = Math.floor((row.start - first) / width)
      if (index >= 0 && index < buckets.length) buckets[index] += row.events
    }
    if ((after = page.next) === undefined) return buckets
  }
}
