/** How a timeline is drawn on a canvas: lanes, spans, marks, the moment, what led to what. */

import { nameOf } from './spans.js'
import { clock, markOf } from './ui.js'

export const LANE_PX = 30
export const HEAD_PX = 20
export const NAME_PX = 110
const BAND = { presence: [0, 30], task: [6, 12], message: [19, 6], tool: [19, 6], approval: [4, 22], signal: [4, 22] }
const MARKS = new Set(['signal', 'approval'])
const STEPS_MS = [100, 200, 500, 1000, 2000, 5000, 15_000, 60_000, 300_000, 900_000, 3_600_000, 14_400_000, 86_400_000]
const LABEL_PX = 90
const KINDS = ['ink', 'paper', 'quiet', 'line', 'working', 'tool', 'person', 'stalled', 'failed', 'done']

/** Where a span is. */
function place({ rowOf, seen, width }, span) {
  const [top, height] = BAND[span.lane] ?? [0, 10]
  const scale = (width - NAME_PX) / (seen[1] - seen[0])
  const left = NAME_PX + (span.from - seen[0]) * scale
  const right = NAME_PX + ((span.to ?? Date.now()) - seen[0]) * scale
  return { left, right: Math.max(left + 2, right), top: HEAD_PX + (rowOf.get(span.actor) ?? 0) * LANE_PX + top, height }
}

/** The span at a point; of several the newest. */
export function spanAt(drawn, x, y) {
  for (let index = drawn.spans.length - 1; index >= 0; index--) {
    const span = drawn.spans[index]
    if (span.lane === 'presence') continue
    const { left, right, top, height } = place(drawn, span)
    if (x >= left - 4 && x <= (MARKS.has(span.lane) ? left + 8 : right + 2) && y >= top - 2 && y <= top + height + 2) return span
  }
  return null
}

export function paint(canvas, drawn) {
  if (!canvas || !drawn.width) return
  const scale = devicePixelRatio || 1
  const { clientWidth, clientHeight } = canvas
  if (canvas.width !== Math.round(clientWidth * scale) || canvas.height !== Math.round(clientHeight * scale)) {
    canvas.width = Math.round(clientWidth * scale)
    canvas.height = Math.round(clientHeight * scale)
  }
  const pen = canvas.getContext('2d')
  const style = getComputedStyle(canvas)
  const colours = Object.fromEntries(KINDS.map((kind) => [kind, style.getPropertyValue(`--${kind}`)]))
  pen.setTransform(scale, 0, 0, scale, 0, 0)
  pen.clearRect(0, 0, clientWidth, clientHeight)
  pen.font = `11px ${style.fontFamily}`
  pen.textBaseline = 'middle'
  paintScale(pen, drawn, clientHeight, colours)
  pen.save()
  pen.beginPath()
  pen.rect(NAME_PX, 0, clientWidth - NAME_PX, clientHeight)
  pen.clip()
  for (const span of drawn.spans) paintSpan(pen, drawn, span, clientWidth, colours)
  if (drawn.selected) paintLinks(pen, drawn, colours)
  if (drawn.until !== null) paintMoment(pen, drawn, clientWidth, clientHeight, colours)
  pen.restore()
  drawn.lanes.forEach((lane, index) => {
    pen.fillStyle = drawn.selected === `agent:${lane}` ? colours.working : colours.ink
    pen.fillText(lane.length > 16 ? `${lane.slice(0, 15)}…` : lane, 0, HEAD_PX + index * LANE_PX + LANE_PX / 2, NAME_PX - 8)
  })
}

function paintMoment(pen, drawn, width, height, colours) {
  const x = NAME_PX + ((drawn.until - drawn.seen[0]) / (drawn.seen[1] - drawn.seen[0])) * (drawn.width - NAME_PX)
  pen.fillStyle = colours.paper
  pen.globalAlpha = 0.6
  pen.fillRect(x, 0, width - x, height)
  pen.globalAlpha = 1
  pen.fillStyle = colours.ink
  pen.fillRect(x, 0, 1, height)
}

