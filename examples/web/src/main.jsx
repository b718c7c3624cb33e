import { createRoot } from 'react-dom/client'
import { connect } from 'stenogram'
import { SessionProvider } from 'stenogram/react'
import { Page } from './page.jsx'

// Which gateway, session and person: `?gateway=http://127.0.0.1:8600&session=trip-7&me=maya`
const { gateway = 'http://127.0.0.1:8600', session = 'trip-7', me = 'maya' } = Object.fromEntries(new URLSearchParams(location.search))
const client = connect(gateway, { participant: me, keep: `${me}@${session}` })

createRoot(document.getElementById('root')).render(
  <SessionProvider client={client} session={session}>
    <Page />
  </SessionProvider>,
)
