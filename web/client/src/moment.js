/** A session as it was: the same stores as the session's, read once. Nothing is executed again. */

import { boardOf, signalsOf } from './board.js'
import { messageOf, streamedIn } from './messages.js'
import { valueAt } from './patch.js'
import { Store, derived } from './store.js'
import { byKey } from './subscriptions.js'

/** @typedef {Record<string, any>} Json */

const PAGE = 500

export class Moment {
  /** @type {Map<string, Store<any>>} */
  #views = new Map()
  #abort = new AbortController()
  /** How many reads are under way; undefined before the first. @type {number | undefined} */
  #reading
  /** @type {Set<() => void>} */
  #settling = new Set()

  /**
   * @param {import('./session.js').Session} session
   * @param {string} when A version, or a time (RFC 3339).
   */
  constructor(session, when) {
    this.session = session
    this.when = when
    this.id = session.id
    this.client = session.client
    /** The session's page: among others `version`, `open_messages`, `fences`. @type {Store<Json>} */
    this.page = this.#read({}, (signal) => this.client.read(session.path, { at: when }, signal))
    const board = boardOf((name) => this.view(name), this.#rows('tasks'))
    this.overview = board.overview
    this.everyone = board.everyone
    this.agents = board.agents
    this.people = board.people
    this.tasks = board.tasks
    this.approvals = board.approvals
    this.signals = derived([this.view('attention')], (value) => signalsOf(value))
    /** The newest 500, oldest first; `loadOlder()` fetches more while `hasOlder`. */
    const transcript = this.#rows('transcript')
    const messages = derived([transcript, this.page], messagesOf)
    this.messages = Object.defineProperty(Object.assign(messages, { loadOlder: transcript.loadOlder }), 'hasOlder', {
      get: transcript.hasOlder,
    })
    const state = derived([this.view('state')], (value) => value?.value ?? {})
    /** The shared state; `at(path)` as the session's. */
    this.state = Object.assign(state, { at: (/** @type {string} */ path) => placeOf(state, path) })
  }

  /**
   * Resolves when all that is observed of it has been read or has failed, or after so many milliseconds.
   * @param {number} most
   * @returns {Promise<void>}
   */
  settled(most) {
    if (this.#reading === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer)
        this.#settling.delete(end)
        resolve()
      }
      const timer = setTimeout(end, most)
      this.#settling.add(end)
    })
  }

  /** Give up what is being read of it: nobody is interested any more. */
  end() {
    this.#abort.abort()
    this.#abort = new AbortController()
  }

  /**
   * A document of a view at this moment; undefined if there was none.
   * @param {string} name
   * @returns {Store<any>}
   */
  view(name) {
    const path = `/v1/views/${encodeURIComponent(name)}/${encodeURIComponent(this.id)}`
    return this.#kept(name, undefined, async (signal) => {
      const found = await this.client.read(path, { at: this.when }, signal)
      return found.rows ?? found.value ?? undefined
    })
  }

  /**
   * The newest rows, by their names; older ones on demand.
   * @param {string} name
   */
  #rows(name) {
    const path = `/v1/views/${name}/${encodeURIComponent(this.id)}`
    /** @type {string | undefined} */
    let next
    const page = async (/** @type {Json} */ before, /** @type {AbortSignal | undefined} */ signal = undefined) => {
      const found = await this.client.read(path, { at: this.when, order: '-since', limit: PAGE, after: next }, signal)
      next = found.next
      return { ...byKey(name, found.rows), ...before }
    }
    const store = this.#kept(`${name}*`, {}, (signal) => page({}, signal))
    return Object.assign(store, {
      hasOlder: () => next !== undefined,
      loadOlder: async () => store.put(await page(store.value)),
    })
  }

  /**
   * @param {string} name
   * @param {any} empty
   * @param {(signal: AbortSignal) => Promise<any>} load
   */
  #kept(name, empty, load) {
    let store = this.#views.get(name)
    if (!store) this.#views.set(name, (store = this.#read(empty, load)))
    return store
  }

  /**
   * @param {any} empty
   * @param {(signal: AbortSignal) => Promise<any>} load
   * @returns {Store<any>}
   */
  #read(empty, load) {
    /** @type {Promise<void> | undefined} */
    let reading
    /** @type {Store<any>} */
    const store = new Store(empty, () => {
      // What was is not going to change: it is read once, and again only after a failure.
      const { signal } = this.#abort
      reading ??= this.#counted(load(signal)).then(
        (value) => store.put(value),
        (error) => {
          reading = undefined
          if (signal.aborted) return
          // No document, at a moment before there was one.
          if (error.code === 'no_document' || error.code === 'not_found') store.put(empty)
          else store.fail(error)
        },
      )
      return () => {}
    })
    return store
  }

  /**
   * @template T
   * @param {Promise<T>} read
   * @returns {Promise<T>}
   */
  async #counted(read) {
    this.#reading = (this.#reading ?? 0) + 1
    try {
      return await read
    } finally {
      this.#reading--
      // In a moment: what comes of it may be read next.
      if (!this.#reading) setTimeout(() => this.#reading || this.#settling.forEach((end) => end()))
    }
  }
}

/**
 * @param {Record<string, Json>} rows
 * @param {Json} page
 */
function messagesOf(rows, page) {
  const open = streamedIn(page)
  return Object.values(rows)
    .map((row) => messageOf(row, row.status === 'open' ? open.get(row.entry) : undefined))
    .sort((a, b) => a.since - b.since)
}

/**
 * @param {Store<any>} state
 * @param {string} path
 */
function placeOf(state, path) {
  return derived([state], (value) => ({ value: valueAt(value, path), pending: false, conflict: null }))
}
