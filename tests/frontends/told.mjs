// What a page is told from outside: a line, to go on; the end, to say what it has and to end.
import { createInterface } from "node:readline"

let lines = null
const next = () => (lines ??= createInterface({ input: process.stdin })[Symbol.asyncIterator]()).next()

export const told = next
export const ended = async () => {
  while (!(await next()).done);
}
