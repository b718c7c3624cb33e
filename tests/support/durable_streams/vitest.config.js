import { defineConfig } from "vitest/config"

// At once, since a third of the tests do little but wait for streams to expire; again, where a machine that is busy has
// let one of these wait for longer.
export default defineConfig({
  test: { sequence: { concurrent: true }, maxConcurrency: 8, testTimeout: 30_000, retry: 2 },
})
