import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createElement } from 'react'
import { renderToString } from 'react-dom/server'
import { connect } from '../src/index.js'
import { SessionProvider, useAgents, useConnection, useMessages, useSession, useShared, useStreams } from '../src/react.js'

test('on a server the hooks return what there is to begin with, and nothing connects', () => {
  const client = connect('http://127.0.0.1:1', { participant: 'maya' })
  const Page = () => {
    const [hotel] = useShared('/hotel')
    return JSON.stringify([useMessages(), useAgents(), useStreams(), hotel ?? null, useConnection(), useSession().id])
  }
  const page = createElement(SessionProvider, { client, session: 'trip-7' }, createElement(Page))
  assert.equal(renderToString(page).replaceAll('&quot;', '"'), '[[],[],{},null,"idle","trip-7"]')
  assert.equal(client.state.value, 'idle')
  client.close()
})

test('a hook outside of a session says what is missing', () => {
  assert.throws(() => renderToString(createElement(() => String(useMessages().length))), /SessionProvider/)
})
