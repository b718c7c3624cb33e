/**
 * What each participant did when: lanes on a canvas. The wheel zooms at the pointer, dragging pans, a double click fits,
 * a click selects. The newest 1,000 spans are drawn, and those of a stretch that is looked at beyond them.
 */

import { Failure, html, markOf, useEffect, useMemo, useRef, useState, useStore } from './ui.js'

const LANE_PX = 30
const HEAD_PX = 20
const NAME_PX = 110
const MIN_MS = 200
const BAND = { presence: [0, 30], task: [6, 12], message: [19, 6], tool: [19, 6], approval: [4, 22], signal: [4, 22] }

export function Timeline({ session, version, selected, select, at }) {
  const rows = useStore(session.view('timeline'))
  const tasks = useStore(session.tasks)
  const titles = useMemo(() => new Map(tasks.map((each) => [each.id, each.title])), [tasks])
  const spans = useMemo(() => spansOf(rows ?? {}, titles), [rows, titles])
  const until = useMemo(() => momentOf(spans, version), [spans, version])
  const box = useRef(null)
  const canvas = useRef(null)
  const [view, setView] = useState(null) // null: everything, and it grows
  const [hover, setHover] = useState(null)
  const [width, setWidth] = useState(0)
  const lanes = useMemo(() => [...new Set(spans.map((each) => each.actor))], [spans])
  const whole = extentOf(spans)
  const seen = view ?? whole
  const painted = useRef({})
  painted.current = { spans, lanes, seen, until, selected, width }

  useEffect(() => {
    const watching = new ResizeObserver(([entry]) => setWidth(entry.contentRect.width))
    watching.observe(box.current)
    return () => watching.disconnect()
  }, [])
  useEffect(() => {
    let asked = requestAnimationFrame(() => paint(canvas.current, painted.current))
    // What goes on grows with the time.
    const timer = setInterval(() => {
      cancelAnimationFrame(asked)
      asked = requestAnimationFrame(() => paint(canvas.current, { ...painted.current, seen: view ?? extentOf(spans) }))
    }, 1000)
    return () => {
      cancelAnimationFrame(asked)
      clearInterval(timer)
    }
  }, [spans, seen[0], seen[1], until, selected, width, view])

  const timeAt = (x) => seen[0] + ((x - NAME_PX) / Math.max(1, width - NAME_PX)) * (seen[1] - seen[0])
  const zoom = (event) => {
    event.preventDefault()
    const middle = timeAt(event.offsetX)
    const factor = Math.exp(Math.max(-1, Math.min(1, event.deltaY / 300)))
    const [from, to] = seen
    if ((to - from) * factor < MIN_MS) return
    setView([middle - (middle - from) * factor, middle + (to - middle) * factor])
  }
  const pan = (event) => {
    const from = event.clientX
    const [began, ended] = seen
    let moved = false
    const move = ({ clientX }) => {
      const by = ((clientX - from) / Math.max(1, width - NAME_PX)) * (ended - began)
      if (!moved && Math.abs(clientX - from) < 4) return
      moved = true
      setView([began - by, ended - by])
    }
    const up = (last) => {
      canvas.current.removeEventListener('pointermove', move)
      if (!moved && last.type === 'pointerup') click(event)
    }
    canvas.current.setPointerCapture(event.pointerId)
    canvas.current.addEventListener('pointermove', move)
    canvas.current.addEventListener('pointerup', up, { once: true })
    canvas.current.addEventListener('pointercancel', up, { once: true })
  }
  const click = (event) => {
    const found = spanAt(painted.current, event.offsetX, event.offsetY)
    if (found) {
      select(nameOf(found))
      if (event.shiftKey) at(found.since)
    }
  }
  const onKey = (event) => {
    const [from, to] = seen
    const step = { '+': 0.5, '-': 2 }[event.key]
    if (event.key === '0') setView(null)
    else if (step) setView([to - (to - from) * step, to])
    else return
    event.stopPropagation()
  }
  useEffect(() => {
    const area = canvas.current
    area.addEventListener('wheel', zoom, { passive: false })
    return () => area.removeEventListener('wheel', zoom)
  })
  const height = HEAD_PX + LANE_PX * Math.max(1, lanes.length)
  return html`<div class="timeline" ref=${box}>
    ${session.view('timeline').error && html`<${Failure} error=${session.view('timeline').error} />`}
    <canvas ref=${canvas} tabindex="0" role="img" aria-label=${`Timeline of ${lanes.length} participants, ${spans.length} spans; + and - zoom, 0 fits`}
      style=${{ height: `${height}px` }} onPointerDown=${pan} onDblClick=${() => setView(null)} onKeyDown=${onKey}
      onPointerMove=${(event) => setHover(spanAt(painted.current, event.offsetX, event.offsetY))} onPointerLeave=${() => setHover(null)}></canvas>
    <p class="hover" aria-live="off">${hover ? `${hover.actor} · ${hover.lane} · ${hover.name}${hover.detail ? ` · ${hover.detail.slice(0, 100)}` : ''}${hover.outcome ? ` · ${hover.outcome}` : ''} · event ${hover.since}` : spans.length ? '' : 'Nothing has happened yet.'}</p>
  </div>`
}

