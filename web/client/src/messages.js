/** What is said and done in a session: the rows of the view `transcript`, and what open messages have said so far. */

import { StenogramError } from './errors.js'
import { Store } from './store.js'
import { Document } from './subscriptions.js'

/** @typedef {Record<string, any>} Json */

/**
 * @typedef {object} Message A message, a tool's call (`kind: 'tool'`) or a question to people (`kind: 'approval'`).
 * @property {string} id
 * @property {'message' | 'progress' | 'tool' | 'approval'} kind
 * @property {string} author
 * @property {'open' | 'completed' | 'aborted' | 'returned' | 'failed' | 'abandoned' | 'answered' | 'expired' | 'withdrawn'} status
 * @property {string} text What is said, so far.
 * @property {string} reasoning What was thought on the way.
 * @property {Json[]} parts All parts: text, reasoning, data, citations.
 * @property {number} since The version in which it began.
 * @property {string} began
 * @property {string | null} [ended]
 * @property {string | null} [task]
 * @property {string | null} [reply_to]
 * @property {string | null} [tool]
 * @property {any} [arguments]
 * @property {string | null} [output] What a tool has put out, so far.
 * @property {any} [result]
 * @property {string | null} [error]
 * @property {string | null} [question]
 * @property {string[]} [options]
 * @property {string | null} [answer]
 * @property {string[] | null} [audience]
 */

const STREAM = ['message.delta', 'message.completed', 'message.aborted', 'tool.output']
const PAGE = 1000
const MAX_HELD = 10_000
const AGAIN_MS = 1000

/** @extends {Store<Message[]>} */
export class Messages extends Store {
  /** @type {Map<string, Json>} By entry (`message:m1`): rows as the view has them. */
  #rows = new Map()
  /** @type {Map<string, Json[] | string>} By entry: of a message the parts that were streamed, of a call its output. */
  #streamed = new Map()
  /** @type {Map<string, number>} Where in the list an entry is. */
  #places = new Map()
  /** @type {Json | undefined} What the view gave last. */
  #seen
  /** @type {string | undefined} Where the page before the oldest begins. */
  #next

