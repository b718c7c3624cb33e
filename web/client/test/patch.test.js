import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyPatch, valueAt } from '../src/index.js'

test('a patch leaves what it does not touch as it is', () => {
  const before = { a: { b: [1, 2, 3] }, c: { d: 1 } }
  const after = applyPatch(before, [{ op: 'add', path: '/a/b/1', value: 9 }, { op: 'remove', path: '/a/b/0' }])
  assert.deepEqual(after, { a: { b: [9, 2, 3] }, c: { d: 1 } })
  assert.deepEqual(before, { a: { b: [1, 2, 3] }, c: { d: 1 } })
  assert.equal(after.c, before.c)
})

test('every operation does what RFC 6902 says', () => {
  const cases = [
    [{}, { op: 'add', path: '', value: [1] }, [1]],
    [{ a: 1 }, { op: 'replace', path: '/a', value: null }, { a: null }],
    [[1], { op: 'add', path: '/-', value: 2 }, [1, 2]],
    [{ a: { b: 1 } }, { op: 'move', from: '/a/b', path: '/c' }, { a: {}, c: 1 }],
    [{ a: [1, 2] }, { op: 'copy', from: '/a/1', path: '/a/0' }, { a: [2, 1, 2] }],
    [{ 'a/b~': 1 }, { op: 'remove', path: '/a~1b~0' }, {}],
    [{ a: 1 }, { op: 'test', path: '/a', value: 1 }, { a: 1 }],
  ]
  for (const [before, operation, after] of cases) assert.deepEqual(applyPatch(before, [operation]), after)
})

test('a patch that does not fit is an error', () => {
  for (const operation of [
    { op: 'replace', path: '/b', value: 1 },
    { op: 'remove', path: '/b' },
    { op: 'add', path: '/b/c', value: 1 },
    { op: 'add', path: '/list/3', value: 1 },
    { op: 'replace', path: '/list/-', value: 1 },
    { op: 'add', path: '/list/01', value: 1 },
    { op: 'add', path: '/a/x', value: 1 },
    { op: 'move', from: '/b', path: '/c' },
    { op: 'test', path: '/a', value: 2 },
    { op: 'invert', path: '/a' },
    { op: 'add', path: 'a', value: 1 },
  ]) {
    assert.throws(() => applyPatch({ a: 1, list: [1] }, [operation]), undefined, JSON.stringify(operation))
  }
})

test('names of the language are names like any other', () => {
  const document = applyPatch(JSON.parse('{"__proto__": {"a": 1}}'), [{ op: 'add', path: '/__proto__/b', value: 2 }])
  assert.equal(JSON.stringify(document), '{"__proto__":{"a":1,"b":2}}')
  assert.equal({}.b, undefined)
  assert.equal(valueAt({}, '/toString'), undefined)
  assert.throws(() => applyPatch({}, [{ op: 'add', path: '/constructor/prototype/b', value: 2 }]))
})