/** Rows as spans, in order; a span of presence ends where the next one of the same participant begins. */
export function spansOf(rows, titles) {
  const spans = Object.values(rows).map((row) => ({ ...row, from: Date.parse(row.began), to: row.ended ? Date.parse(row.ended) : null, name: titles.get(row.task) ?? row.label }))
  spans.sort((a, b) => a.since - b.since)
  const latest = new Map()
  const found = []
  for (const span of spans) {
    if (span.lane === 'presence') {
      const before = latest.get(span.actor)
      if (before) Object.assign(before, { to: span.from, until: span.since })
      latest.delete(span.actor)
      if (span.label === 'left' || span.label === 'lost') continue
      latest.set(span.actor, span)
    }
    found.push(span)
  }
  return found
}

function extentOf(spans) {
  if (!spans.length) return [Date.now() - 10_000, Date.now()]
  let last = -Infinity
  let open = false
  for (const each of spans) {
    last = Math.max(last, each.to ?? each.from)
    open ||= each.to === null
  }
  // A session that is over is shown as it was; one that goes on, up to now, unless nothing has come for a long time.
  const end = open && Date.now() - last < 600_000 ? Date.now() : last
  const length = Math.max(1000, end - spans[0].from)
  return [spans[0].from, spans[0].from + length * 1.02]
}

/** The time of a version, as far as the spans tell it. */
function momentOf(spans, version) {
  if (version === null) return null
  let time = null
  for (const each of spans) {
    if (each.since <= version) time = Math.max(time ?? 0, each.from)
    if (each.until && each.until <= version && each.to) time = Math.max(time ?? 0, each.to)
  }
  return time
}

const nameOf = ({ lane, span, task, actor }) => (lane === 'task' ? `task:${task ?? span.split(':')[1]}` : ['message', 'tool', 'approval'].includes(lane) ? span : `agent:${actor}`)

function place({ lanes, seen, width }, span) {
  const [top, height] = BAND[span.lane] ?? [0, 10]
  const scale = (width - NAME_PX) / (seen[1] - seen[0])
  const left = NAME_PX + (span.from - seen[0]) * scale
  const right = NAME_PX + ((span.to ?? Date.now()) - seen[0]) * scale
  return { left, right: Math.max(left + 2, right), top: HEAD_PX + lanes.indexOf(span.actor) * LANE_PX + top, height }
}

function spanAt(drawn, x, y) {
  for (let index = drawn.spans.length - 1; index >= 0; index--) {
    const span = drawn.spans[index]
    const { left, right, top, height } = place(drawn, span)
    const mark = span.lane === 'signal' || span.lane === 'approval'
    if (span.lane !== 'presence' && x >= left - 4 && x <= (mark ? left + 8 : right + 2) && y >= top - 2 && y <= top + height + 2) return span
  }
  return null
}

