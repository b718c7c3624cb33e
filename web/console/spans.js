/**
 * Spans of a session's timeline, as many as can be drawn: the newest 1,000 come live; of what is older, the gateway
 * gives a part of the window that is looked at, and keeps the rest.
 */

import { useEffect, useMemo, useNowAndThen, useRef, useState, useStore } from './ui.js'

const FOLLOWED = 1000
const WANTED = 1500
const ASK_AFTER_MS = 120
const MARGIN = 0.25
const GAP = 0.02
const REDRAWN_MS = 100

/** The spans to draw of what is looked at, `[from, to]` (null: of everything). `sampled`: there are more of them. */
export function useSpans(session, view) {
  const rows = useNowAndThen(session.view('timeline'), REDRAWN_MS)
  const tasks = useStore(session.tasks)
  const titles = useMemo(() => new Map(tasks.map((each) => [each.id, each.title])), [tasks])
  const newest = useMemo(() => Object.values(rows ?? {}), [rows])
  const older = useOlder(session, newest, view)
  const spans = useMemo(() => {
    const known = new Map(older.rows.map((row) => [row.span, row]))
    for (const row of newest) known.set(row.span, row)
    return spansOf([...known.values()], titles)
  }, [newest, older, titles])
  return { spans, sampled: older.sampled, begin: older.begin, loaded: session.view('timeline').loaded, error: session.view('timeline').error ?? older.error }
}

const NOTHING = { rows: [], sampled: false, begin: null }

/** What the gateway gives of the window that is older than what is followed. */
function useOlder(session, newest, view) {
  const overview = useStore(session.overview)
  const [found, setFound] = useState(NOTHING)
  const asked = useRef([0, 0])
  const began = Date.parse(overview.opened)
  const complete = newest.length < FOLLOWED || session.client.recorded || !began
  const oldest = complete ? 0 : oldestOf(newest)
  const from = Math.max(began, view ? view[0] : began)
  const to = Math.min(oldest, view ? view[1] : oldest)
  const wanted = !complete && to - from > 1
  useEffect(() => {
    if (!wanted) return
    const [a, b] = asked.current
    // What is here is good enough while it is about as fine, and little of what is looked at is missing.
    if (a <= from && to - b <= GAP * (to - from) && (b - a) / (to - from) < 1 + 4 * MARGIN) return
    let gone = false
    const timer = setTimeout(async () => {
      const room = (to - from) * MARGIN
      const window = [Math.max(began, from - room), Math.min(oldest, to + room)]
      const query = { from: new Date(window[0]).toISOString(), to: new Date(Math.ceil(window[1])).toISOString(), spans: WANTED }
      try {
        const { rows, sampled } = await session.client.read(`/v1/views/timeline/${encodeURIComponent(session.id)}/window`, query)
        if (gone) return
        asked.current = window
        setFound((before) => ({ rows: [...reaching(before.rows, window), ...rows], sampled, begin: began }))
      } catch (error) {
        if (!gone) setFound((before) => ({ ...before, error }))
      }
    }, ASK_AFTER_MS)
    return () => {
      gone = true
      clearTimeout(timer)
    }
  }, [session, wanted, from, wanted && Math.round(to / 1000)])
  return complete ? NOTHING : found
}

/** Long spans that are known from afar: the gateway looks for those that began before a window among the newest alone. */
function reaching(rows, [from, to]) {
  const found = rows.filter((row) => row.lane !== 'presence' && Date.parse(row.began) < from && (!row.ended || Date.parse(row.ended) > to))
  return found.slice(-100)
}

function oldestOf(rows) {
  let oldest = rows[0]
  for (const row of rows) if (row.since < oldest.since) oldest = row
  return Date.parse(oldest.began)
}

/** Rows as spans, in order; a span of presence ends where the next one of the same participant begins. */
export function spansOf(rows, titles) {
  const spans = rows.map((row) => ({ ...row, from: Date.parse(row.began), to: row.ended ? Date.parse(row.ended) : null, name: titles.get(row.task) ?? row.label }))
  spans.sort((a, b) => a.since - b.since)
  const latest = new Map()
  const found = []
  for (const span of spans) {
    if (span.lane === 'presence') {
      const before = latest.get(span.actor)
      if (before && before.to === null) Object.assign(before, { to: span.from, until: span.since })
      latest.delete(span.actor)
      if (span.label === 'left' || span.label === 'lost') continue
      latest.set(span.actor, span)
    }
    found.push(span)
  }
  return found
}

export function extentOf(spans, begin, end) {
  if (!spans.length) return [Date.now() - 10_000, Date.now()]
  let last = -Infinity
  let open = false
  for (const each of spans) {
    last = Math.max(last, each.to ?? each.from)
    open ||= each.to === null
  }
  // A session that is over is shown as it was; one that goes on, up to now, unless nothing has come for a long time.
  const until = end ?? (open && Date.now() - last < 600_000 ? Date.now() : last)
  const from = begin ?? spans[0].from
  const length = Math.max(1000, until - from)
  return [from, from + length * 1.02]
}

/** The time of a version, as far as the spans tell it. */
export function momentOf(spans, version) {
  if (version === null) return null
  let time = null
  for (const each of spans) {
    if (each.since <= version) time = Math.max(time ?? 0, each.from)
    if (each.until && each.until <= version && each.to) time = Math.max(time ?? 0, each.to)
  }
  return time
}

/** What a span is to signals, links and the address: `task:hotel`, `agent:hotels`, `message:m1`. */
export const nameOf = ({ lane, span, task, actor }) => (lane === 'task' ? `task:${task ?? span.split(':')[1]}` : ['message', 'tool', 'approval'].includes(lane) ? span : `agent:${actor}`)
