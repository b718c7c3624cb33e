/** Subscriptions over all connections: each goes on from the place that it reached. */

import { StenogramError } from './errors.js'
import { applyPatch } from './patch.js'

/** @typedef {Record<string, any>} Frame */

/** By which field the rows of a session are told apart, of the views that every gateway has. @type {Record<string, string>} */
const KEYS = { transcript: 'entry', tasks: 'task', timeline: 'span', facets: 'facet' }
const ROWS = 1000
const AGAIN_MS = 1000

/**
 * @typedef {object} Subscription
 * @property {string} name
 * @property {(epoch: string) => Frame} frame What to send to go on from where it is.
 * @property {(frame: Frame) => boolean | void} onFrame True: it does not fit, send `frame` again.
 * @property {(error: StenogramError) => void} onError
 * @property {boolean} [ended] Nobody follows it any more.
 */

export class Subscriptions {
  /** @type {Map<string, Subscription>} */
  #open = new Map()
  #epoch = ''
  /** @type {StenogramError | undefined} */
  #error
  /** Called when there is something to follow. */
  onNeeded = () => {}

  /** @param {(frame: Frame) => void} send */
  constructor(send) {
    this.#send = send
  }

  #send

  /**
   * @param {Subscription} subscription
   * @returns {() => void} Ends it.
   */
  add(subscription) {
    if (this.#error) {
      subscription.onError(this.#error)
      return () => {}
    }
    this.#open.set(subscription.name, subscription)
    this.onNeeded()
    this.#send(subscription.frame(this.#epoch))
    return () => {
      subscription.ended = true
      if (this.#open.get(subscription.name) !== subscription) return
      this.#open.delete(subscription.name)
      this.#send({ frame: 'unsubscribe', sub: subscription.name })
    }
  }

  /**
   * A connection begins.
   * @param {string} epoch Of the log that the gateway has.
   */
  begin(epoch) {
    this.#epoch = epoch
    for (const each of this.#open.values()) this.#send(each.frame(epoch))
  }

  /** @param {Frame} frame */
  onFrame(frame) {
    const subscription = this.#open.get(frame.sub)
    if (!subscription) return // what was on its way when it ended
    if (frame.frame !== 'refused') {
      if (subscription.onFrame(frame)) this.#send(subscription.frame(this.#epoch))
      return
    }
    if (frame.error.retry_after !== undefined) {
      const again = () => this.#open.get(frame.sub) === subscription && this.#send(subscription.frame(this.#epoch))
      setTimeout(again, frame.error.retry_after * 1000)
      return
    }
    this.#open.delete(frame.sub)
    subscription.onError(new StenogramError(frame.error))
  }

  /** @param {StenogramError} error Fails all, and all that comes. */
  fail(error) {
    this.#error = error
    const all = [...this.#open.values()]
    this.#open.clear()
    for (const each of all) {
      each.ended = true
      each.onError(error)
    }
  }
}

/** Events of one session, each once and in order. */
export class Events {
  #asked = ''
  #epoch = ''

  /**
   * @param {string} session
   * @param {object} options
   * @param {number} options.after The version that is known.
   * @param {string[]} [options.types]
   * @param {'raw' | 'folded'} [options.reading]
   * @param {(event: Frame) => void} options.onEvent One that is too large for a message has `omitted`, its bytes, in place of `data`.
   * @param {(error: StenogramError) => void} [options.onError]
   * @param {() => void} [options.onCaughtUp] Called once, when what comes next is new.
   */
  constructor(session, { after, types, reading = 'raw', onEvent, onError = () => {}, onCaughtUp = () => {} }) {
    this.name = [session, reading, ...(types ?? [])].join(' ')
    this.version = after
    this.onError = onError
    this.#session = session
    this.#wanted = { reading, ...(types && { types }) }
    this.#onEvent = onEvent
    this.#onCaughtUp = onCaughtUp
  }

  #session
  #wanted
  #onEvent
  #onCaughtUp

  /** @param {string} epoch */
  frame(epoch) {
    this.#asked = epoch
    // Of another life of the log the version says nothing: the gateway refuses it instead of skipping what is there.
    const known = this.#epoch ? { epoch: this.#epoch } : {}
    return { frame: 'subscribe', sub: this.name, session: this.#session, after: this.version, ...this.#wanted, ...known }
  }

  /** @param {Frame} frame */
  onFrame(frame) {
    this.#epoch = this.#asked
    if (frame.frame === 'caught_up') {
      this.version = Math.max(this.version, frame.version)
      this.#onCaughtUp()
      this.#onCaughtUp = () => {} // it comes again at each connection
    }
    if (frame.frame !== 'events') return
    for (const event of frame.events) {
      if (event.version <= this.version) continue
      this.version = event.version
      this.#onEvent(event)
    }
    this.version = Math.max(this.version, frame.to)
  }
}

/**
 * A document of a view, or the rows of a session in one as an object: always the newest. One that is too large for a
 * message (`omitted`) is read over HTTP, at most once a second.
 */
export class Document {
  #etag = ''
  /** @type {any} */
  #value
  /** How many frames came: what was read counts only if there was none since. */
  #frames = 0
  #reading = false
  ended = false

  /**
   * @param {string} view
   * @param {string} key
   * @param {object} options
   * @param {import('./client.js').Client} options.client
   * @param {(value: any, more: boolean) => void} options.onValue `more`: there are older rows than these.
   * @param {(error: StenogramError) => void} options.onError
   */
  constructor(view, key, { client, onValue, onError }) {
    this.name = `${view}/${key}`
    this.onError = onError
    this.#view = view
    this.#key = key
    this.#client = client
    this.#onValue = onValue
  }

  #view
  #key
  #client
  #onValue

  frame() {
    const known = this.#etag ? { known: this.#etag } : {}
    return { frame: 'subscribe', sub: this.name, views: [{ view: this.#view, key: this.#key, ...known }] }
  }

  /** @param {Frame} frame */
  onFrame(frame) {
    if (frame.frame !== 'view') return
    this.#frames++
    if (frame.omitted !== undefined) return void this.#readWhole()
    if (frame.value !== undefined) this.#value = frame.value
    else if (frame.patch && !this.#patch(frame.patch)) return true
    else if (!frame.etag) this.#value = undefined
    this.#etag = frame.etag
    this.#onValue(this.#value, Object.keys(this.#value ?? {}).length >= ROWS)
  }

  /** @param {import('./patch.js').Operation[]} patch */
  #patch(patch) {
    try {
      this.#value = applyPatch(this.#value, patch)
      return true
    } catch {
      this.#etag = '' // whatever went wrong: the whole document comes next
      return false
    }
  }

  /** Until nothing has changed in the meantime, or it is small enough to be sent again, which the etag says. */
  async #readWhole() {
    this.#etag = ''
    if (this.#reading) return
    this.#reading = true
    let read = 0
    while (read !== this.#frames && !this.#etag && !this.ended) {
      const frames = this.#frames
      try {
        await this.#readOnce()
        read = frames
      } catch (error) {
        if (this.ended) break
        if (!isForNow(error)) {
          this.onError(/** @type {any} */ (error))
          break // what comes next may be read again
        }
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS))
    }
    this.#reading = false
  }

  async #readOnce() {
    const path = `/v1/views/${encodeURIComponent(this.#view)}/${encodeURIComponent(this.#key)}`
    let found = await this.#client.read(path)
    if (found.next) found = await this.#client.read(path, { order: '-since', limit: ROWS })
    if (this.#etag || this.ended) return
    this.#value = found.rows ? byKey(this.#view, found.rows) : found.value
    this.#onValue(this.#value, found.next !== undefined)
  }
}

/**
 * Rows of a session as an object. Of other views the gateway does not say by what: their rows are numbered.
 * @param {string} view
 * @param {Frame[]} rows
 * @returns {Record<string, Frame>}
 */
export function byKey(view, rows) {
  const key = KEYS[view]
  return Object.fromEntries(rows.map((row, number) => [key ? row[key] : number, row]))
}

/** @param {unknown} error */
function isForNow(error) {
  return error instanceof StenogramError && (error.status >= 500 || error.problem.retry_after !== undefined)
}