function paint(canvas, drawn) {
  if (!canvas || !drawn.width) return
  const scale = devicePixelRatio || 1
  const { clientWidth, clientHeight } = canvas
  if (canvas.width !== clientWidth * scale || canvas.height !== clientHeight * scale) {
    canvas.width = clientWidth * scale
    canvas.height = clientHeight * scale
  }
  const pen = canvas.getContext('2d')
  const style = getComputedStyle(canvas)
  const colour = (name) => style.getPropertyValue(`--${name}`)
  pen.setTransform(scale, 0, 0, scale, 0, 0)
  pen.clearRect(0, 0, clientWidth, clientHeight)
  pen.font = `11px ${style.fontFamily}`
  pen.textBaseline = 'middle'
  paintScale(pen, drawn, clientHeight, colour)
  pen.save()
  pen.beginPath()
  pen.rect(NAME_PX, 0, clientWidth - NAME_PX, clientHeight)
  pen.clip()
  for (const span of drawn.spans) paintSpan(pen, drawn, span, clientWidth, colour)
  if (drawn.until !== null) {
    const x = place(drawn, { from: drawn.until, to: drawn.until, lane: 'task', actor: drawn.lanes[0] }).left
    pen.fillStyle = colour('paper')
    pen.globalAlpha = 0.6
    pen.fillRect(x, 0, clientWidth - x, clientHeight)
    pen.globalAlpha = 1
    pen.fillStyle = colour('ink')
    pen.fillRect(x, 0, 1, clientHeight)
  }
  pen.restore()
  drawn.lanes.forEach((lane, index) => {
    pen.fillStyle = drawn.selected === `agent:${lane}` ? colour('working') : colour('ink')
    pen.fillText(lane.length > 16 ? `${lane.slice(0, 15)}…` : lane, 0, HEAD_PX + index * LANE_PX + LANE_PX / 2, NAME_PX - 8)
  })
}

/** As much of a text as there is room for. */
function cut(pen, text, room) {
  if (pen.measureText(text).width <= room) return text
  const most = Math.floor((text.length * room) / pen.measureText(text).width) - 1
  return most > 2 ? `${text.slice(0, most)}…` : ''
}

function paintScale(pen, { seen, width, lanes }, height, colour) {
  const steps = [100, 500, 1000, 5000, 15_000, 60_000, 300_000, 900_000, 3_600_000, 14_400_000, 86_400_000]
  const room = (width - NAME_PX) / 90
  const step = steps.find((each) => (seen[1] - seen[0]) / each <= room) ?? 86_400_000 * Math.ceil((seen[1] - seen[0]) / 86_400_000 / room)
  pen.strokeStyle = pen.fillStyle = colour('line')
  for (let lane = 0; lane <= lanes.length; lane++) pen.fillRect(0, HEAD_PX + lane * LANE_PX, width, 1)
  for (let time = Math.ceil(seen[0] / step) * step; time < seen[1]; time += step) {
    const x = NAME_PX + ((time - seen[0]) / (seen[1] - seen[0])) * (width - NAME_PX)
    pen.fillStyle = colour('line')
    pen.fillRect(x, HEAD_PX, 1, height)
    pen.fillStyle = colour('quiet')
    const told = new Date(time)
    pen.fillText(step >= 86_400_000 ? told.toLocaleDateString() : told.toLocaleTimeString([], { hour12: false }), x + 3, HEAD_PX / 2)
  }
}

function paintSpan(pen, drawn, span, width, colour) {
  const { left, right, top, height } = place(drawn, span)
  if (right < NAME_PX || left > width) return
  const status = span.outcome ?? (span.to === null || span.lane === 'presence' ? span.lane === 'presence' ? span.label : 'working' : 'completed')
  const [kind] = markOf(status)
  const chosen = drawn.selected === nameOf(span) || (span.task && drawn.selected === `task:${span.task}`)
  pen.fillStyle = colour(kind)
  pen.globalAlpha = span.lane === 'presence' ? (kind === 'quiet' ? 0.06 : 0.14) : span.lane === 'task' ? 0.85 : 1
  if (span.lane === 'signal' || span.lane === 'approval') {
    const [x, y] = [left + 4, top + height / 2]
    pen.fillStyle = colour(span.outcome ? markOf(span.outcome)[0] : 'person')
    pen.beginPath()
    pen.moveTo(x, y - 5)
    pen.lineTo(x + 5, y)
    pen.lineTo(x, y + 5)
    pen.lineTo(x - 5, y)
    pen.fill()
  } else {
    pen.fillRect(left, top, right - left, height)
    if (span.lane === 'task' && right - left > 50) {
      pen.fillStyle = colour('paper')
      pen.globalAlpha = 1
      pen.fillText(cut(pen, span.name, right - left - 8), left + 4, top + height / 2)
    }
  }
  pen.globalAlpha = 1
  if (chosen) {
    pen.strokeStyle = colour('ink')
    pen.strokeRect(left - 1.5, top - 1.5, Math.max(6, right - left) + 3, height + 3)
  }
}
