/** Who this client is: a token, fetched again before it expires, or on an open gateway a name. */

import { problem } from './errors.js'

const RENEW_AT = 0.8 // of a token's life

/** @typedef {string | (() => string | Promise<string>)} Token */

export class Identity {
  /** @type {Promise<string> | undefined} */
  #token
  #renewAt = Infinity

  /** @param {{token?: Token, participant?: string, kind?: string, run: string}} options */
  constructor({ token, participant, kind, run }) {
    this.run = run
    this.#source = token
    this.#named = { ...(participant && { participant }), ...(kind && { kind }) }
  }

  /** @type {Token | undefined} */
  #source
  /** @type {Record<string, string>} */
  #named

  /** The members of a `hello`. */
  async hello() {
    const token = await this.token()
    return token === undefined ? { ...this.#named, run: this.run } : { token, run: this.run }
  }

  /**
   * Headers and query of an HTTP request.
   * @returns {Promise<{headers: Record<string, string>, query: Record<string, string>}>}
   */
  async http() {
    const token = await this.token()
    const headers = { 'Stenogram-Run': this.run }
    return token === undefined
      ? { headers, query: this.#named }
      : { headers: { ...headers, Authorization: `Bearer ${token}` }, query: {} }
  }

  /** A token that is good for a while; one request at a time fetches it. */
  async token() {
    if (typeof this.#source !== 'function') return this.#source
    if (!this.#token || Date.now() >= this.#renewAt) {
      this.#renewAt = Infinity
      const asked = (this.#token = Promise.resolve(this.#source()))
      asked.then(
        (token) => (this.#renewAt = renewalOf(token)),
        () => (this.#token = undefined),
      )
    }
    return this.#token
  }

  /** Fetch another one next time. False where there is only the one. */
  renew() {
    this.#token = undefined
    return typeof this.#source === 'function'
  }
}

/**
 * When to fetch the next one, in milliseconds since 1970.
 * @param {string} token
 */
function renewalOf(token) {
  try {
    const [, claims] = token.split('.')
    const { exp } = JSON.parse(atob(claims.replaceAll('-', '+').replaceAll('_', '/')))
    const now = Date.now()
    return exp ? now + RENEW_AT * (exp * 1000 - now) : Infinity
  } catch {
    throw problem('unauthenticated', 'The token is not a JWT.', 401)
  }
}
