/**
 * What each participant did when: lanes on a canvas. The wheel zooms at the pointer, dragging pans, a double click fits,
 * a click selects. From afar, and in a session of very many spans, a part of them is drawn.
 */

import { HEAD_PX, LANE_PX, NAME_PX, paint, spanAt } from './drawing.js'
import { extentOf, momentOf, nameOf, useSpans } from './spans.js'
import { Failure, html, useEffect, useMemo, useRef, useState } from './ui.js'

const MIN_MS = 200

export function Timeline({ session, version, selected, select, at }) {
  const [view, setView] = useState(null) // null: everything, and it grows
  const { spans, sampled, begin, loaded, error } = useSpans(session, view)
  const until = useMemo(() => momentOf(spans, version), [spans, version])
  const box = useRef(null)
  const canvas = useRef(null)
  const [hover, setHover] = useState(null)
  const [width, setWidth] = useState(0)
  const known = useRef([]) // a lane keeps its place, whatever is looked at
  const lanes = useMemo(() => (known.current = [...new Set([...known.current, ...spans.map((each) => each.actor)])]), [spans])
  const rowOf = useMemo(() => new Map(lanes.map((lane, row) => [lane, row])), [lanes])
  const whole = () => extentOf(spans, begin, session.client.end)
  const seen = view ?? whole()
  const painted = useRef({})
  painted.current = { spans, lanes, rowOf, seen, until, selected, width }

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
      asked = requestAnimationFrame(() => paint(canvas.current, { ...painted.current, seen: view ?? whole() }))
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
    ${error && html`<${Failure} error=${error} />`}
    <canvas ref=${canvas} tabindex="0" role="img" aria-label=${`Timeline of ${lanes.length} participants, ${spans.length} spans${sampled ? ' of more' : ''}; + and - zoom, 0 fits`}
      style=${{ height: `${height}px` }} onPointerDown=${pan} onDblClick=${() => setView(null)} onKeyDown=${onKey}
      onPointerMove=${(event) => setHover(spanAt(painted.current, event.offsetX, event.offsetY))} onPointerLeave=${() => setHover(null)}></canvas>
    <p class="hover" aria-live="off">${hover ? `${hover.actor} · ${hover.lane} · ${hover.name}${hover.detail ? ` · ${hover.detail.slice(0, 100)}` : ''}${hover.outcome ? ` · ${hover.outcome}` : ''} · event ${hover.since}` : sampled ? `Here are ${spans.length.toLocaleString()} spans of more: zoom in to see them all.` : spans.length ? '' : loaded ? 'Nothing has happened yet.' : 'Reading …'}</p>
  </div>`
}
