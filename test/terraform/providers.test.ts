import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readSchema, type StubProvider, startStubProvider } from './stub-provider.ts'
import { type Ran, TERRAFORM } from './terraform.ts'

const PROVIDERS = { 'hashicorp/aws': 'aws', 'hashicorp/google': 'google' } as const

const MODULES = ['aws', 'aws/jwks', 'aws/schedule', 'gcp', 'gcp/jwks', 'gcp/schedule']
const EXAMPLES = [
  'aws/examples/minimal',
  'aws/examples/accounts',
  'aws/examples/scheduled',
  'gcp/examples/minimal',
  'gcp/examples/scheduled',
]

const running: StubProvider[] = []
let reattach = ''

beforeAll(async () => {
  const entries: [string, object][] = []
  for (const [source, file] of Object.entries(PROVIDERS)) {
    const provider = await startStubProvider(readSchema(file))
    running.push(provider)
    entries.push([
      `registry.terraform.io/${source}`,
      {
        Protocol: 'grpc',
        ProtocolVersion: 5,
        Pid: process.pid,
        Test: true,
        Addr: { Network: 'tcp', String: provider.address },
      },
    ])
  }
  reattach = JSON.stringify(Object.fromEntries(entries))
})
afterAll(() => running.forEach((provider) => void provider.stop()))

/** Runs commands one after the other in a module, with providers that know arguments only. */
async function run(module: string, ...commands: readonly (readonly string[])[]): Promise<Ran> {
  const TF_DATA_DIR = mkdtempSync(join(tmpdir(), 'keyturn-terraform-'))
  const { TF_CLI_CONFIG_FILE: _, ...inherited } = process.env
  const env = { ...inherited, TF_DATA_DIR, CHECKPOINT_DISABLE: '1', TF_REATTACH_PROVIDERS: reattach }
  try {
    let last: Ran = { status: 0, stdout: '', stderr: '' }
    for (const command of commands) {
      last = await new Promise((done) => {
        const options = { cwd: resolve(TERRAFORM, module), env, timeout: 50_000, maxBuffer: 2 ** 26 }
        execFile('terraform', [...command, '-no-color'], options, (error, stdout, stderr) =>
          done({ status: error ? Number(error.code ?? 1) : 0, stdout, stderr }),
        )
      })
      if (last.status !== 0) return last
    }
    return last
  } finally {
    rmSync(TF_DATA_DIR, { recursive: true, force: true })
  }
}

describe('the modules that need a provider', () => {
  it.each(MODULES)(
    '%s is valid by the arguments that the provider documents, and passes its own tests',
    async (module) => {
      const { status, stdout, stderr } = await run(module, ['init', '-backend=false'], ['validate'], ['test'])
      expect(status, stdout + stderr).toBe(0)
      expect(Number(/(\d+) passed, 0 failed/.exec(stdout)?.[1])).toBeGreaterThan(0)
    },
  )

  it.each(EXAMPLES)('%s is valid', async (example) => {
    const { status, stdout, stderr } = await run(example, ['init', '-backend=false'], ['validate'])
    expect(status, stdout + stderr).toBe(0)
  })

  it('would be refused for an argument that the provider does not document', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'keyturn-terraform-'))
    try {
      writeFileSync(join(folder, 'main.tf'), 'resource "aws_kms_key" "a" {\n  key_spec = "RSA_2048"\n}\n')
      const { status, stderr } = await run(folder, ['init', '-backend=false'], ['validate'])
      expect(status).not.toBe(0)
      expect(stderr).toMatch(/An argument named "key_spec" is not expected here/)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
