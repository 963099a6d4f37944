import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { AUDIENCE, type Client, ISSUER, type Target } from './client.ts'

const PYTHON = fileURLToPath(new URL('../../.build/interop/python', import.meta.url))
const SCRIPT = fileURLToPath(new URL('verify.py', import.meta.url))
const INSTALL = 'run .ci/install-interop first'

/** PyJWT and joserfc, in one process for as long as the test runs: their caches are what matters. */
export class PythonClients {
  readonly #process: ChildProcess
  readonly #lines: Interface
  readonly #waiting: ((line: string) => void)[] = []

  constructor() {
    if (!existsSync(PYTHON)) throw new Error(`PyJWT and joserfc are not installed: ${INSTALL}`)
    const child = spawn(PYTHON, [SCRIPT], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#process = child
    this.#lines = createInterface(child.stdout).on('line', (line) => this.#waiting.shift()?.(line))
  }

  client(name: 'PyJWT' | 'joserfc', { url, alg, movedOn }: Target): Client {
    return {
      name,
      verify: async (token) => {
        const request = {
          client: name,
          url,
          alg,
          token,
          audience: AUDIENCE,
          issuer: ISSUER,
          movedOn: movedOn(),
        }
        const answer = new Promise<string>((resolve) => this.#waiting.push(resolve))
        this.#process.stdin?.write(`${JSON.stringify(request)}\n`)
        const { sub, error } = JSON.parse(await answer)
        if (error) throw new Error(error)
        return sub
      },
    }
  }

  close(): void {
    this.#lines.close()
    this.#process.stdin?.end()
    this.#process.kill()
  }
}

/** The command `jose` of latchset. It verifies signatures and knows nothing of claims; the document comes by fetch. */
export function latchsetClient({ url }: Target): Client {
  if (spawnSync('jose', ['alg']).error) throw new Error(`the command jose is not installed: ${INSTALL}`)
  return {
    name: 'latchset jose',
    verify: async (token) => {
      const folder = mkdtempSync(join(tmpdir(), 'keyturn-interop-'))
      try {
        const path = join(folder, 'jwks.json')
        writeFileSync(path, await (await fetch(url)).text())
        const args = ['jws', 'ver', '-i', '-', '-k', path, '-O', '-']
        const { status, stdout, stderr } = spawnSync('jose', args, { input: token, encoding: 'utf8' })
        if (status !== 0) throw new Error(stderr)
        return JSON.parse(stdout).sub
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    },
  }
}
