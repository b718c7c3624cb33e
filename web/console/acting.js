/** What one can do: say, answer, stop, steer. Each has a visible life, on the thing that it is about. */

import { go, sessionPath } from './place.js'
import { Act, Status, ago, html, useFocus, useNow, useState, useStore } from './ui.js'

export function Acting({ session, shown, rights, selected }) {
  return html`<${Questions} session=${session} shown=${shown} rights=${rights} />
    ${rights('speak') && html`<${Say} session=${session} />`}
    ${selected && rights('signal') && html`<${Selected} session=${session} target=${targetOf(selected)} />`}`
}

/** What a signal at the selected thing is aimed at; of a tool's call nothing can be. */
function targetOf(selected) {
  return /^(agent|task|message):/.test(selected) ? selected : null
}

function Say({ session }) {
  const [error, setError] = useState(null)
  const say = async (event) => {
    event.preventDefault()
    const field = event.target.elements.text
    const text = field.value.trim()
    if (!text) return
    field.value = ''
    setError(null)
    try {
      await session.post(text)
    } catch (failure) {
      field.value ||= text // nothing is lost
      setError(failure)
    }
  }
  return html`<form class="say" onSubmit=${say}>
    <input name="text" aria-label="say" placeholder="Say something" autocomplete="off" />
    <button class="primary">Say</button>
    ${error && html`<span class="error" role="alert">${error.message}</span>`}
  </form>`
}

function Questions({ session, shown, rights }) {
  const approvals = useStore(shown.approvals)
  const now = useNow()
  return approvals.map((each) => html`<div class="question" key=${each.id} data-answer>
    <p><${Status} status="waiting-for-human">${each.requester} asks:<//> ${each.question}
      ${each.due && html` <span class="number quiet">${Math.max(0, Math.round((Date.parse(each.due) - now) / 1000))} s left${each.default ? `, then “${each.default}”` : ''}</span>`}</p>
    ${rights('answer') && html`<${Answer} session=${session} approval=${each} />`}
  </div>`)
}

function Answer({ session, approval }) {
  const [comment, setComment] = useState('')
  const [value, setValue] = useState('')
  const [words, setWords] = useState('')
  const said = () => comment.trim() || undefined
  const answer = (how) => session.do('approval.answer', { approval: approval.id, comment: said(), ...how })
  if (approval.questions?.length) return html`<${Several} approval=${approval} answer=${answer} />`
  return html`<div class="row wrap">
    ${approval.options.map((option) => html`<${Act} label=${option} act=${() => session.answer(approval.id, option, said())} />`)}
    ${approval.answer_schema && html`<input aria-label="your answer" placeholder=${approval.answer_schema.type === 'string' ? 'your answer' : 'JSON'} value=${value} onInput=${(event) => setValue(event.target.value)} />
      <${Act} label="answer" act=${async () => session.answer(approval.id, valueOf(value, approval.answer_schema), said())} />`}
    ${approval.own_words && html`<input aria-label="in your words" placeholder="in your words" value=${words} onInput=${(event) => setWords(event.target.value)} />
      <${Act} label="say so" act=${async () => answer({ words })} />`}
    <input aria-label="comment" placeholder="comment" value=${comment} onInput=${(event) => setComment(event.target.value)} />
  </div>`
}

/** Several questions, answered at once: each by its options, in words, or by a value. */
function Several({ approval, answer }) {
  const [given, setGiven] = useState({})
  const change = (name, more) => setGiven({ ...given, [name]: { ...given[name], ...more } })
  const choose = (each, option, on) => {
    const before = each.several ? (given[each.name]?.options ?? []).filter((other) => other !== option) : []
    change(each.name, { options: on ? [...before, option] : before })
  }
  const answers = () => Object.fromEntries(approval.questions.map((each) => [each.name, answerTo(each, given[each.name] ?? {})]))
  return html`${approval.questions.map((each) => html`<fieldset key=${each.name}><legend>${each.question}</legend>
      ${each.options.map((option) => html`<label><input type=${each.several ? 'checkbox' : 'radio'} name=${`${approval.id}/${each.name}`} onChange=${(event) => choose(each, option, event.target.checked)} /> ${option}</label> `)}
      ${(each.own_words || each.answer_schema) && html`<input aria-label=${each.question} placeholder=${each.own_words ? 'in your words' : 'JSON'} onInput=${(event) => change(each.name, { text: event.target.value })} />`}
    </fieldset>`)}
    <${Act} label="answer" act=${async () => answer({ answers: answers() })} />`
}

