/** JSON Patch (RFC 6902) and JSON Pointer (RFC 6901). What a patch does not touch stays the same object. */

/**
 * @typedef {{op: string, path: string, value?: any, from?: string}} Operation
 */

/**
 * @param {string} path
 * @returns {string[]}
 */
export function parsePointer(path) {
  if (path === '') return []
  if (path[0] !== '/') throw new SyntaxError(`${JSON.stringify(path)} is no JSON Pointer`)
  return path.slice(1).split('/').map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/**
 * The value at a place; undefined where there is none.
 * @param {any} document
 * @param {string} path
 */
export function valueAt(document, path) {
  let value = document
  for (const part of parsePointer(path)) {
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, part)) return undefined
    value = value[part]
  }
  return value
}

/**
 * The document with a patch applied. Throws where it does not fit.
 * @param {any} document
 * @param {Operation[]} patch
 */
export function applyPatch(document, patch) {
  return patch.reduce(apply, document)
}

/**
 * @param {any} document
 * @param {Operation} operation
 * @returns {any}
 */
function apply(document, { op, path, from, value }) {
  switch (op) {
    case 'add':
    case 'replace':
      return write(document, parsePointer(path), value, op)
    case 'remove':
      return write(document, parsePointer(path), undefined, op)
    case 'copy':
    case 'move': {
      const source = /** @type {string} */ (from)
      const moved = valueAt(document, source)
      if (moved === undefined) throw new RangeError(`nothing is at ${source}`)
      const rest = op === 'move' ? write(document, parsePointer(source), undefined, 'remove') : document
      return write(rest, parsePointer(path), moved, 'add')
    }
    case 'test':
      if (JSON.stringify(valueAt(document, path)) !== JSON.stringify(value)) throw new RangeError(`${path} is not so`)
      return document
    default:
      throw new SyntaxError(`there is no operation ${op}`)
  }
}

/**
 * @param {any} document
 * @param {string[]} path
 * @param {any} value
 * @param {string} op
 * @returns {any}
 */
function write(document, [part, ...rest], value, op) {
  if (part === undefined) return op === 'remove' ? null : value
  if (document === null || typeof document !== 'object') throw new RangeError(`nothing holds ${part}`)
  if (Array.isArray(document)) return writeItem(document, part, rest, value, op)
  const known = Object.hasOwn(document, part)
  if (!known && (rest.length || op !== 'add')) throw new RangeError(`there is no ${part}`)
  if (!rest.length && op === 'remove') {
    const { [part]: _, ...others } = document
    return others
  }
  // By definition and not by assignment: `__proto__` is a name like any other.
  return Object.defineProperty({ ...document }, part, {
    value: rest.length ? write(document[part], rest, value, op) : value,
    enumerable: true,
    configurable: true,
    writable: true,
  })
}

/**
 * @param {any[]} list
 * @param {string} part
 * @param {string[]} rest
 * @param {any} value
 * @param {string} op
 */
function writeItem(list, part, rest, value, op) {
  const inserts = op === 'add' && !rest.length
  const index = part === '-' && inserts ? list.length : Number(part)
  if (!/^(0|[1-9]\d*|-)$/.test(part) || !(index < list.length + Number(inserts))) throw new RangeError(`there is no item ${part}`)
  if (rest.length) return list.with(index, write(list[index], rest, value, op))
  const copy = [...list]
  if (op === 'remove') copy.splice(index, 1)
  else copy.splice(index, inserts ? 0 : 1, value)
  return copy
}
