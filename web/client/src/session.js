/** A session as stores to observe and actions to take. */

import { boardOf, signalsOf } from './board.js'
import { newId } from './ids.js'
import { Messages } from './messages.js'
import { Moment } from './moment.js'
import { SharedState } from './state.js'
import { Store, derived } from './store.js'
import { Document, Events } from './subscriptions.js'

/** @typedef {Record<string, any>} Json */

const SIGNAL_EVENTS = ['signal.raised', 'signal.honoured', 'signal.refused', 'signal.expired', 'signal.withdrawn']
const KEPT_SIGNALS = 100

export class Session {
  /** @type {Map<string, Store<any>>} */
  #views = new Map()
  /** Ends that presence is said again. */
  #present = () => {}

  /**
   * @param {import('./client.js').Client} client
   * @param {string} id
   */
  constructor(client, id) {
    this.client = client
    this.id = id
    const board = boardOf((name) => this.view(name), this.view('tasks'))
    /** The session at a glance: title, status, labels, how many messages. */
    this.overview = board.overview
    /** Everyone who takes part or took part. */
    this.everyone = board.everyone
    /** Agents and services. */
    this.agents = board.agents
    this.people = board.people
    /** The newest 1,000, oldest first. */
    this.tasks = board.tasks
    /** Questions that wait for an answer, oldest first. */
    this.approvals = board.approvals
    /** Open signals, and those that ended while this was observed, with how. */
    this.signals = derived([this.view('attention'), this.#endedSignals()], signalsOf)
    /** What is said and done, oldest first; open messages grow as they stream. */
    this.messages = new Messages(this)
    /** The shared state. */
    this.state = new SharedState(this)
  }

  /**
   * What is open in the session now, and its version: 0 if there is no such session yet.
   * @returns {Promise<Json>}
   */
  async page() {
    return (await ignoring('not_found', this.client.read(this.path))) ?? { version: 0, open_messages: [], open_calls: [] }
  }

  /** The address of the session's routes. */
  get path() {
    return `/v1/sessions/${encodeURIComponent(this.id)}`
  }

  /**
   * A document of a view; of a view of rows the newest 1,000, as an object by their keys. Undefined while there is none.
   * @param {string} name
   * @param {string} [key] The session's, if absent.
   * @returns {Store<any>}
   */
  view(name, key = this.id) {
    const known = this.#views.get(`${name}/${key}`)
    if (known) return known
    const store = /** @type {Store<any>} */ (
      new Store(undefined, () =>
        this.client.follow(
          new Document(name, key, {
            client: this.client,
            onValue: (value) => store.put(value),
            onError: (error) => store.fail(error),
          }),
        )
      )
    )
    this.#views.set(`${name}/${key}`, store)
    return store
  }

  /**
   * Events as they are in the log, from after a version on. Returns what ends it. An event that is too large for a
   * message has `omitted`, its size in bytes, in place of `data`: `event(version)` reads it.
   * @param {(event: Json) => void} onEvent
   * @param {{after?: number, types?: string[], reading?: 'raw' | 'folded', onCaughtUp?: () => void, onError?: (error: Error) => void}} [options]
   */
  events(onEvent, options = {}) {
    return this.client.follow(new Events(this.id, { after: 0, ...options, onEvent }))
  }

  /**
   * One event, whole.
   * @param {number} version
   * @returns {Promise<Json>}
   */
  async event(version) {
    const { events } = await this.client.read(`${this.path}/events`, { after: version - 1, limit: 1 })
    return events[0]
  }

  /**
   * The session as it was, with the same stores.
   * @param {number | string | Date} when A version, or a time.
   */
  at(when) {
    return new Moment(this, when instanceof Date ? when.toISOString() : String(when))
  }

  /**
   * Have any command done.
   * @param {string} command Such as `message.post`.
   * @param {Json} [data]
   * @param {import('./commands.js').Options} [options]
   */
  do(command, data, options) {
    return this.client.do(this.id, command, data, options)
  }

  /**
   * Create the session, unless it is there.
   * @param {{title?: string, labels?: Record<string, string>, metadata?: Json}} [about]
   */
  async open(about = {}) {
    try {
      return await this.do('session.open', about)
    } catch (error) {
      if (/** @type {any} */ (error).code !== 'conflict') throw error
    }
  }

  /**
   * Be seen as present until `leave`. After a silence (a laptop that slept) that is said again.
   * @param {{name?: string, about?: Json, lease?: number}} [about] `lease`: seconds of silence after which you are lost.
   */
  async join(about = {}) {
    if (about.lease) this.client.beatWithin(about.lease / 3)
    const join = () => ignoring('no_change', this.do('presence.join', about))
    this.#present()
    this.#present = this.client.state.subscribe(() => {
      if (this.client.state.value === 'connected') join().catch(() => {})
    })
    return join()
  }

