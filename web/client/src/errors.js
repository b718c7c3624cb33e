/** What went wrong, as the gateway named it, or one of this client's own: `closed`, `unreachable`. */

/**
 * @typedef {object} Problem An RFC 9457 problem object.
 * @property {string} [code] Stable, to decide by.
 * @property {string} [title]
 * @property {string} [detail] What happened and what to do next, for people.
 * @property {number} [status]
 * @property {number} [retry_after] Seconds after which the same can be tried again.
 */

/** A refusal or a failure. Decide by `code`; `message` is for people. */
export class StenogramError extends Error {
  /** @param {Problem & Record<string, any>} problem */
  constructor(problem) {
    super(problem.detail ?? problem.title ?? 'The gateway gave no reason.')
    this.name = 'StenogramError'
    /** What kind of trouble it is: `conflict`, `forbidden`, `fenced` … */
    this.code = problem.code ?? 'error'
    /** The HTTP status that goes with it. */
    this.status = problem.status ?? 500
    /** All that the gateway said: of a conflict `value` and `version`, of a refusal for now `retry_after`. */
    this.problem = problem
  }
}

/**
 * @param {string} code
 * @param {string} detail
 * @returns {StenogramError}
 */
export function problem(code, detail, status = 503) {
  return new StenogramError({ code, detail, status })
}
