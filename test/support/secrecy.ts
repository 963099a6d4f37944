import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Lets the canary watch the whole test run, every process of it, and fails the run if a secret left any of them. */
export default function watchForSecrets(): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'keyturn-canary-'))
  const log = join(folder, 'leaks.log')
  writeFileSync(log, '')
  const canary = pathToFileURL(join(import.meta.dirname, 'canary.mjs')).href
  process.env.KEYTURN_CANARY_LOG = log
  process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --import=${canary}`.trim()
  return () => {
    const leaks = readFileSync(log, 'utf8')
    rmSync(folder, { recursive: true, force: true })
    if (!leaks) return
    process.stderr.write(`\nkey material was seen outside:\n${leaks.slice(0, 8_000)}\n`)
    // A teardown that throws does not fail the run by itself.
    process.on('exit', () => {
      process.exitCode = 1
    })
  }
}
