import { readdirSync, readFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { parseDuration } from '../../src/index.ts'
import { createWorld, type World } from './support.ts'

// Each file in transcripts/ is a session in a folder of its own, from the beginning:
//
//   $ keyturn ...      a command
//   < text             a line of its stdin; $NAME is what `save NAME` kept
//   > text             a line of stdout
//   ! text             a line of stderr; the one that says where a change is made is left out
//   ? 9                its exit code, where that is not 0
//   save NAME          keeps the stdout of the last command for later lines
//   wait 24h           lets time pass
//
// In an expected line, [..] stands for anything, and $DIR for the folder. A command without > or ! lines says nothing there.

const FOLDER = new URL('./transcripts/', import.meta.url)
const ANYTHING = '[..]'

interface Step {
  readonly line: string
  readonly command: string
  readonly stdin: string[]
  readonly stdout: string[]
  readonly stderr: string[]
  code: number
}

let world: World

beforeEach(() => {
  world = createWorld()
})

afterEach(() => world.close())

it.each(readdirSync(FOLDER))('transcripts/%s', async (name) => {
  const lines = readFileSync(new URL(name, FOLDER), 'utf8').split('\n')
  const kept = new Map<string, string>()
  let step: Step | undefined
  let last = ''
  let steps = 0
  const finish = async (): Promise<void> => {
    if (!step) return
    last = await play(step, kept, name)
    steps++
    step = undefined
  }
  for (const [index, line] of lines.entries()) {
    const [, mark = '', rest = ''] = /^(\$|<|>|!|\?|save|wait)(?: (.*))?$/.exec(line) ?? []
    if (mark === '' && line !== '' && !line.startsWith('#')) throw new Error(`${name}:${index + 1}: ${line}`)
    if (mark === '$' || mark === 'save' || mark === 'wait') await finish()
    if (mark === '$') {
      const command = rest.replace(/^keyturn /, '')
      step = { line: `${name}:${index + 1}`, command, stdin: [], stdout: [], stderr: [], code: 0 }
    } else if (mark === 'save') kept.set(rest, last.trimEnd())
    else if (mark === 'wait') world.now += parseDuration(rest)
    else if (mark === '<') step?.stdin.push(rest)
    else if (mark === '>') step?.stdout.push(rest)
    else if (mark === '!') step?.stderr.push(rest)
    else if (mark === '?' && step) step.code = Number(rest)
  }
  await finish()
  expect(steps).toBeGreaterThan(3)
})

async function play(step: Step, kept: ReadonlyMap<string, string>, name: string): Promise<string> {
  const fill = (text: string): string =>
    [...kept].reduce((filled, [key, value]) => filled.replaceAll(`$${key}`, value), text)
  const outcome = await world.keyturn(fill(step.command), { stdin: step.stdin.map(fill).join('\n') })
  const where = `${step.line} ${name}`
  expect(outcome.code, `${where}: ${outcome.stderr}`).toBe(step.code)
  const said = outcome.stderr.split('\n').filter((line) => !line.startsWith('keyturn: working on '))
  compare(said, step.stderr.map(fill), `${where} stderr`)
  compare(outcome.stdout.split('\n'), step.stdout.map(fill), `${where} stdout`)
  return outcome.stdout
}

function compare(actual: readonly string[], expected: readonly string[], where: string): void {
  const shown = actual.map((line) => line.replaceAll(world.folder, '$DIR'))
  if (shown.at(-1) === '') shown.pop()
  const blurred = shown.map((line, index) => (matches(line, expected[index] ?? '') ? expected[index] : line))
  expect(blurred, where).toEqual(expected)
}

function matches(line: string, pattern: string): boolean {
  const parts = pattern.split(ANYTHING).map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`).test(line)
}
