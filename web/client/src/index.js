/** Sessions of people and AI agents, live: `connect(url).session(id)`. */

export { Client, connect } from './client.js'
export { StenogramError } from './errors.js'
export { applyPatch, valueAt } from './patch.js'
export { Session } from './session.js'
export { Moment } from './moment.js'
export { Store, derived } from './store.js'
