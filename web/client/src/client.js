/** A client: one connection to a gateway, and the sessions that are looked at through it. */

import { Connection } from './connection.js'
import { StenogramError, problem } from './errors.js'
import { Identity } from './identity.js'
import { newId } from './ids.js'
import { Journal } from './journal.js'
import { Session } from './session.js'

/**
 * @typedef {object} ClientOptions
 * @property {import('./identity.js').Token} [token] A JWT, or a function that gets one: called before each expires.
 * @property {string} [participant] On a gateway without keys: who this is.
 * @property {'user' | 'agent' | 'service'} [kind] On a gateway without keys; `user` if absent.
 * @property {string} [keep] A name under which commands without an answer survive a reload of the page (IndexedDB).
 * @property {any} [WebSocket] Another implementation than the platform's.
 */

/**
 * A client of the gateway at `url` (`''`: the page's own). It connects when it is first needed, and stays connected
 * until `close`: across lost networks, restarts of the gateway, sleep and expired tokens.
 *
 * @param {string | URL} url
 * @param {ClientOptions} [options]
 * @returns {Client}
 */
export function connect(url, options = {}) {
  return new Client(url, options)
}

export class Client {
  #connection
  #identity
  /** @type {Map<string, Session>} */
  #sessions = new Map()

  /**
   * @param {string | URL} url
   * @param {ClientOptions} options
   */
  constructor(url, options) {
    this.url = new URL(url || '/', globalThis.location?.href).href.replace(/\/+$/, '')
    this.#identity = new Identity({ ...options, run: newId() })
    const journal = options.keep === undefined ? undefined : new Journal(options.keep)
    this.#connection = new Connection(this.url, this.#identity, { WebSocket: options.WebSocket, journal })
    /** Observable: `idle`, `connecting`, `connected`, `reconnecting`, `closed`. */
    this.state = this.#connection.state
  }

  /** Why there is no connection, for people. */
  get trouble() {
    return this.#connection.trouble
  }

  /** Who the gateway says this is; undefined before the first connection. @returns {string | undefined} */
  get participant() {
    return this.#connection.welcome.participant
  }

  /** What the gateway said at the beginning: limits, and `read_only` where it takes no commands. */
  get welcome() {
    return this.#connection.welcome
  }

  /** How many commands have no answer yet. */
  get unanswered() {
    return this.#connection.commands.unanswered
  }

  /**
   * A session; the same object for the same id.
   * @param {string} id
   * @returns {Session}
   */
  session(id) {
    let session = this.#sessions.get(id)
    if (!session) this.#sessions.set(id, (session = new Session(this, id)))
    return session
  }

  /**
   * Have a command done. It is sent again until it is answered, and done once. Rejects with the gateway's refusal.
   * @param {string} session
   * @param {string} command
   * @param {Record<string, any>} [data]
   * @param {import('./commands.js').Options} [options]
   */
  do(session, command, data = {}, options) {
    return this.#connection.commands.do(session, command, data, options)
  }

  /**
   * Follow events or a document until the function that this returns is called.
   * @param {import('./subscriptions.js').Subscription} subscription
   */
  follow(subscription) {
    return this.#connection.subscriptions.add(subscription)
  }

  /**
   * Never be silent for longer than this: for leases that are shorter than usual.
   * @param {number} seconds
   */
  beatWithin(seconds) {
    this.#connection.beatWithin(seconds)
  }

  /**
   * Read a route of the gateway. Rejects with its problem, or `unreachable`.
   * @param {string} path
   * @param {Record<string, string | number | undefined>} [query]
   * @param {AbortSignal} [signal]
   * @returns {Promise<any>}
   */
  read(path, query = {}, signal) {
    return this.#ask(path, query, { signal })
  }

  /**
   * Ask the gateway for what is no command of a session (`/v1/views/tasks/rebuild`). Rejects like `read`; not repeated.
   * @param {string} path
   * @returns {Promise<any>}
   */
  post(path) {
    return this.#ask(path, {}, { method: 'POST' })
  }

  /**
   * @param {string} path
   * @param {Record<string, string | number | undefined>} query
   * @param {RequestInit} how
   */
  async #ask(path, query, { signal, ...how }) {
    const { headers, query: identity } = await this.#identity.http()
    const given = Object.entries({ ...query, ...identity }).filter(([, value]) => value !== undefined)
    const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)]))
    /** @type {Response} */
    let answer
    try {
      answer = await fetch(`${this.url}${path}?${search}`, { ...how, headers, signal })
    } catch (error) {
      if (signal?.aborted) throw error
      throw problem('unreachable', `${this.url} cannot be reached, or does not let this page in: ${error}`)
    }
    const body = await answer.json().catch(() => ({ code: 'error', status: answer.status, detail: `HTTP ${answer.status}` }))
    if (answer.ok) return body
    const refusal = new StenogramError(body)
    if (answer.status === 401 && !this.#identity.renew()) this.#connection.close(refusal) // as the socket's refusal does
    throw refusal
  }

  /** End the connection for good. What is not answered fails with `closed`; what a `keep` holds is sent next time. */
  close() {
    this.#connection.close()
  }
}
