/**
 * A session in a file, read as if a gateway answered: what the screens ask `client.read` and `client.follow` for. What
 * the views held after each event was folded when the file was made; here it is only looked up.
 */

import { Session, Store, StenogramError, applyPatch } from './client/index.js'

const KEYS = { tasks: 'task', transcript: 'entry', timeline: 'span' }
const DELTA = 'message.delta'
const STREAMED = new Set([DELTA, 'tool.output'])

export class RecordedClient {
  /** @param recording What is in the file: `session`, `exported`, `reader`, `events`, `documents`, `rows`. */
  constructor(recording) {
    this.recording = recording
    this.welcome = { read_only: true }
    this.recorded = true
    this.state = new Store('connected')
    this.#documents = new Map(Object.entries(recording.documents).map(([view, changes]) => [view, new Documents(changes)]))
    this.#session = new Session(this, recording.session)
    this.#byId = new Map(recording.events.map((each) => [each.id, each]))
  }

  #documents
  #session
  #byId

  /** The one session that there is. */
  session() {
    return this.#session
  }

  /** The time at which the recording ends. */
  get end() {
    return Date.parse(this.recording.events.at(-1)?.time)
  }

  /** What a gateway would answer. */
  async read(path, query = {}) {
    const [, , kind, name, third, id, way] = path.split('/').map(decodeURIComponent)
    if (kind === 'views' && id === 'difference') return { patch: this.#difference(name, Number(query.from), Number(query.to)) }
    if (kind === 'views') return this.#view(name, query)
    if (kind === 'sessions' && third === undefined) return this.#page(query.at)
    if (way) return this.#chain(id, way)
    return this.#events(query)
  }

  /** What is followed is here at once, and does not change. */
  follow(subscription) {
    const [view] = subscription.name.split('/')
    const known = this.recording.rows[view] ? this.#rowsAt(view, Infinity) : this.#documents.get(view)?.at(Infinity)
    let gone = false
    if (view in this.recording.rows || this.#documents.has(view)) {
      queueMicrotask(() => gone || subscription.onFrame({ frame: 'view', value: known, etag: 'recorded' }))
    }
    return () => (gone = true)
  }

  #view(name, { at, ...query }) {
    const version = at === undefined ? Infinity : Number(at)
    if (name === 'activity') return { rows: this.#activity(Number(query['where.width'])) }
    if (this.#documents.has(name)) {
      const value = this.#documents.get(name).at(version)
      if (value === undefined) throw new StenogramError({ code: 'no_document', status: 404, detail: 'There was none yet.' })
      return { value }
    }
    const rows = Object.values(this.#rowsAt(name, version)).sort((a, b) => b.since - a.since)
    const from = Number(query.after ?? 0)
    const until = from + Number(query.limit ?? rows.length)
    return { rows: rows.slice(from, until), ...(until < rows.length && { next: String(until) }) }
  }

  /** What changed from one moment to another: members of a document that differ, or rows. */
  #difference(view, from, to) {
    const documents = this.#documents.get(view)
    const [before, after] = [from, to].map((version) => (documents ? documents.at(version) : this.#rowsAt(view, version)) ?? {})
    return differing(before, after, '', documents !== undefined)
  }

  #rowsAt(view, version) {
    const found = {}
    for (const [since, row] of this.recording.rows[view] ?? []) {
      if (since > version) break
      found[row[KEYS[view]]] = row
    }
    return found
  }

  #page(at) {
    const events = this.recording.events
    const version = at === undefined ? (events.at(-1)?.version ?? 0) : Number(at)
    const open = Object.values(this.#rowsAt('transcript', version)).filter((row) => row.status === 'open')
    const of = (kind) => open.filter((row) => row.entry.startsWith(`${kind}:`)).map((row) => [row.entry.slice(kind.length + 1), row])
    return {
      version,
      open_messages: of('message').map(([message, row]) => ({ message, parts: this.#streamed(row, version) })),
      open_calls: of('tool').map(([call, row]) => ({ call, output: this.#pieces(row, version).map(({ text }) => text).join('') })),
    }
  }

  /** What an open message had said by then. */
  #streamed(row, version) {
    const parts = []
    for (const { part: kind = 'text', text } of this.#pieces(row, version)) {
      if (parts.at(-1)?.kind === kind) parts.at(-1).text += text
      else parts.push({ kind, text })
    }
    return parts
  }

  /** What was streamed of an entry by then. */
  #pieces(row, version) {
    const { events } = this.recording
    const found = []
    for (let index = firstAfter(events, row.since); index < events.length && events[index].version <= version; index++) {
      const { type, data } = events[index]
      if (STREAMED.has(type) && row.entry === (type === DELTA ? `message:${data.message}` : `tool:${data.call}`)) found.push(data)
    }
    return found
  }

  #events({ after, before, last, limit = 1000, types }) {
    const wanted = types?.split(',').map((each) => each.replace(/\*$/, ''))
    const fits = ({ type }) => !wanted || wanted.some((each) => (each.endsWith('.') ? type.startsWith(each) : type === each))
    const { events } = this.recording
    const end = events.at(-1)?.version ?? 0
    if (after !== undefined) {
      const found = []
      for (let index = firstAfter(events, after); index < events.length && found.length < limit; index++) if (fits(events[index])) found.push(events[index])
      const done = found.length < limit
      return { events: found, to: done ? end : found.at(-1).version, caught_up: done }
    }
    const most = last ?? limit
    const found = []
    let index = firstAfter(events, (before ?? Infinity) - 1) - 1
    for (; index >= 0 && found.length < most; index--) if (fits(events[index])) found.push(events[index])
    found.reverse()
    return { events: found, to: found.at(-1)?.version ?? 0, caught_up: true, ...(index >= 0 && found.length && { before: found[0].version }) }
  }

  #activity(width) {
    const counts = new Map()
    for (const { type, time } of this.recording.events) {
      if (STREAMED.has(type)) continue
      const start = Math.floor(Date.parse(time) / 1000 / width) * width
      counts.set(start, (counts.get(start) ?? 0) + 1)
    }
    return [...counts].map(([start, events]) => ({ start, events }))
  }

  /** Causes name events; what a command led to is joined by the command's id, which the file does not have. */
  #chain(id, way) {
    const first = this.#byId.get(id)
    const found = []
    if (way === 'causes') {
      for (let here = this.#byId.get(first?.cause); here && found.length < 1000; here = this.#byId.get(here.cause)) found.push(here)
    } else if (first) {
      const names = new Set([id])
      for (const each of this.recording.events) {
        if (!names.has(each.cause)) continue
        found.push(each)
        names.add(each.id)
      }
    }
    return { events: found }
  }
}

/** A document after each of its changes, made when somebody looks. */
class Documents {
  #changes
  #made = []

  /** @param changes `[version, patch]`, in order. */
  constructor(changes) {
    this.#changes = changes
  }

  at(version) {
    let count = 0
    for (let low = 0, high = this.#changes.length; low < high; count = low) {
      const middle = (low + high) >> 1
      if (this.#changes[middle][0] <= version) low = middle + 1
      else high = middle
    }
    while (this.#made.length < count) this.#made.push(applyPatch(this.#made.at(-1), this.#changes[this.#made.length][1]))
    return this.#made[count - 1]
  }
}

/** Where the events after a version begin. */
function firstAfter(events, version) {
  let low = 0
  for (let high = events.length; low < high; ) {
    const middle = (low + high) >> 1
    if (events[middle].version <= version) low = middle + 1
    else high = middle
  }
  return low
}

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value)

/** A patch that makes one object of another; `deep`: as far down as both are objects. */
function differing(before, after, path, deep) {
  const at = (name) => `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
  const gone = Object.keys(before).filter((name) => !Object.hasOwn(after, name))
  return gone.map((name) => ({ op: 'remove', path: at(name) })).concat(Object.entries(after).flatMap(([name, value]) => {
    if (!Object.hasOwn(before, name)) return [{ op: 'add', path: at(name), value }]
    if (deep && isObject(before[name]) && isObject(value)) return differing(before[name], value, at(name), deep)
    return JSON.stringify(before[name]) === JSON.stringify(value) ? [] : [{ op: 'replace', path: at(name), value }]
  }))
}
