import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'

/** One page of a real browser. */
export interface Page {
  /** What the page said on its console, and what it failed to load. */
  readonly complaints: readonly string[]
  open(url: string): Promise<void>
  setScheme(scheme: 'light' | 'dark'): Promise<void>
  setWidth(pixels: number): Promise<void>
  evaluate(expression: string): Promise<unknown>
  /** PNG of the whole page. */
  screenshot(): Promise<Buffer>
  /** Names by role, as a screen reader is told. */
  accessibleNames(role: string): Promise<readonly string[]>
  close(): Promise<void>
}

type Reply = Readonly<Record<string, unknown>>

/** Starts Debian's Chromium without a window. It speaks the DevTools protocol over two pipes, and opens no port. */
export async function openPage(executable: string): Promise<Page> {
  const profile = mkdtempSync(join(tmpdir(), 'keyturn-browser-'))
  const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--no-first-run']
  const browser = spawn(executable, [...flags, `--user-data-dir=${profile}`, '--remote-debugging-pipe'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
  })
  const channel = createChannel(browser)
  const { targetId } = await channel.call('Target.createTarget', { url: 'about:blank' })
  const { sessionId } = await channel.call('Target.attachToTarget', { targetId, flatten: true })
  const call = (method: string, params: object = {}): Promise<Reply> =>
    channel.call(method, params, sessionId)
  const complaints: string[] = []
  channel.on('Runtime.exceptionThrown', (event) => complaints.push(JSON.stringify(event)))
  channel.on('Log.entryAdded', (event) => complaints.push(JSON.stringify(event)))
  channel.on('Network.requestWillBeSent', ({ request }) => {
    const { url } = request as { readonly url: string }
    if (!url.startsWith('file:') && !url.startsWith('data:')) complaints.push(`it loads ${url}`)
  })
  for (const domain of ['Page', 'Runtime', 'Log', 'Network', 'Accessibility', 'DOM'])
    await call(`${domain}.enable`)
  return {
    complaints,
    open: async (url) => {
      const loaded = new Promise<void>((resolve) => channel.on('Page.loadEventFired', () => resolve()))
      await call('Page.navigate', { url })
      await loaded
    },
    setScheme: async (value) => {
      await call('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value }] })
    },
    setWidth: async (width) => {
      const metrics = { width, height: 900, deviceScaleFactor: 1, mobile: false }
      await call('Emulation.setDeviceMetricsOverride', metrics)
    },
    evaluate: async (expression) => {
      const { result } = await call('Runtime.evaluate', { expression, returnByValue: true })
      return (result as { readonly value?: unknown }).value
    },
    screenshot: async () => {
      const { data } = await call('Page.captureScreenshot', { captureBeyondViewport: true })
      return Buffer.from(String(data), 'base64')
    },
    accessibleNames: async (role) => {
      const { root } = await call('DOM.getDocument')
      const { nodeId } = root as { readonly nodeId: number }
      const { nodes } = await call('Accessibility.queryAXTree', { nodeId, role })
      return (nodes as readonly { readonly name?: { readonly value: string } }[]).map(
        ({ name }) => name?.value ?? '',
      )
    },
    close: async () => {
      const gone = new Promise((resolve) => browser.once('exit', resolve))
      browser.kill('SIGKILL')
      await gone
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

interface Channel {
  call(method: string, params: object, sessionId?: unknown): Promise<Reply>
  on(method: string, listener: (params: Reply) => void): void
}

/** Messages are JSON, each ended by a zero byte. */
function createChannel(browser: ChildProcess): Channel {
  const [, , , input, output] = browser.stdio as [unknown, unknown, unknown, Writable, Readable]
  const waiting = new Map<number, { resolve: (reply: Reply) => void; reject: (error: Error) => void }>()
  const listeners: (readonly [string, (params: Reply) => void])[] = []
  let rest = ''
  let last = 0
  output.setEncoding('utf8').on('data', (chunk: string) => {
    const messages = (rest + chunk).split('\0')
    rest = messages.pop() ?? ''
    for (const message of messages) receive(JSON.parse(message))
  })
  const fail = (why: string): void => {
    for (const { reject } of waiting.values()) reject(new Error(why))
    waiting.clear()
  }
  browser.once('error', (error) => fail(`the browser does not start: ${error.message}`))
  browser.once('exit', () => fail('the browser has ended'))
  input.on('error', () => undefined)
  function receive({ id, method, params, result, error }: Reply): void {
    if (typeof id !== 'number') {
      for (const [wanted, listener] of listeners) if (wanted === method) listener(params as Reply)
      return
    }
    const one = waiting.get(id)
    waiting.delete(id)
    if (error) one?.reject(new Error(JSON.stringify(error)))
    else one?.resolve(result as Reply)
  }
  return {
    call: (method, params, sessionId) =>
      new Promise((resolve, reject) => {
        last += 1
        waiting.set(last, { resolve, reject })
        const addressed = sessionId === undefined ? {} : { sessionId }
        input.write(`${JSON.stringify({ id: last, method, params, ...addressed })}\0`)
      }),
    on: (method, listener) => listeners.push([method, listener]),
  }
}