  /** @param {import('./session.js').Session} session */
  constructor(session) {
    super([], () => this.#follow())
    this.#session = session
    /** Whether there are older ones than those that are here. */
    this.hasOlder = false
  }

  #session

  /** Fetch up to 1,000 older ones. */
  async loadOlder() {
    const path = `/v1/views/transcript/${encodeURIComponent(this.#session.id)}`
    let found = 0
    do {
      const page = await this.#session.client.read(path, { order: '-since', limit: PAGE, after: this.#next })
      for (const row of page.rows) {
        if (this.#rows.has(row.entry)) continue
        this.#rows.set(row.entry, row)
        found++
      }
      this.#next = page.next
    } while (!found && this.#next)
    this.hasOlder = this.#next !== undefined
    this.#arrange()
  }

  #follow() {
    const { client, id } = this.#session
    const fail = (/** @type {StenogramError} */ error) => this.fail(error)
    const onValue = (/** @type {Json} */ value, /** @type {boolean} */ more) => this.#onRows(value ?? {}, more)
    const rows = client.follow(new Document('transcript', id, { client, onValue, onError: fail }))
    const texts = this.#followTexts()
    return () => {
      rows()
      texts()
    }
  }

  /** What open messages and calls have said at some version, and every piece from there on. */
  #followTexts() {
    let gone = false
    let end = () => {}
    const begin = async () => {
      end()
      try {
        const now = await this.#session.page()
        if (gone) return
        this.#streamed = streamedIn(now)
        this.#arrange()
        // A piece that was too large for a message is in the page.
        const onPiece = (/** @type {Json} */ event) => void (event.data ? this.#onPiece(event) : begin())
        end = this.#session.events(onPiece, { after: now.version, types: STREAM, reading: 'folded', onError: again })
      } catch (error) {
        if (!gone) again(/** @type {StenogramError} */ (error))
      }
    }
    const again = (/** @type {any} */ error) => {
      // The log is another one, or there is no way to the gateway: look again. All else is for good.
      if (RETRIED.has(error.code) || error.status >= 500) setTimeout(() => gone || void begin(), AGAIN_MS)
      else this.fail(error)
    }
    void begin()
    return () => {
      gone = true
      end()
    }
  }

  /**
   * @param {Json} rows
   * @param {boolean} more
   */
  #onRows(rows, more) {
    let moved = !this.loaded
    for (const entry of Object.keys(rows)) {
      if (this.#seen && this.#seen[entry] === rows[entry]) continue
      moved ||= !this.#rows.has(entry)
      this.#rows.set(entry, rows[entry])
      if (!moved) this.#refresh(entry)
    }
    if (!this.#seen) this.hasOlder = more
    this.#seen = rows
    if (moved) this.#arrange()
  }

  /** @param {Json} event */
  #onPiece({ type, data }) {
    const entry = data.call === undefined ? `message:${data.message}` : `tool:${data.call}`
    const before = /** @type {any} */ (this.#streamed.get(entry))
    if (type === 'tool.output') this.#streamed.set(entry, (before ?? '') + data.text)
    else if (type === 'message.delta') this.#streamed.set(entry, appended(before ?? [], data.part ?? 'text', data.text))
    // The row is about to say so, too. Until then the text is as it was: `aborted` has all that was said.
    else this.#streamed.set(entry, data.parts)
    this.#refresh(entry)
  }

  /** One entry has changed: the list is another one, all other entries are the same. @param {string} entry */
  #refresh(entry) {
    const place = this.#places.get(entry)
    const row = this.#rows.get(entry)
    if (place === undefined || !row) return // its row comes behind its first pieces
    this.put(this.value.with(place, this.#messageOf(row)))
  }

  /** Put all in order. */
  #arrange() {
    const rows = [...this.#rows.values()].sort((a, b) => a.since - b.since)
    for (const row of rows.splice(0, rows.length - MAX_HELD)) {
      this.#rows.delete(row.entry)
      this.#next = undefined
      this.hasOlder = true
    }
    const known = new Map(this.value.map((/** @type {any} */ each) => [each.entry, each]))
    this.#places = new Map(rows.map((row, place) => [row.entry, place]))
    this.put(rows.map((row) => this.#messageOf(row, known.get(row.entry))))
    if (!this.#seen) this.loaded = false // texts came first
  }

  /**
   * @param {Json} row
   * @param {any} [known] The message that was made of it before.
   * @returns {any}
   */
  #messageOf(row, known) {
    const streamed = row.status === 'open' ? this.#streamed.get(row.entry) : undefined
    if (row.status !== 'open') this.#streamed.delete(row.entry)
    if (known && known.row === row && known.streamed === streamed) return known
    return messageOf(row, streamed)
  }
}

/**
 * What a session's page says of what is open, by entry.
 * @param {Json} page
 * @returns {Map<string, Json[] | string>}
 */
export function streamedIn({ open_messages = [], open_calls = [] }) {
  return new Map([
    ...open_messages.map((/** @type {Json} */ each) => [`message:${each.message}`, each.parts]),
    ...open_calls.map((/** @type {Json} */ each) => [`tool:${each.call}`, each.output]),
  ])
}

/**
 * @param {Json} row Of the view `transcript`.
 * @param {any} [streamed] What came of it since, while it is open: the parts of a message, the output of a call.
 * @returns {any}
 */
export function messageOf(row, streamed) {
  const id = row.entry.slice(row.entry.indexOf(':') + 1)
  const [parts, output] = row.kind === 'tool' ? [row.parts, streamed ?? row.output] : [streamed ?? row.parts, row.output]
  const message = { ...row, id, author: row.actor, parts, output, text: joined(parts, 'text'), reasoning: joined(parts, 'reasoning') }
  return Object.defineProperties(message, { row: { value: row }, streamed: { value: streamed } })
}

/**
 * @param {Json[]} parts
 * @param {string} kind
 */
function joined(parts, kind) {
  return parts.filter((part) => part.kind === kind).map((part) => part.text).join('')
}

/**
 * Parts with one more piece: it goes on with the last one, if that is of its kind.
 * @param {Json[]} parts
 * @param {string} kind
 * @param {string} text
 */
function appended(parts, kind, text) {
  const last = parts.at(-1)
  return last?.kind === kind ? [...parts.slice(0, -1), { kind, text: last.text + text }] : [...parts, { kind, text }]
}

const RETRIED = new Set(['bad_cursor', 'unreachable'])
