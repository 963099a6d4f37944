// Loads keyturn jwks serve and a bare node:http handler that returns the same bytes, in turns, and then stops the former under
// load. Each is a process of its own. Run: npm run bench:serve
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createKey, createPolicy, type KeyRef, rotateKey } from 'keyturn'
import { createLocalEnvironment, openLocalBackend } from 'keyturn/local'
import { type Load, loadFor, loadUntilClosed, percentile } from './http-load.ts'

const KEY: KeyRef = { environment: 'bench', purpose: 'sign', name: 'tokens' }
const PATH = '/keys/tokens/jwks.json'
const ROUNDS = 41
const TURN_MS = 150
const WARM_UP_MS = 1_000
const CONNECTIONS = 32
const CLI = fileURLToPath(import.meta.resolve('../../dist/cli/main.js'))

interface Contender {
  readonly name: string
  readonly process: ChildProcess
  readonly port: number
}

/** A key with one version that is active, and one that is announced. */
async function createStore(folder: string): Promise<readonly string[]> {
  const store = join(folder, 'store')
  const masterKeyFile = join(folder, 'master.key')
  const now = (): number => Math.floor(Date.now() / 1000)
  const protection = { kind: 'key-file', path: masterKeyFile } as const
  const attribution = { actor: 'bench' }
  await createLocalEnvironment({ store, environment: KEY.environment, protection, attribution, now: now() })
  const backend = await openLocalBackend({ kind: 'local', store, masterKeyFile }, KEY.environment)
  await createKey(backend, KEY, { ...attribution, now, policy: createPolicy('sign') })
  await rotateKey(backend, KEY, { ...attribution, now, force: true })
  await backend.close()
  return ['-e', KEY.environment, '--store', store, '--master-key-file', masterKeyFile]
}

/** `keyturn jwks serve` as it is shipped. Its log goes nowhere. */
async function startKeyturn(name: string, folder: string, words: readonly string[]): Promise<Contender> {
  const env = { ...process.env, HOME: folder, XDG_STATE_HOME: folder }
  const args = [CLI, 'jwks', 'serve', '--listen', '127.0.0.1:0', ...words]
  const child = spawn(process.execPath, args, { cwd: folder, env, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  for await (const chunk of child.stderr) {
    said += chunk
    const [, port] = /127\.0\.0\.1:(\d+)/.exec(said) ?? []
    if (port !== undefined) return { name, process: child, port: Number(port) }
  }
  throw new Error(said)
}

async function startBare(answering: Contender): Promise<Contender> {
  const response = await fetch(`http://127.0.0.1:${answering.port}${PATH}`)
  const generated = ['date', 'connection', 'keep-alive']
  const headers = [...response.headers].filter(([name]) => !generated.includes(name)).flat()
  const child = fork(fileURLToPath(import.meta.resolve('./bare-server.js')))
  child.send({ body: await response.text(), headers })
  const [port] = await once(child, 'message')
  return { name: 'node:http', process: child, port }
}

/** Of the process so far, in milliseconds: other work on the machine does not count, as it does in the time on the wall. */
function processorTimeOf({ process: { pid } }: Contender): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  // utime and stime, in ticks of 10 ms (proc(5)).
  return (Number(fields[11]) + Number(fields[12])) * 10
}

function memoryOf({ process: { pid } }: Contender): number {
  const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kilobytes) / 1024
}

function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}

/** All contenders take turns in each round, in an order that moves on, so that the machine's other work meets all alike. */
async function compete(contenders: readonly [Contender, ...Contender[]]): Promise<number> {
  const loads = new Map<Contender, Load[]>(contenders.map((one) => [one, []]))
  for (const { port } of contenders) await loadFor(port, PATH, CONNECTIONS, WARM_UP_MS)
  const before = contenders.map((one) => ({ memory: memoryOf(one), processorTime: processorTimeOf(one) }))
  for (let round = 0; round < ROUNDS; round++) {
    const first = round % contenders.length
    for (const one of [...contenders.slice(first), ...contenders.slice(0, first)]) {
      loads.get(one)?.push(await loadFor(one.port, PATH, CONNECTIONS, TURN_MS))
    }
  }
  const rateOf = ({ requests, seconds }: Load): number => requests / seconds
  const baseline = loads.get(contenders[0]) ?? []
  let errors = 0
  console.log(`${'server'.padEnd(22)}    per s  ratio  CPU us  p50 ms  p99 ms  errors  MiB before, after`)
  for (const [index, one] of contenders.entries()) {
    const own = loads.get(one) ?? []
    const failed = own.reduce((sum, load) => sum + load.errors, 0)
    const answered = own.reduce((sum, load) => sum + load.requests, 0)
    const { memory, processorTime } = before[index] as (typeof before)[number]
    const perRequest = ((processorTimeOf(one) - processorTime) * 1_000) / answered
    errors += failed
    const rates = own.map(rateOf)
    const ratios = rates.map((rate, round) => rate / rateOf(baseline[round] as Load))
    const quantile = (share: number): string => {
      return median(own.map(({ latencies }) => percentile(latencies, share)))
        .toFixed(2)
        .padStart(8)
    }
    console.log(
      one.name.padEnd(22) +
        Math.round(median(rates)).toLocaleString('en-US').padStart(9) +
        median(ratios).toFixed(2).padStart(7) +
        perRequest.toFixed(1).padStart(8) +
        quantile(0.5) +
        quantile(0.99) +
        String(failed).padStart(8) +
        `  ${memory.toFixed(0)}, ${memoryOf(one).toFixed(0)}`,
    )
  }
  return errors
}

/** Stopped in the middle of a load. Resolves to the number of requests that got no answer. */
async function stopUnderLoad({ port, process: child }: Contender): Promise<number> {
  const exited = once(child, 'exit')
  const loading = loadUntilClosed(port, PATH, CONNECTIONS)
  setTimeout(() => child.kill('SIGTERM'), 1_000)
  const { requests, errors } = await loading
  const [code] = await exited
  console.log(
    `SIGTERM after 1 s of ${CONNECTIONS} connections: ${requests} requests, ${errors} dropped, exit ${code}`,
  )
  return errors + Number(code !== 0)
}

const folder = mkdtempSync(join(tmpdir(), 'keyturn-bench-'))
const started: Contender[] = []
try {
  const words = await createStore(folder)
  const keyturn = await startKeyturn('jwks serve, no log', folder, [...words, '--access-log', 'off'])
  started.push(keyturn)
  const logging = await startKeyturn('jwks serve', folder, words)
  started.push(logging)
  const bare = await startBare(keyturn)
  started.push(bare)
  console.log(
    `Node.js ${process.version}, ${ROUNDS} rounds of ${TURN_MS / 1000} s, ${CONNECTIONS} connections`,
  )
  const errors = (await compete([bare, keyturn, logging])) + (await stopUnderLoad(logging))
  if (errors > 0) process.exitCode = 1
} finally {
  for (const { process: child } of started) child.kill()
  rmSync(folder, { recursive: true, force: true })
}
