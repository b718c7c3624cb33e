/**
 * One WebSocket at a time, over as many as it takes.
 *
 *     idle ──► connecting ──► connected ──► reconnecting ──► connected …        (any) ──► closed
 *
 * At each new socket the gateway is told, in this order: who this is, every subscription from the place that it
 * reached, every command without an answer, oldest first. New commands follow. So nothing is skipped, nothing comes
 * twice, and a command is done once, whatever happens to the network, the gateway or the page's timers.
 */

import { Commands } from './commands.js'
import { StenogramError, problem } from './errors.js'
import { Store } from './store.js'
import { Subscriptions } from './subscriptions.js'

/** @typedef {Record<string, any>} Frame */
/** @typedef {'idle' | 'connecting' | 'connected' | 'reconnecting' | 'closed'} State */

const PROTOCOL = 1
const HANDSHAKE_MS = 10_000
const DEAD_AFTER_HEARTBEATS = 2.5
const FIRST_DELAY_MS = 50
const LONGEST_DELAY_MS = 5_000
const LIMITS = { frame_bytes: 1_048_576, batch: 256, depth: 64 }
const utf8 = new TextEncoder()

export class Connection {
  /** @type {WebSocket | undefined} */
  #socket
  /** @type {string[]} */
  #waiting = []
  #failures = 0
  #heardAt = 0
  #sentAt = 0
  #within = Infinity
  /** @type {any} */
  #retry
  /** @type {any} */
  #pulse
  /** @type {() => void} */
  #forget = () => {}

  /**
   * @param {string} url The gateway's address, without a path behind it.
   * @param {import('./identity.js').Identity} identity
   * @param {{WebSocket?: any, journal?: import('./journal.js').Journal}} options
   */
  constructor(url, identity, { WebSocket, journal }) {
    this.url = url
    this.identity = identity
    this.commands = new Commands((frame) => this.send(frame), journal)
    this.subscriptions = new Subscriptions((frame) => this.send(frame))
    /** @type {Store<State>} */
    this.state = new Store(/** @type {State} */ ('idle'))
    this.state.loaded = true
    /** @type {Frame} What the gateway said at the beginning. */
    this.welcome = {}
    /** What went wrong last, for people. */
    this.trouble = ''
    this.limits = LIMITS
    this.#implementation = WebSocket
    this.commands.onNeeded = this.subscriptions.onNeeded = () => this.open()
  }

  /** @type {any} */
  #implementation

  /** Whether frames leave now. */
  get connected() {
    return this.state.value === 'connected'
  }

  /** Begin, unless that is done. */
  open() {
    if (this.state.value !== 'idle') return
    this.state.put('connecting')
    this.#forget = onWake(() => this.#wake())
    void this.#connect()
  }