/** As much of a text as there is room for. */
function cut(pen, text, room) {
  const width = pen.measureText(text).width
  if (width <= room) return text
  const most = Math.floor((text.length * room) / width) - 1
  return most > 2 ? `${text.slice(0, most)}…` : ''
}

function paintScale(pen, { seen, width, lanes }, height, colours) {
  const room = (width - NAME_PX) / LABEL_PX
  const length = seen[1] - seen[0]
  const step = STEPS_MS.find((each) => length / each <= room) ?? 86_400_000 * Math.ceil(length / 86_400_000 / room)
  pen.fillStyle = colours.line
  for (let lane = 0; lane <= lanes.length; lane++) pen.fillRect(0, HEAD_PX + lane * LANE_PX, width, 1)
  for (let time = Math.ceil(seen[0] / step) * step; time < seen[1]; time += step) {
    const x = NAME_PX + ((time - seen[0]) / length) * (width - NAME_PX)
    pen.fillStyle = colours.line
    pen.fillRect(x, HEAD_PX, 1, height)
    pen.fillStyle = colours.quiet
    if (x + 58 < width) pen.fillText(labelOf(time, step), x + 3, HEAD_PX / 2)
  }
}

function labelOf(time, step) {
  const told = new Date(time)
  if (step >= 86_400_000) return told.toLocaleDateString()
  return step < 1000 ? `${clock(told)}.${String(told.getMilliseconds() / 100)}` : clock(told)
}

function paintSpan(pen, drawn, span, width, colours) {
  const { left, right, top, height } = place(drawn, span)
  if (right < NAME_PX || left > width) return
  const going = span.lane === 'presence' ? span.label : 'working'
  const [kind] = markOf(span.outcome ?? (span.to === null || span.lane === 'presence' ? going : 'completed'))
  pen.fillStyle = colours[kind]
  pen.globalAlpha = span.lane === 'presence' ? (kind === 'quiet' ? 0.06 : 0.14) : span.lane === 'task' ? 0.85 : 1
  if (MARKS.has(span.lane)) {
    const [x, y] = [left + 4, top + height / 2]
    pen.fillStyle = colours[span.outcome ? kind : 'person']
    pen.beginPath()
    pen.moveTo(x, y - 5)
    pen.lineTo(x + 5, y)
    pen.lineTo(x, y + 5)
    pen.lineTo(x - 5, y)
    pen.fill()
  } else {
    pen.fillRect(left, top, right - left, height)
    if (span.lane === 'task' && right - left > 50) {
      const start = Math.max(left, NAME_PX)
      pen.fillStyle = colours.paper
      pen.globalAlpha = 1
      pen.fillText(cut(pen, span.name, Math.min(right, width) - start - 8), start + 4, top + height / 2 + 0.5)
    }
  }
  pen.globalAlpha = 1
  if (isChosen(drawn, span)) {
    pen.strokeStyle = colours.ink
    pen.strokeRect(left - 1.5, top - 1.5, Math.max(6, right - left) + 3, height + 3)
  }
}

function isChosen({ selected }, span) {
  return Boolean(selected) && span.lane !== 'presence' && (selected === nameOf(span) || selected === `task:${span.task}`)
}

/** From each part of what is selected to the next: a task from hand to hand, and what was said and done under it. */
function paintLinks(pen, drawn, colours) {
  const chosen = drawn.spans.filter((span) => isChosen(drawn, span))
  pen.strokeStyle = colours.ink
  pen.globalAlpha = 0.5
  pen.beginPath()
  for (let index = 1; index < chosen.length && index < 200; index++) {
    const [a, b] = [place(drawn, chosen[index - 1]), place(drawn, chosen[index])]
    if (a.top === b.top) continue
    const x = Math.min(a.right, b.left)
    pen.moveTo(x, a.top + a.height / 2)
    pen.bezierCurveTo(x + 12, a.top, b.left - 12, b.top, b.left, b.top + b.height / 2)
  }
  pen.stroke()
  pen.globalAlpha = 1
}
