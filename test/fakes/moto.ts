import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const PYTHON = fileURLToPath(new URL('../../.build/moto/python', import.meta.url))
const SERVER = fileURLToPath(new URL('./moto-server.py', import.meta.url))

/** A running moto. `endpoint`, `region` and `credentials` are what a KMSClient takes. */
export interface Moto {
  readonly endpoint: string
  readonly region: string
  readonly account: string
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
  stop(): Promise<void>
}

/** Starts moto with nothing in it. It ends with its standard input, and so with this process, however that ends. */
export async function startMoto(): Promise<Moto> {
  if (!existsSync(PYTHON)) throw new Error('moto is not installed: run .ci/install-moto')
  const child = spawn(PYTHON, [SERVER], { stdio: ['pipe', 'pipe', 'ignore'] })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const port = await readPort(child)
  return {
    endpoint: `http://127.0.0.1:${port}`,
    region: 'eu-west-1',
    // moto's account for keys that it did not give out itself.
    account: '123456789012',
    credentials: {
      accessKeyId: `AKIA${randomBytes(8).toString('hex').toUpperCase()}`,
      secretAccessKey: randomBytes(20).toString('hex'),
    },
    async stop() {
      child.stdin.end()
      await ended
    },
  }
}

function readPort(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    if (!child.stdout) throw new Error('moto has no standard output')
    createInterface({ input: child.stdout }).once('line', (line) => resolve(Number(line)))
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`moto ended with code ${code} before it was ready`)))
  })
}
