import { EventEmitter } from 'node:events'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Terminal } from '../../cli/io.ts'
import { createTerminal, type Keyboard } from '../../cli/terminal.ts'
import { createProduction, createWorld, type World } from './support.ts'
import '../support/cheap-scrypt.ts'

class FakeKeyboard extends EventEmitter {
  isRaw = false
  wasRaw = false
  setRawMode(raw: boolean): void {
    this.isRaw = raw
    this.wasRaw ||= raw
  }
  pause(): this {
    return this
  }
  resume(): this {
    return this
  }
  type(text: string | Buffer): void {
    this.emit('data', Buffer.from(text))
  }
}

function atTerminal(): { terminal: Terminal; keyboard: FakeKeyboard; shown: () => string } {
  const keyboard = new FakeKeyboard()
  let shown = ''
  const terminal = createTerminal(keyboard as unknown as Keyboard, async (text) => {
    shown += text
  })
  return { terminal, keyboard, shown: () => shown }
}

/** The question is shown before the keyboard is read. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('a secret that is typed', () => {
  it('is never shown, and the terminal is itself again afterwards', async () => {
    const { terminal, keyboard, shown } = atTerminal()
    const answer = terminal.askSecret('Passphrase: ')
    await turn()
    expect(keyboard.isRaw).toBe(true)
    keyboard.type('hunter2 ')
    keyboard.type('and more\r')
    expect(await answer).toBe('hunter2 and more')
    expect(shown()).toBe('Passphrase: \n')
    expect(keyboard.isRaw).toBe(false)
    expect(keyboard.listenerCount('data')).toBe(0)
  })

  it.each([
    ['a character taken back', 'abd\u007fc\r', 'abc'],
    ['everything taken back', 'oops\u0015abc\r', 'abc'],
    ['a character of four bytes taken back', 'a🙂\u007fb\n', 'ab'],
  ])('may have %s', async (_, typed, secret) => {
    const { terminal, keyboard } = atTerminal()
    const answer = terminal.askSecret('? ')
    await turn()
    keyboard.type(typed)
    expect(await answer).toBe(secret)
  })

  it('may arrive in the middle of a character', async () => {
    const { terminal, keyboard } = atTerminal()
    const answer = terminal.askSecret('? ')
    await turn()
    const bytes = Buffer.from('grün\r')
    keyboard.type(bytes.subarray(0, 3))
    keyboard.type(bytes.subarray(3))
    expect(await answer).toBe('grün')
  })

  it('may be pasted together with its repetition', async () => {
    const { terminal, keyboard } = atTerminal()
    const first = terminal.askSecret('New: ')
    await turn()
    keyboard.type('a secret\ra secret\r')
    expect(await first).toBe('a secret')
    expect(await terminal.askSecret('Again: ')).toBe('a secret')
  })

  it.each([
    ['Ctrl-C', '\u0003'],
    ['Ctrl-D', '\u0004'],
  ])('is given up by %s', async (_, key) => {
    const { terminal, keyboard } = atTerminal()
    const answer = terminal.askSecret('? ')
    await turn()
    keyboard.type(key)
    await expect(answer).rejects.toMatchObject({ code: 'interrupted' })
    expect(keyboard.isRaw).toBe(false)
  })

  it('is given up when the terminal goes away', async () => {
    const { terminal, keyboard } = atTerminal()
    const answer = terminal.askSecret('? ')
    await turn()
    keyboard.emit('end')
    await expect(answer).rejects.toMatchObject({ code: 'interrupted' })
  })
})

describe('a question that is no secret', () => {
  it('leaves the terminal as it is', async () => {
    const { terminal, keyboard } = atTerminal()
    const answer = terminal.ask('Name: ')
    await turn()
    keyboard.type('tokens\n')
    expect(await answer).toBe('tokens')
    expect(keyboard.wasRaw).toBe(false)
  })
})

describe('a command that asks', () => {
  let world: World

  beforeEach(() => {
    world = createWorld()
  })

  afterEach(() => world.close())

  it('asks for a new passphrase twice', async () => {
    const init = 'init -e production --store keys --passphrase-file -'
    const words = 'several random words'
    const wrong = await world.keyturn(init, { isTTY: true, answers: [words, 'other random words'] })
    expect(wrong.code).toBe(2)
    expect(wrong.stderr).toContain('the two passphrases are not the same')
    const short = await world.keyturn(init, { isTTY: true, answers: ['short'] })
    expect(short.code).toBe(2)
    expect(short.stderr).not.toContain('The same again')
    const { stderr } = await world.done(init, { isTTY: true, answers: [words, words] })
    expect(stderr).toContain('New passphrase of production: The same again: ')
    const use = await world.done('key create sign/tokens -e production', { isTTY: true, answers: [words] })
    expect(use.stderr).toContain('Passphrase of production: ')
  })

  it('asks for the name before an unannounced version signs', async () => {
    await createProduction(world)
    await world.done('key create sign/tokens -e production')
    const emergency = 'rotate tokens -e production --emergency'
    const wrong = await world.keyturn(emergency, { isTTY: true, answers: ['yes'] })
    expect(wrong.code).toBe(2)
    expect(wrong.stderr).toContain('rejects its tokens')
    expect((await world.done('key show tokens -e production --output json')).json().latestVersion).toBe(1)
    await world.done(emergency, { isTTY: true, answers: ['tokens'] })
    expect((await world.done('key show tokens -e production --output json')).json().activeVersion).toBe(2)
  })

  it('does not ask where an announced version can take over', async () => {
    await createProduction(world)
    await world.done('key create sign/tokens -e production')
    await world.done('rotate tokens -e production')
    world.now += 2 * 3_600
    const { stdout } = await world.done('rotate tokens -e production --emergency --output json')
    expect(JSON.parse(stdout)).toMatchObject({ changed: true, advanced: { number: 2, state: 'active' } })
    expect(JSON.parse(stdout)).not.toHaveProperty('rejectedUntil')
  })
})
