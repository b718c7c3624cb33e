import { useActions, useAgents, useApprovals, useConnection, useMessages, usePresence, useShared } from 'stenogram/react'

export function Page() {
  const { post, stop, answer } = useActions()
  const [hotel, setHotel, { pending, conflict }] = useShared('/hotel')
  usePresence({ name: 'Maya' })
  const say = (form) => post(form.get('text'))
  return (
    <main aria-label="session" data-connection={useConnection()}>
      <ol>{useMessages().map((each) => <li key={each.entry} data-status={each.status}><b>{each.author}</b> {each.text || each.question || each.tool}</li>)}</ol>
      <form action={say}><input name="text" aria-label="say" required /><button>Say</button></form>
      <ul>{useAgents().map((each) => <li key={each.id}>{each.name ?? each.id}: {each.activity ?? each.status} <button onClick={() => stop(`agent:${each.id}`)}>Stop</button></li>)}</ul>
      <label>Hotel <input value={hotel ?? ''} onChange={(event) => setHotel(event.target.value).catch(() => {})} aria-busy={pending} /></label>
      {conflict && <p role="alert">Meanwhile it became {JSON.stringify(conflict.theirs)}.</p>}
      {useApprovals().map((each) => (
        <fieldset key={each.id}><legend>{each.question}</legend>{each.options.map((option) => <button key={option} onClick={() => answer(each.id, option)}>{option}</button>)}</fieldset>
      ))}
    </main>
  )
}
