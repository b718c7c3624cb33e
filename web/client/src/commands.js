/**
 * Commands on their way: sent in order, kept until they are answered, and sent again after a lost connection.
 *
 * A command without an answer may or may not have been done. Its id makes it idempotent: it is sent again under the
 * same id, before any newer one, and answered with its first result.
 */

import { StenogramError, problem } from './errors.js'
import { newId } from './ids.js'

/**
 * Where a command's events are.
 * @typedef {object} Ack
 * @property {string} id The command's.
 * @property {number[]} versions Of its events, in the session.
 * @property {number[]} positions Of its events, in the log.
 * @property {boolean} repeated Whether it had been done before.
 */

/**
 * @typedef {object} Options
 * @property {string} [id] The command's own; two with the same id are done once.
 * @property {Record<string, number>} [expect] Versions that subjects must have.
 * @property {string} [cause] The event or command that this follows from.
 */

/** @typedef {{key: string, text: string, settle: ((ack: Ack) => void)[], fail: ((error: StenogramError) => void)[]}} Pending */

const WINDOW = 1000
const WINDOW_MS = 1000

export class Commands {
  /** @type {Map<string, Pending>} By session and id, oldest first. */
  #pending = new Map()
  /** @type {Promise<unknown>} What must be in the journal, or have room, before the next one leaves. */
  #turn = Promise.resolve()
  /** @type {(() => void)[]} */
  #roomWanted = []
  /** @type {StenogramError | undefined} */
  #error
  #frameBytes = 1_048_576
  /** Called when there is something to send. */
  onNeeded = () => {}

  /**
   * @param {(text: string) => void} send
   * @param {import('./journal.js').Journal} [journal]
   */
  constructor(send, journal) {
    this.#send = send
    this.#journal = journal
    if (journal) this.#turn = journal.open().then((kept) => kept.forEach((each) => this.#restore(each)), () => this.#unkept())
  }

  /** There is no place to keep commands in (a private window): they are kept in memory alone. */
  #unkept() {
    this.#journal = undefined
  }

  #send
  #journal

  /** How many have no answer yet. */
  get unanswered() {
    return this.#pending.size
  }

  /**
   * Have a command done. Resolves after its commit; rejects with the gateway's refusal.
   * @param {string} session
   * @param {string} command Such as `message.post`.
   * @param {Record<string, any>} data
   * @param {Options} [options]
   * @returns {Promise<Ack>}
   */
  async do(session, command, data, { id = newId(), expect, cause } = {}) {
    const text = JSON.stringify({ frame: 'command', id, session, do: command, data, expect, cause })
    const key = keyOf(session, id)
    // One after the other: a large command is not overtaken while it waits for room, nor while it is written down.
    const turn = this.#turn.then(() => this.#admit(key, text))
    this.#turn = turn.catch(() => {})
    this.onNeeded()
    return turn.then((pending) => new Promise((settle, fail) => this.#wait(pending, settle, fail)))
  }

  /**
   * A connection begins.
   * @param {number} frameBytes
   */
  begin(frameBytes) {
    this.#frameBytes = frameBytes
    for (const pending of [...this.#pending.values()]) this.#resend(pending)
  }

  /** @param {Record<string, any>} frame */
  onAck({ session, id, versions, positions, repeated = false }) {
    this.#settle(keyOf(session, id))?.settle.forEach((settle) => settle({ id, versions, positions, repeated }))
  }

  /** @param {Record<string, any>} frame */
  onRefused({ session, id, error }) {
    const key = session === undefined ? this.#keyWith(id) : keyOf(session, id)
    const pending = this.#pending.get(key)
    if (!pending) return
    if (AGAIN.has(error.code) && error.retry_after !== undefined) {
      setTimeout(() => this.#pending.get(key) === pending && this.#send(pending.text), error.retry_after * WINDOW_MS)
      return
    }
    this.#settle(key)?.fail.forEach((fail) => fail(new StenogramError(error)))
  }

  /** @param {StenogramError} error Fails all that waits and all that comes. */
  fail(error) {
    this.#error = error
    for (const { fail } of this.#pending.values()) fail.forEach((each) => each(error))
    this.#pending.clear() // what the journal has stays there: the next page sends it again
    this.#makeRoom()
  }

  /**
   * @param {string} key
   * @param {string} text
   * @returns {Promise<Pending>}
   */
  async #admit(key, text) {
    while (this.#pending.size >= WINDOW && !this.#error) {
      await new Promise((resolve) => this.#roomWanted.push(() => resolve(undefined)))
    }
    if (this.#error) throw this.#error
    const known = this.#pending.get(key)
    if (known) return known // the id was given twice: one answer serves both
    // Before it is sent: a page that goes away in between would not know of it.
    await this.#journal?.add(key, text)
    if (this.#error) throw this.#error
    const pending = { key, text, settle: [], fail: [] }
    this.#pending.set(key, pending)
    return pending
  }

  /**
   * @param {Pending} pending
   * @param {(ack: Ack) => void} settle
   * @param {(error: StenogramError) => void} fail
   */
  #wait(pending, settle, fail) {
    if (this.#error) return fail(this.#error)
    const fresh = !pending.settle.length
    pending.settle.push(settle)
    pending.fail.push(fail)
    if (fresh) this.#resend(pending)
  }

  /** @param {Pending} pending */
  #resend(pending) {
    // More than the gateway takes would end the connection, and again at each new one.
    if (new TextEncoder().encode(pending.text).length > this.#frameBytes) {
      const error = problem('too_large', `A command has at most ${this.#frameBytes} bytes.`, 413)
      this.#settle(pending.key)?.fail.forEach((fail) => fail(error))
    } else this.#send(pending.text)
  }

  /** @param {[string, string]} kept */
  #restore([key, text]) {
    const pending = { key, text, settle: [], fail: [] }
    this.#pending.set(key, pending)
    this.onNeeded()
    this.#resend(pending)
  }

  /** @param {string} key */
  #settle(key) {
    const pending = this.#pending.get(key)
    if (!pending) return undefined
    this.#pending.delete(key)
    void this.#journal?.remove(key)
    this.#makeRoom()
    return pending
  }

  #makeRoom() {
    for (const wake of this.#roomWanted.splice(0)) wake()
  }

  /** @param {string} id */
  #keyWith(id) {
    return [...this.#pending.keys()].find((key) => key.endsWith(keyOf('', id))) ?? ''
  }
}

const AGAIN = new Set(['busy', 'log_failed', 'not_ready', 'paused'])

/**
 * @param {string} session
 * @param {string} id
 */
function keyOf(session, id) {
  return `${session}\n${id}`
}
