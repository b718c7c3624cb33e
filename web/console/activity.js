/** How much happened in each session of the list lately: one reading of the view `activity` for all of them. */

import { html, useEffect, useRef, useState } from './ui.js'

const WIDTH = 120
const BARS = 30
const EVERY_MS = 10_000
const PAGE = 1000
const MAX_PAGES = 5
const HIGH = 16

/**
 * Counts by session and interval, read when a session of the list has changed (`changed`: the newest such time). Without
 * them (no views, an older gateway, a fault) there is nothing to draw, and the list goes on.
 */
export function useActivity(client, changed) {
  const [found, setFound] = useState(NOTHING)
  const known = useRef(NOTHING)
  const asked = useRef(0)
  useEffect(() => {
    if (!changed) return
    const wait = Math.max(0, asked.current + EVERY_MS - Date.now())
    const timer = setTimeout(async () => {
      asked.current = Date.now()
      try {
        setFound((known.current = await read(client, known.current)))
      } catch {
        setFound(NOTHING)
      }
    }, wait)
    return () => clearTimeout(timer)
  }, [client, changed])
  return found
}

/** `from`: where what is known begins, in seconds since 1970. */
const NOTHING = { sessions: new Map(), from: Infinity, newest: -Infinity }

const first = () => (Math.floor(Date.now() / 1000 / WIDTH) - BARS + 1) * WIDTH

/** The newest intervals first, until the hour is there, or what was known before begins. */
async function read(client, before) {
  const wanted = Math.max(first(), before.newest)
  const rows = []
  let complete = false
  let after
  for (let page = 0; page < MAX_PAGES && !complete; page++) {
    const query = { 'where.width': WIDTH, order: '-start', limit: PAGE, after }
    const answer = await client.read('/v1/views/activity', query)
    rows.push(...answer.rows)
    after = answer.next
    complete = after === undefined || rows.at(-1).start < wanted
  }
  // In what could not be read to its end, the oldest interval may be there in part.
  const from = complete ? wanted : rows.at(-1).start + WIDTH
  const sessions = new Map()
  const add = (session, start, events) => {
    const counts = sessions.get(session) ?? new Map()
    sessions.set(session, counts.set(start, (counts.get(start) ?? 0) + events))
  }
  for (const { session, start, events } of rows) if (start >= from) add(session, start, events)
  const kept = complete && before.newest >= from
  if (kept) for (const [session, counts] of before.sessions) for (const [start, events] of counts) if (start < from && start >= first()) add(session, start, events)
  return { sessions, from: kept ? Math.max(before.from, first()) : from, newest: rows[0]?.start ?? before.newest }
}

/** What to draw of each session at `now`: its bars, the oldest first, and the most that any has. */
export function barsOf({ sessions, from }, now) {
  const last = Math.floor(now / 1000 / WIDTH)
  const drawn = new Map()
  let most = 1
  for (const [session, counts] of sessions) {
    const bars = new Array(BARS).fill(0)
    for (const [start, events] of counts) {
      const index = Math.min(BARS - 1, start / WIDTH - last + BARS - 1) // another clock may be ahead
      if (index >= 0) bars[index] += events
    }
    most = Math.max(most, ...bars)
    if (bars.some(Boolean)) drawn.set(session, bars)
  }
  const minutes = (Math.min(BARS, Math.max(1, Math.ceil((now / 1000 - from) / WIDTH))) * WIDTH) / 60
  return { drawn, most, minutes }
}

/** Bars on one scale for the whole list; by their roots, so that little is still seen beside much. */
export function Sparkline({ bars, most, minutes }) {
  if (!bars) return html`<span class="spark"></span>`
  const events = bars.reduce((sum, each) => sum + each)
  const said = `${events} ${events === 1 ? 'event' : 'events'} in the last ${minutes === 60 ? 'hour' : `${minutes} minutes`}`
  const path = bars.map((count, index) => {
    const height = count && Math.max(1.5, Math.sqrt(count / most) * HIGH)
    return count ? `M${index * 3} ${HIGH}v${-height.toFixed(1)}h2.4V${HIGH}z` : ''
  })
  return html`<svg class="spark" role="img" aria-label=${said} viewBox=${`0 0 ${BARS * 3 - 1} ${HIGH}`} preserveAspectRatio="none"><title>${said}</title><path d=${path.join('')} /></svg>`
}