  /**
   * Send a frame with the others of this turn; none while there is no connection: what matters is sent again.
   * @param {Frame | string} frame
   */
  send(frame) {
    if (!this.connected) return
    this.#waiting.push(typeof frame === 'string' ? frame : JSON.stringify(frame))
    if (this.#waiting.length === 1) queueMicrotask(() => this.#flush())
  }

  /**
   * End for good; what waits fails with `error`.
   * @param {StenogramError} [error]
   */
  close(error) {
    if (this.state.value === 'closed') return
    this.#flush()
    this.state.put('closed')
    this.#forget()
    clearTimeout(this.#retry)
    this.#drop()
    if (error) this.trouble = error.message
    const reason = error ?? problem('closed', 'The client was closed.')
    this.commands.fail(reason)
    this.subscriptions.fail(reason)
  }

  async #connect() {
    /** @type {WebSocket} */
    let socket
    let hello
    try {
      hello = { frame: 'hello', protocol: PROTOCOL, ...(await this.identity.hello()) }
      const Socket = this.#implementation ?? globalThis.WebSocket ?? (await nodesWebSocket())
      if (this.state.value === 'closed') return
      socket = new Socket(`${this.url.replace(/^http/, 'ws')}/v1/ws`)
    } catch (error) {
      if (error instanceof StenogramError) return this.close(error)
      return this.#lost(undefined, String(error))
    }
    this.#socket = socket
    const giveUp = setTimeout(() => this.#lost(socket, 'no welcome came in time'), HANDSHAKE_MS)
    socket.onmessage = ({ data }) => {
      clearTimeout(giveUp)
      if (socket === this.#socket) this.#receive(socket, data)
    }
    socket.onerror = () => {} // `onclose` follows, and knows more
    let opened = false
    socket.onopen = () => {
      opened = true
      socket.send(JSON.stringify(hello))
    }
    socket.onclose = async ({ code, reason }) => {
      clearTimeout(giveUp)
      if (!opened && socket === this.#socket && (await keptOut(this.url))) {
        return this.close(problem('forbidden', `${this.url} takes no pages from ${location.origin}; STENOGRAM_ORIGINS names those that it takes.`, 403))
      }
      this.#lost(socket, reason || `the connection was closed (${code})`, code)
    }
  }

  /**
   * @param {WebSocket} socket
   * @param {string} data
   */
  #receive(socket, data) {
    this.#heardAt = performance.now()
    const read = JSON.parse(data)
    for (const frame of Array.isArray(read) ? read : [read]) {
      if (socket !== this.#socket) return // a frame before this one ended the connection
      this.#handle(socket, frame)
    }
  }

  /**
   * @param {WebSocket} socket
   * @param {Frame} frame
   */
  #handle(socket, frame) {
    switch (frame.frame) {
      case 'welcome':
        return this.#begin(frame)
      case 'ack':
        this.#failures = 0
        return this.commands.onAck(frame)
      case 'refused':
        if (frame.id !== undefined) return this.commands.onRefused(frame)
        if (frame.sub !== undefined) return this.subscriptions.onFrame(frame)
        if (!this.connected) return this.#refused(socket, frame.error)
        return
      case 'bye':
        if (frame.retry_after === undefined) return this.#refused(socket, { code: frame.code, detail: frame.reason, status: 403 })
        return this.#lost(socket, frame.reason, undefined, frame.retry_after)
      default:
        this.#failures = 0
        if (frame.sub !== undefined) this.subscriptions.onFrame(frame)
    }
  }

  /** @param {Frame} welcome */
  #begin(welcome) {
    this.welcome = welcome
    this.limits = { ...LIMITS, ...welcome.limits }
    this.state.put('connected')
    // In one turn, so that what is subscribed and commanded from now on comes behind all that is older. Subscriptions
    // first: who observed before they commanded sees what the command did.
    this.subscriptions.begin(welcome.epoch)
    this.commands.begin(this.limits.frame_bytes)
    this.beatWithin(Infinity)
  }

  /**
   * Never be silent for longer: a lease runs out in silence.
   * @param {number} seconds
   */
  beatWithin(seconds) {
    this.#within = Math.min(this.#within, seconds)
    if (!this.connected) return
    clearInterval(this.#pulse)
    this.#pulse = setInterval(() => this.#beat(), Math.min(this.welcome.heartbeat, this.#within) * 500)
    this.#pulse.unref?.()
  }

  /** Show that this is alive, and see whether the gateway is. Timers of a hidden page are late, so time is measured. */
  #beat() {
    const now = performance.now()
    const every = this.welcome.heartbeat * 1000
    if (now - this.#heardAt > DEAD_AFTER_HEARTBEATS * every) return this.#lost(this.#socket, 'the gateway is silent')
    if (now - this.#sentAt >= Math.min(every, this.#within * 1000) * 0.5) this.send({ frame: 'heartbeat' })
  }

  /** The page is shown again, or the network is back: the connection may be long dead, or wait to be tried again. */
  #wake() {
    if (this.connected) this.#beat()
    else if (this.state.value === 'reconnecting' && !this.#socket) {
      clearTimeout(this.#retry)
      void this.#connect()
    }
  }

  #flush() {
    const frames = this.#waiting
    this.#waiting = []
    if (!this.connected || !this.#socket || !frames.length) return
    this.#sentAt = performance.now()
    for (const message of packed(frames, this.limits)) this.#socket.send(message)
  }

  /**
   * Trying again would end the same way, save where a token can be had anew.
   * @param {WebSocket} socket
   * @param {import('./errors.js').Problem} refusal
   */
  #refused(socket, refusal) {
    if (this.identity.renew() && refusal.code === 'unauthenticated') return this.#lost(socket, refusal.detail ?? '')
    this.close(new StenogramError(refusal))
  }

  /**
   * @param {WebSocket | undefined} socket
   * @param {string} why
   * @param {number} [code]
   * @param {number} [after] Seconds
   */
  #lost(socket, why, code, after = 0) {
    if (this.state.value === 'closed' || socket !== this.#socket) return
    this.trouble = why
    this.#drop()
    if (code === 1009 || (code !== undefined && code >= 4500 && code < 5000)) {
      if (!(code === 4501 && this.identity.renew())) return this.close(problem(CODES[code] ?? 'error', why, 403))
    }
    if (code === 4010) this.identity.renew()
    if (this.connected) this.state.put('reconnecting')
    const ceiling = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(this.#failures++, 10))
    this.#retry = setTimeout(() => void this.#connect(), Math.max(after * 1000, Math.random() * ceiling))
  }

  /** Forget the socket: what still comes of it counts no more. */
  #drop() {
    clearInterval(this.#pulse)
    const socket = this.#socket
    this.#socket = undefined
    this.#waiting = []
    try {
      socket?.close()
    } catch {
      // one that never came about
    }
  }
}

/** @type {Record<number, string>} */
const CODES = { 1009: 'too_large', 4500: 'invalid', 4501: 'unauthenticated', 4503: 'forbidden' }

/**
 * Frames as messages, in order, within the gateway's limits.
 * @param {string[]} frames
 * @param {{frame_bytes: number, batch: number}} limits
 * @returns {string[]}
 */
function packed(frames, { frame_bytes, batch }) {
  const messages = []
  /** @type {string[]} */
  let group = []
  let bytes = 2
  for (const frame of frames) {
    const size = utf8.encode(frame).length + 1
    if (group.length && (group.length === batch || bytes + size > frame_bytes)) {
      messages.push(group)
      group = []
      bytes = 2
    }
    group.push(frame)
    bytes += size
  }
  messages.push(group)
  return messages.map((each) => (each.length === 1 ? each[0] : `[${each.join(',')}]`))
}

/**
 * Whether the gateway is there and does not let this page in. The socket itself tells a page no more than that it came
 * to nothing (1006), and a client that does not know better tries that for ever.
 * @param {string} url
 */
async function keptOut(url) {
  if (!globalThis.location) return false
  const ask = (/** @type {RequestMode} */ mode) => fetch(`${url}/health`, { mode, cache: 'no-store' }).then(
    () => true,
    () => false,
  )
  return !(await ask('cors')) && (await ask('no-cors'))
}

/** Node 20 has none of its own. Named in a variable, so that bundlers of pages do not look for the package. */
async function nodesWebSocket() {
  const name = 'ws'
  return (await import(/* @vite-ignore */ /* webpackIgnore: true */ name)).WebSocket
}

/**
 * @param {() => void} wake
 * @returns {() => void}
 */
function onWake(wake) {
  if (typeof globalThis.addEventListener !== 'function') return () => {}
  const shown = () => globalThis.document?.visibilityState !== 'hidden' && wake()
  globalThis.addEventListener('online', wake)
  globalThis.document?.addEventListener('visibilitychange', shown)
  globalThis.addEventListener('pageshow', wake)
  return () => {
    globalThis.removeEventListener('online', wake)
    globalThis.document?.removeEventListener('visibilitychange', shown)
    globalThis.removeEventListener('pageshow', wake)
  }
}
