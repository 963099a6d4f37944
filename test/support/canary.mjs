// Watches a process for secrets that leave it. Loaded into every test worker and every process that a test starts:
// whatever key material comes into being is remembered, and everything that is written, printed, thrown or passed as an
// argument is searched for it, in hex, base64, base64url and raw. What is found goes to KEYTURN_CANARY_LOG.
import childProcess from 'node:child_process'
import crypto from 'node:crypto'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { format } from 'node:util'

const LOG = process.env.KEYTURN_CANARY_LOG
const MOST_SECRETS = 2_000
const LEAST_BYTES = 16
// Files whose purpose is to hold a key, by what they say of themselves.
const KEY_FILES = /"format": ?"keyturn-(master|role)-key\/1"/
const WATCHING = Symbol.for('keyturn.canary')
const { appendFileSync } = fs
const needles = new Map()
/**
 * The forms of secrets by every run of so many characters in the first two of them: where a form is in a text, one of its runs is
 * at a multiple of that length, so that a text is searched for thousands of forms in one pass.
 */
const RUN = 8
const runs = new Map()

function remember(bytes) {
  if (bytes.length < LEAST_BYTES || bytes.every((byte) => byte === bytes[0])) return
  const hex = bytes.toString('hex')
  if (needles.has(hex)) return
  const forms = new Set([
    hex,
    bytes.toString('base64url'),
    bytes.toString('base64').replace(/=+$/, ''),
    bytes.toString('latin1'),
  ])
  needles.set(hex, forms)
  eachRun(forms, (run, form) => runs.set(run, [...(runs.get(run) ?? []), form]))
  if (needles.size > MOST_SECRETS) forgetOldest()
}

function forgetOldest() {
  const [hex, forms] = needles.entries().next().value
  needles.delete(hex)
  eachRun(forms, (run, form) => {
    const others = (runs.get(run) ?? []).filter((other) => other !== form)
    if (others.length > 0) runs.set(run, others)
    else runs.delete(run)
  })
}

function eachRun(forms, visit) {
  for (const form of forms) {
    for (let at = 0; at < RUN; at++) visit(form.slice(at, at + RUN), form)
  }
}

function rememberKey(key) {
  if (key.type === 'secret') return remember(key.export())
  if (key.type !== 'private') return undefined
  try {
    const { d, p, q, priv } = key.export({ format: 'jwk' })
    for (const member of [d, p, q, priv]) if (member) remember(Buffer.from(member, 'base64url'))
  } catch {
    // A key type without a JWK form is none of ours.
  }
  return undefined
}

export function search(what, chunk) {
  const isBytes = chunk instanceof Uint8Array
  if (!isBytes && typeof chunk !== 'string') return
  const text = isBytes
    ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1')
    : chunk
  if (text.length < LEAST_BYTES || KEY_FILES.test(text)) return
  for (let at = 0; at + RUN <= text.length; at += RUN) {
    if (!runs.get(text.slice(at, at + RUN))?.some((form) => text.includes(form))) continue
    const { stack = '' } = new NativeError('leak')
    appendFileSync(
      LOG,
      `a secret left the process by ${what}\n${stack.split('\n').slice(3, 12).join('\n')}\n`,
    )
    return
  }
}

const NativeError = Error

function wrap(object, name, before, after = (result) => result) {
  const call = object[name]
  if (typeof call !== 'function') return
  object[name] = function watched(...args) {
    before(...args)
    return after(call.apply(this, args))
  }
  Object.defineProperty(object[name], 'name', { value: name })
  for (const symbol of Object.getOwnPropertySymbols(call)) object[name][symbol] = call[symbol]
}

function watchKeys() {
  const nothing = () => undefined
  const seen = (result) => {
    rememberKey(result)
    return result
  }
  wrap(crypto, 'createSecretKey', nothing, seen)
  wrap(crypto, 'createPrivateKey', nothing, seen)
  const { generateKeyPair } = crypto
  crypto.generateKeyPair = function watched(...args) {
    const callback = args.pop()
    generateKeyPair(...args, (error, publicKey, privateKey) => {
      if (privateKey?.type) rememberKey(privateKey)
      callback(error, publicKey, privateKey)
    })
  }
  // Tells promisify to resolve to both keys.
  for (const symbol of Object.getOwnPropertySymbols(generateKeyPair)) {
    crypto.generateKeyPair[symbol] = generateKeyPair[symbol]
  }
}

function watchConsole(one) {
  if (one[WATCHING]) return
  for (const name of ['log', 'info', 'warn', 'error', 'debug', 'trace', 'dir', 'table']) {
    wrap(one, name, (...args) => search('the console', format(...args)))
  }
  Object.defineProperty(one, WATCHING, { value: true })
}

function watchExits() {
  wrap(fs, 'writeFileSync', (_, data) => search('a file (writeFileSync)', data))
  wrap(fs, 'appendFileSync', (_, data) => search('a file (appendFileSync)', data))
  wrap(fs, 'writeSync', (_, data) => search('a file (writeSync)', data))
  wrap(fs.promises, 'writeFile', (_, data) => search('a file (promises.writeFile)', data))
  wrap(process.stdout, 'write', (data) => search('stdout', data))
  wrap(process.stderr, 'write', (data) => search('stderr', data))
  watchConsole(globalThis.console)
  // A test runner puts a console of its own in place of Node's.
  let current = globalThis.console
  Object.defineProperty(globalThis, 'console', {
    configurable: true,
    get: () => current,
    set: (other) => {
      current = other
      watchConsole(current)
    },
  })
  for (const name of ['spawn', 'spawnSync', 'execFile', 'execFileSync', 'fork']) {
    wrap(childProcess, name, (_, args) =>
      search('process arguments', Array.isArray(args) ? args.join(' ') : ''),
    )
  }
  globalThis.Error = new Proxy(NativeError, {
    construct(target, args, newTarget) {
      search('an error message', args[0])
      return Reflect.construct(target, args, newTarget)
    },
  })
}

async function watchFileHandles() {
  const handle = await fs.promises.open(new URL(import.meta.url))
  const prototype = Object.getPrototypeOf(handle)
  wrap(prototype, 'writeFile', (data) => search('a file (FileHandle.writeFile)', data))
  wrap(prototype, 'write', (data) => search('a file (FileHandle.write)', data))
  await handle.close()
}

if (LOG && !process[WATCHING]) {
  process[WATCHING] = true
  search('own process arguments', process.argv.join(' '))
  watchKeys()
  watchExits()
  await watchFileHandles()
  syncBuiltinESMExports()
}