function answerTo(question, { options, text }) {
  const said = text?.trim()
  if (!said) return { options: options ?? [] }
  return { options: options ?? [], ...(question.own_words ? { words: said } : { value: valueOf(said, question.answer_schema) }) }
}

function valueOf(text, schema) {
  return schema.type === 'string' ? text : JSON.parse(text)
}

/** Signals at one thing, as buttons: also used beside agents and tasks. */
export function Signals({ session, target, compact }) {
  const [steering, setSteering] = useState(false)
  return html`<span class="row wrap">
    <${Act} label="stop" title="stop (.)" danger act=${() => session.stop(target)} data-key=${compact ? null : 'stop'} />
    ${!compact && html`<${Act} label="pause" act=${() => session.pause(target)} /><${Act} label="resume" act=${() => session.resume(target)} />`}
    <button type="button" title="steer (s)" aria-expanded=${steering} data-key=${compact ? null : 'steer'} onClick=${() => setSteering(!steering)}>steer</button>
    ${steering && html`<${Steer} session=${session} target=${target} done=${() => setSteering(false)} />`}
  </span>`
}

function Steer({ session, target, done }) {
  const field = useFocus()
  const [error, setError] = useState(null)
  const steer = async (event) => {
    event.preventDefault()
    try {
      await session.steer(target, field.current.value)
      done()
    } catch (failure) {
      setError(failure)
    }
  }
  return html`<form onSubmit=${steer}><input ref=${field} aria-label="instruction" placeholder="how to go on" required /><button>Send</button>
    ${error && html`<span class="error" role="alert">${error.message}</span>`}</form>`
}

function Selected({ session, target }) {
  if (!target) return null
  return html`<div class="selection row wrap"><code>${target}</code> <${Signals} session=${session} target=${target} /></div>`
}

/** The life of the signals at a thing. */
export function Lives({ signals, target }) {
  const now = useNow(5000)
  const mine = signals.filter((each) => each.target === target)
  return mine.map((each) => html`<div class="life" key=${each.id}><${Status} status=${each.status}>${each.kind} ${each.status}<//>
    <span class="quiet"> by ${each.raiser ?? each.by}${each.due ? `, ${ago(each.due, now)} of grace` : ''}${each.reason ? `: ${each.reason}` : ''}</span></div>`)
}

/** What concerns the session as a whole. */
export function Menu({ session, rights, mayFork, version, head, selected, closed }) {
  const fork = async () => {
    const made = await session.fork({ version: version ?? head })
    go(sessionPath(made.id))
  }
  return html`<span class="row">
    ${rights('signal') && !closed && !selected && html`<${Signals} session=${session} target="session" />`}
    ${mayFork && html`<${Act} label="fork" title="fork here (f)" act=${fork} data-key="fork" />`}
    ${rights('session') && (closed ? html`<${Act} label="reopen" act=${() => session.reopen()} />` : html`<${Act} label="close" danger act=${() => session.close()} />`)}
    ${head > 0 && html`<${Act} label="download" title="the events, as JSON lines" act=${() => download(session, version)} />`}
  </span>`
}

/** The events up to a moment, as they are in the log. */
async function download(session, version) {
  const lines = []
  for (let after = 0; ; ) {
    const page = await session.client.read(`${session.path}/events`, { after, limit: 1000 })
    lines.push(...page.events.filter((each) => version === null || each.version <= version).map((each) => JSON.stringify(each)))
    after = page.to
    if (page.caught_up || (version !== null && after >= version)) break
  }
  const url = URL.createObjectURL(new Blob([`${lines.join('\n')}\n`], { type: 'application/x-ndjson' }))
  const link = Object.assign(document.createElement('a'), { href: url, download: `${session.id}.jsonl` })
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}