  /** Be seen as gone. */
  leave() {
    this.#present()
    return ignoring('no_change', this.do('presence.leave'))
  }

  /**
   * Say something.
   * @param {string} text
   * @param {{audience?: string[], reply_to?: string, message?: string}} [options]
   */
  post(text, { message = newId(), ...rest } = {}) {
    return this.do('message.post', { message, text, ...rest })
  }

  /**
   * Ask to stop: an agent, a task, a message, or the whole session.
   * @param {string} [target] `agent:hotels`, `task:t-3`, `message:m1`, `session`
   * @param {Json} [options] `grace`: seconds to stop in good order; 0: at once.
   */
  stop(target, options) {
    return this.signal('cancel', target, options)
  }

  /** @param {string} [target] @param {Json} [options] */
  pause(target, options) {
    return this.signal('pause', target, options)
  }

  /** @param {string} [target] @param {Json} [options] */
  resume(target, options) {
    return this.signal('resume', target, options)
  }

  /**
   * Say how to go on.
   * @param {string} target
   * @param {any} body
   * @param {Json} [options]
   */
  steer(target, body, options) {
    return this.signal('steer', target, { body, ...options })
  }

  /**
   * Give an agent's work, or a task, to another.
   * @param {string} target
   * @param {Json} [options] `to`: who; `body`: the new input.
   */
  reroute(target, options) {
    return this.signal('reroute', target, options)
  }

  /**
   * @param {string} kind
   * @param {string} [target]
   * @param {Json} [options]
   */
  signal(kind, target = 'session', options = {}) {
    return this.do('signal.raise', { signal: newId(), kind, target, ...options })
  }

  /**
   * Answer a question: by one of its options, or by a value if it has a schema.
   * @param {string} approval
   * @param {any} answer
   * @param {string} [comment]
   */
  answer(approval, answer, comment) {
    const known = this.approvals.value.find((each) => each.id === approval)
    const option = typeof answer === 'string' && (!known || known.options.includes(answer))
    return this.do('approval.answer', { approval, ...(option ? { option: answer } : { value: answer }), comment })
  }

  /**
   * Another session that shares this one's history up to a version.
   * @param {{version?: number, id?: string}} [options]
   * @returns {Promise<Session>}
   */
  async fork({ version, id = newId() } = {}) {
    await this.client.do(id, 'session.fork', { origin: this.id, at: version })
    return this.client.session(id)
  }

  /** @param {string} [reason] */
  close(reason) {
    return this.do('session.close', { reason })
  }

  /** @param {string} [reason] */
  reopen(reason) {
    return this.do('session.reopen', { reason })
  }

  /** How signals ended: kept from the first observer on, since `attention` has the open ones alone. */
  #endedSignals() {
    const store = /** @type {Store<Map<string, Json>>} */ (
      new Store(new Map(), () => {
        const { signals } = /** @type {any} */ (this)
        let end = () => {}
        let gone = false
        this.page().then(
          ({ version }) => {
            store.put(store.value)
            if (gone) return
            /** @type {Map<string, Json>} */
            const raised = new Map() // one may be over before `attention` has it
            end = this.events(
              ({ type, data, actor, version: since }) => {
                if (!data) return // too large for a message
                const { signal: id, kind, target, body } = data
                if (type === 'signal.raised') return void raised.set(id, { id, kind, target, body, raiser: actor, since })
                const known = signals.value.find((/** @type {Json} */ each) => each.id === id) ?? raised.get(id)
                raised.delete(id)
                const ended = { id, ...known, status: type.slice('signal.'.length), reason: data.reason, by: actor }
                store.put(new Map([...store.value, /** @type {[string, Json]} */ ([id, ended])].slice(-KEPT_SIGNALS)))
              },
              { after: version, types: SIGNAL_EVENTS, onError: (error) => store.fail(/** @type {any} */ (error)) },
            )
          },
          (error) => store.fail(error),
        )
        return () => {
          gone = true
          end()
        }
      })
    )
    return store
  }
}

/**
 * @template T
 * @param {string} code
 * @param {Promise<T>} promise
 * @returns {Promise<T | undefined>}
 */
function ignoring(code, promise) {
  return promise.catch((error) => {
    if (error.code !== code) throw error
    return undefined
  })
}
